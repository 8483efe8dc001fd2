"""A synchronous tool beside the event loop: in a thread that keeps no program from ending, however long it hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from ai.agents.offered import ToolExecutionResult
from ai.agents.results import raised

T = TypeVar("T")


async def beside(call: Callable[[], T]) -> T:
    """What *call*, which raises nothing, gives. A cancellation leaves it behind: a thread cannot be stopped.

    The threads of `anyio.to_thread` are waited for when the program ends; those of a tool that hangs must not be.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Future[T] = loop.create_future()

    def settle(value: T) -> None:
        if not done.done():
            done.set_result(value)

    def run() -> None:
        value = context.run(call)
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, value)

    threading.Thread(target=run, name="moot-tool", daemon=True).start()
    return await done


def guarded(name: str, call: Callable[[], T], *, known: bool) -> T | ToolExecutionResult:
    """What *call* gives; whatever it raises is the result of the tool *name*. In a thread nothing else can be meant."""
    try:
        return call()
    except BaseException as error:
        return raised(name, error, known=known)
