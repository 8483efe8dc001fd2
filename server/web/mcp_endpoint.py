"""MCP over streamable HTTP at /mcp, in both protocol eras, from the same server that speaks over stdio.

A session belongs to whoever opened it. A client that lost its connection reads on where it was (`Last-Event-ID`), and
one that comes back later finds its jobs and tasks, which belong to the person, not to the session.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import JSONRPCMessage
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ai.runs.app import App
from core.people.person import acting
from server.mcp_server.app import create_mcp_server
from server.web.house import House
from server.web.stream.event_ids import number_of

_IDLE_S = 1_800.0
_MOST_SESSIONS = 10_000
_METHODS = ("GET", "POST", "DELETE")
_SESSION = "mcp-session-id"
_MOST_BODY = 4 * 1024 * 1024
_RETRY_MS = 1_500
_MOST_STREAMS = 1_000
_MOST_KEPT = 500
"""Messages of one stream that a client may have missed and still gets."""


@dataclass(frozen=True, slots=True)
class Style:
    """How requests of the older era are answered.

    Args:
        stateless: Without sessions, each request by itself.
        json: With one JSON object instead of a stream, so without progress.
    """

    stateless: bool = False
    json: bool = False


class McpEndpoint:
    """The endpoint of *house*; `routes` mounts it, and `open` is entered while it serves."""

    def __init__(self, house: House, style: Style) -> None:
        self._house = house
        self._style = style
        server = create_mcp_server(self._opened, works=False)
        self._manager = StreamableHTTPSessionManager(
            app=server._lowlevel_server,  # as the SDK's own `streamable_http_app` does, whose gate is not ours
            event_store=None if style.stateless else KeptMessages(),
            json_response=style.json,
            stateless=style.stateless,
            retry_interval=None if style.stateless else _RETRY_MS,
            session_idle_timeout=None if style.stateless else _IDLE_S,
            max_request_body_size=_MOST_BODY,
            max_sessions=_MOST_SESSIONS,
        )

    def routes(self, house: House) -> list[BaseRoute]:
        return [Route("/mcp", _Asgi(self._manager, self._style))]

    def open(self, house: House) -> AbstractAsyncContextManager[None]:
        return self._manager.run()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[App]:
        yield self._house.app


class _Asgi:
    """The endpoint as an application: says who asks in the SDK's words, by which it keeps sessions apart."""

    def __init__(self, manager: StreamableHTTPSessionManager, style: Style) -> None:
        self._manager = manager
        self._style = style

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in _METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(_METHODS)})
        if not self._style.stateless and scope["method"] != "POST" and _SESSION not in Headers(scope=scope):
            raise HTTPException(400, "There is no session without one. Send initialize first, by POST")
        name = acting().name
        token = AccessToken(token="", client_id=name or "owner", scopes=[], subject=name)
        await self._manager.handle_request({**scope, "user": AuthenticatedUser(token)}, receive, send)


@dataclass(slots=True)
class _Stream:
    """The last messages of one stream; its key cannot be guessed, so that nobody reads on in another's."""

    key: str = field(default_factory=lambda: secrets.token_hex(16))
    messages: deque[tuple[int, JSONRPCMessage | None]] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    number: int = 0


class KeptMessages(EventStore):
    """The last messages of the last streams, in memory: for clients whose connection broke."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._ids: dict[str, str] = {}

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        stream = self._streams.get(stream_id)
        if stream is None:
            stream = self._streams[stream_id] = _Stream()
            self._ids[stream.key] = stream_id
            self._forget_oldest()
        self._streams.move_to_end(stream_id)
        stream.number += 1
        stream.messages.append((stream.number, message))
        return f"{stream.key}-{stream.number}"

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        key, _, number = last_event_id.rpartition("-")
        stream_id = self._ids.get(key)
        behind = number_of(number)
        if stream_id is None or behind is None:
            return None
        stream = self._streams[stream_id]
        for at, message in tuple(stream.messages):
            if at > behind and message is not None:
                await send_callback(EventMessage(message, f"{key}-{at}"))
        return stream_id

    def _forget_oldest(self) -> None:
        while len(self._streams) > _MOST_STREAMS:
            _, gone = self._streams.popitem(last=False)
            del self._ids[gone.key]
