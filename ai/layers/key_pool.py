"""Spreads the calls to one AI over several keys: the one with the most room first, then each in turn.

A key that is refused or out of credit is rested alone, with its reason, and the next one is tried: the provider
accepted nothing, so nothing is paid twice. That holds for a rate limit and an open breaker too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ai.client import Emit, Signal
from ai.layers.pipeline import Complete
from core.errors import (
    AIError,
    AuthenticationError,
    CircuitOpenError,
    ForbiddenError,
    QuotaExceededError,
    RateLimitedError,
)
from core.values import Request, Response

_REST_S: dict[type[AIError], float] = {AuthenticationError: 3_600.0, QuotaExceededError: 600.0}
"""A wrong key stays wrong until somebody mends it; credit may be topped up."""
_ANOTHER_KEY_MAY = (AuthenticationError, QuotaExceededError, RateLimitedError, CircuitOpenError)


def _another_key_may(error: AIError) -> bool:
    """Whether it is the key that stands in the way: a region, a firewall or a proxy stops every key alike."""
    if error.accepted:
        return False
    return isinstance(error, _ANOTHER_KEY_MAY) or (isinstance(error, ForbiddenError) and error.code == "not_permitted")


@dataclass
class PooledKey:
    """One key of an AI: its pipeline, and how much room it has (1 is all of it, below 0 there is a queue)."""

    alias: str
    complete: Complete
    headroom: Callable[[], float] = lambda: 1.0
    rested_until: float = 0.0
    reason: str = ""
    last_used: int = 0


class KeyPool:
    """The *keys* of *ai*. It ends the pipeline: below it, each key has one of its own."""

    def __init__(self, ai: str, keys: Sequence[PooledKey], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ai = ai
        self.keys = tuple(keys)
        self._clock = clock
        self._used = 0

    def rest_of(self, key: PooledKey) -> str:
        """Why *key* is rested now, and for how long; empty when it is not."""
        left = key.rested_until - self._clock()
        return f"rested for {left:.0f} s more. {key.reason}" if left > 0 else ""

    async def __call__(self, request: Request, emit: Emit) -> Response:
        wrote = False

        def watch(signal: Signal) -> None:
            nonlocal wrote
            wrote = wrote or isinstance(signal, str)
            emit(signal)

        first: AIError | None = None
        for key in self._order():
            self._used += 1
            key.last_used = self._used
            try:
                response = await key.complete(request, watch)
            except AIError as error:
                self._rest(key, error)
                if wrote or not _another_key_may(error):
                    raise
                first = first or error
            else:
                return replace(response, key=key.alias)
        raise first or self._all_rested()

    def _order(self) -> list[PooledKey]:
        now = self._clock()
        awake = [key for key in self.keys if key.rested_until <= now]
        return sorted(awake, key=lambda key: (-round(key.headroom(), 1), key.last_used))

    def _rest(self, key: PooledKey, error: AIError) -> None:
        for kind, seconds in _REST_S.items():
            if isinstance(error, kind):
                key.rested_until = self._clock() + max(seconds, error.retry_after or 0.0)
                key.reason = str(error)

    def _all_rested(self) -> CircuitOpenError:
        soonest = min(self.keys, key=lambda key: key.rested_until)
        wait_s = max(soonest.rested_until - self._clock(), 1.0)
        text = f"All {len(self.keys)} keys of {self._ai!r} are rested, the next for {wait_s:.0f} s. {soonest.reason}"
        return CircuitOpenError(text, ai=self._ai, retry_after=wait_s)
