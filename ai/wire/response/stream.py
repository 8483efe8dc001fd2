"""Reads a response into a fold, and no further than the answer goes.

Once an answer is complete nothing can spoil it: what may still follow are figures about it, for which the reader waits
a moment, and a connection that then breaks or goes silent is no failure of the answer.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio
import httpx2

from ai.client import Emit, Signal
from ai.wire.classify.failure import Who, timed_out
from core.errors import TimeoutPhase
from core.values import Deadlines

_LINGER_S = 2.0
"""For the usage, which some send after the reason for the end."""
_DRAIN_S = 0.02
"""For the end of the body: a connection that was read to its end can be used again."""
_TICK_S = 0.05


class Streamed(Protocol):
    """A fold that takes in bytes as they arrive."""

    done: bool

    @property
    def complete(self) -> bool: ...

    @property
    def text(self) -> str: ...

    def feed(self, chunk: bytes) -> None: ...


async def read_async(fold: Streamed, chunks: AsyncIterable[bytes]) -> None:
    """Feed *fold* until it has its answer, or there is no more.

    Raises:
        httpx2.HTTPError: The connection failed before the answer was complete.
        AIError: What came is no answer.
    """
    with anyio.CancelScope() as lingering:
        try:
            async for chunk in chunks:
                if not fold.done:
                    fold.feed(chunk)
                    lingering.deadline = _patience(fold, lingering.deadline)
                elif anyio.current_time() > lingering.deadline:
                    return
        except Exception:
            if not fold.complete:
                raise


def _patience(fold: Streamed, until: float) -> float:
    if fold.done:
        return anyio.current_time() + _DRAIN_S
    return anyio.current_time() + _LINGER_S if fold.complete and until == math.inf else until


def read_sync(fold: Streamed, reply: httpx2.Response, watch: Watch) -> None:
    """Read a synchronous response into *fold*, within the deadlines of *watch*.

    Raises:
        AITimeoutError: One of them passed.
    """
    with watch.over(reply):
        try:
            for chunk in reply.iter_bytes():
                if watch.over_already:
                    break
                fold.feed(chunk)
                if fold.done:
                    break
                if fold.complete:
                    watch.linger(_LINGER_S)
        except Exception as error:
            if not (fold.complete or watch.called_off):
                watch.explain(fold.text, error)
                raise
    if not fold.complete:
        watch.explain(fold.text, None)


class Watch:
    """Deadlines for code that blocks: a thread ends the connection when one passes, since a read cannot be cancelled.

    Use `emit` in place of the one it wraps: it sees when there was a sign of life.
    """

    def __init__(self, who: Who, deadlines: Deadlines, emit: Emit, cancelled: threading.Event) -> None:
        self._who = who
        self._limits = deadlines
        self._emit = emit
        self._cancelled = cancelled
        self._started = time.monotonic()
        self._heard: float | None = None
        self._end = math.inf
        self._phase: TimeoutPhase | None = None
        self._stopped = threading.Event()

    def emit(self, signal: Signal) -> None:
        self._heard = time.monotonic()
        self._emit(signal)

    @property
    def over_already(self) -> bool:
        return self._cancelled.is_set() or self._phase is not None

    @property
    def called_off(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._cancelled.is_set()

    def linger(self, seconds: float) -> None:
        self._end = min(self._end, time.monotonic() + seconds)

    @contextmanager
    def over(self, reply: httpx2.Response) -> Iterator[None]:
        """End *reply*'s connection when a deadline passes inside the block."""
        thread = threading.Thread(target=self._run, args=(_socket(reply),), name="deadline", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def explain(self, partial: str, error: Exception | None) -> None:
        """Raise what a passed deadline means, if one has passed."""
        phase = self._phase
        if phase is None and isinstance(error, httpx2.ReadTimeout):
            phase = (
                "total" if (self._limits.total or math.inf) < (self._limits.first_token or math.inf) else "first token"
            )
        if phase is not None:
            raise timed_out(self._who, phase, self._limits, partial) from error

    def _run(self, connection: socket.socket | None) -> None:
        while not self._stopped.wait(_TICK_S):
            passed = self._passed()
            if passed is None and time.monotonic() < self._end and not self._cancelled.is_set():
                continue
            self._phase = passed
            if connection is not None:
                with contextlib.suppress(OSError):  # closed by the reader in this very moment
                    connection.shutdown(socket.SHUT_RDWR)
            return

    def _passed(self) -> TimeoutPhase | None:
        now, limits = time.monotonic(), self._limits
        if now - self._started > (limits.total or math.inf):
            return "total"
        if self._heard is None:
            return "first token" if now - self._started > (limits.first_token or math.inf) else None
        return "idle" if now - self._heard > (limits.idle or math.inf) else None


def _socket(reply: httpx2.Response) -> socket.socket | None:
    stream = reply.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream is not None else None
    return found if isinstance(found, socket.socket) else None
