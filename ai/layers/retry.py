"""Tries again what is safe to try again: full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015),
the provider's own Retry-After where it gives one.

Safe means that the provider did not accept the request: it was refused with a status, or never arrived. A broken
stream, a late timeout or anything after the first token is not repeated, since it may already be on the bill.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Awaitable, Callable

import anyio

from ai.client import Emit, Retrying, Signal, Thinking
from ai.layers.pipeline import Complete
from core.errors import AIError
from core.values import Request, Response

Sleep = Callable[[float], Awaitable[None]]


class RetryBudget:
    """At most *share* as many retries as calls over the last minute, so that a struggling AI is not stormed.

    *least* are always allowed: a single call may be tried again however quiet the minute was.
    """

    def __init__(
        self, *, share: float = 0.2, least: int = 2, span_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share = share
        self._least = least
        self._span_s = span_s
        self._clock = clock
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def count_call(self) -> None:
        self._calls.append(self._clock())
        self._forget(self._calls)

    def allow_retry(self) -> bool:
        """Whether one more retry fits; if so, it is counted."""
        self._forget(self._calls)
        self._forget(self._retries)
        allowed = len(self._retries) < max(self._least, self._share * len(self._calls))
        if allowed:
            self._retries.append(self._clock())
        return allowed

    def _forget(self, moments: deque[float]) -> None:
        since = self._clock() - self._span_s
        while moments and moments[0] <= since:
            moments.popleft()


class Retry:
    """Up to *attempts* tries, as far as *budget* allows. None waits longer than *longest_wait* seconds."""

    def __init__(
        self,
        attempts: int = 3,
        *,
        base_s: float = 0.5,
        cap_s: float = 8.0,
        longest_wait: float = 60.0,
        budget: RetryBudget | None = None,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._attempts = attempts
        self._base_s = base_s
        self._cap_s = cap_s
        self._longest_wait = longest_wait
        self._budget = budget
        self._sleep = sleep

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        wrote = False

        def watch(signal: Signal) -> None:
            nonlocal wrote
            wrote = wrote or isinstance(signal, str | Thinking)
            emit(signal)

        if self._budget:
            self._budget.count_call()
        for attempt in range(1, self._attempts):
            try:
                return await call_next(request, watch)
            except AIError as error:
                wait = self._wait_s(attempt, error)
                if wrote or not error.retryable or wait > self._longest_wait:
                    raise
                if self._budget and not self._budget.allow_retry():
                    raise
                emit(Retrying(attempt + 1, wait, str(error)))
                await self._sleep(wait)
        return await call_next(request, emit)

    def _wait_s(self, attempt: int, error: AIError) -> float:
        backoff = random.uniform(0, min(self._cap_s, self._base_s * 2**attempt))  # noqa: S311 - jitter
        if error.retry_after is None:
            return backoff
        return error.retry_after + random.uniform(0, self._base_s)  # noqa: S311 - jitter
