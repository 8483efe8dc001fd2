"""What a provider's response headers say about its rate limits. Whatever makes no sense is taken as not said.

The shared HTTP clients hand the headers of every response, errors included, to whoever listens in the current call:
`listener` is the one way by which they reach the rate limiter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from ai.wire.classify.waits import until_s, wait_s
from core.limits.bucket import LONGEST_REST_S, MINUTE_S, Limit, LimitKind

Listener = Callable[[Mapping[str, str]], None]
listener: ContextVar[Listener | None] = ContextVar("rate_limit_listener", default=None)
"""Called with the headers of each response of the current call; on a worker thread where the call runs in one."""

_MOST = 1e12
_LONGEST_PERIOD_S = 32 * 86_400.0
_ANTHROPIC: dict[LimitKind, tuple[str, ...]] = {
    "requests": ("requests",),
    "tokens": ("tokens", "input-tokens", "output-tokens"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One response's word: the limits, how much of each is left, and how long to stay away."""

    limits: Mapping[LimitKind, Limit]
    left: Mapping[LimitKind, float]
    retry_after_s: float | None = None


_NOTHING = Told({}, {})


def read_headers(headers: Mapping[str, str], now: datetime | None = None) -> Told:
    """What *headers* say; never raises."""
    headers = {
        name: value
        for name, value in headers.items()
        if "ratelimit" in name or name.startswith("retry-") or name == "date"
    }
    if not headers:
        return _NOTHING
    now = now or datetime.now(UTC)
    limits: dict[LimitKind, Limit] = {}
    left: dict[LimitKind, float] = {}
    for kind, names in _ANTHROPIC.items():
        said = _openai(headers, kind, now) or _tightest([_anthropic(headers, name, now) for name in names])
        if said:
            limits[kind] = said[0]
            if said[1] is not None:
                left[kind] = said[1]
    return Told(limits, left, _wait_s(headers))


_Said = tuple[Limit, float | None]


def _openai(headers: Mapping[str, str], kind: LimitKind, now: datetime) -> _Said | None:
    name = f"x-ratelimit-{{}}-{kind}"
    return _said(
        _number(headers.get(name.format("limit"))),
        _number(headers.get(name.format("remaining"))),
        _reset_s(headers.get(name.format("reset")), now),
    )


def _anthropic(headers: Mapping[str, str], name: str, now: datetime) -> _Said | None:
    prefix = f"anthropic-ratelimit-{name}-"
    return _said(
        _number(headers.get(prefix + "limit")),
        _number(headers.get(prefix + "remaining")),
        _reset_s(headers.get(prefix + "reset"), now),
    )


def _said(amount: float | None, left: float | None, reset_s: float | None) -> _Said | None:
    if amount is None or amount < 1:  # nobody could ask anything, yet this was a response
        return None
    if left is not None and left > amount:
        left = None  # more left than there is: one of the two is wrong, and the limit is the safer one
    return Limit(amount, _period_s(amount, left, reset_s)), left


def _period_s(amount: float, left: float | None, reset_s: float | None) -> float:
    """A minute, unless it takes longer than that to fill up again: some providers limit requests per day."""
    if reset_s is None or left is None or reset_s <= MINUTE_S or left >= amount:
        return MINUTE_S
    return min(max(amount * reset_s / (amount - left), MINUTE_S), _LONGEST_PERIOD_S)


def _tightest(said: list[_Said | None]) -> _Said | None:
    """Where input and output tokens are limited apart, the one with least left decides; ours is one bucket."""
    known = [one for one in said if one]
    return min(known, key=lambda one: one[0].amount if one[1] is None else one[1]) if known else None


def _number(text: str | None) -> float | None:
    """A count, or None for anything that is none."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if 0 <= value <= _MOST else None


def _reset_s(text: str | None, now: datetime) -> float | None:
    """Seconds until a limit is whole again: a span, a Unix time in any unit, or a date."""
    seconds = until_s(text, now)
    return None if seconds is None else min(seconds, _LONGEST_PERIOD_S)


def _wait_s(headers: Mapping[str, str]) -> float | None:
    seconds = wait_s(headers)
    return None if seconds is None else min(seconds, LONGEST_REST_S)


def tell(headers: Mapping[str, str]) -> None:
    """Hand *headers* to the current call's listener, if there is one."""
    if listen := listener.get():
        listen(headers)
