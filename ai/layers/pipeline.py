"""Composition of layers around a client: a list, outermost first.

Fallback (another AI) > Cache > Retry > Hedge (where it is wanted) > KeyPool (of several keys) > Breaker > RateLimit >
Concurrency > Permit > Deadline (per attempt) > EmulatedFunctions (where it knows none) > client. Budgets stand above,
in the caller, where a whole fan-out can be reserved at once.
Concurrency sits inside Retry, so that nobody holds a slot while it waits to try again (1.9 times slower otherwise).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from ai.client import Emit
from core.values import Request, Response

Complete = Callable[[Request, Emit], Awaitable[Response]]
"""What every stage looks like from above: the client's own `complete`, or a layer wrapped around it."""


class Layer(Protocol):
    """Does its one thing around `call_next`. What it emits or raises is what the stage above sees."""

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response: ...


def build_pipeline(layers: Sequence[Layer], client: Complete) -> Complete:
    complete = client
    for layer in reversed(layers):
        complete = partial(layer, call_next=complete)
    return complete
