"""Asks the next AI of the chain when this one cannot answer now, and says who really answered and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ai.client import Emit, FellBack, Signal
from ai.layers.pipeline import Complete
from core.errors import (
    AIError,
    AITimeoutError,
    AsyncUnavailableError,
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    ForbiddenError,
    ModelNotFoundError,
    NotLocalError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from core.values import Request, Response

_WORTH_ANOTHER_AI = (
    CircuitOpenError,
    AITimeoutError,
    ConnectionFailedError,
    ForbiddenError,
    QuotaExceededError,
    RateLimitedError,
    OverloadedError,
    ServerError,
    ModelNotFoundError,
    AsyncUnavailableError,
    NotLocalError,
)


class Fallback:
    """*chain* names the AIs to try in order; *find* gives the pipeline of one, without its own fallbacks."""

    def __init__(self, chain: Sequence[str], find: Callable[[str], Complete]) -> None:
        self._chain = chain
        self._find = find

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        wrote = False

        def watch(signal: Signal) -> None:
            nonlocal wrote
            wrote = wrote or isinstance(signal, str)
            emit(signal)

        try:
            return await call_next(request, watch)
        except AIError as error:
            if wrote or not _unanswered(error):
                raise
            return await self._ask_others(request, emit, error)

    async def _ask_others(self, request: Request, emit: Emit, first: AIError) -> Response:
        reason = str(first)
        for name in self._chain:
            try:
                other = self._find(name)
            except ConfigError as error:  # said by `status` too; the next of the chain may still answer
                reason = str(error)
                continue
            emit(FellBack(name, reason))
            try:
                response = await other(request, emit)
            except AIError as error:
                if error.partial or not _unanswered(error):
                    raise
                reason = str(error)
            else:
                return replace(response, answered_by=name, fallback_reason=str(first))
        raise first


def _unanswered(error: AIError) -> bool:
    """Whether nothing was accepted, so that another AI may be paid instead, and may do better."""
    return not error.accepted and isinstance(error, _WORTH_ANOTHER_AI)
