"""Numbers at the end of the ids of events, as clients send them back."""

from __future__ import annotations

_MOST_DIGITS = 18


def number_of(said: str) -> int | None:
    """The number that *said* is; None where it is none that we ever gave out."""
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= _MOST_DIGITS else None
