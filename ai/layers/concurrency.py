"""At most so many calls to one AI at once; the others wait in the order they came."""

from __future__ import annotations

import anyio

from ai.client import Emit
from ai.pipeline import Complete
from core.values import Request, Response


class Concurrency:
    """A slot is held for one attempt, from its start to its last token."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._slots = anyio.Semaphore(limit, fast_acquire=True)

    @property
    def in_flight(self) -> int:
        return self.limit - self._slots.value

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        async with self._slots:
            return await call_next(request, emit)
