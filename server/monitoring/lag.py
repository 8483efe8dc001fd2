"""How late the event loop is: what whoever asks waits for before anybody looks at them."""

from __future__ import annotations

import time
from collections import deque

import anyio

_EVERY_S = 0.05
_KEPT = 1_200
"""Looks, of the last minute."""


class LoopLag:
    """Looks twenty times a second how much later than wished a task is woken."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=_KEPT)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            started = time.perf_counter()
            await anyio.sleep(_EVERY_S)
            self._late.append(max(0.0, time.perf_counter() - started - _EVERY_S))

    def quantile(self, share: float) -> float | None:
        """Seconds that the *share* of the last minute's looks were late at most; None before the first."""
        late = sorted(self._late)
        return late[min(len(late) - 1, int(share * len(late)))] if late else None

    def forget(self) -> None:
        """Begin the minute anew."""
        self._late.clear()
