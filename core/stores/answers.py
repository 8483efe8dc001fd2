"""Answers out of a store's thread: those of one moment reach an event loop together, with one wake-up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

Answer = Future[T] | asyncio.Future[T]
"""What a thread waits for, or a task of an event loop."""
Told = tuple[Answer[Any], Any, BaseException | None]
"""An answer, and what it is: a result, or the failure in its place."""


def tell(answers: Iterable[Told]) -> None:
    """Give each its result or failure; from any thread."""
    loops: dict[asyncio.AbstractEventLoop, list[Told]] = {}
    for told in answers:
        if isinstance(told[0], asyncio.Future):
            loops.setdefault(told[0].get_loop(), []).append(told)
        else:
            _tell((told,))
    for loop, some in loops.items():
        with suppress(RuntimeError):  # it is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, some)


def _tell(answers: Iterable[Told]) -> None:
    for answer, result, failure in answers:
        if answer.done():  # cancelled: nobody waits any more
            continue
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)
