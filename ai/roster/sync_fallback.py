"""Falls back to the synchronous client when the asynchronous machinery fails before anything was sent.

That is the only case: once the provider may have accepted the request, asking again would pay twice.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from ai.client import AIClient, AsyncAIClient, Emit, Signal, ignore
from ai.layers.pipeline import Complete
from core.errors import AITimeoutError, AnswerError, AsyncUnavailableError
from core.values import Request, Response

if TYPE_CHECKING:
    from ai.roster.seat import Seat

log = logging.getLogger(__name__)


def with_sync_rescue(client: AsyncAIClient, sync_client: AIClient) -> Complete:
    """The client's `complete`, or the synchronous one's in a worker thread when the first cannot be used at all."""

    async def complete(request: Request, emit: Emit) -> Response:
        try:
            return await client.complete(request, emit)
        except AsyncUnavailableError as error:
            log.warning("%s Using the synchronous client.", error)
            try:
                return await _in_thread(sync_client, request, emit)
            except ImportError:  # the SDK is missing altogether; the first error says what to do
                raise error from None

    return complete


def complete_sync(seat: Seat, request: Request, emit: Emit = ignore) -> Response:
    """One blocking call within its rate limit and total deadline, for code without an event loop.

    Raises:
        AITimeoutError: It did not finish in time.
        RateLimitedError: Its turn comes too late.
    """
    seat.lanes[0].rate_limit.hold_blocking(request)
    deadlines = request.deadlines or seat.deadlines
    cancelled = threading.Event()
    timer = threading.Timer(deadlines.total or threading.TIMEOUT_MAX, cancelled.set)
    timer.daemon = True
    timer.start()
    try:
        return seat.sync_client.complete(seat.filled(request), emit, cancelled)
    except AnswerError as error:
        if not cancelled.is_set():
            raise
        text = f"{seat.name!r} did not finish within {deadlines.total:g} s. Ask again, or raise its 'timeout'."
        raise AITimeoutError(text, phase="total", ai=seat.name, partial=error.partial) from error
    finally:
        timer.cancel()


async def _in_thread(client: AIClient, request: Request, emit: Emit) -> Response:
    """Run the blocking call in a worker thread; a cancelled caller does not wait for it, it stops by itself."""
    cancelled = threading.Event()

    def relay(signal: Signal) -> None:
        if not cancelled.is_set():
            anyio.from_thread.run_sync(emit, signal)

    try:
        return await anyio.to_thread.run_sync(client.complete, request, relay, cancelled, abandon_on_cancel=True)
    finally:
        cancelled.set()
