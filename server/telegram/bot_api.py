"""Telegram's Bot API (10.3, https://core.telegram.org/bots/api) over httpx2: any method by its name, and files.

The token stands in every address, so no error tells of one. What may be done twice is tried again; a message whose
sending has an unknown outcome is not: whoever sends it hears so and decides.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from core.errors import MootError
from core.redact import redact, register_secret
from core.untrusted import one_line
from server.telegram.flood import Flood, Limits

API = "https://api.telegram.org"
POLL_S = 50
MOST_FILE_BYTES = 20 * 1024 * 1024
"""What Telegram lets a bot download: https://core.telegram.org/bots/api#getfile"""
_TIMEOUT = httpx2.Timeout(20.0, connect=15.0)
_KEEPALIVE_S = 15.0
_PATIENCE_S = 90.0
_LONGEST_WAIT_S = 30.0
_MOST_CONNECTIONS = 64
_LONGEST_REPLY = 8 * 1024 * 1024
_COUNTED = {"sendMessage": 1.0, "editMessageText": 0.25, "editMessageReplyMarkup": 0.25, "deleteMessage": 0.25}
"""What counts against the limits of messages, and for how many: nobody tells what a change counts for."""


class TelegramError(MootError):
    """Telegram did not do what it was asked. `status` is that of HTTP, 0 where none came."""

    def __init__(self, message: str, status: int = 0, told: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.told = told
        """What Telegram said, for code to look through."""
        self.retry_after = retry_after


class UnknownOutcomeError(TelegramError):
    """It was sent, and no answer came: nobody knows whether it was done."""


class TokenRefusedError(TelegramError):
    """The token is revoked or wrong (401, or 404 for a token that is none)."""


class SecondPollerError(TelegramError):
    """Somebody else reads the updates of this bot (409)."""


class UnreachableError(TelegramError):
    """This person or group takes nothing from the bot any more (403)."""


class MigratedError(TelegramError):
    """The group has become a supergroup, with another id."""

    def __init__(self, to: int) -> None:
        super().__init__("The group has become a supergroup. Send it there.", 400)
        self.to = to


class NothingChangedError(TelegramError):
    """The message is as it was already (400)."""


class MessageGoneError(TelegramError):
    """The message to be changed is not there any more, or cannot be changed (400)."""


class TooLargeError(TelegramError):
    """A file that bots may not download."""


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
        tried = 0
        with anyio.move_on_after(patience_s) as patience:
            while True:
                if chat is not None and method in _COUNTED:
                    await self.flood.turn(chat, _COUNTED[method])
                try:
                    return await self._once(method, parameters)
                except TelegramError as error:
                    tried += 1
                    wait_s = self._again_after(method, chat, error, tried)
                    if wait_s is None:
                        raise
                await anyio.sleep(wait_s)
        assert patience.cancelled_caught
        if not _repeatable(method):
            raise UnknownOutcomeError(f"Telegram did not answer {method} in time. Look whether it was done.")
        raise TelegramError(f"Telegram did not take {method} within {patience_s:.0f} s. Try again later.")

    async def attempt(self, method: str, /, **parameters: Any) -> Any:
        """What *method* returns, or None where it would have to wait or fails: for what nobody misses."""
        chat = _chat_of(parameters)
        if chat is not None and (
            self.flood.waits(chat) or (method in _COUNTED and not self.flood.free(chat, _COUNTED[method]))
        ):
            return None
        try:
            return await self._once(method, parameters)
        except NothingChangedError:
            return None
        except TelegramError as error:
            if error.retry_after:
                self.flood.closed(chat, error.retry_after)
            return None

    async def download(self, file_id: str, *, most: int = MOST_FILE_BYTES) -> bytes:
        """The file *file_id*, of at most *most* bytes.

        Raises:
            TooLargeError: It has more, or Telegram does not hand it out for its size.
            TelegramError: It cannot be had.
        """
        try:
            found = await self.call("getFile", file_id=file_id)
        except TelegramError as error:
            if "too big" in error.told:
                raise TooLargeError("That file is larger than bots may download.", 400, error.told) from None
            raise
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

    @property
    def _open(self) -> httpx2.AsyncClient:
        assert self._http is not None, "open it first: async with BotApi(...)"
        return self._http

    async def _once(self, method: str, parameters: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        long = method == "getUpdates"
        timeout = httpx2.Timeout(20.0, read=float(given.get("timeout", 0)) + 20.0) if long else _TIMEOUT
        try:
            reply = await self._open.post(self._root + method, json=given, timeout=timeout)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise TelegramError(f"Telegram cannot be reached ({type(error).__name__}). Check the network.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:  # its text may have the address
            raise UnknownOutcomeError(
                f"The connection to Telegram broke in {method} ({type(error).__name__}). Try again."
            ) from None
        return _result(method, reply)

    def _again_after(self, method: str, chat: int | None, error: TelegramError, tried: int) -> float | None:
        """Seconds after which *method* is tried again; None: it is not."""
        if error.retry_after:
            self.flood.closed(chat, error.retry_after)
            return 0.0 if chat is not None and method in _COUNTED else error.retry_after
        if isinstance(error, UnknownOutcomeError):
            if not _repeatable(method):
                return None
        elif error.status:
            return None
        return float(min(_LONGEST_WAIT_S, 0.25 * 2**tried) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads


def _client() -> httpx2.AsyncClient:
    """Reads certificates, so it blocks."""
    limits = httpx2.Limits(max_connections=_MOST_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S)
    return httpx2.AsyncClient(timeout=_TIMEOUT, limits=limits)


def _chat_of(parameters: Mapping[str, Any]) -> int | None:
    chat = parameters.get("chat_id")
    return chat if isinstance(chat, int) else None


def _repeatable(method: str) -> bool:
    """Whether *method* may be done twice: everything but what leaves a message behind."""
    return not method.startswith(("send", "copy", "forward")) or method in ("sendChatAction", "sendMessageDraft")


def _result(method: str, reply: httpx2.Response) -> Any:
    try:
        told = json.loads(reply.content[:_LONGEST_REPLY])
        if told["ok"] is True:
            return told["result"]
        code, words = int(told["error_code"]), str(told["description"])
        more = told.get("parameters") or {}
    except (ValueError, KeyError, TypeError):
        if reply.status_code in (400, 401, 403, 404, 409):
            code, words, more = reply.status_code, "", {}
        else:
            raise UnknownOutcomeError(
                f"What answered {method} is not Telegram's API (HTTP {reply.status_code}). Try again later.",
                0,
            ) from None
    raise _refusal(method, code, words, more)


def _refusal(method: str, code: int, words: str, more: Mapping[str, Any]) -> TelegramError:
    said = one_line(redact(words), 200)
    lower = words.lower()
    match code:
        case 401:
            return TokenRefusedError(_REFUSED, code, said)
        case 404 if method in ("getMe", "getUpdates"):
            return TokenRefusedError(_REFUSED, code, said)
        case 409:
            return SecondPollerError(
                "Another program reads the updates of this bot. Stop it, or take its webhook away; then this one goes "
                "on by itself.",
                code,
                said,
            )
        case 429:
            seconds = float(more.get("retry_after") or 1)
            return TelegramError(f"Telegram wants {seconds:.0f} s of silence.", code, said, seconds)
        case 403:
            return UnreachableError("This chat takes nothing from the bot any more.", code, said)
        case 400 if more.get("migrate_to_chat_id"):
            return MigratedError(int(more["migrate_to_chat_id"]))
        case 400 if "not modified" in lower:
            return NothingChangedError("The message is like that already.", code, said)
        case 400 if "message to edit not found" in lower or "message can't be edited" in lower:
            return MessageGoneError("The message is not there any more.", code, said)
        case _ if code >= 500:
            return UnknownOutcomeError(f"Telegram failed in {method} ({code}). Try again later.", 0, said)
    return TelegramError(f"Telegram refused {method}: {said or code}.", code, said)


_REFUSED = (
    "Telegram does not take the bot's token: it is revoked or mistyped. Get one from @BotFather, then: "
    "moot keys set telegram"
)
