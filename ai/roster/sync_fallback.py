"""Falls back to the synchronous client when the asynchronous machinery fails before anything was sent.

That is the only case: once the provider may have accepted the request, asking again would pay twice.
"""

from __future__ import annotations

import logging
import threading

import anyio
import anyio.from_thread
import anyio.to_thread

from ai.client import AIClient, AsyncAIClient, Emit, Signal
from ai.layers.pipeline import Complete
from core.errors import AsyncUnavailableError
from core.values import Request, Response

log = logging.getLogger(__name__)


def with_sync_fallback(client: AsyncAIClient, sync_client: AIClient) -> Complete:
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
