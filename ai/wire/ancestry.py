"""How many runs stand behind a request: an AI whose address is Moot's own must not ask itself without end.

A door that answers by asking puts `deepen` around its run; the shared HTTP client tells whoever is asked, and a Moot
that is asked too deep refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx2

HEADER = "x-moot-depth"
DEEPEST = 2
"""Runs one inside the other; a panel that asks a panel makes two."""
_MOST_DIGITS = 4

_depth: ContextVar[int] = ContextVar("moot_depth", default=0)


def depth_of(said: str | None) -> int:
    """How many runs stand behind a request whose header says *said*; what is no number counts as too many."""
    if not said:
        return 0
    return int(said) if said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS else DEEPEST


@contextmanager
def deepen(depth: int) -> Iterator[None]:
    """Have every request of the block say that *depth* runs and this one stand behind it."""
    token = _depth.set(depth + 1)
    try:
        yield
    finally:
        _depth.reset(token)


def tell_depth(request: httpx2.Request) -> None:
    """Write on *request* how many runs stand behind it, where any does."""
    if depth := _depth.get():
        request.headers[HEADER] = str(depth)
