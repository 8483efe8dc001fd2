"""The middleware in front of everything: it turns away who may not come in, and says who the others are.

In order: a host that is ours, a page that is ours, no token in the address, a body within bounds, somebody we know.
What answers below it runs as that person (`core.people.person.acting`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import parse_qsl

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StoreError
from core.people.person import Person, acting_as
from server.web.access.address import Address
from server.web.access.people import Credentials, People, TooManyGuesses
from server.web.access.visit import Visit

MOST_BODY = 32 * 1024 * 1024
"""Bytes of a body: room for a few pictures."""
_BODY_S = 30.0
"""How long a body may pause between two pieces."""
_TOKEN_NAMES = frozenset({"token", "access_token", "api_key", "apikey", "key", "auth", "authorization"})
_OF_NO_MATTER = ("/page/", "/health", "/ready", "/favicon.ico")
"""Public paths that are the same for everybody, so that nobody has to be looked for."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FETCHED_BY_OURS = frozenset({"same-origin", "none"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none at all a form of ours would say that it comes from nowhere
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
FORM_HEADERS = {"referrer-policy": "same-origin"}
"""Of a page with a form, whose origin a browser sends as `null` where there may be no referrer at all."""
_UNKNOWN = (
    "Who are you? In a browser, open the link that the server printed, or print a new one: moot web --link. "
    "A program sends the header Authorization: Bearer TOKEN; make a token with: moot tokens add NAME"
)


class Refusal(HTTPException):
    """Why a request goes no further."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(status, message, {name.replace("_", "-"): value for name, value in headers.items()})


class Gate:
    """Lets through to *app* what may come in.

    Args:
        public: Paths, below the base path, that everybody may ask for; one that ends with a slash means all below it.
        welcome: Called with everybody who comes in, before anything is done for them.
        challenge: What the header WWW-Authenticate says for a path, where it says more than `Bearer`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: Address,
        people: People,
        public: Iterable[str] = (),
        welcome: Callable[[Person], Awaitable[None]],
        challenge: Callable[[str], str] | None = None,
        most_body: int = MOST_BODY,
    ) -> None:
        self._app = app
        self._address = address
        self._people = people
        self._public = tuple(public)
        self._welcome = welcome
        self._challenge = challenge or (lambda path: "Bearer")
        self._most_body = most_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            headers = Headers(scope=scope)
            self._check_place(scope["method"], headers)
            _check_address(scope)
            self._check_length(headers)
            await self._let_in(scope, headers, receive, send)
        except HTTPException as refusal:
            await refused(refusal)(scope, receive, send)

    def _check_place(self, method: str, headers: Headers) -> None:
        """That the request names a host of ours, and that the page that sends it, if any, is ours."""
        if headers.get("host", "").casefold() not in self._address.hosts:
            raise Refusal(421, "This server is not called that. Use the address it printed at its start.")
        origin = headers.get("origin")
        if origin is not None and origin.casefold() not in self._address.origins:
            raise Refusal(403, "A page elsewhere may not call this server.")
        fetched = headers.get("sec-fetch-site", "none")
        if method not in _SAFE and fetched not in _FETCHED_BY_OURS:
            raise Refusal(403, "A page elsewhere may not call this server.")

    async def _let_in(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(self._address.base_path) or "/"
        client = scope["client"][0] if scope.get("client") else ""
        credentials = Credentials.of(headers)
        try:
            entry = None if _is_among(_OF_NO_MATTER, path) else await self._people.enter(credentials, client)
        except TooManyGuesses:
            raise Refusal(429, "Too many wrong tokens. Wait a minute.", retry_after="60") from None
        except StoreError as error:
            if not self._is_public(path):
                raise Refusal(503, str(error), retry_after="5") from error
            entry = None
        scope["moot.person"] = person = entry.person if entry else None
        visit = Visit(send, entry.may_stay if entry else _anybody)
        receive = self._bounded(receive, visit)
        if person is None:
            if not self._is_public(path):
                raise Refusal(401, _UNKNOWN, www_authenticate=self._challenge(path))
            await visit.run(self._app, scope, receive)
            return
        await self._welcome(person)
        with acting_as(person):
            await visit.run(self._app, scope, receive)

    def _is_public(self, path: str) -> bool:
        return _is_among(self._public, path)

    def _check_length(self, headers: Headers) -> None:
        said = headers.get("content-length", "0")
        if not said.isdecimal() or int(said) > self._most_body:
            raise self._too_large()

    def _too_large(self) -> Refusal:
        return Refusal(413, f"The body is too large; at most {self._most_body:,} bytes are taken. Send less.")

    def _bounded(self, receive: Receive, visit: Visit) -> Receive:
        """*receive* for a body within bounds, which comes at a pace within bounds."""
        seen = 0
        whole = False

        async def bounded() -> Message:
            nonlocal seen, whole
            if whole:  # what comes after a body is that the client goes, which may take as long as it likes
                return await receive()
            with anyio.move_on_after(_BODY_S) as pause:
                message = await receive()
            if pause.cancelled_caught:
                visit.refusal = Refusal(408, f"Nothing of the body came for {_BODY_S:.0f} s. Send it again.")
                raise visit.refusal
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > self._most_body:
                visit.refusal = self._too_large()
                raise visit.refusal
            return message

        return bounded


def _is_among(paths: Iterable[str], path: str) -> bool:
    """Whether *path* is one of *paths*, or lies below one of them that ends with a slash."""
    return any(path == one or (one.endswith("/") and len(one) > 1 and path.startswith(one)) for one in paths)


def _check_address(scope: Scope) -> None:
    """A token in an address ends up in histories and logs, so it is refused there, whether it is a good one or not."""
    if not scope["query_string"]:
        return
    names = {name.casefold() for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)}
    if bad := sorted(names & _TOKEN_NAMES):
        raise Refusal(400, f"{bad[0]!r} does not belong in an address. Send it as: Authorization: Bearer TOKEN")


async def _anybody() -> bool:
    return True


def refused(refusal: HTTPException) -> JSONResponse:
    """Why a request goes no further, in the shape that every refusal has."""
    kind = "authentication_error" if refusal.status_code == 401 else "invalid_request_error"
    kind = "server_error" if refusal.status_code >= 500 else kind
    error = {"message": refusal.detail, "type": kind, "param": None, "code": None}
    return JSONResponse({"error": error}, refusal.status_code, headers=refusal.headers)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if "cache-control" not in headers:
                headers["cache-control"] = "no-store"
        await send(message)

    return sent
