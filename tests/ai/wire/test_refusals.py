"""Every row of the table is an answer that a provider gives: read as the row says, in every shape errors come in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from ai.client import ignore
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.acceptance import status_accepted
from ai.wire.classify.failure import ERRORS, Who, error_in_answer, status_error, transport_error
from ai.wire.classify.refusals import Meaning, rows
from core.errors import (
    AIError,
    AuthenticationError,
    ForbiddenError,
    NotUsableError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)

ROWS = list(rows())
WHO = Who("ai", "p", ("P_API_KEY",))


def named(row: dict[str, str]) -> str:
    return f"{row['provider']}-{row['status']}-{row['means']}-{row['code'] or row['type']}-{row['message'][:30]}"


def error_object(row: dict[str, str]) -> dict[str, Any]:
    error: dict[str, Any] = {"message": row["message"]}
    if code := row["code"]:
        error["code"] = int(code) if code.isdigit() else code
    if row["type"]:
        error["type"] = row["type"]
    return error


Shape = Callable[[dict[str, Any]], Any]
SHAPES: dict[str, Shape] = {
    "OpenAI's": lambda error: {"error": error},
    "Anthropic's": lambda error: {"type": "error", "error": error, "request_id": "r"},
    "Mistral's and vLLM's": lambda error: {"object": "error", **error},
    "Gemini's list": lambda error: [{"error": error}],
    "a list of errors": lambda error: {"errors": [error]},
    "FastAPI's": lambda error: {"detail": error},
    "a response that failed": lambda error: {"response": {"status": "failed", "error": error}},
}


def told(row: dict[str, str], shape: Shape) -> ProviderError:
    headers = dict([row["headers"].split(": ", 1)]) if row["headers"] else {}
    if row["provider"] == "page":
        headers["content-type"] = "text/html" if row["by"] == "page" else "text/plain"
        return status_error(WHO, int(row["status"]), row["message"], headers=headers)
    body = json.dumps(shape(error_object(row)))
    return status_error(WHO, int(row["status"]), body, headers=headers | {"content-type": "application/json"})


def test_the_table_has_its_sources_and_is_long_enough() -> None:
    assert len(ROWS) >= 150
    assert all(row["source"] and row["means"] for row in ROWS)
    assert len({named(row) + row["message"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_refusal_is_read_as_its_row_says(row: dict[str, str]) -> None:
    for shape, made in SHAPES.items():
        error = told(row, made)
        assert error.code == row["means"], shape
        assert type(error) is ERRORS[error.code][0]  # type: ignore[index]
        assert error.retry_after == (pytest.approx(float(row["wait"])) if row["wait"] else None), shape
        assert str(error).endswith("."), "it ends with the next step"


def test_xai_puts_the_sentence_under_error_and_its_class_under_code() -> None:
    for row in ROWS:
        if row["provider"] == "xai":
            error = status_error(WHO, int(row["status"]), {"code": row["code"], "error": row["message"]})
            assert error.code == row["means"], row


def test_minimax_puts_it_into_base_resp() -> None:
    body = {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    assert status_error(WHO, 402, body).code == "no_credit"


def test_what_another_provider_said_is_read_through_openrouter_s_envelope() -> None:
    raw = json.dumps({"error": {"message": "Rate limit: 5 requests per minute. Please retry in 12.5s"}})
    metadata = {"raw": raw, "provider_name": "X"}
    error = status_error(WHO, 429, {"error": {"message": "Provider returned error", "code": 429, "metadata": metadata}})
    assert (error.code, error.retry_after) == ("rate_limited", 12.5)


GEMINI_LIMIT = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("quota", "delay", "code"),
    [
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "34s", "rate_limited"),
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", None, "rate_limited"),
        ("GenerateContentInputTokensPerModelPerMinute-FreeTier", {"seconds": 7}, "rate_limited"),
        ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", None, "daily_limit"),
        (None, "2.5s", "rate_limited"),
        (None, None, "no_credit"),
    ],
)
def test_a_limit_per_minute_is_no_want_of_credit_whatever_page_it_names(quota: Any, delay: Any, code: str) -> None:
    details: list[dict[str, Any]] = [{"@type": "type.googleapis.com/google.rpc.Help", "links": []}]
    if quota:
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]})
    if delay:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    said = {"code": 429, "message": GEMINI_LIMIT, "status": "RESOURCE_EXHAUSTED", "details": details}
    error = status_error(WHO, 429, {"error": said})
    assert error.code == code
    assert (error.retry_after is not None) == (delay is not None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejectedError),
        (401, AuthenticationError),
        (402, QuotaExceededError),
        (403, ForbiddenError),
        (418, RequestRejectedError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, OverloadedError),
        (529, OverloadedError),
        (599, ServerError),
    ],
)
@pytest.mark.parametrize("body", ["", "{}", "null", "[]", "[null]", '{"error": null}', '{"error": []}', "\x00", "[1,2"])
def test_a_status_says_enough_where_the_body_says_nothing(status: int, kind: type[AIError], body: str) -> None:
    assert type(status_error(WHO, status, body)) is kind


def test_the_key_is_only_blamed_where_it_is_to_blame() -> None:
    for row in ROWS:
        error = told(row, SHAPES["OpenAI's"])
        blamed = "P_API_KEY" in str(error)
        assert blamed == (row["means"] == "key_refused"), row


def test_every_meaning_has_an_error_and_a_row() -> None:
    meanings = set(Meaning.__args__)  # type: ignore[attr-defined]
    assert meanings == set(ERRORS) == {row["means"] for row in ROWS}


@pytest.mark.parametrize(
    ("status", "body", "again"),
    [
        *((status, "{}", False) for status in (408, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 599, 501, 507)),
        *((status, "<html><title>Bad</title></html>", False) for status in (500, 502, 504, 520)),
        (500, '{"error": {"message": "The server had an error"}}', True),
        (502, '{"error": {"code": 502, "message": "Provider returned error"}}', True),
        (500, "upstream died", False),
        (503, "<html><title>503 Service Unavailable</title></html>", True),
        (503, '{"error": {"message": "overloaded"}}', True),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination", False),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: connection failure", True),
        (529, "{}", True),
        (429, "{}", True),
        (400, "{}", False),
        (401, "{}", False),
    ],
)
def test_only_what_was_surely_not_accepted_is_sent_again(status: int, body: str, again: bool) -> None:
    error = status_error(WHO, status, body)
    assert error.retryable == again
    assert not (error.accepted and error.retryable)
    if status >= 500 or status == 408:
        assert error.maybe_billed != again


@pytest.mark.parametrize(
    "data",
    [
        {"error": {"message": "Overloaded", "type": "overloaded_error"}},
        {"error": {"message": "slow", "code": 429}},
        {"error": {"message": "no", "code": "503"}},
        {"type": "error", "error": {"type": "api_error", "message": "x"}},
        {"object": "error", "message": "EngineCore died", "code": 500},
        {"error": "rate limit exceeded"},
        {"error": True},
        {"error": [1]},
    ],
)
def test_an_error_inside_a_200_is_never_sent_again(data: dict[str, Any]) -> None:
    error = error_in_answer(WHO, data, partial="so far")
    assert not error.retryable and error.accepted and error.maybe_billed
    assert error.partial == "so far"


@pytest.mark.parametrize(
    ("failure", "accepted"),
    [
        (httpx2.ConnectError("refused"), False),
        (httpx2.ConnectTimeout("slow"), False),
        (httpx2.PoolTimeout("full"), False),
        (httpx2.ProxyError("407"), False),
        (httpx2.UnsupportedProtocol("x"), False),
        (httpx2.LocalProtocolError("a header cannot be sent"), False),
        (httpx2.ReadTimeout("silence"), True),
        (httpx2.WriteTimeout("stuck"), True),
        (httpx2.ReadError("reset"), True),
        (httpx2.WriteError("broken pipe"), True),
        (httpx2.RemoteProtocolError("cut"), True),
        (httpx2.DecodingError("gzip"), True),
        (httpx2.TooManyRedirects("round"), True),
    ],
)
def test_a_failed_connection_says_whether_anything_was_sent(failure: httpx2.HTTPError, accepted: bool) -> None:
    error = transport_error(WHO, failure)
    assert error.accepted == accepted
    assert error.retryable == (not accepted and not isinstance(error, NotUsableError))


def test_the_rule_of_acceptance_is_the_same_for_every_status() -> None:
    never_again = {status for status in range(400, 600) if status_accepted(status, own_words=False)}
    assert never_again == {408, *range(500, 600)} - {503, 529}
    assert all(status_accepted(status, inside_200=True) for status in range(200, 600))


def test_a_day_s_allowance_that_names_its_end_rests_until_then() -> None:
    end = f"{(time.time() + 20 * 3_600) * 1000:.0f}"
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": end}
    said = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
    error = status_error(WHO, 429, {"error": {"message": said, "code": 429, "metadata": {"headers": headers}}})
    assert error.code == "daily_limit" and error.retry_after == pytest.approx(72_000, abs=5)


def test_a_429_without_a_wait_waits_for_the_limit_that_is_used_up() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2.5s"}
    error = status_error(WHO, 429, {"error": {"message": "Rate limit reached"}}, headers=headers)
    assert (error.code, error.retry_after) == ("rate_limited", 2.5)


UNRECORDED: list[tuple[int, Any, str]] = [
    (400, "Additional properties are not allowed ('stream_options' was unexpected)", "unsupported"),
    (400, "Invalid schema for response_format 'answer': 'country' format is not supported", "schema_refused"),
    (400, "messages[3].content: expected string, got geometry", "rejected"),
    (400, "tools: case-sensitive name violates pattern", "rejected"),
    (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens", "rejected"),
    (400, "This model is not available in your region", "region"),
    (400, "Your request was flagged by our content filter", "moderation"),
    (400, "The provided API key is invalid", "key_refused"),
    (400, "Your account has insufficient funds", "no_credit"),
    (400, "You have no credits left", "no_credit"),
    (400, "input is longer than the context window", "context_too_long"),
    (400, "Request too large: 30 MB", "request_too_large"),
    (403, "Your account balance is insufficient", "no_credit"),
    (403, "OpenAI's services are not available in your country.", "region"),
    (403, "Request blocked: prompt flagged for violence", "moderation"),
    (403, "Invalid API key", "key_refused"),
    (403, "Forbidden", "not_permitted"),
    (404, "Not Found", "path_not_found"),
    (429, "Rate limit exceeded. Buy more credits to raise your limits", "rate_limited"),
    (429, "Quota exceeded: 10 requests per minute, check your plan and billing details", "rate_limited"),
    (429, "You have insufficient credits", "no_credit"),
    (429, "Your credits are depleted", "no_credit"),
    (429, "Daily token limit reached, upgrade your plan", "daily_limit"),
    (503, "see cloudflare status: overloaded", "overloaded"),
]


@pytest.mark.parametrize(("status", "message", "code"), UNRECORDED)
def test_words_that_stand_in_no_row_are_read_by_their_kind(status: int, message: str, code: str) -> None:
    assert status_error(WHO, status, {"error": {"message": message}}).code == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, "404 page not found", "path_not_found"),
        (403, "error code: 1006", "firewall"),
        (429, "error code: 1015", "rate_limited"),
        (403, "Access to this site is blocked by your organization", "firewall"),
        (401, "", "key_refused"),
    ],
)
def test_plain_text_is_read_too(status: int, body: str, code: str) -> None:
    assert status_error(WHO, status, body, headers={"content-type": "text/plain"}).code == code


def test_a_provider_that_says_not_to_try_again_is_heeded_and_one_that_says_to_is_not_where_it_may_cost() -> None:
    assert not status_error(WHO, 429, "{}", headers={"x-should-retry": "false"}).retryable
    assert status_error(WHO, 429, "{}", headers={"x-should-retry": "true"}).retryable
    assert not status_error(WHO, 504, "{}", headers={"x-should-retry": "true"}).retryable


@pytest.mark.parametrize(
    ("provider", "code", "means"),
    [
        ("minimax", 1008, "no_credit"),
        ("minimax", 1002, "rate_limited"),
        ("zai", 1002, "key_refused"),
        ("x", 1002, "server_error"),
    ],
)
def test_a_number_inside_a_200_means_what_it_means_at_its_provider(provider: str, code: int, means: str) -> None:
    data = {"base_resp": {"status_code": code, "status_msg": "see code"}}
    assert error_in_answer(Who("a", provider), data).code == means


def test_minimax_fails_inside_a_200_and_its_zero_is_no_failure() -> None:
    def fold(code: int) -> ChatFold:
        made = ChatFold(Who("a", "minimax"), "m", ignore)
        choice = {"message": {"content": "Fine."}, "finish_reason": "stop"}
        made.feed(json.dumps({"choices": [choice], "base_resp": {"status_code": code, "status_msg": "x"}}).encode())
        return made

    assert fold(0).finish().text == "Fine."
    with pytest.raises(QuotaExceededError) as caught:
        fold(1008).finish()
    assert not caught.value.retryable
