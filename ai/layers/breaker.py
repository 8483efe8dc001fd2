"""Rests an AI that keeps failing, instead of making every caller wait for the next failure (Nygard, "Release It!")."""

from __future__ import annotations

import time
from collections.abc import Callable

from ai.client import Emit
from ai.layers.pipeline import Complete
from core.errors import (
    AIError,
    AITimeoutError,
    CircuitOpenError,
    ConnectionFailedError,
    OverloadedError,
    ServerError,
)
from core.values import Request, Response

_UNHEALTHY = (ConnectionFailedError, AITimeoutError, OverloadedError, ServerError)
"""What says something about the AI's health. A wrong key or a bad request says nothing about the next call."""


class Breaker:
    """Opens after *threshold* unhealthy answers in a row, for *rest_s* seconds; then one call is the probe."""

    def __init__(
        self, ai: str, *, threshold: int = 5, rest_s: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ai = ai
        self._threshold = threshold
        self._rest_s = rest_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._reason = ""

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._clock() - self._opened_at >= self._rest_s else "open"

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        probe = self._admit()
        try:
            response = await call_next(request, emit)
        except _UNHEALTHY as error:
            self._failed(error)
            raise
        except AIError:
            self._recovered()
            raise
        else:
            self._recovered()
            return response
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Let the call pass, or refuse it; True when it is the probe."""
        if self._opened_at is None:
            return False
        left = self._opened_at + self._rest_s - self._clock()
        if left > 0 or self._probing:
            wait = max(left, 1.0)
            text = f"{self._ai!r} is rested for {wait:.0f} s more after repeated failures. Last one: {self._reason}"
            raise CircuitOpenError(text, ai=self._ai, retry_after=wait)
        self._probing = True
        return True

    def _failed(self, error: AIError) -> None:
        self._failures += 1
        self._reason = str(error)
        if self._failures >= self._threshold or self._probing:
            self._opened_at = self._clock()

    def _recovered(self) -> None:
        self._failures = 0
        self._opened_at = None
