"""Spreads the calls to one AI over several keys: the one with the most room first, then each in turn.

A key that is refused or out of credit is rested alone, with its reason, and the next one is tried: the provider
accepted nothing, so nothing is paid twice. That holds for a rate limit and an open breaker too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

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


class PooledKey(Protocol):
    """One key of an AI: its pipeline, and how much room it has (1 is all of it, below 0 there is a queue)."""

    @property
    def alias(self) -> str: ...

    @property
    def complete(self) -> Complete: ...

    def headroom(self) -> float: ...


@dataclass
class _Kept:
    """A key and what has come of it."""

    key: PooledKey
    rested_until: float = 0.0
    reason: str = ""
    last_used: int = 0


class KeyPool:
    """The *keys* of *ai*. It ends the pipeline: below it, each key has one of its own."""

    def __init__(self, ai: str, keys: Sequence[PooledKey], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ai = ai
        self._kept = [_Kept(key) for key in keys]
        self._clock = clock
        self._used = 0

    def __len__(self) -> int:
        return len(self._kept)

    def rests(self) -> dict[str, str]:
        """By the alias of each key, why it is rested now and for how long; empty where it is not."""
        now = self._clock()
        left = {kept.key.alias: (kept.rested_until - now, kept.reason) for kept in self._kept}
        return {alias: f"rested for {s:.0f} s more. {why}" if s > 0 else "" for alias, (s, why) in left.items()}

    async def __call__(self, request: Request, emit: Emit) -> Response:
        wrote = False

        def watch(signal: Signal) -> None:
            nonlocal wrote
            wrote = wrote or isinstance(signal, str)
            emit(signal)

        first: AIError | None = None
        for kept in self._order():
            self._used += 1
            kept.last_used = self._used
            try:
                response = await kept.key.complete(request, watch)
            except AIError as error:
                self._rest(kept, error)
                if wrote or not _another_key_may(error):
                    raise
                first = first or error
            else:
                return replace(response, key=kept.key.alias)
        raise first or self._all_rested()

    def _order(self) -> list[_Kept]:
        now = self._clock()
        awake = [kept for kept in self._kept if kept.rested_until <= now]
        return sorted(awake, key=lambda kept: (-round(kept.key.headroom(), 1), kept.last_used))

    def _rest(self, kept: _Kept, error: AIError) -> None:
        for kind, seconds in _REST_S.items():
            if isinstance(error, kind):
                kept.rested_until = self._clock() + max(seconds, error.retry_after or 0.0)
                kept.reason = str(error)

    def _all_rested(self) -> CircuitOpenError:
        soonest = min(self._kept, key=lambda kept: kept.rested_until)
        wait_s = max(soonest.rested_until - self._clock(), 1.0)
        text = f"All {len(self)} keys of {self._ai!r} are rested, the next for {wait_s:.0f} s. {soonest.reason}"
        return CircuitOpenError(text, ai=self._ai, retry_after=wait_s)
