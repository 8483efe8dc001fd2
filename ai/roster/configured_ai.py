"""One configured AI: its row, its keys, and everything that stands around their clients. `build.py` makes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from ai.client import AsyncAIClient, Emit, ignore
from ai.layers.breaker import Breaker
from ai.layers.concurrency import Concurrency
from ai.layers.key_pool import KeyPool
from ai.layers.pipeline import Complete, Layer
from ai.providers.catalog import Provider
from ai.providers.retirements import retirement_warning
from ai.roster.key_lane import KeyLane
from core.config import AIConfig
from core.errors import AITimeoutError, AnswerError, NotLocalError
from core.tooling import AgentConfig
from core.values import Deadlines, Request, Response

if TYPE_CHECKING:
    from ai.wire.functions.emulation import Emulation


@dataclass(eq=False)
class ConfiguredAI(AsyncAIClient):
    """One AI that can be asked.

    Attributes:
        lanes: One for each of its keys.
        pool: What spreads calls over the keys, where there are several.
        alone: Answers by this AI or not at all; takes a request that is `filled`.
        fallback: Asks others where this one cannot answer now.
        check: Why it cannot be asked now, as far as files tell.
        emulation: How it is asked for functions, where it knows none.
        agent: What it is beside its AI's model, where it is an agent; only `ai/runs/agents.py` can ask one.
    """

    name: str
    row: AIConfig
    provider: Provider
    model: str
    system: str | None
    deadlines: Deadlines
    concurrency: Concurrency
    lanes: tuple[KeyLane, ...]
    pool: KeyPool | None
    alone: Complete
    check: Callable[[], str | None] | None = None
    fallback: Layer | None = None
    emulation: Emulation | None = None
    agent: AgentConfig | None = None

    @property
    def client(self) -> AsyncAIClient:
        """The client of its first key."""
        return self.lanes[0].key.client

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
        return self.check() if self.check else None

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
        if self.fallback is None:
            return await self.without_fallback(request, emit)
        return await self.fallback(request, emit, self.without_fallback)

    async def without_fallback(self, request: Request, emit: Emit) -> Response:
        """Answer by this AI or not at all."""
        return await self.alone(self.filled(request), emit)

    def complete_blocking(self, request: Request, emit: Emit = ignore) -> Response:
        """One call by the first key within its rate limit and total deadline, for code without an event loop.

        Raises:
            AITimeoutError: It did not finish in time.
            RateLimitedError: Its turn comes too late.
        """
        lane = self.lanes[0]
        lane.rate_limit.hold_blocking(request)
        deadlines = request.deadlines or self.deadlines
        cancelled = threading.Event()
        timer = threading.Timer(deadlines.total or threading.TIMEOUT_MAX, cancelled.set)
        timer.daemon = True
        timer.start()
        try:
            asked = self.filled(request)
            if self.emulation is None:
                return lane.key.sync_client.complete(asked, emit, cancelled)
            from ai.layers.emulation import hushed

            said = lane.key.sync_client.complete(self.emulation.asked(asked), hushed(emit, asked), cancelled)
            return self.emulation.heard(said, asked)
        except AnswerError as error:
            if not cancelled.is_set():
                raise
            text = f"{self.name!r} did not finish within {deadlines.total:g} s. Ask again, or raise its 'timeout'."
            raise AITimeoutError(text, phase="total", ai=self.name, partial=error.partial) from error
        finally:
            timer.cancel()

    async def list_models(self) -> list[str]:
        return await self.client.list_models()

    async def aclose(self) -> None:
        for lane in self.lanes:
            await lane.key.client.aclose()
            lane.key.sync_client.close()
