"""What stands before the endpoints that apps call: how often, how much, and for which resource."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StoreError

_WINDOW_S = 60.0
_MOST_KNOWN = 1_000
_MOST_BODY = 64 * 1024


class Pace:
    """So many in a minute: from each, and from all together."""

    def __init__(self, each: int, together: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = each
        self._together = together
        self._clock = clock
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def may(self, whom: str) -> bool:
        """Whether *whom* may once more now, which then counts."""
        now = self._clock()
        recent = {one: [at for at in self._seen.get(one, []) if now - at < _WINDOW_S] for one in (whom, "")}
        if len(recent[whom]) >= self._each or len(recent[""]) >= self._together:
            return False
        for one, times in recent.items():
            self._seen[one] = [*times, now]
            self._seen.move_to_end(one)
        if len(self._seen) > _MOST_KNOWN:
            self._seen.popitem(last=False)
        return True


class Guarded:
    """*app*, before which a body is read whole, its resource compared, and its sender slowed down.

    Args:
        meant: Whether a resource is ours; where it is given, the body must be a form.
        adds: Fields of the form that the SDK wants and that an app without a secret need not send.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        pace: Pace | None = None,
        meant: Callable[[str], bool] | None = None,
        adds: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._adds = adds
        self._pace = pace
        self._meant = meant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope["client"][0] if scope.get("client") else ""
        if self._pace is not None and not self._pace.may(client):
            refused = _refused("temporarily_unavailable", "Too many requests. Wait a minute.", 429)
            await refused(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            await _refused("invalid_request", "The body is too large.", 413)(scope, receive, send)
            return
        if self._meant is not None:
            form = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
            if not all(self._meant(value) for name, value in form if name == "resource"):
                await _refused("invalid_target", "This server gives out no tokens for that resource.")(
                    scope, receive, send
                )
                return
            body += b"".join(f"&{name}=".encode() for name in self._adds if name not in dict(form))
        try:
            await self._app(scope, _replayed(body, receive), _opened_elsewhere(send))
        except StoreError as error:  # nothing was answered yet: what an app is told comes out of the store
            await _refused("temporarily_unavailable", str(error), 503)(scope, receive, send)


def _refused(error: str, description: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status)


async def _whole(receive: Receive) -> bytes | None:
    """The body, unless it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MOST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _opened_elsewhere(send: Send) -> Send:
    """An app may open these pages in a window of its own, and has to know when it is done there."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["cross-origin-opener-policy"] = "unsafe-none"
        await send(message)

    return sent
