"""What goes wrong, as a status, a sentence and a word, in OpenAI's shape and in Anthropic's.

A request that a provider may have been paid for is not to be sent again by a client's own retries, so all but limits
and rests are marked `x-should-retry: false`, which both vendors' clients obey.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import (
    AIError,
    AITimeoutError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    ContentFilteredError,
    ContextTooLongError,
    InvalidInputError,
    ModelNotFoundError,
    MootError,
    NoAnswerError,
    NotLocalError,
    NotUsableError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    UnknownAIError,
)
from core.untrusted import clean

log = logging.getLogger(__name__)

_BAD, _BUSY, _QUOTA, _SERVER = "invalid_request_error", "rate_limit_error", "insufficient_quota", "server_error"
_KINDS: Sequence[tuple[type[MootError], int, str, str]] = (
    (UnknownAIError, 404, _BAD, "model_not_found"),
    (InvalidInputError, 400, _BAD, ""),
    (ConfigError, 503, _SERVER, ""),
    (AITimeoutError, 504, _SERVER, ""),
    (BudgetExceededError, 429, _QUOTA, ""),
    (QuotaExceededError, 429, _QUOTA, ""),
    (RateLimitedError, 429, _BUSY, ""),
    (CircuitOpenError, 503, _SERVER, ""),
    (OverloadedError, 503, _SERVER, ""),
    (ModelNotFoundError, 404, _BAD, "model_not_found"),
    (ContextTooLongError, 400, _BAD, "context_length_exceeded"),
    (ContentFilteredError, 400, _BAD, "content_filter"),
    (RefusedError, 400, _BAD, "refused"),
    (RequestRejectedError, 400, _BAD, ""),
    (NotUsableError, 400, _BAD, ""),
    (NotLocalError, 400, _BAD, ""),
    (AIError, 502, _SERVER, ""),
    (NoAnswerError, 502, _SERVER, ""),
)
"""The first that fits tells status, type and code; no code: the error's own."""
_ANTHROPIC = {
    400: "invalid_request_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class RefusedRequestError(InvalidInputError):
    """What was sent cannot be done here; `param` is the field that is to be changed."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400, code: str = "") -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self._code = code

    @property
    def code(self) -> str:
        return self._code or ("unsupported_value" if self.status == 400 else "not_supported")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, for a program and for whoever reads it."""

    status: int
    type: str
    message: str
    code: str
    param: str | None = None
    retry_after: float | None = None
    again: bool = False
    """Whether the same request may be sent again by itself."""

    def openai(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def anthropic(self) -> dict[str, Any]:
        kind = _ANTHROPIC.get(self.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": self.message}}

    def headers(self) -> dict[str, str]:
        wait = {} if self.retry_after is None else {"retry-after": str(max(1, math.ceil(self.retry_after)))}
        return wait if self.again else wait | {"x-should-retry": "false"}


def problem_of(error: Exception, failures: Sequence[AIError] = ()) -> Problem:
    """What *error* means for who asked; *failures* are those of a panel's members."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    if not isinstance(error, MootError):
        log.exception("A request of the endpoint failed unexpectedly", exc_info=error)
        text = "Moot failed unexpectedly. Its log says more (MOOT_LOG=debug); ask again if you want it anyway."
        return Problem(500, _SERVER, text, "internal_error")
    if isinstance(error, RefusedRequestError):
        return Problem(error.status, _BAD, clean(str(error)), error.code, error.param)
    told = _told(error, failures)
    status, kind, code = next(row[1:] for row in (*_KINDS, _ANY) if isinstance(told, row[0]))
    param = "model" if code == "model_not_found" else None
    again = (
        isinstance(told, AIError) and (told.retryable or isinstance(told, CircuitOpenError)) and status in (429, 503)
    )
    return Problem(status, kind, clean(str(error)), code or error.code, param, _wait_s(told, failures), again)


_ANY: tuple[type[MootError], int, str, str] = (MootError, 500, _SERVER, "")


def _told(error: MootError, failures: Sequence[AIError]) -> MootError:
    """The failure that speaks for all members of a panel, where all failed alike; else *error* itself."""
    alike = isinstance(error, NoAnswerError) and failures and len({type(failure) for failure in failures}) == 1
    return failures[0] if alike else error


def _wait_s(error: MootError, failures: Sequence[AIError]) -> float | None:
    if isinstance(error, BudgetExceededError):
        return None if error.alone else _until_midnight_s()
    waits = [one.retry_after for one in (error, *failures) if isinstance(one, AIError) and one.retry_after is not None]
    return min(waits) if waits and isinstance(error, AIError) else None


def _until_midnight_s() -> float:
    """Until the day of a budget ends, which is one of UTC."""
    now = datetime.now(UTC)
    return (datetime.combine(now.date(), datetime.min.time(), UTC) + timedelta(days=1) - now).total_seconds()
