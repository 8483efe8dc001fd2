"""What an AI writes, as blocks that are final once the next one has begun: only the last is drawn again.

A block at the top is final when a later one starts behind a blank line; nothing that is written afterwards changes it.
So a long answer costs what it is long, not the square of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from server.markdown import Tree, parsed, trees

_LONGEST_TAIL = 20_000
"""Characters of a block without an end, such as a huge table, above which it is cut at a line."""


class Changes(NamedTuple):
    """Blocks that replace those from the position `start` on; `words` counts all that is written."""

    start: int
    trees: list[list[Tree | str]]
    words: int


class Blocks:
    """The text of one call."""

    __slots__ = ("_final", "_sent", "_tail", "_words")

    def __init__(self) -> None:
        self._tail = ""
        self._sent = 0
        """How many blocks are final and known to whoever draws them."""
        self._final: list[list[Tree | str]] = []
        self._words = 0

    def write(self, text: str) -> None:
        self._tail += text
        self._words += len(text.split())

    def changes(self) -> Changes:
        """What is to be drawn since the last time."""
        self._seal()
        final, self._final = self._final, []
        start, self._sent = self._sent, self._sent + len(final)
        last = [trees(self._tail)] if self._tail.strip() else []
        return Changes(start, [*final, *last], self._words)

    def _seal(self) -> None:
        starts = [token.map[0] for token in parsed(self._tail) if token.level == 0 and token.map and token.nesting >= 0]
        lines = self._tail.splitlines(keepends=True)
        cut = starts[-1] if len(starts) > 1 else 0
        if cut and not lines[cut - 1].strip():
            bounds = [start for start in starts if start <= cut]
            for start, end in pairwise(bounds):
                self._final.append(trees("".join(lines[start:end])))
            self._tail = "".join(lines[cut:])
        elif len(self._tail) > _LONGEST_TAIL and len(lines) > 1:
            self._final.append(trees("".join(lines[:-1])))
            self._tail = lines[-1]
