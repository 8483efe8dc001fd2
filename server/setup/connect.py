"""`moot connect`: adds Moot to the programs people work in. Shows what would change, asks, keeps a backup."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import click

from core.redact import redact, register_secret
from core.untrusted import clean
from server.entry import command_for_hosts
from server.setup.host_file import Change, HostFileError, apply, connecting, disconnecting, snippet
from server.setup.hosts import HOSTS, Host
from server.setup.programs import programs_on_path, version_of
from server.streams import is_terminal

_DONE, _NOT_DONE = 0, 1
_PASSING = ("archive-v", "builds-v", "pipx/.cache", "pipx\\.cache")
"""Parts of the paths in which uvx and pipx run keep what they may delete at any time."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    remove: bool = False
    project: bool = False
    only_print: bool = False
    yes: bool = False
    as_json: bool = False
    env: tuple[str, ...] = ()
    http: str | None = None
    """The address of a Moot that serves over HTTP, instead of one that the host starts itself."""
    token_from_env: str | None = None
    """The variable with the token that the host sends there."""


def connect(names: Sequence[str], wish: Wish) -> int:
    """Connect, or disconnect, the hosts called *names*, or offer those that are installed. 1: one was not done."""
    chosen = [HOSTS[name] for name in names] or [host for host in HOSTS.values() if host.installed()]
    if not chosen:
        click.echo(f"No host was found. Name the one you use: {', '.join(HOSTS)}.", err=True)
        return _NOT_DONE
    if not wish.only_print and not wish.remove:
        _tell_of_other_moots()
    entry = _reached_by(wish)
    results = [_one(host, wish, entry(host), named=bool(names)) for host in chosen]
    if wish.as_json:
        click.echo(json.dumps({"hosts": results}, indent=2))
    return _DONE if all(result["ok"] for result in results) else _NOT_DONE


def _reached_by(wish: Wish) -> Callable[[Host], dict[str, Any] | None]:
    """What a host's file says of Moot: how to start it, or where it serves.

    Raises:
        click.UsageError: The options do not go together, or a variable is not set.
    """
    if wish.http is None:
        if wish.token_from_env:
            raise click.UsageError("--token-from-env is for --http. Give the address too.")
        env = _values(wish)
        return lambda host: host.entry(command_for_hosts(), env)
    if wish.env:
        raise click.UsageError("--env is for a Moot that the host starts, and --http for one that runs. Use one.")
    address, headers = endpoint_of(wish.http), {}
    if wish.token_from_env:
        token = _values(Wish(env=(wish.token_from_env,), project=wish.project))[wish.token_from_env]
        headers = {"Authorization": f"Bearer {token}"}
    return lambda host: host.remote_entry(address, headers)


def endpoint_of(said: str) -> str:
    """The address of MCP that *said* means: without a path, its usual one.

    Raises:
        click.UsageError: It is no address.
    """
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username or parts.query or parts.fragment:
        raise click.UsageError(f"{said[:200]!r} is no address. Give one such as http://127.0.0.1:4747/mcp")
    return f"{said.rstrip('/')}/mcp" if parts.path in ("", "/") else said


def _one(host: Host, wish: Wish, entry: dict[str, Any] | None, *, named: bool) -> dict[str, Any]:
    """Do what is wished for one host, and say how it went."""
    path = host.path(project=wish.project)
    result: dict[str, Any] = {"host": host.name, "file": str(path) if path else None, "ok": True, "done": "nothing"}
    if path is None:
        return _failed(result, f"{host.title} keeps no servers in a project. Leave out --project.", wish)
    if wish.remove:
        entry = {}
    elif entry is None:
        told = "Add it there as a connector (moot serve --http --oauth), or let it start Moot itself: leave out --http."
        return _failed(result, f"The file of {host.title} takes no address. {told}", wish)
    if wish.only_print:
        _say(f"# {path}\n{snippet(host, entry)}", wish, err=False)
        return result | {"entry": entry}
    if named and not (wish.project or wish.remove or host.installed()):
        return _failed(result, f"{host.title} was not found here. Nothing was changed; see --print.", wish)
    try:
        change = disconnecting(host, path) if wish.remove else connecting(host, path, entry)
        return result | _carry_out(host, change, wish)
    except HostFileError as error:
        by_hand = "" if wish.remove else f" Add this by hand:\n\n{snippet(host, entry)}"
        return _failed(result, f"{error}{by_hand}", wish)


def _carry_out(host: Host, change: Change, wish: Wish) -> dict[str, Any]:
    if not change.needed:
        _say(f"{host.title}: {'does not know Moot' if wish.remove else 'already connected'} ({change.path}).", wish)
        return {}
    _say(change.diff(), wish)
    if not (wish.yes or _agreed(host, wish)):
        sentence = f"{host.title}: nothing was changed. Add --yes to change it without being asked."
        _say(sentence, wish)
        return {"ok": False, "problem": sentence}
    backup = apply(change)
    kept = f" The file as it was: {backup}." if backup else ""
    done = "disconnected" if wish.remove else "connected"
    _say(f"{host.title}: {done}.{kept} Restart it to see the change.", wish)
    return {"done": done, "backup": str(backup) if backup else None}


def _agreed(host: Host, wish: Wish) -> bool:
    """Ask, where there is somebody to ask."""
    if wish.as_json or not is_terminal(sys.stdin):
        return False
    return click.confirm(f"{host.title}: write this?", default=True, err=True)


def _failed(result: dict[str, Any], sentence: str, wish: Wish) -> dict[str, Any]:
    _say(sentence, wish)
    return result | {"ok": False, "problem": redact(sentence)}


def _say(text: str, wish: Wish, *, err: bool = True) -> None:
    if not wish.as_json:
        click.echo(clean(redact(text)).rstrip("\n"), err=err)


def _values(wish: Wish) -> dict[str, str]:
    """The variables that were named, with their values, which are shown to nobody."""
    missing = [name for name in wish.env if not os.environ.get(name)]
    if missing:
        raise click.UsageError(f"{missing[0]} is not set here, so its value cannot be written. Set it first.")
    if wish.env and wish.project:
        raise click.UsageError("A project's file is shared: keep keys out of it, and leave out --env.")
    values = {name: os.environ[name] for name in wish.env}
    for value in values.values():
        register_secret(value)
    return values


def _tell_of_other_moots() -> None:
    command, ours = command_for_hosts()[0], version("moot-mcp")
    if any(part in command for part in _PASSING):
        click.echo(f"{command} may be deleted at any time. Install Moot first: uv tool install .", err=True)
    others = [path for path in programs_on_path("moot", os.environ.get("PATH", "")) if path != command]
    different = {path: found for path in others if (found := version_of(path)) != ours}
    for path, found in different.items():
        told = f"version {found}" if found else "one that does not run"
        click.echo(f"There is another Moot at {path} ({told}). Hosts will start {command}, version {ours}.", err=True)
