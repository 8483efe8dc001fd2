"""What a search finds: plain values, which a recipe may name without importing the search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """Something that was said, word for word: a turn, or the part of a long one that fits the question best.

    Args:
        turn: Its number in `threads.db`.
        message: What it is called where it was said.
        whole: Whether `text` is all of the turn.
        by: By what it was found: `words`, `meaning`, `time`.
        start: Where `text` begins in the turn.
    """

    turn: int
    thread: str
    author: str
    person: str
    message: str
    at: str
    text: str
    whole: bool
    by: tuple[str, ...]
    start: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first; `notes` are sentences on what was not searched, and why."""

    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()
