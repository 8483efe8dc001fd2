"""At most so many calls to one AI at once; the others wait in the order they came.

In a fleet the ceiling is one for all its processes: what this one may use of it, it leases (`core.limits.slots`).

How many adapts (Jacobson, "Congestion Avoidance and Control", 1988): half as many when the AI says it is too much,
fewer while it takes more than twice as long as usual to begin its answers, one more after as many successes as there
are slots, never above what is configured.

Slots are handed over one after the other, each when the request before it is on the wire. Let go all at once, the
calls of a burst would be prepared in step, and the first request would leave only after the work for the last.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import anyio

from ai.client import Emit, Signal, Thinking
from ai.layers.pipeline import Complete
from core.errors import OverloadedError, RateLimitedError
from core.limits.slots import Lease
from core.values import Request, Response

_TOO_MUCH = (RateLimitedError, OverloadedError)
_CUT_EVERY_S = 1.0
"""The calls that were under way together complain together; that is one complaint."""
_TOLERATED = 2.0
"""How many times slower than usual is still taken for the ordinary ups and downs of prompts and answers."""


class Trend:
    """How much slower an AI begins to answer than it used to.

    Two moving averages, as the Gradient2 limit of Netflix' concurrency-limits keeps them: a short one of the last few
    calls over a long one, which follows slowly upwards and faster downwards, so that slow days become usual in time.
    """

    _WARM_UP = 10

    def __init__(self) -> None:
        self._long = self._short = 0.0
        self._seen = 0

    def add(self, latency_s: float) -> float:
        """Take in a call; returns the share of the calls to keep: 1 while all is as usual, never below one half."""
        self._seen += 1
        if self._seen <= self._WARM_UP:
            self._long = self._short = self._long + (latency_s - self._long) / self._seen
            return 1.0
        self._short += 0.2 * (latency_s - self._short)
        self._long += (0.01 if self._short > self._long else 0.05) * (self._short - self._long)
        return max(0.5, min(1.0, _TOLERATED * self._long / self._short)) if self._short > 0 else 1.0


class Concurrency:
    """A slot is held for one attempt, from its start to its last token."""

    def __init__(
        self, ceiling: int, *, clock: Callable[[], float] = time.monotonic, lease: Lease | None = None
    ) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        """How many may be under way now: between 1 and the ceiling."""
        self.in_flight = 0
        self._clock = clock
        self._successes = 0
        self._cut_at = float("-inf")
        self._trend = Trend()
        self._waiting: deque[anyio.Event] = deque()
        self._launching: asyncio.AbstractEventLoop | None = None
        self._lease = lease
        if lease is not None:
            lease.use(self)

    @property
    def wanted(self) -> int:
        return min(self.in_flight + len(self._waiting), self.limit)

    def widen(self, ceiling: int) -> None:
        """Allow as many as *ceiling*, if that is more than before."""
        self.limit += max(0, ceiling - self.ceiling)
        self.ceiling = max(self.ceiling, ceiling)

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        await self._enter()
        started = self._clock()
        began: float | None = None

        def watch(signal: Signal) -> None:
            nonlocal began
            if began is None and isinstance(signal, str | Thinking):
                began = self._clock()
            emit(signal)

        try:
            response = await call_next(request, watch)
        except _TOO_MUCH:
            self._cut(0.5)
            raise
        else:
            self._went_well((began or self._clock()) - started)
            return response
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self._free and not self._waiting:
            self._take()
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        self._ask()
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
        self.admit()
        self._ask()

    def _ask(self) -> None:
        """Let the fleet know, where it is what holds back those who wait."""
        if self._lease is not None and self._waiting and self._lease.allowed <= self.in_flight < self.limit:
            self._lease.ask()

    @property
    def _free(self) -> bool:
        limit = self.limit if self._lease is None else min(self.limit, self._lease.allowed)
        return self.in_flight < limit and self._launching is not asyncio.get_running_loop()

    def _take(self) -> None:
        """One slot less; the next one is free two turns of the loop later: preparing takes one, writing another."""
        self.in_flight += 1
        self._launching = loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._launched)

    def _launched(self) -> None:
        self._launching = None
        self.admit()

    def admit(self) -> None:
        """Hand a free slot over; whoever gets it holds it from here on."""
        if self._waiting and self._free:
            self._take()
            self._waiting.popleft().set()

    def _went_well(self, latency_s: float) -> None:
        kept = self._trend.add(latency_s)
        if kept < 1 and self.in_flight * 2 >= self.limit:  # an AI that is hardly used is not slow because of us
            self._cut(kept)
            return
        if self.limit == self.ceiling:
            return
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit += 1
            self.admit()

    def _cut(self, kept: float) -> None:
        now = self._clock()
        self._successes = 0
        if now - self._cut_at >= _CUT_EVERY_S:
            self._cut_at = now
            self.limit = max(1, int(self.limit * kept))
