"""What a docstring says of a function and of its parameters, in Google's, NumPy's or Sphinx's form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_SECTIONS = re.compile(
    r"^(Args|Arguments|Parameters|Returns?|Raises|Yields|Examples?|Notes?|Attributes|See Also):?\s*$", re.I
)
_GOOGLE = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_NUMPY = re.compile(r"^(\w+)(?:\s*:.*)?$")
_SPHINX = re.compile(r"^\s*:param\s+(?:[^:]*\s)?(\w+):\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Described:
    summary: str
    parameters: dict[str, str] = field(default_factory=dict)


def described(docstring: str) -> Described:
    """The part before the first section, and what is said of each parameter; *docstring* as `inspect.getdoc` has it."""
    lines = docstring.splitlines()
    start = next((n for n, line in enumerate(lines) if _SECTIONS.match(line) or _SPHINX.match(line)), len(lines))
    return Described("\n".join(lines[:start]).strip(), dict(_parameters(lines[start:])))


def _parameters(lines: list[str]) -> Iterator[tuple[str, str]]:
    name, said = "", [""]
    section = ""
    for line in [*lines, ":end"]:
        begun = _begun(line, section)
        if begun or line == ":end" or _SECTIONS.match(line):
            if name:
                yield name, " ".join(filter(None, said))
            name, said = begun if begun else ("", [""])
        elif name and not set(line.strip()) <= {"-"}:
            said.append(line.strip())
        if found := _SECTIONS.match(line):
            section = found[1].lower()


def _begun(line: str, section: str) -> tuple[str, list[str]] | None:
    """The parameter that *line* begins to tell of."""
    if found := _SPHINX.match(line):
        return found[1], [found[2]]
    if section not in ("args", "arguments", "parameters"):
        return None
    if (found := _GOOGLE.match(line)) and len(found[1]) <= 4:  # deeper ones go on with the one before
        return found[2], [found[3]]
    return (found[1], []) if (found := _NUMPY.match(line)) else None
