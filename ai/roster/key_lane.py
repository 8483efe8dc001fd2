"""One key of an AI, and its way there: the layers that belong to the key, around the clients that use it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai.client import AIClient, AsyncAIClient
from ai.layers.breaker import Breaker
from ai.layers.pipeline import Complete, Layer, build_pipeline
from ai.layers.rate_limit import RateLimit
from ai.roster.sync_fallback import with_sync_fallback
from core.config import AIConfig
from core.limits.bucket import MINUTE_S, Limit, LimitKind
from core.limits.buckets import Buckets
from core.values import Deadlines


@dataclass(frozen=True)
class Key:
    """One key, as the clients that use it; *id* is what the store calls it, *alias* what the user does."""

    alias: str
    id: str
    client: AsyncAIClient
    sync_client: AIClient


@dataclass(frozen=True)
class KeyLane:
    """One key with the layers that are its own."""

    key: Key
    breaker: Breaker
    rate_limit: RateLimit
    complete: Complete

    @property
    def alias(self) -> str:
        return self.key.alias

    def headroom(self) -> float:
        """How much is free, from 1 down; a key that rests is behind all others."""
        return self.rate_limit.headroom - (self.rate_limit.resting_s > 0)


def open_lane(
    ai: str, key: Key, *, buckets: Buckets, inner: Sequence[Layer], row: AIConfig, deadlines: Deadlines, first: int
) -> KeyLane:
    """The lane of *key*; *inner* are the layers that all keys of the AI share, such as its concurrency."""
    breaker = Breaker(ai)
    rate_limit = RateLimit(
        ai,
        key.id,
        buckets,
        configured=_configured(row),
        deadlines=deadlines,
        first=first,
        ready=key.client.prepare,
    )
    around: list[Layer] = [breaker, rate_limit, *inner]
    return KeyLane(key, breaker, rate_limit, build_pipeline(around, with_sync_fallback(key.client, key.sync_client)))


def _configured(row: AIConfig) -> Mapping[LimitKind, Limit]:
    limits: dict[LimitKind, Limit] = {}
    if row.rpm:
        limits["requests"] = Limit(row.rpm)
    if row.rps and row.rps * MINUTE_S <= (row.rpm or math.inf):  # one bucket: the tighter of the two
        limits["requests"] = Limit(row.rps, 1.0)
    if row.tpm:
        limits["tokens"] = Limit(row.tpm)
    return limits
