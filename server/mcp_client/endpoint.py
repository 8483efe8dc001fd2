"""A server that is an address: the official client's streamable HTTP, with bodies that end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
import httpx2
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client

from ai.wire.raw.bounded import bound
from server.mcp_client.lines import LONGEST_MESSAGE

_EVENTS = "text/event-stream"
_WRITE_S = 30.0


@asynccontextmanager
async def endpoint(url: str, *, headers: Mapping[str, str], connect_s: float) -> AsyncIterator[Transport]:
    """What the client needs to talk to *url*. How long an answer may take is for whoever asks."""
    limits = httpx2.Timeout(_WRITE_S, connect=connect_s, read=None)
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [partial(_bounded, longest=LONGEST_MESSAGE)]}
    sent = {"Accept-Encoding": "identity"} | dict(headers)
    client = partial(httpx2.AsyncClient, headers=sent, timeout=limits, event_hooks=hooks)
    async with await anyio.to_thread.run_sync(client) as http:  # it reads the system's certificates
        yield streamable_http_client(url, http_client=http, max_sse_event_size=LONGEST_MESSAGE)


async def _bounded(response: httpx2.Response, *, longest: int) -> None:
    """Bound every body but a stream of events, whose events are bounded one by one."""
    if not response.headers.get("content-type", "").lower().startswith(_EVENTS):
        bound(response, longest)
