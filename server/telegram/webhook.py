"""Updates that Telegram brings itself: a route of the HTTP door, for whoever knows the secret alone."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.config import load_config
from core.errors import ConfigError, InvalidInputError, StoreError
from core.paths import credentials_path
from server.telegram.bot import AT_ONCE, OpenBot, open_bot
from server.telegram.incoming import ALLOWED
from server.telegram.running import alone, find_token, greet
from server.telegram.store import TelegramStore
from server.web.assembly import Place, Room
from server.web.house import House
from server.web.serve import serve

_SECRET = "x-telegram-bot-api-secret-token"  # noqa: S105 - the name of a header
_LONGEST = 1024 * 1024
_PORTS = (None, 443, 80, 88, 8443)
"""https://core.telegram.org/bots/api#setwebhook"""
_TAKEN = ("mcp", "metrics", "health", "ready", "enter", "leave", "favicon.ico")
_TAKEN_BELOW = ("api", "v1", "page", "open", "oauth", ".well-known")
"""What the door serves itself, and below what."""


class Webhook:
    """The room of the bot in the HTTP door. Telegram gives the secret back with every update.

    Args:
        url: Where Telegram brings updates to; its path is the route.
    """

    def __init__(self, url: str, token: str, kept: TelegramStore) -> None:
        self._url = url
        self._token = token
        self._kept = kept
        self._secret = secrets.token_urlsafe(32)
        self._bot: OpenBot | None = None
        self.path = urlsplit(url).path

    def room(self, base_path: str) -> Room:
        """What the door opens beside its own."""
        below = self.path.removeprefix(base_path)
        return Room(self._routes(below), self._open, public=(below,), at_once=AT_ONCE)

    def _routes(self, path: str) -> Callable[[House], list[BaseRoute]]:
        def routes(house: House) -> list[BaseRoute]:
            return [Route(path, self._brought, methods=["POST"])]

        return routes

    @asynccontextmanager
    async def _open(self, house: House) -> AsyncIterator[None]:
        async with open_bot(house.app, self._token, self._kept) as bot:
            self._bot = bot
            await bot.api.call(
                "setWebhook",
                url=self._url,
                secret_token=self._secret,
                allowed_updates=list(ALLOWED),
                max_connections=40,
            )
            await greet(bot)
            try:
                yield
            finally:
                self._bot = None

    async def _brought(self, request: Request) -> Response:
        """Keep an update and say so; what comes of it happens meanwhile."""
        given = request.headers.get(_SECRET, "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return JSONResponse({"error": "This address is for Telegram."}, 403)
        body = await _body(request)
        if body is None:
            return JSONResponse({"error": "That is no update."}, 413)
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return JSONResponse({"error": "That is no update."}, 400)
        if not isinstance(told, dict):
            return JSONResponse({"error": "That is no update."}, 400)
        if self._bot is None:
            return JSONResponse({"error": "Bring it again."}, 503)
        try:
            await self._bot.receive(told)
        except StoreError as error:
            await self._bot.cannot_keep([told], error)
            return JSONResponse({"error": "It cannot be kept now. Bring it again."}, 503)
        return Response(status_code=200)


async def _body(request: Request) -> bytes | None:
    """What was sent; None: more than any update has, whatever its header says."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            return None
    return bytes(body)


def check_url(url: str) -> None:
    """Refuse an address to which Telegram brings no updates, or where something else stands.

    Raises:
        InvalidInputError: It is one; the message says what is wrong with it.
    """
    no_address = InvalidInputError(
        "'--webhook' must be an address of yours that begins with https:// and has a path, such as "
        "https://moot.example.org/telegram"
    )
    try:
        parts = urlsplit(url)
        port, path = parts.port, parts.path
    except ValueError:
        raise no_address from None
    if parts.scheme != "https" or not parts.hostname or len(path) < 2:
        raise no_address
    if parts.query or parts.fragment or parts.username is not None:
        raise no_address
    if port not in _PORTS:
        raise InvalidInputError("'--webhook' must have port 443, 80, 88 or 8443: Telegram brings updates to no other.")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise InvalidInputError(
            "'--webhook' must have a path of plain letters, such as /telegram, without a / at its end."
        )
    if path.rpartition("/")[2] in _TAKEN or any(part in _TAKEN_BELOW for part in path.split("/")):
        raise InvalidInputError(f"'--webhook' cannot be at {path!r}, where Moot serves something else. Take /telegram.")


def run_webhook(url: str, host: str, port: int | None) -> int:
    """Serve HTTP with the bot in it until told to end; the exit code.

    Raises:
        InvalidInputError: Telegram does not bring updates to such an address.
        ConfigError: It cannot start as things are.
    """
    check_url(url)
    parts = urlsplit(url)
    config = load_config(credentials_path())
    token = find_token(config.telegram)
    kept = TelegramStore()
    place = Place(host=host, port=port, public_url=f"https://{parts.netloc}", detach=False)
    try:
        with alone():
            return serve(place, browser=False, room=Webhook(url, token, kept).room(place.base_path))
    except StoreError as error:
        raise ConfigError(str(error)) from error
    finally:
        kept.close()
