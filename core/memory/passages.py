"""A long text in parts that each say one thing, the same parts every time."""

from __future__ import annotations

from core.memory.words import folded

LONGEST = 1_000
"""Characters of a part: the vector of more tells of nothing in particular."""
_ENDS = ("\n\n", "\n", ". ", "! ", "? ", "\u3002", " ")


def parts(text: str) -> list[tuple[int, int]]:
    """Where the parts of *text* begin and end; a short one is one part."""
    found, start = [], 0
    while len(text) - start > LONGEST:
        end = _end(text, start)
        found.append((start, end))
        start = end
    return [*found, (start, len(text))] if text[start:].strip() or not found else found


def _end(text: str, start: int) -> int:
    for mark in _ENDS:
        at = text.rfind(mark, start + LONGEST // 3, start + LONGEST)
        if at >= 0:
            return at + len(mark)
    return start + LONGEST


def fitting(text: str, wanted: tuple[str, ...]) -> int:
    """The number of the part of *text* with most of the words *wanted*."""
    pieces = [folded(text[start:end]) for start, end in parts(text)]
    counts = [sum(word in piece for word in wanted) for piece in pieces]
    return counts.index(max(counts))
