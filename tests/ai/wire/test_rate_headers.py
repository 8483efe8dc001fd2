from __future__ import annotations

import json
import string
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.client import ignore
from ai.roster.roster import Roster
from ai.roster.sync_fallback import _in_thread
from ai.wire.rate_headers import Told, listener, read_headers
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Config
from core.errors import RateLimitedError
from core.limits.bucket import Limit
from core.limits.buckets import LONGEST_REST_S
from core.values import Request

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OPENAI = {
    "x-ratelimit-limit-requests": "600",
    "x-ratelimit-remaining-requests": "599",
    "x-ratelimit-reset-requests": "100ms",
    "x-ratelimit-limit-tokens": "60000",
    "x-ratelimit-remaining-tokens": "59000",
    "x-ratelimit-reset-tokens": "1s",
}


def test_the_openai_family_s_headers_are_read() -> None:
    assert read_headers(OPENAI) == Told(
        {"requests": Limit(600), "tokens": Limit(60_000)}, {"requests": 599, "tokens": 59_000}
    )


def test_anthropic_s_headers_are_read_and_the_kind_of_tokens_with_least_left_decides() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "7000",
        "retry-after": "3",
    }
    assert read_headers(headers, NOW) == Told(
        {"requests": Limit(50), "tokens": Limit(8_000)}, {"requests": 49, "tokens": 7_000}, 3.0
    )


def test_a_limit_that_takes_longer_than_a_minute_to_fill_is_one_per_day() -> None:
    """Groq limits requests per day under the same header names: 30 used of 14,400 are back in three minutes."""
    headers = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "3m0s",
    }
    assert read_headers(headers).limits == {"requests": Limit(14_400, 86_400)}


def test_a_reset_is_read_as_a_span_a_time_or_a_date() -> None:
    """Half of 60 is used, and whole again in 90 s: 60 in three minutes. A Unix time is no span of fifty years."""
    epoch = NOW.timestamp() + 90
    for reset in ("90s", "1m30s", "90", f"{epoch:.0f}", f"{epoch * 1000:.0f}", "2026-11-21T12:01:30Z"):
        headers = {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "30",
            "x-ratelimit-reset-requests": reset,
        }
        assert read_headers(headers, NOW).limits == {"requests": Limit(60, 180)}, reset


@pytest.mark.parametrize("limit", ["0", "-600", "many", "1e300", "nan", "inf", ""])
def test_a_senseless_limit_is_no_limit(limit: str) -> None:
    assert read_headers({**OPENAI, "x-ratelimit-limit-requests": limit}).limits == {"tokens": Limit(60_000)}


def test_of_contradicting_values_the_limit_is_believed() -> None:
    told = read_headers({**OPENAI, "x-ratelimit-remaining-requests": "601"})
    assert told.limits["requests"] == Limit(600)
    assert "requests" not in told.left


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "99999999"}, LONGEST_REST_S),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "in a while"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_sensible_number_of_seconds_or_nothing(headers: dict[str, str], seconds: float | None) -> None:
    assert read_headers(headers).retry_after_s == seconds


names = st.sampled_from(
    [*OPENAI, "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-reset", "retry-after"]
)
values = st.one_of(
    st.text(string.printable, max_size=30), st.floats().map(str), st.integers().map(str), st.datetimes().map(str)
)


@given(st.dictionaries(names, values))
def test_no_header_whatsoever_makes_it_raise_or_give_a_senseless_number(headers: dict[str, str]) -> None:
    told = read_headers(headers)
    for kind, limit in told.limits.items():
        assert limit.amount > 0 and limit.period_s >= 60
        assert 0 <= told.left.get(kind, 0) <= limit.amount
    assert told.retry_after_s is None or 0 <= told.retry_after_s <= LONGEST_REST_S


DONE = {"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}
CHAT = f"data: {json.dumps({'id': 'c', 'choices': [DONE]})}\n\ndata: [DONE]\n\n"
MESSAGES = "".join(
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    for event in (
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )
)
GEMINI = {"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP"}]}
STREAMS = {"openai": CHAT, "anthropic": MESSAGES, "gemini": f"data: {json.dumps(GEMINI)}\n\n"}


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("provider", STREAMS)
async def test_the_headers_of_every_sdk_reach_the_listener(provider: str, sync: bool, status: int) -> None:
    """Answers and errors alike, through the asynchronous client and the synchronous one that stands in for it."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream", "x-ratelimit-limit-requests": "7"}
        if status == 200:
            return httpx2.Response(200, headers=headers, text=STREAMS[provider])
        return httpx2.Response(status, headers=headers | {"content-type": "application/json"}, json={"error": {}})

    transport: Any = httpx2.MockTransport(answer)
    http = SharedHTTP(transport, transport)
    roster = Roster.open(Config({"x": AIConfig(provider=provider, api_key="k-1234567", model="m")}), http)  # type: ignore[arg-type]
    seat = roster.seat("x")
    heard: list[str | None] = []
    token = listener.set(lambda headers: heard.append(headers.get("X-RateLimit-Limit-Requests")))
    with pytest.raises(RateLimitedError) if status == 429 else nullcontext():
        if sync:
            await _in_thread(seat.lanes[0].key.sync_client, Request.of("hi"), ignore)
        else:
            await seat.client.complete(Request.of("hi"), ignore)
    listener.reset(token)
    await roster.aclose()
    assert heard == ["7"]


def test_a_limit_that_lets_nobody_ask_anything_is_not_believed() -> None:
    assert read_headers({"x-ratelimit-limit-requests": "0.0001", "x-ratelimit-remaining-requests": "0"}).limits == {}
    assert read_headers({"anthropic-ratelimit-tokens-limit": "0"}).limits == {}
