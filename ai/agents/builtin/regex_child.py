"""Looks for an expression in texts, in a process that may be killed: run as a script, never imported.

An expression can take longer than the sun will shine. Here it takes its own process with it. Standard input: a line of
JSON (`pattern`, `flags`, `sizes`, `most`, `cpu_s`), then the texts, one behind the other, each of its size in bytes.
Standard output: a JSON list with the numbers of the lines found in each text.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer on standard output."""
    asked = json.loads(sys.stdin.buffer.readline())
    _bound(asked["cpu_s"])
    wanted = re.compile(asked["pattern"], asked["flags"])
    found = []
    for size in asked["sizes"]:
        text = sys.stdin.buffer.read(size).decode("utf-8", "replace")
        lines = []
        for number, line in enumerate(text.split("\n"), 1):
            if wanted.search(line.removesuffix("\r")):
                lines.append(number)
                if len(lines) >= asked["most"]:
                    break
        found.append(lines)
    sys.stdout.write(json.dumps(found))


def _bound(seconds: int) -> None:
    if sys.platform == "win32":  # has no such limits; the parent's clock still ends it
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
