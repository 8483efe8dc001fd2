"""The last question before a request leaves: may it still?

A call may have waited for its turn for long since it was allowed to start: for a slot, for the rate limit, to be tried
again, or with the whole process, which was stopped. What was true at its start may not be true any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from ai.client import Emit
from ai.layers.pipeline import Complete
from core.values import Request, Response

_may_leave: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("may_leave", default=None)


def ask_before_sending(may_leave: Callable[[], Awaitable[None]] | None) -> None:
    """Await *may_leave* before each request of the calls of this task, and of the tasks it starts; None ends that."""
    _may_leave.set(may_leave)


async def permitted() -> None:
    """Return at a moment at which a request of this task may leave."""
    if (may_leave := _may_leave.get()) is not None:
        await may_leave()


async def permit(request: Request, emit: Emit, call_next: Complete) -> Response:
    """The innermost layer but the deadline: nothing waits below it."""
    await permitted()
    return await call_next(request, emit)
