"""How Telegram refuses: by a status, and for what the status does not tell, by words. Nobody else reads those words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from core.errors import MootError
from core.redact import redact
from core.untrusted import one_line

_LONGEST_REPLY = 64 * 1024 * 1024
"""Bytes: a hundred updates, each a long message that answers another one, with every letter as an escape."""
_SHORTEST_SILENCE_S, _LONGEST_SILENCE_S = 0.1, 3_600.0


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


class MarkupRefusedError(TelegramError):
    """Telegram does not take the markup of a text (400): the same without it may go."""


class TooLargeError(TelegramError):
    """A file that bots may not download."""


def result_of(method: str, reply: httpx2.Response) -> Any:
    """What *reply* says that *method* returned.

    Raises:
        TelegramError: It was refused.
    """
    try:
        told = json.loads(reply.content[:_LONGEST_REPLY])
        if told["ok"] is True:
            return told["result"]
        code, words = int(told["error_code"]), str(told["description"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnknownOutcomeError(
            f"What answered {method} is not Telegram's API (HTTP {reply.status_code}). Look at telegram.api_url.",
            0,
        ) from None
    more = told.get("parameters")
    raise _refusal(method, code, words, more if isinstance(more, dict) else {})


def _refusal(method: str, code: int, words: str, more: Mapping[str, Any]) -> TelegramError:
    said = one_line(redact(words), 200)
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
            seconds = _silence_s(more.get("retry_after"))
            return TelegramError(f"Telegram wants {seconds:.0f} s of silence.", code, said, seconds)
        case 403:
            return UnreachableError("This chat takes nothing from the bot any more.", code, said)
        case 400 if isinstance(to := more.get("migrate_to_chat_id"), int):
            return MigratedError(to)
        case 400 if found := next((row for row in _BY_WORDS if row[0] in words.lower()), None):
            return found[1](found[2], code, said)
        case _ if code >= 500:
            return UnknownOutcomeError(f"Telegram failed in {method} ({code}). Try again later.", 0, said)
    return TelegramError(f"Telegram refused {method}: {said or code}.", code, said)


def _silence_s(told: Any) -> float:
    """The seconds that *told* asks for: at least a moment, and not so many that the bot would never try again."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not told > 0:
        return 1.0
    return float(max(_SHORTEST_SILENCE_S, min(_LONGEST_SILENCE_S, told)))


_BY_WORDS: tuple[tuple[str, type[TelegramError], str], ...] = (
    ("not modified", NothingChangedError, "The message is like that already."),
    ("message to edit not found", MessageGoneError, "The message is not there any more."),
    ("message_id_invalid", MessageGoneError, "The message is not there any more."),
    ("message can't be edited", MessageGoneError, "The message is not there any more."),
    ("parse entities", MarkupRefusedError, "Telegram does not take this markup."),
    ("file is too big", TooLargeError, "That file is larger than bots may download."),
)
"""What stands in the description of a 400, as https://github.com/tdlib/telegram-bot-api has it."""
_REFUSED = (
    "Telegram does not take the bot's token: it is revoked or mistyped. Get one from @BotFather, then: "
    "moot keys set telegram"
)
