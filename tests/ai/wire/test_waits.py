from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.wire.classify.waits import LONGEST_WAIT_S, reset_s, until_s, wait_s

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
EPOCH = NOW.timestamp()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, 0.0),
        ({"retry-after": "2026-11-28T12:00:05Z"}, 5.0),
        ({"retry-after": f"{EPOCH + 12:.0f}"}, 12.0),
        ({"retry-after": f"{(EPOCH + 12) * 1000:.0f}"}, 12.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-5", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "", "retry-after": "9"}, 9.0),
        ({"retry-after": "99999999"}, LONGEST_WAIT_S),
        *(
            ({"retry-after": said}, None)
            for said in ("", "soon", "-1", "nan", "inf", "1e400", "Fry, 99 Foo", "x" * 500)
        ),
    ],
)
def test_a_header_that_names_a_wait_is_read_and_any_other_passed_over(headers: dict[str, str], seconds: float) -> None:
    assert wait_s(headers, now=NOW) == seconds


def test_a_date_is_reckoned_by_the_provider_s_own_clock() -> None:
    theirs = datetime(2031, 1, 1, tzinfo=UTC)
    headers = {
        "date": format_datetime(theirs, usegmt=True),
        "retry-after": format_datetime(theirs + timedelta(seconds=20), usegmt=True),
    }
    assert wait_s(headers) == 20.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 2.5s.", 2.5),
        ("Please try again in 1m30s. Visit https://x/billing", 90.0),
        ("try again in 120ms", 0.12),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Please retry after 26 seconds.", 26.0),
        ("Please wait 20 seconds before trying again", 20.0),
        ("please try again after 1 seconds", 1.0),
        ("Retry after 3 minutes", 180.0),
        ("Your limit resets in 3 hours", 10_800.0),
        ("try again in about 5 s", 5.0),
        ("retry in 1h2m3.5s", 3_723.5),
        ("retry after 12", 12.0),
        ("try again later", None),
        ("resets 2026-12-01", None),
        ("retry after 10:30", None),
        ("You have 5 seconds of audio", None),
        ("Limit 3 / min. Used 2.", None),
        ("", None),
    ],
)
def test_words_that_name_a_wait_are_read(words: str, seconds: float | None) -> None:
    assert wait_s({}, None, words) == seconds


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ({"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "34s"}]}}, 34.0),
        ([{"error": {"details": [{"retryDelay": "0.5s"}]}}], 0.5),
        ({"error": {"details": [{"retryDelay": {"seconds": 3, "nanos": 500_000_000}}]}}, 3.5),
        ({"error": {"retry_after": 4}}, 4.0),
        ({"error": {"metadata": {"headers": {"retry_after": "4"}}}}, 4.0),
        ({"error": {"retry_after_ms": 250}}, 0.25),
        ({"parameters": {"retry_after": 9}}, 9.0),
        ({"error": {"details": [{"retryDelay": "-1s"}, {"retryDelay": "2s"}]}}, 2.0),
        ({"error": {"details": "x", "retry_after": "never"}}, None),
        ({"error": {"retry_after": True}}, None),
        ({"error": {"details": [[[[[[{"retryDelay": "1s"}]]]]]]}}, None),
        (None, None),
        ("x", None),
    ],
)
def test_an_error_object_that_names_a_wait_is_read(details: Any, seconds: float | None) -> None:
    assert wait_s({}, details) == seconds


@given(
    st.text(max_size=80),
    st.text(max_size=80),
    st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists),
)
def test_whatever_is_said_the_wait_is_bounded_and_nothing_is_raised(header: str, words: str, details: Any) -> None:
    for headers in ({"retry-after": header}, {"retry-after-ms": header}):
        seconds = wait_s(headers, {"error": {"retry_after": details, "details": details}}, words)
        assert seconds is None or 0 <= seconds <= LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1m30s", 90), ("6m0s", 360), ("120ms", 0.12), ("2h3m", 7_380), ("0s", 0), ("1d", 86_400)]
    + [(f"{(EPOCH + 90) * scale:.0f}", 90) for scale in (1, 1_000, 1_000_000)]
    + [("2026-11-28T12:01:30Z", 90), ("2026-11-28T13:01:30+01:00", 90), ("2026-11-28T11:00:00Z", 0)]
    + [(said, None) for said in ("", "soon", "-5s", "1s2m", "nan", "1x", "9" * 80)],
)
def test_a_reset_is_a_span_a_unix_time_or_a_date(text: str, seconds: float | None) -> None:
    assert until_s(text, NOW) == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1m30s"}, None),
        ({"x-ratelimit-reset-requests": "1m30s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{(EPOCH + 60) * 1000:.0f}"}, 60),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-28T12:00:09Z",
            },
            9,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7s",
            },
            7,
        ),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, None),
    ],
)
def test_a_limit_that_is_used_up_is_waited_for_until_it_begins_anew(headers: dict[str, str], seconds: float) -> None:
    assert reset_s(headers, now=NOW) == (None if seconds is None else pytest.approx(seconds, abs=0.01))


def test_openrouter_s_own_reset_is_found_in_its_error_object() -> None:
    headers = {
        "X-RateLimit-Limit": "20",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": f"{(EPOCH + 5) * 1000:.0f}",
    }
    details = {"error": {"message": "x", "code": 429, "metadata": {"headers": headers}}}
    assert reset_s({}, details, now=NOW) == pytest.approx(5, abs=0.01)
