"""From what a provider or the network did to the error that says so, with the next step.

Classified by status first; the provider's words decide only where one status has two meanings.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from ai.redirects import RedirectRefusedError
from core.errors import (
    AIError,
    AITimeoutError,
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    ContextTooLongError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)
from core.redact import redact

_LONGEST_QUOTE = 300
_QUOTA = re.compile(
    r"insufficient_quota|billing|credit balance|quota exceeded for|insufficient.{0,10}(credit|balance)", re.I
)
_CONTEXT = re.compile(
    r"context[_ ](length|size|window)|maximum context|too many (input )?tokens|prompt is too long|exceed_context", re.I
)


@dataclass(frozen=True, slots=True)
class Who:
    """Whose call it is, for messages: the AI's name, its provider, and where its key would come from."""

    ai: str
    provider: str
    env_keys: tuple[str, ...] = ()

    @property
    def key_hint(self) -> str:
        row = f'set "api_key" for {self.ai!r} in credentials.json'
        return f"{row} or {self.env_keys[0]} in the environment" if self.env_keys else row


def status_error(
    who: Who, status: int, message: str, *, code: str = "", headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The error for an HTTP *status*, or for an error object that arrived inside a stream."""
    headers = headers or {}
    said = _quote(message)
    wait_s = retry_after_s(headers)
    kind, text = _by_status(who, status, f"{code} {message}", said, wait_s)
    return kind(
        text,
        ai=who.ai,
        provider=who.provider,
        status=status,
        retry_after=wait_s,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )


def _by_status(who: Who, status: int, words: str, said: str, wait_s: float | None) -> tuple[type[ProviderError], str]:
    name = repr(who.ai)
    if status in (401, 403):
        return AuthenticationError, f"{name} refused the key ({status}{said}). Check it: {who.key_hint}."
    if status == 402 or (status == 429 and _QUOTA.search(words)):
        return QuotaExceededError, f"{name} has no credit left ({status}{said}). Top up the account or ask another AI."
    if status == 429:
        wait = f"Wait {wait_s:,.0f} s" if wait_s and wait_s >= 1 else "Wait"
        return RateLimitedError, f'{name} is rate limited (429{said}). {wait}, or lower its "concurrency".'
    if status == 404:
        return ModelNotFoundError, f"{name} does not know the model or path (404{said}). See: moot models {who.ai}."
    if status in (503, 529):
        return OverloadedError, f"{name} is overloaded ({status}{said}). Try again in a minute or ask another AI."
    if status >= 500:
        return ServerError, f"{name} failed on its side ({status}{said}). Try again or ask another AI."
    if status == 413 or _CONTEXT.search(words):
        return (
            ContextTooLongError,
            f"The request is too long for {name} ({status}{said}). Shorten it or ask an AI with a larger context.",
        )
    if 300 <= status < 400:
        return RequestRejectedError, f'{name} answered with a redirect ({status}). Correct its "base_url".'
    return (
        RequestRejectedError,
        f"{name} rejected the request ({status}{said}). Change what it names, or ask another AI.",
    )


def transport_error(who: Who, error: httpx2.HTTPError, *, partial: str = "") -> AIError:
    """The error for a failed connection; it says whether the request may have been accepted."""
    name = repr(who.ai)
    if isinstance(error, RedirectRefusedError):
        text = (
            f"{name} answered with a redirect ({error.status}) to {error.target}, which is not followed: key and "
            f'prompt would go there. If that is meant, set it as "base_url" of {name}.'
        )
        return RequestRejectedError(text, ai=who.ai, provider=who.provider, status=error.status)
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        text = f'{name} could not be reached in time. Check its "base_url" and your network.'
        return AITimeoutError(text, phase="connect", ai=who.ai, provider=who.provider)
    if isinstance(error, httpx2.TimeoutException):
        text = f'{name} went silent. Try again or raise its "idle_timeout".'
        return AITimeoutError(text, phase="idle", ai=who.ai, provider=who.provider, partial=partial)
    if isinstance(error, httpx2.ConnectError | httpx2.UnsupportedProtocol | httpx2.ProxyError):
        text = f'{name} cannot be reached: {_reason(error)}. Check that its endpoint runs and its "base_url" is right.'
        return ConnectionFailedError(text, sent=False, ai=who.ai, provider=who.provider)
    text = (
        f"The connection to {name} broke after the request was sent. "
        "It may have been billed; ask again if you want it anyway."
    )
    return ConnectionFailedError(text, sent=True, ai=who.ai, provider=who.provider, partial=partial)


def not_an_answer(who: Who, body: str, content_type: str = "") -> BadResponseError:
    """The error for a 200 that holds no answer: HTML, garbage, null, no choices."""
    html = "html" in content_type or body.lstrip()[:15].lower().startswith(("<!doctype", "<html"))
    what = "a web page" if html else "something that is not an answer"
    hint = 'Its "base_url" probably lacks the API path, such as /v1.' if html else 'Check its "base_url" and model.'
    said = "" if html else _quote(body)
    return BadResponseError(f"{who.ai!r} sent {what}{said}. {hint}", ai=who.ai, provider=who.provider)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (a number or an HTTP date, RFC 9110 section 10.2.3)."""
    try:
        if value := headers.get("retry-after-ms"):
            return max(0.0, float(value) / 1000)
        if not (value := headers.get("retry-after")):
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: httpx2.HTTPError) -> str:
    words = str(error).lower()
    if "name or service" in words or "nodename" in words or "name resolution" in words:
        return "its host name is unknown"
    if "certificate" in words or "ssl" in words:
        return "its TLS certificate is not accepted"
    if "refused" in words or "connect call failed" in words:
        return "the connection was refused"
    return "the connection failed"


def _quote(message: str) -> str:
    """The provider's own words, on one line and short, or nothing. What is cut is no key: those are taken out first."""
    line = redact(" ".join("".join(c if c.isprintable() else " " for c in redact(message)).split()))
    if not line:
        return ""
    return f": {line[:_LONGEST_QUOTE]}…" if len(line) > _LONGEST_QUOTE else f": {line}"
