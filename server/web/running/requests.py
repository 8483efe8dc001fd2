"""In front of everything: gives each request an id, and tells the access log and the metrics how it went."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.people.person import Person
from server.web.running.access_log import Seen

HEADER = "x-request-id"
SCOPE = "moot.request"
_LONGEST_ID = 64
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9._-]")
_STREAM = "text/event-stream"
_GONE = 499
"""What there is no answer to, since nobody waits for it any more."""


class Requests:
    """Stands in front of *app*, and gives what it saw of each request to *tell*, with the seconds that count for it.

    Of an event stream those are the ones until it began: how long somebody watches says nothing about us.
    """

    def __init__(self, app: ASGIApp, base_path: str, tell: Callable[[Seen, float], None]) -> None:
        self._app = app
        self._base_path = base_path
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = scope[SCOPE] = request_id(Headers(scope=scope).get(HEADER, ""))
        at, started = time.time(), time.perf_counter()
        status, size, began = _GONE, 0, None

        async def sent(message: Message) -> None:
            nonlocal status, size, began
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = asked
                if headers.get("content-type", "").startswith(_STREAM):
                    began = time.perf_counter() - started
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - started
            person: Person | None = scope.get("moot.person")
            name = None if person is None else person.name
            seen = Seen(at, _method(scope), self._route(scope), status, seconds, size, name, asked)
            self._tell(seen, seconds if began is None else began)

    def _route(self, scope: Scope) -> str:
        """The template of the route that answered; empty where none did."""
        route = scope.get("route")
        if route is None or isinstance(route, Mount):
            return ""
        return f"{scope.get('root_path', '')}{route.path}".removeprefix(self._base_path)


def request_id(said: str) -> str:
    """*said* as far as it can be an id, which whoever sent it finds again in the log; else a new one."""
    return _NOT_IN_ID.sub("", said[: 4 * _LONGEST_ID])[:_LONGEST_ID] or secrets.token_hex(8)


def _method(scope: Scope) -> str:
    """As it was sent: a server takes no word for a method that is not made of letters."""
    return str(scope["method"])[:16]
