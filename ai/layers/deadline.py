"""Ends an attempt that takes too long: until the first token, between two tokens, or in all.

A provider SDK's timeout is per read, so a server that drips a byte now and then is never given up. Here only tokens
count, and the clock covers the whole attempt. The connect limit is the transport's.
"""

from __future__ import annotations

import asyncio
import io
import math

import anyio

from ai.client import Emit, Sent, Signal
from ai.layers.pipeline import Complete
from ai.wire.classify.failure import Who, timed_out
from core.errors import TimeoutPhase
from core.values import Deadlines, Request, Response

_RESET_EVERY_S = 0.25
"""Moving a loop timer costs as much as parsing a token, so it is moved at most this often (never past `total`)."""


class Deadline:
    """One attempt within *deadlines*, unless the request brings its own."""

    def __init__(self, ai: str, provider: str, deadlines: Deadlines) -> None:
        self._ai = ai
        self._provider = provider
        self._deadlines = deadlines

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        limits = request.deadlines or self._deadlines
        clock = asyncio.get_running_loop().time  # anyio asks which loop is running, each time
        started = clock()
        end = started + (limits.total or math.inf)
        first = started + (limits.first_token or math.inf)
        idle = limits.idle or math.inf
        phase: TimeoutPhase = "first token" if first < end else "total"
        text = io.StringIO()
        moved = 0.0

        def watch(signal: Signal) -> None:
            nonlocal phase, moved
            if isinstance(signal, str):
                text.write(signal)
            now = clock()
            if now - moved >= _RESET_EVERY_S:
                moved = now
                scope.deadline = min(now + idle, end)
                phase = "idle" if scope.deadline < end else "total"
            emit(signal)

        emit(Sent())
        with anyio.CancelScope(deadline=min(first, end)) as scope:
            return await call_next(request, watch)
        raise timed_out(Who(self._ai, self._provider), phase, limits, text.getvalue())
