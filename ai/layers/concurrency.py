"""At most so many calls to one AI at once; the others wait in the order they came.

How many adapts (Jacobson, "Congestion Avoidance and Control", 1988): half as many when the AI says it is too much,
one more after as many successes as there are slots, never above what is configured.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import anyio

from ai.client import Emit
from ai.pipeline import Complete
from core.errors import OverloadedError, RateLimitedError
from core.values import Request, Response

_TOO_MUCH = (RateLimitedError, OverloadedError)
_HALVE_EVERY_S = 1.0
"""The calls that were under way together complain together; that is one complaint."""


class Concurrency:
    """A slot is held for one attempt, from its start to its last token."""

    def __init__(self, ceiling: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        """How many may be under way now: between 1 and the ceiling."""
        self.in_flight = 0
        self._clock = clock
        self._successes = 0
        self._halved_at = float("-inf")
        self._waiting: deque[anyio.Event] = deque()

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        await self._enter()
        try:
            response = await call_next(request, emit)
        except _TOO_MUCH:
            self._too_much()
            raise
        else:
            self._went_well()
            return response
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # the slot was handed over at the moment of the cancellation
                self._leave()
            else:
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Hand free slots over; whoever gets one holds it from here on."""
        while self._waiting and self.in_flight < self.limit:
            self.in_flight += 1
            self._waiting.popleft().set()

    def _went_well(self) -> None:
        if self.limit == self.ceiling:
            return
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit += 1
            self._admit()

    def _too_much(self) -> None:
        now = self._clock()
        self._successes = 0
        if now - self._halved_at >= _HALVE_EVERY_S:
            self._halved_at = now
            self.limit = max(1, self.limit // 2)
