"""Tries again what is safe to try again: full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015),
the provider's own Retry-After where it gives one.

Safe means that the provider did not accept the request: it was refused with a status, or never arrived. A broken
stream, a late timeout or anything after the first token is not repeated, since it may already be on the bill.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import anyio

from ai.client import Emit, Retrying, Signal
from ai.pipeline import Complete
from core.errors import AIError
from core.values import Request, Response

Sleep = Callable[[float], Awaitable[None]]


class Retry:
    """Up to *attempts* tries. A Retry-After above *longest_wait* seconds is not waited for."""

    def __init__(
        self,
        attempts: int = 3,
        *,
        base_s: float = 0.5,
        cap_s: float = 8.0,
        longest_wait: float = 60.0,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._attempts = attempts
        self._base_s = base_s
        self._cap_s = cap_s
        self._longest_wait = longest_wait
        self._sleep = sleep

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        wrote = False

        def watch(signal: Signal) -> None:
            nonlocal wrote
            wrote = True
            emit(signal)

        for attempt in range(1, self._attempts):
            try:
                return await call_next(request, watch)
            except AIError as error:
                wait = self._wait_s(attempt, error)
                if wrote or not error.retryable or wait > self._longest_wait:
                    raise
                emit(Retrying(attempt + 1, wait, str(error)))
                await self._sleep(wait)
        return await call_next(request, emit)

    def _wait_s(self, attempt: int, error: AIError) -> float:
        backoff = random.uniform(0, min(self._cap_s, self._base_s * 2**attempt))  # noqa: S311 - jitter
        if error.retry_after is None:
            return backoff
        return error.retry_after + random.uniform(0, self._base_s)  # noqa: S311 - jitter
