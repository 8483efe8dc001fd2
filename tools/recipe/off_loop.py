"""Reading what others wrote, away from the event loop and with a deadline, so that no text keeps a server waiting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

_SHORT = 20_000
"""Characters that are read at once: a few milliseconds at the worst."""
_MOST_S = 20.0


async def off_loop(read: Callable[..., T], text: str, *more: object, otherwise: T) -> T:
    """What *read* makes of *text*; *otherwise* where that takes longer than any honest text needs."""
    if len(text) <= _SHORT:
        return read(text, *more)
    with anyio.move_on_after(_MOST_S):
        return await anyio.to_thread.run_sync(partial(read, text, *more), abandon_on_cancel=True)
    return otherwise
