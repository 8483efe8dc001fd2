"""One configured AI: a client for each of its keys, their synchronous twins, and the layers around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import PurePath

from ai.client import AsyncAIClient, Emit
from ai.layers.breaker import Breaker
from ai.layers.cache import Cache
from ai.layers.concurrency import Concurrency
from ai.layers.deadline import Deadline
from ai.layers.fallback import Fallback
from ai.layers.hedge import Hedge
from ai.layers.key_pool import KeyPool, PooledKey
from ai.layers.permit import permit
from ai.layers.pipeline import Complete, Layer, build_pipeline
from ai.layers.retry import Retry, RetryBudget
from ai.providers.catalog import Provider
from ai.providers.retirements import retirement_warning
from ai.roster.key_lane import Clients, Keyed, Lane
from ai.roster.names import without_model
from core.config import AIConfig, Defaults
from core.errors import NotLocalError
from core.limits.buckets import Buckets, key_id, open_buckets
from core.values import Request, Response

_LOCAL_SLOTS = 3


class Seat(AsyncAIClient):
    """One configured AI, with everything that stands around its client."""

    def __init__(
        self,
        name: str,
        row: AIConfig,
        provider: Provider,
        clients: Clients,
        *,
        defaults: Defaults,
        find: Callable[[str], Complete],
        keys: Sequence[Keyed] = (),
        buckets: Buckets | None = None,
        system: str | None = None,
        check: Callable[[], str | None] | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.name = name
        self.provider = provider
        self.row = row
        self.client, self.sync_client = clients
        program = PurePath(row.command[0]).name if row.command else ""
        self.model = row.model or provider.model or program or "(first offered)"
        self.system = row.system or system
        self._check = check
        slots = row.concurrency or (_LOCAL_SLOTS if provider.embedded else defaults.concurrency)
        lease = buckets.lease(without_model(name)) if buckets and not self.stays_here else None
        self.concurrency = Concurrency(slots, lease=lease)
        self.deadlines = defaults.deadlines(row)
        self.lanes = [
            Lane(
                name,
                keyed,
                buckets=buckets or open_buckets(),
                inner=[self.concurrency, permit, Deadline(name, provider.name, self.deadlines)],
                row=row,
                deadlines=self.deadlines,
                first=self.concurrency.limit,
            )
            for keyed in keys or [Keyed("", key_id(name), clients)]
        ]
        keyed = [PooledKey(lane.alias, lane.complete, lane.headroom) for lane in self.lanes]
        self.pool = KeyPool(name, keyed) if len(keyed) > 1 else None
        # The budget stands above all of this, in the caller, where a fan-out can be reserved as a whole.
        spare = RetryBudget()
        layers: list[Layer] = [cache] if cache else []
        layers.append(Retry(defaults.attempts, budget=spare))
        if row.hedge_after:
            layers.append(Hedge(row.hedge_after, allow=spare.allow_retry))
        self.alone: Complete = build_pipeline(layers, self.pool or self.lanes[0].complete)
        self._complete = (
            build_pipeline([Fallback(row.fallback, find)], self.without_fallback)
            if row.fallback
            else self.without_fallback
        )

    @property
    def local(self) -> bool:
        """Whether it is the embedded demo model."""
        return self.provider.embedded

    @property
    def stays_here(self) -> bool:
        """Whether what it is asked stays on this machine."""
        return self.local or self.row.local

    @property
    def breaker(self) -> Breaker:
        """The breaker of its key; of several, the first that lets calls through."""
        return next((lane.breaker for lane in self.lanes if lane.breaker.state == "closed"), self.lanes[0].breaker)

    @property
    def unavailable_reason(self) -> str | None:
        """Why it cannot be asked right now, as far as that can be told without asking; looks at files."""
        return self._check() if self._check else None

    def warning(self, today: date) -> str | None:
        """One sentence when the configured model is, or will be, switched off."""
        return retirement_warning(self.model, today)

    def filled(self, request: Request) -> Request:
        """*request* with this AI's own defaults where it says nothing.

        Raises:
            NotLocalError: It must stay on this machine, and this AI is elsewhere.
        """
        row = self.row
        if request.local_only and not self.stays_here:
            raise NotLocalError(
                f"{self.name!r} is not on this machine, and what is asked may not leave it. "
                'Ask an AI that has "local": true, or leave out the files that are marked local_only.',
                ai=self.name,
            )
        return replace(
            request,
            system=request.system if request.system is not None else self.system,
            temperature=request.temperature if request.temperature is not None else row.temperature,
            max_tokens=request.max_tokens or row.max_tokens,
            effort=request.effort or row.effort,
            extra={**row.extra, **request.extra} if row.extra else request.extra,
        )

    async def complete(self, request: Request, emit: Emit) -> Response:
        return await self._complete(request, emit)

    async def list_models(self) -> list[str]:
        return await self.client.list_models()

    async def aclose(self) -> None:
        for lane in self.lanes:
            await lane.client.aclose()
            lane.sync_client.close()

    async def without_fallback(self, request: Request, emit: Emit) -> Response:
        """Answer by this AI or not at all."""
        return await self.alone(self.filled(request), emit)
