"""One key's way to its AI: the layers that belong to the key, around the clients that use it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai.client import AIClient, AsyncAIClient
from ai.layers.breaker import Breaker
from ai.layers.pipeline import Layer, build_pipeline
from ai.layers.rate_limit import RateLimit
from ai.roster.sync_fallback import with_sync_rescue
from core.config import AIConfig
from core.limits.bucket import MINUTE_S, Kind, Limit
from core.limits.buckets import Buckets
from core.values import Deadlines

Clients = tuple[AsyncAIClient, AIClient]


@dataclass(frozen=True)
class Keyed:
    """The clients that use one key; *id* is what the store calls it, *alias* what the user does."""

    alias: str
    id: str
    clients: Clients


class Lane:
    """*inner* are the layers that all keys of the AI share, such as its concurrency."""

    def __init__(
        self,
        ai: str,
        keyed: Keyed,
        *,
        buckets: Buckets,
        inner: Sequence[Layer],
        row: AIConfig,
        deadlines: Deadlines,
        first: int,
    ) -> None:
        self.alias = keyed.alias
        self.client, self.sync_client = keyed.clients
        self.breaker = Breaker(ai)
        self.rate_limit = RateLimit(
            ai,
            keyed.id,
            buckets,
            configured=_configured(row),
            deadlines=deadlines,
            first=first,
            ready=self.client.prepare,
        )
        self.complete = build_pipeline(
            [self.breaker, self.rate_limit, *inner], with_sync_rescue(self.client, self.sync_client)
        )

    def headroom(self) -> float:
        """How much is free, from 1 down; a key that rests is behind all others."""
        return self.rate_limit.headroom - (self.rate_limit.resting_s > 0)


def _configured(row: AIConfig) -> Mapping[Kind, Limit]:
    limits: dict[Kind, Limit] = {}
    if row.rpm:
        limits["requests"] = Limit(row.rpm)
    if row.rps and row.rps * MINUTE_S <= (row.rpm or math.inf):  # one bucket: the tighter of the two
        limits["requests"] = Limit(row.rps, 1.0)
    if row.tpm:
        limits["tokens"] = Limit(row.tpm)
    return limits
