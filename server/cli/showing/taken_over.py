"""What became of a host's MCP servers that were to be taken over."""

from __future__ import annotations

from dataclasses import asdict

from core.sections import FILE
from core.untrusted import one_line
from server.cli.options import NONE, OK, note, print_json
from server.setup.hosts import HOSTS
from server.setup.tool_servers import take_over


def show_taken(host: str, *, project: bool, as_json: bool) -> int:
    """Take the servers of *host* over and print what became of each. Exit code 0, or 1 where none was taken."""
    told = take_over(HOSTS[host], project=project)
    taken = [one for one in told if one.name]
    if as_json:
        print_json({"servers": [asdict(one) for one in told]})
        return OK if taken else NONE
    for one in told:
        known_as = one_line(one.known_as, 80)
        keys = f", with {one.secrets} variables or headers, which may be keys" if one.secrets else ""
        print(f"{known_as}: taken over as {one.name}{keys}" if one.name else f"{known_as}: left out, {one.why_not}")
    if not told:
        note(f"{HOSTS[host].title} knows no MCP server.")
    if taken:
        note(f"they are in {FILE} now, and started when an agent needs them. To see what they lend: moot tools")
    return OK if taken else NONE
