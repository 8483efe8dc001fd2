"""How long a provider asks to be left alone, in whatever form it says so. What makes no sense is taken as not said.

Asked in this order, and the first that can be read counts: `retry-after-ms`, `retry-after` (seconds, a span, or an
HTTP date, RFC 9110 section 10.2.3), what the error object says (google.rpc.RetryInfo and fields of that kind), its
words ("try again in 2.5s").
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ai.wire.raw.reading import first, items, mapping, number

LONGEST_WAIT_S = 7 * 86_400.0
_SPAN = re.compile(
    r"(?:(\d+(?:\.\d+)?)\s*d(?:ays?)?)?\s*(?:(\d+(?:\.\d+)?)\s*h(?:ours?|rs?)?)?\s*"
    r"(?:(\d+(?:\.\d+)?)\s*m(?:in(?:ute)?s?)?(?!s))?\s*(?:(\d+(?:\.\d+)?)\s*s(?:ec(?:ond)?s?)?)?\s*"
    r"(?:(\d+(?:\.\d+)?)\s*(?:ms|milliseconds?|msecs?))?",
    re.I,
)
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_PROMISE = re.compile(
    r"(?:(?:re)?try(?:ing)?(?: your request)?(?: again)?|wait(?:ing)?|available again|resets?)\s+"
    r"(?:again\s+)?(?:in|after|for|at least)?\s*(?:about |approximately |at least )?(?=\d)",
    re.I,
)
_FIELDS = ("retry_after", "retryAfter", "retry_after_seconds", "retryDelay", "retry_delay", "wait_seconds")
_FIELDS_MS = ("retry_after_ms", "retryAfterMs")


def wait_s(
    headers: Mapping[str, str], details: object = None, words: str = "", *, now: datetime | None = None
) -> float | None:
    """Seconds to wait, from 0 to a week; None where nothing is said that can be read."""
    candidates = (*_from_headers(headers, now), *_from_details(details), _from_words(words))
    return next((min(seconds, LONGEST_WAIT_S) for seconds in candidates if seconds is not None), None)


def reset_s(headers: Mapping[str, str], details: object = None, *, now: datetime | None = None) -> float | None:
    """Seconds until every limit of which nothing is left begins anew, by the reset headers beside it.

    For a 429 that names no wait. OpenRouter puts such headers into its error object too.
    """
    now = now or datetime.now(UTC)
    inner = mapping(mapping(mapping(first(details).get("error")).get("metadata")).get("headers"))
    said = {name.lower(): str(value) for name, value in (*inner.items(), *headers.items())}
    waits = [
        until_s(value, now)
        for name, value in said.items()
        if "ratelimit" in name and "reset" in name and number(said.get(name.replace("reset", "remaining"))) == 0
    ]
    known = [seconds for seconds in waits if seconds is not None]
    return min(max(known), LONGEST_WAIT_S) if known else None


def until_s(text: str | None, now: datetime) -> float | None:
    """Seconds from a span (`1m30s`, `7`), a Unix time in seconds to microseconds, an ISO or an HTTP date."""
    if not text or len(text) > 60:
        return None
    plain = number(text)
    if plain is not None:
        return _from_number(plain, now)
    if (span := span_s(text)) is not None:
        return span
    moment = _date(text)
    return None if moment is None else max((moment - now).total_seconds(), 0.0)


def span_s(text: str) -> float | None:
    """Seconds from `1s`, `6m0s`, `120ms`, `2.5 seconds`; None for anything else."""
    match = _SPAN.fullmatch(text.strip())
    if not match or not any(match.groups()):
        return None
    return sum(float(count) * unit for count, unit in zip(match.groups(), _UNITS_S, strict=True) if count)


def _from_number(value: float, now: datetime) -> float | None:
    if value < 0:
        return None
    if value < 1e8:  # three years: a span of seconds
        return value
    scale = 1.0 if value < 1e11 else 1e3 if value < 1e14 else 1e6
    return max(value / scale - now.timestamp(), 0.0)


def _date(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            moment = read(text.strip())
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _from_headers(headers: Mapping[str, str], now: datetime | None) -> Iterator[float | None]:
    milliseconds = number(headers.get("retry-after-ms"))
    yield milliseconds / 1000 if milliseconds is not None and milliseconds >= 0 else None
    if said := headers.get("retry-after"):
        # By the provider's own clock where it tells it: ours may be wrong.
        theirs = _date(headers.get("date") or "")
        yield until_s(said, now or theirs or datetime.now(UTC))


def _from_details(details: object, depth: int = 0) -> Iterator[float | None]:
    """Look into an error object, its lists and what it carries of another provider's answer."""
    if depth > 4:
        return
    for one in items(details)[:20]:
        yield from _from_details(one, depth + 1)
    said = mapping(details)
    for name in _FIELDS:
        yield _field_s(said.get(name))
    for name in _FIELDS_MS:
        milliseconds = number(said.get(name))
        yield milliseconds / 1000 if milliseconds is not None and milliseconds >= 0 else None
    for name in ("error", "details", "metadata", "headers", "parameters"):
        if name in said:
            yield from _from_details(said[name], depth + 1)


def _field_s(value: object) -> float | None:
    """A span as a number, as text, or as protobuf's Duration in JSON."""
    if isinstance(value, dict):
        whole, nanos = number(value.get("seconds")), number(value.get("nanos"))
        return None if whole is None or whole < 0 else whole + (nanos or 0.0) / 1e9
    if isinstance(value, str):
        return until_s(value, datetime.now(UTC))
    plain = number(value)
    return None if plain is None else _from_number(plain, datetime.now(UTC))


def _from_words(words: str) -> float | None:
    for promise in _PROMISE.finditer(words[:4_000]):
        match = _SPAN.match(words, promise.end())
        if match and any(match.groups()):
            return span_s(match[0])
        if plain := re.match(r"\d{1,6}(?:\.\d+)?(?![\w\-:/])", words[promise.end() :]):
            return float(plain[0])
    return None
