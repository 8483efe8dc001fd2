"""How patient one is with a provider that works on a batch: between two looks, and when it has trouble."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from core.errors import (
    AIError,
    AuthenticationError,
    ConfigError,
    ModelNotFoundError,
    QuotaExceededError,
    RequestRejectedError,
)

T = TypeVar("T")

_MOST_TROUBLES = 20
_FINAL = (AuthenticationError, QuotaExceededError, ModelNotFoundError, RequestRejectedError)


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait between two looks: from `first_s`, growing, up to `most_s` seconds."""

    first_s: float = 2.0
    growth: float = 1.5
    most_s: float = 120.0
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep
    clock: Callable[[], float] = time.time

    async def after(self, looks: int) -> None:
        """Wait before the look that follows so many; before the first there is no wait."""
        if looks:
            await self.sleep(min(self.first_s * self.growth ** min(looks - 1, 60), self.most_s))

    async def patiently(self, ai: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What *attempt* gives, however often the provider has trouble.

        Raises:
            ConfigError: What is wrong does not pass by itself; it pauses the job.
        """
        for troubles in range(1, _MOST_TROUBLES + 1):
            try:
                return await attempt()
            except AIError as error:
                if isinstance(error, _FINAL) or troubles == _MOST_TROUBLES:
                    text = f"{ai}: {error} Mend it and go on; what is finished is kept."
                    raise ConfigError(text) from error
                await self.after(troubles)
        raise AssertionError("the last attempt raises")
