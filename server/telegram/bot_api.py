"""Telegram's Bot API (10.3, https://core.telegram.org/bots/api) over httpx2: any method by its name, and files.

The token stands in every address, so no error tells of one. What may be done twice is tried again; a message whose
sending has an unknown outcome is not: whoever sends it hears so and decides.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from core.redact import register_secret
from server.telegram.flood import Flood, Limits
from server.telegram.refusals import NothingChangedError, TelegramError, TooLargeError, UnknownOutcomeError, result_of

API = "https://api.telegram.org"
POLL_S = 50
MOST_FILE_BYTES = 20 * 1024 * 1024
"""What Telegram lets a bot download: https://core.telegram.org/bots/api#getfile"""
_TIMEOUT = httpx2.Timeout(20.0, connect=15.0)
_KEEPALIVE_S = 15.0
_PATIENCE_S = 90.0
_AGAIN_S, _LONGEST_WAIT_S = 0.1, 30.0
_MOST_CONNECTIONS, _KEPT_CONNECTIONS = 64, 8
"""Each that is idle is looked at for each request, and thirty messages a second need no more than a few."""
_COUNTED = {"sendMessage": 1.0, "editMessageText": 0.25, "editMessageReplyMarkup": 0.25, "deleteMessage": 0.25}
"""What counts against the limits of messages, and for how many: nobody tells what a change counts for."""
_SIGN = "sendChatAction"
"""Limited by itself: where it has to wait, a message to the same chat need not, and is the better sign of life."""


class BotApi:
    """One bot. Open it as an async context manager.

    Args:
        token: What @BotFather gave; it is never told to anybody but Telegram.
        base: Where the API is; a server of one's own has no limit of 20 MB for files.
        flood: Lets messages go.
    """

    def __init__(self, token: str, *, base: str = API, flood: Flood | None = None) -> None:
        register_secret(token)
        self._root = f"{base.rstrip('/')}/bot{token}/"
        self._files = f"{base.rstrip('/')}/file/bot{token}/"
        self.flood = flood or Flood(Limits())
        self._signs = Flood(Limits())
        self._http: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> BotApi:
        self._http = await anyio.to_thread.run_sync(_client)
        return self

    async def __aexit__(self, *_: object) -> None:
        http, self._http = self._http, None
        if http is not None:
            with anyio.CancelScope(shield=True):
                await http.aclose()

    async def call(self, method: str, /, *, patience_s: float = _PATIENCE_S, **parameters: Any) -> Any:
        """What *method* returns. Waits for its turn, obeys `retry_after`, and tries again what may be done twice.

        Raises:
            UnknownOutcomeError: A message was sent, and whether it arrived is not known.
            TelegramError: It was refused; the kinds above say how.
        """
        chat = _chat_of(parameters)
        tried, sending, last = 0, False, ""
        with anyio.move_on_after(patience_s) as patience:
            while True:
                if chat is not None and method in _COUNTED:
                    await self.flood.turn(chat, _COUNTED[method])
                sending = True
                try:
                    return await self._once(method, parameters)
                except TelegramError as error:
                    tried, last = tried + 1, f" The last try: {error}"
                    wait_s = self._again_after(method, chat, error, tried)
                    if wait_s is None:
                        raise
                sending = False
                await anyio.sleep(wait_s)
        assert patience.cancelled_caught
        if sending and not _repeatable(method):
            raise UnknownOutcomeError(f"Telegram did not answer {method} in time. Look whether it was done.")
        raise TelegramError(f"Telegram did not take {method} within {patience_s:.0f} s.{last or ' Try again later.'}")

    async def attempt(self, method: str, /, **parameters: Any) -> Any:
        """What *method* returns, or None where it would have to wait or fails: for what nobody misses."""
        chat = _chat_of(parameters)
        if chat is not None and (
            self._line(method).waits(chat) or (method in _COUNTED and not self.flood.free(chat, _COUNTED[method]))
        ):
            return None
        try:
            return await self._once(method, parameters)
        except NothingChangedError:
            return None
        except TelegramError as error:
            if error.retry_after and chat is not None:
                self._line(method).closed(chat, error.retry_after)
            return None

    async def download(self, file_id: str, *, most: int = MOST_FILE_BYTES) -> bytes:
        """The file *file_id*, of at most *most* bytes.

        Raises:
            TooLargeError: It has more, or Telegram does not hand it out for its size.
            TelegramError: It cannot be had.
        """
        found = await self.call("getFile", file_id=file_id)
        data = bytearray()
        try:
            async with self._open.stream("GET", self._files + str(found["file_path"])) as reply:
                if reply.status_code != 200:
                    raise TelegramError("Telegram does not hand out this file. Send it again.", reply.status_code)
                async for piece in reply.aiter_bytes():
                    data += piece
                    if len(data) > most:
                        raise TooLargeError(f"That file has more than {most:,} bytes.", 413)
        except httpx2.HTTPError as error:
            raise TelegramError(f"The file broke off ({type(error).__name__}). Send it again.") from None
        return bytes(data)

    def _line(self, method: str) -> Flood:
        """Where it is known which chats *method* must wait for."""
        return self._signs if method == _SIGN else self.flood

    @property
    def _open(self) -> httpx2.AsyncClient:
        assert self._http is not None, "open it first: async with BotApi(...)"
        return self._http

    async def _once(self, method: str, parameters: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        long = method == "getUpdates"
        timeout = httpx2.Timeout(20.0, read=float(given.get("timeout", 0)) + 20.0) if long else _TIMEOUT
        try:
            with anyio.CancelScope(shield=not _repeatable(method)):  # else a message stands there that nobody knows
                reply = await self._open.post(self._root + method, json=given, timeout=timeout)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise TelegramError(f"Telegram cannot be reached ({type(error).__name__}). Check the network.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:  # its text may have the address
            raise UnknownOutcomeError(
                f"The connection to Telegram broke in {method} ({type(error).__name__}). Try again."
            ) from None
        return result_of(method, reply)

    def _again_after(self, method: str, chat: int | None, error: TelegramError, tried: int) -> float | None:
        """Seconds after which *method* is tried again; None: it is not."""
        if error.retry_after:
            if chat is None:  # it is this method that is to rest, such as that of the menus, and not the chats
                return error.retry_after
            self._line(method).closed(chat, error.retry_after)
            return 0.0 if method in _COUNTED else error.retry_after
        if isinstance(error, UnknownOutcomeError):
            if not _repeatable(method):
                return None
        elif error.status:
            return None
        return float(min(_LONGEST_WAIT_S, _AGAIN_S * 2**tried) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads


def _client() -> httpx2.AsyncClient:
    """Reads certificates, so it blocks."""
    limits = httpx2.Limits(
        max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_KEPT_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S
    )
    return httpx2.AsyncClient(timeout=_TIMEOUT, limits=limits)


def _chat_of(parameters: Mapping[str, Any]) -> int | None:
    chat = parameters.get("chat_id")
    return chat if isinstance(chat, int) else None


def _repeatable(method: str) -> bool:
    """Whether *method* may be done twice: everything but what leaves a message behind."""
    return not method.startswith(("send", "copy", "forward")) or method in (_SIGN, "sendMessageDraft")
