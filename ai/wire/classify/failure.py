"""From what a provider or the network did to the error that says so, with the next step.

What a refusal means is read in `refusals.py`, how long to wait in `waits.py`, and whether the request may have been
accepted in `acceptance.py`; here each meaning has its error, its `code` and its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from ai.wire.classify.acceptance import status_accepted, transport_accepted
from ai.wire.classify.refusals import Meaning, meaning_of, status_of
from ai.wire.classify.shapes import read_body, read_object
from ai.wire.classify.waits import reset_s, wait_s
from ai.wire.raw.bounded import ResponseTooLongError
from ai.wire.raw.reading import number
from ai.wire.raw.redirects import RedirectRefusedError
from ai.wire.raw.unusable import UnusableClientError
from core.errors import (
    AIError,
    AITimeoutError,
    AsyncUnavailableError,
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    ContextTooLongError,
    ForbiddenError,
    ModelNotFoundError,
    NotUsableError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TimeoutPhase,
)
from core.redact import redact
from core.untrusted import clean, one_line
from core.values import Deadlines

_LONGEST_QUOTE = 300
_MOMENT_S = 3_600.0
"""Whoever names a longer wait speaks of a day's allowance, or a month's."""
_NO_HEADERS: Mapping[str, str] = {}


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


ERRORS: Mapping[Meaning, tuple[type[ProviderError], str]] = {
    "key_refused": (AuthenticationError, "{name} refused the key ({said}). Check it: {key_hint}."),
    "not_permitted": (
        ForbiddenError,
        "{name} does not let this key do that ({said}). Allow it where the key was made, or ask another model.",
    ),
    "region": (
        ForbiddenError,
        "{name} is not offered where this machine is ({said}). The key is not the cause: ask another AI, "
        "or reach it from a place it serves.",
    ),
    "moderation": (
        RequestRejectedError,
        "{name} refuses what it was asked, after its own rules ({said}). Rephrase it, or ask another AI.",
    ),
    "firewall": (
        ForbiddenError,
        "A firewall or proxy in front of {name} refused the request ({said}). The key is not the cause: "
        'check its "base_url" and the network, or ask another AI.',
    ),
    "proxy": (
        ForbiddenError,
        "A proxy on the way to {name} wants to know who asks ({said}). Put name and password into HTTPS_PROXY.",
    ),
    "no_credit": (QuotaExceededError, "{name} has no credit left ({said}). Top up the account or ask another AI."),
    "daily_limit": (
        QuotaExceededError,
        "{name} has used up its allowance for now ({said}). Ask again when it begins anew, or ask another AI.",
    ),
    "rate_limited": (RateLimitedError, '{name} is rate limited ({said}). {wait}, or lower its "concurrency".'),
    "overloaded": (
        OverloadedError,
        "{name} is overloaded ({said}). Try again in a minute or ask another AI.",
    ),
    "server_error": (ServerError, "{name} failed on its side ({said}). Try again or ask another AI."),
    "gateway": (
        ServerError,
        "Something between here and {name} gave up waiting for it ({said}). It may have been answered, and billed, "
        "all the same; ask again if you want it anyway.",
    ),
    "model_not_found": (
        ModelNotFoundError,
        "{name} does not know the model or path ({said}). See: moot models {ai}.",
    ),
    "path_not_found": (
        ModelNotFoundError,
        '{name} has nothing at this address ({said}). Correct its "base_url": it often ends in /v1.',
    ),
    "no_chat": (
        ModelNotFoundError,
        '{name}: its model cannot chat ({said}). Set "model" in credentials.json; see: moot models {ai}.',
    ),
    "context_too_long": (
        ContextTooLongError,
        "The request is too long for {name} ({said}). Shorten it or ask an AI with a larger context.",
    ),
    "request_too_large": (
        ContextTooLongError,
        "The request is too large for {name} ({said}). Send less at once, or smaller files and images.",
    ),
    "schema_refused": (
        RequestRejectedError,
        "{name} does not take the JSON schema ({said}). Simplify it, or ask another AI.",
    ),
    "tools_refused": (
        RequestRejectedError,
        '{name} takes no functions ({said}). Ask another AI, or set "quirks": {{"tools": "emulated"}} for it in '
        "credentials.json, so that it is asked for them in words.",
    ),
    "unsupported": (
        RequestRejectedError,
        "{name} does not take one of the settings ({said}). Leave out what it names, or ask another AI.",
    ),
    "redirected": (RequestRejectedError, '{name} answered with a redirect ({said}). Correct its "base_url".'),
    "rejected": (
        RequestRejectedError,
        "{name} rejected the request ({said}). Change what it names, or ask another AI.",
    ),
}
"""For each meaning its error, and what is said of it, with the next step."""


def status_error(
    who: Who,
    status: int,
    body: str | Mapping[str, Any],
    *,
    headers: Mapping[str, str] = _NO_HEADERS,
    inside_200: bool = False,
) -> ProviderError:
    """The error for an HTTP *status*, or for an error object that arrived inside a 200.

    Args:
        body: What came with it: the raw body, or the error object.
    """
    said = read_body(body, headers.get("content-type", "")) if isinstance(body, str) else read_object(dict(body))
    wait = wait_s(headers, said.details, said.words)
    if wait is None and status == 429:
        wait = reset_s(headers, said.details)
    means = meaning_of(status, said, waits=wait is not None and wait <= _MOMENT_S)
    kind, text = ERRORS[means]
    error = kind(
        text.format(
            name=repr(who.ai),
            ai=who.ai,
            said=f"{status}{_quote(said.message)}",
            wait=f"Wait {wait:,.0f} s" if wait and wait >= 1 else "Wait",
            key_hint=who.key_hint,
        ),
        ai=who.ai,
        provider=who.provider,
        status=status,
        retry_after=wait,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        code=means,
    )
    error.words = said.words
    if status_accepted(status, said.words, inside_200=inside_200, own_words=isinstance(said.details, dict | list)):
        error.mark_accepted()
    elif headers.get("x-should-retry") == "false":  # OpenAI's and Anthropic's own word
        error.retryable = False
    return error


def error_in_answer(
    who: Who, data: Mapping[str, Any], *, request_id: str | None = None, partial: str = ""
) -> ProviderError:
    """The error for an error object inside a 200. The request was accepted, so it is not sent again."""
    headers = {"x-request-id": request_id} if request_id else _NO_HEADERS
    error = status_error(who, error_status(data, who.provider), data, headers=headers, inside_200=True)
    error.partial = partial
    return error


_STATUS_WORDS = {
    "rate_limit": 429,
    "ratelimit": 429,
    "throttl": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "unavailable": 503,
    "authentication": 401,
    "unauthenticated": 401,
    "api_key": 401,
    "permission": 403,
    "not_found": 404,
    "quota": 402,
    "billing": 402,
    "credit": 402,
    "deadline_exceeded": 504,
    "timeout": 504,
    "invalid": 400,
    "content_filter": 400,
    "context_length": 400,
}


def error_status(data: Mapping[str, Any], provider: str = "") -> int:
    """The HTTP status that an error object inside a 200 stands for; 500 when it does not say."""
    said = read_object(dict(data))
    for code in said.codes:
        candidate = number(code)
        if candidate is not None and 400 <= candidate < 600:
            return int(candidate)
    known = next((status for code in said.codes if (status := status_of(code, provider)) is not None), None)
    if known is not None:
        return known
    words = " ".join(said.codes).lower()
    return next((status for word, status in _STATUS_WORDS.items() if word in words), 500)


def unavailable(who: Who, error: Exception) -> AsyncUnavailableError:
    text = f"The asynchronous client of {who.ai!r} cannot be used ({type(error).__name__}). Run: moot status"
    return AsyncUnavailableError(text, ai=who.ai, provider=who.provider)


def transport_error(who: Who, error: httpx2.HTTPError, *, partial: str = "") -> AIError:
    """The error for a failed connection; it says whether the request may have been accepted."""
    name = repr(who.ai)
    if isinstance(error, RedirectRefusedError):
        text = (
            f"{name} answered with a redirect ({error.status}) to {error.target}, which is not followed: key and "
            f'prompt would go there. If that is meant, set it as "base_url" of {name}.'
        )
        return RequestRejectedError(text, ai=who.ai, provider=who.provider, status=error.status)
    if isinstance(error, UnusableClientError):
        return unavailable(who, error)
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        text = f'{name} could not be reached in time. Check its "base_url" and your network.'
        return AITimeoutError(text, phase="connect", ai=who.ai, provider=who.provider)
    if isinstance(error, httpx2.TimeoutException):
        text = f'{name} went silent. Try again or raise its "idle_timeout".'
        return AITimeoutError(text, phase="idle", ai=who.ai, provider=who.provider, partial=partial)
    if isinstance(error, httpx2.LocalProtocolError):
        text = f'{name}: its key or a header cannot be sent. Look for odd characters: {who.key_hint}, or "headers".'
        return NotUsableError(text, ai=who.ai, provider=who.provider, code="key_unsendable")
    if isinstance(error, ResponseTooLongError):
        text = f"{name} sent an answer without end and was cut off ({error}). What arrived is kept; ask for less."
        return BadResponseError(text, ai=who.ai, provider=who.provider, partial=partial)
    if not transport_accepted(error):
        text = f'{name} cannot be reached: {_reason(error)}. Check that its endpoint runs and its "base_url" is right.'
        return ConnectionFailedError(text, sent=False, ai=who.ai, provider=who.provider)
    text = (
        f"The connection to {name} broke after the request was sent. "
        "It may have been billed; ask again if you want it anyway."
    )
    return ConnectionFailedError(text, sent=True, ai=who.ai, provider=who.provider, partial=partial)


def timed_out(who: Who, phase: TimeoutPhase, limits: Deadlines, partial: str) -> AITimeoutError:
    """The error for a deadline that passed; `connect` is not one of them."""
    seconds, what, setting = {
        "first token": (limits.first_token, "wrote nothing within", "first_token_timeout"),
        "idle": (limits.idle, "went silent for", "idle_timeout"),
        "total": (limits.total, "did not finish within", "timeout"),
    }[phase]
    text = f"{who.ai!r} {what} {seconds:g} s. Ask again, or raise its {setting!r}."
    return AITimeoutError(text, phase=phase, ai=who.ai, provider=who.provider, partial=partial)


def not_an_answer(who: Who, body: str, content_type: str = "") -> BadResponseError:
    """The error for a 200 that holds no answer: HTML, garbage, null, no choices."""
    page = "html" in content_type or read_body(body).page
    what = "a web page" if page else "something that is not an answer"
    hint = 'Its "base_url" probably lacks the API path, such as /v1.' if page else 'Check its "base_url" and model.'
    said = "" if page else _quote(body)
    return BadResponseError(f"{who.ai!r} sent {what}{said}. {hint}", ai=who.ai, provider=who.provider)


def _reason(error: httpx2.HTTPError) -> str:
    words = str(error).lower()
    if isinstance(error, httpx2.ProxyError):
        return "the proxy refused the connection"
    if "name or service" in words or "nodename" in words or "name resolution" in words:
        return "its host name is unknown"
    if "certificate" in words or "ssl" in words:
        return "its TLS certificate is not accepted"
    if "refused" in words or "connect call failed" in words:
        return "the connection was refused"
    return "the connection failed"


def _quote(message: str) -> str:
    """The provider's own words, on one line and short, or nothing. What is cut is no key: those are taken out first."""
    line = one_line(redact(clean(redact(message))), _LONGEST_QUOTE)
    return f": {line}" if line else ""
