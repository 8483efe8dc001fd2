"""How a tool's definition differs from the one that was taken, line by line, for a person to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from server.mcp_client.definitions import shown

_MOST = 40
_AROUND = 30
"""Characters shown on both sides of where two texts part."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What was added, taken away and changed, each on a line; characters that show nothing are shown as numbers."""
    found = list(islice(_between("", before, after), _MOST + 1))
    return [*found[:_MOST], "and more"] if len(found) > _MOST else found


def _between(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            place = f"{path}.{shown(key, 80)}" if path else shown(key, 80)
            if key not in after:
                yield f"- {place}: {shown(before[key])}"
            elif key not in before:
                yield f"+ {place}: {shown(after[key])}"
            else:
                yield from _between(place, before[key], after[key])
    elif type(before) is not type(after) or before != after:
        yield f"~ {path}: {_told(before, after)}"


def _told(before: Any, after: Any) -> str:
    if not (isinstance(before, str) and isinstance(after, str)):
        return f"{shown(before)} -> {shown(after)}"
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    begin = max(0, start - _AROUND)
    dots = "…" if begin else ""
    return f'"{dots}{shown(before[begin:])}" -> "{dots}{shown(after[begin:])}"'
