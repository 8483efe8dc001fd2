"""The asynchronous way in for library users.

from ai.async_client import call_ai_async, create_async_ai_client

async with await create_async_ai_client("gemini", api_key, model) as client:
    print(await client.generate("Hello"))
print(await call_ai_async("gemini", "What is 2+2?", temperature=0.1))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio.to_thread

from ai.caller import call_ai_async, call_multiple_ais
from ai.client import AsyncAIClient, Emit, TextStream
from core.values import Request, Response

if TYPE_CHECKING:
    from ai.roster.roster import Roster
    from ai.wire.transport import SharedHTTP

__all__ = ["AsyncAIClient", "TextStream", "call_ai_async", "call_multiple_ais", "create_async_ai_client"]


async def create_async_ai_client(
    ai: str,
    api_key: str | None = None,
    model: str | None = None,
    *,
    base_url: str | None = None,
    http: SharedHTTP | None = None,
) -> AsyncAIClient:
    """A client for one AI, with retries, deadlines and the other layers around it. Use it with `async with`.

    Args:
        ai: A provider such as "openai", "anthropic", "gemini", or a name from credentials.json.
        api_key, model, base_url: Win over credentials.json and the environment.
        http: Connections to share with other clients; the client then leaves them open.

    Raises:
        UnknownAIError: *ai* is neither a provider nor configured (a ValueError).
        ConfigError: A key or an address is missing; the message says which.
    """
    roster = await anyio.to_thread.run_sync(_open, ai, api_key, model, base_url, http)
    seat = roster.seat(ai)
    return _Standalone(seat, roster.aclose if http is None else seat.aclose)


def _open(ai: str, api_key: str | None, model: str | None, base_url: str | None, http: SharedHTTP | None) -> Roster:
    """In a thread: reads the configuration and imports what stands around a client."""
    from ai.roster.roster import open_seat
    from core.config import load_config
    from core.paths import credentials_path

    config = load_config(credentials_path())
    return open_seat(ai, config, api_key=api_key, model=model, base_url=base_url, http=http)


class _Standalone(AsyncAIClient):
    """A seat that brings its own roster and closes it."""

    def __init__(self, seat: AsyncAIClient, close: Callable[[], Awaitable[None]]) -> None:
        self._seat = seat
        self._close = close

    async def complete(self, request: Request, emit: Emit) -> Response:
        return await self._seat.complete(request, emit)

    async def list_models(self) -> list[str]:
        return await self._seat.list_models()

    async def aclose(self) -> None:
        await self._close()
