"""Keeps one key within the requests and tokens per minute that are configured, or that the provider itself tells.

A call reserves what it will probably take, waits its turn, and is corrected by what it really took. While nothing is
known, calls pass without looking anything up; only until the first response has said what the limits are, no more go
ahead than could be under way anyway.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from ai.client import Emit, Waiting
from ai.layers.pipeline import Complete
from ai.wire.rate_headers import Listener, Told, listener, read_headers
from core.errors import (
    AIError,
    AITimeoutError,
    AsyncUnavailableError,
    ConnectionFailedError,
    ProviderError,
    RateLimitedError,
)
from core.limits.bucket import LONGEST_REST_S, Limit, LimitKind
from core.limits.buckets import Buckets
from core.usage.tokens import input_tokens
from core.values import Deadlines, Priority, Request, Response, Usage

Sleep = Callable[[float], Awaitable[None]]

_FIRST_GUESS = 512.0
"""Tokens of an answer, before there was one."""
_LEARN = 0.1
_WORTH_TELLING_S = 0.1
_SHORTEST_POLL_S = 0.05
_PAUSE = "the provider asked for a pause"
_RECALL_EVERY_S = 30.0


@dataclass(slots=True, eq=False)
class _Call:
    """What one call wants, whether it holds it, and what its response said."""

    request: Request
    wanted: dict[LimitKind, float] = field(default_factory=dict)
    held: bool = False
    told: Told | None = None


class RateLimit:
    """The limits of one key, which is called *key* in *buckets*.

    Args:
        configured: What the user set; anything else is learned from the responses.
        first: How many calls may go ahead before the first response.
        ready: Awaited before the first turn is taken: turns that pass while an SDK is imported would be used at once.
    """

    def __init__(
        self,
        ai: str,
        key: str,
        buckets: Buckets,
        *,
        configured: Mapping[LimitKind, Limit] | None = None,
        deadlines: Deadlines | None = None,
        first: int = 10,
        sleep: Sleep = anyio.sleep,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ready = ready
        self._ai = ai
        self._key = key
        self._buckets = buckets
        self._configured = dict(configured or {})
        self._deadlines = deadlines or Deadlines()
        self._first = first
        self._sleep = sleep
        self.limits: dict[LimitKind, Limit] = dict(self._configured)
        """What is known by now."""
        self._heard = False
        self._under_way: set[_Call] = set()
        self._news: anyio.Event | None = None
        self._queued: dict[LimitKind, float] = {"requests": 0.0, "tokens": 0.0}
        self._answer_tokens: float | None = None
        self._turns: dict[Priority, anyio.Lock] = {}
        self._recalling = anyio.Lock()
        self._recall_at = -math.inf

    @property
    def headroom(self) -> float:
        """How much is free, from 1 down; below 0 there is a queue."""
        return self._buckets.headroom(self._key)

    @property
    def resting_s(self) -> float:
        """For how long the provider asked to be left alone, from now."""
        return self._buckets.resting_s(self._key)

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        await self._recall()
        while not (self._heard or self.limits) and len(self._under_way) >= self._first:
            self._news = self._news or anyio.Event()
            await self._news.wait()
        call = _Call(request)
        if self.limits or self.resting_s:
            await self._get_ready()
            call.wanted = self._estimate(request)
            await self._wait_turn(call, request, emit)
        self._under_way.add(call)
        token = listener.set(self._listener(call))
        try:
            response = await call_next(request, emit)
        except AIError as error:
            self._failed(call, error)
            raise
        else:
            self._answered(call, response.usage)
            return response
        finally:
            listener.reset(token)
            self._under_way.discard(call)
            self._spread_news()

    def hold_blocking(self, request: Request, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait for a turn in code without an event loop. What the answer really takes is not corrected afterwards.

        Raises:
            RateLimitedError: The turn comes later than the call may take.
        """
        longest = (request.deadlines or self._deadlines).total or math.inf
        if self.limits:
            wanted = self._estimate(request)
            grant = self._buckets.reserve_blocking(self._key, wanted, self.limits, longest_s=longest)
            if not grant.taken:
                raise self._too_long(grant.wait_s, grant.reason, longest)
            sleep(grant.wait_s)

    async def _get_ready(self) -> None:
        if self._ready is not None:
            with suppress(AIError):  # the call itself fails with it, and says so
                await self._ready()
            self._ready = None

    async def _recall(self) -> None:
        """Look now and then whether others were asked to leave this key alone."""
        if time.monotonic() < self._recall_at:
            return
        async with self._recalling:
            if time.monotonic() >= self._recall_at:
                await self._buckets.recall(self._key)
                self._recall_at = time.monotonic() + _RECALL_EVERY_S

    async def _wait_turn(self, call: _Call, request: Request, emit: Emit) -> None:
        longest = (request.deadlines or self._deadlines).total or math.inf
        if request.priority == "interactive":
            await self._take(call, request.priority, longest, emit)
            return
        async with self._turns.setdefault(request.priority, anyio.Lock()):
            await self._take(call, request.priority, longest, emit)

    async def _take(self, call: _Call, priority: Priority, longest: float, emit: Emit) -> None:
        while not call.held:
            grant = await self._buckets.reserve(
                self._key, call.wanted, self.limits, priority=priority, longest_s=longest
            )
            call.held = grant.taken
            if not grant.taken and grant.wait_s > longest:
                raise self._too_long(grant.wait_s, grant.reason, longest)
            wait_s = grant.wait_s if grant.taken else max(grant.wait_s, _SHORTEST_POLL_S)
            await self._queue(call, wait_s, grant.reason, emit)
        while rest_s := self.resting_s:  # it began while this call was waiting
            if rest_s > longest:
                self._buckets.give(self._key, call.wanted)
                raise self._too_long(rest_s, _PAUSE, longest)
            await self._queue(call, rest_s, _PAUSE, emit)

    async def _queue(self, call: _Call, seconds: float, reason: str, emit: Emit) -> None:
        """Wait; what is held already is given back when the wait is broken off."""
        if seconds <= 0:
            return
        if seconds >= _WORTH_TELLING_S:
            emit(Waiting(seconds, reason))
        held = call.wanted if call.held else {}
        for kind, amount in held.items():
            self._queued[kind] += amount
        try:
            await self._sleep(seconds)
        except BaseException:
            self._buckets.give(self._key, held)
            raise
        finally:
            for kind, amount in held.items():
                self._queued[kind] -= amount

    def _too_long(self, wait_s: float, reason: str, longest: float) -> RateLimitedError:
        advice = 'or raise its "timeout"' if reason == _PAUSE else 'raise its "timeout", or correct its "rpm" and "tpm"'
        error = RateLimitedError(
            f"{self._ai!r} is rate limited ({reason}): its next turn is in {wait_s:,.0f} s, later than the "
            f"{longest:g} s this call may take. Ask another AI, {advice}.",
            ai=self._ai,
            retry_after=wait_s,
        )
        error.retryable = False
        return error

    def _estimate(self, request: Request) -> dict[LimitKind, float]:
        answer = request.max_tokens or self._answer_tokens or _FIRST_GUESS
        return {"requests": 1.0, "tokens": input_tokens(request) + math.ceil(answer)}

    def _listener(self, call: _Call) -> Listener:
        home, loop = threading.get_ident(), asyncio.get_running_loop()

        def listen(headers: Mapping[str, str]) -> None:
            if threading.get_ident() == home:
                self._learn(call, headers)
            else:  # the synchronous client, on its worker thread
                loop.call_soon_threadsafe(self._learn, call, headers)

        return listen

    def _learn(self, call: _Call, headers: Mapping[str, str]) -> None:
        call.told = told = read_headers(headers)
        limits = {**told.limits, **self._configured}
        if limits:
            self.limits = {**self.limits, **limits}
            left = {
                kind: said - self._queued[kind]
                for kind, said in told.left.items()
                if told.limits[kind].period_s == limits[kind].period_s
            }
            self._buckets.observe(self._key, limits, left)
            self._book_late()
        self._heard = True
        self._spread_news()

    def _book_late(self) -> None:
        """Reserve for the calls that went ahead while no limit was known."""
        booked: dict[LimitKind, float] = {"requests": 0.0, "tokens": 0.0}
        for call in self._under_way:
            if not call.held:
                call.held, call.wanted = True, self._estimate(call.request)
                for kind, amount in call.wanted.items():
                    booked[kind] -= amount
        self._correct(booked)

    def _spread_news(self) -> None:
        """Let those who wait for the first response look again."""
        if self._news is not None:
            self._news.set()
            self._news = None

    def _answered(self, call: _Call, usage: Usage) -> None:
        self._heard = True
        if usage.output_tokens is not None:
            known = self._answer_tokens
            fresh = float(usage.output_tokens)
            self._answer_tokens = fresh if known is None else known + _LEARN * (fresh - known)
        if call.held and usage.input_tokens is not None and usage.output_tokens is not None:
            self._correct({"tokens": call.wanted["tokens"] - usage.input_tokens - usage.output_tokens})

    def _failed(self, call: _Call, error: AIError) -> None:
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            told = call.told.retry_after_s if call.told else None
            seconds = told if told is not None else min(max(error.retry_after, 0.0), LONGEST_REST_S)
            self._buckets.rest(self._key, seconds, _PAUSE)
        if not call.held:
            return
        if _never_sent(error):
            self._correct(call.wanted)
        elif isinstance(error, ProviderError):  # the request counted, but no answer was written
            self._correct({"tokens": call.wanted["tokens"]})

    def _correct(self, unused: Mapping[LimitKind, float]) -> None:
        if known := {kind: amount for kind, amount in unused.items() if amount and kind in self.limits}:
            self._buckets.give(self._key, known)


def _never_sent(error: AIError) -> bool:
    unsent = isinstance(error, ConnectionFailedError | AITimeoutError | AsyncUnavailableError)
    return unsent and not error.accepted
