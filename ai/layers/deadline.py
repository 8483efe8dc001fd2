"""Ends an attempt that takes too long: until the first token, between two tokens, or in all.

A provider SDK's timeout is per read, so a server that drips a byte now and then is never given up. Here only tokens
count, and the clock covers the whole attempt. The connect limit is the transport's.
"""

from __future__ import annotations

import asyncio
import io
import math

import anyio

from ai.client import Emit, Signal
from ai.pipeline import Complete
from core.errors import AITimeoutError, TimeoutPhase
from core.values import Deadlines, Request, Response

_RESET_EVERY_S = 0.25
"""Moving a loop timer costs as much as parsing a token, so it is moved at most this often (never past `total`)."""

_SETTING: dict[TimeoutPhase, str] = {
    "first token": "first_token_timeout",
    "idle": "idle_timeout",
    "total": "timeout",
}


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

        with anyio.CancelScope(deadline=min(first, end)) as scope:
            return await call_next(request, watch)
        raise self._timeout(phase, limits, text.getvalue())

    def _timeout(self, phase: TimeoutPhase, limits: Deadlines, partial: str) -> AITimeoutError:
        seconds = {"first token": limits.first_token, "idle": limits.idle, "total": limits.total}[phase]
        what = {
            "first token": "wrote nothing within",
            "idle": "went silent for",
            "total": "did not finish within",
        }[phase]
        text = f"{self._ai!r} {what} {seconds:g} s. Ask again, or raise its {_SETTING[phase]!r}."
        return AITimeoutError(text, phase=phase, ai=self._ai, provider=self._provider, partial=partial)
