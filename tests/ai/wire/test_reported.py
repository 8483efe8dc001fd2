"""Cases that users of such programs have reported, through everything that stands around a client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fake_provider import FakeProvider

from ai.caller import Caller
from ai.roster.roster import Roster
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Config
from core.errors import AuthenticationError, ForbiddenError, ServerError, TruncatedError
from core.events import EventBus
from core.values import Answer, Failure, Outcome, Request

SSE = {"content-type": "text/event-stream"}
Reply = httpx2.Response | Callable[[httpx2.Request], httpx2.Response]


def events(*said: Any) -> httpx2.Response:
    told = "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in said)
    return httpx2.Response(200, headers=SSE, content=told)


def chat(text: str, finish: str = "stop") -> httpx2.Response:
    return events(
        {"choices": [{"delta": {"content": text}}]}, {"choices": [{"delta": {}, "finish_reason": finish}]}, "[DONE]"
    )


def refusal(status: int, error: Any, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, json=error)


FINE = chat("Fine.")


class Case:
    """AIs whose endpoints answer with *replies* in turn, the last one again and again."""

    def __init__(self, replies: dict[str, list[Reply]], **rows: dict[str, Any]) -> None:
        self.sent: list[httpx2.Request] = []
        self._replies = replies
        self._rows = {
            name: AIConfig.model_validate(
                {"provider": "openai_compatible", "base_url": f"http://127.0.0.1:1/{name}/v1", "model": "m"}
                | {"api_key": "k-123456"}
                | row
            )
            for name, row in ({name: {} for name in replies} | rows).items()
        }

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        name = request.url.path.split("/")[1]
        turn = sum(one.url.path.split("/")[1] == name for one in self.sent) - 1
        chosen = self._replies[name][min(turn, len(self._replies[name]) - 1)]
        made = chosen(request) if callable(chosen) else chosen
        return httpx2.Response(made.status_code, headers=made.headers, content=made.content)

    async def ask(self, *names: str, times: int = 1) -> list[Outcome]:
        transport = httpx2.MockTransport(self._answer)
        roster = Roster.open(Config(rows=self._rows), SharedHTTP(transport=transport, sync_transport=transport))
        self.roster = roster
        try:
            caller = Caller(roster, EventBus())
            outcomes: list[Outcome] = []
            for _ in range(times):
                outcomes += await caller.call_many([(name, Request.of("Hi")) for name in names])
            return outcomes
        finally:
            await roster.aclose()


def text(outcome: Outcome) -> str:
    assert isinstance(outcome, Answer), outcome
    return outcome.text


async def test_a_limit_per_minute_with_a_link_to_billing_is_tried_again() -> None:
    said = "Rate limit reached on requests per min. Add a payment method: https://x.example/account/billing"
    limit = refusal(429, {"error": {"message": said, "code": "rate_limit_exceeded"}}, **{"retry-after": "0"})
    case = Case({"a": [limit, FINE]})
    (outcome,) = await case.ask("a")
    assert text(outcome) == "Fine." and len(case.sent) == 2


async def test_no_credit_by_400_asks_the_fallback() -> None:
    said = {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}}
    row = {"provider": "anthropic", "base_url": "http://127.0.0.1:1/a", "fallback": ["ok"]}
    case = Case({"a": [refusal(400, said)], "ok": [FINE]}, a=row)
    (outcome,) = await case.ask("a")
    assert text(outcome) == "Fine."
    assert isinstance(outcome, Answer) and "no credit left" in (outcome.fallback_reason or "")


@pytest.mark.parametrize(
    ("provider", "base_url", "body"),
    [
        (
            "gemini",
            "http://127.0.0.1:1/a",
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
                }
            },
        ),
        (
            "xai",
            "http://127.0.0.1:1/a/v1",
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***00."},
        ),
    ],
)
async def test_a_wrong_key_by_400_is_rested_and_the_next_is_tried(provider: str, base_url: str, body: Any) -> None:
    gemini = events({"candidates": [{"content": {"parts": [{"text": "Fine."}]}, "finishReason": "STOP"}]})

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "new-key-000000" in (request.headers.get("x-goog-api-key") or request.headers.get("authorization", "")):
            return gemini if provider == "gemini" else FINE
        return refusal(400, body)

    keys = [{"alias": "old", "key": "old-key-000000"}, {"alias": "new", "key": "new-key-000000"}]
    row = {"provider": provider, "base_url": base_url, "api_keys": keys, "api_key": None}
    case = Case({"a": [answer]}, a=row)
    first, second = await case.ask("a", times=2)
    assert text(first) == text(second) == "Fine."
    assert len(case.sent) == 3, "the wrong one is not asked again"
    pool = case.roster.seats["a"].pool
    assert pool is not None
    first, second = pool.rests().values()
    assert "refused the key" in first and not second


async def test_an_answer_that_the_provider_broke_off_is_not_whole() -> None:
    case = Case({"a": [chat("The three steps are: first, ", "insufficient_system_resource")]})
    (outcome,) = await case.ask("a")
    assert isinstance(outcome, Failure) and isinstance(outcome.error, TruncatedError)
    assert outcome.error.partial == "The three steps are: first, " and len(case.sent) == 1


@pytest.mark.parametrize("status", [504, 520, 522, 524, 408])
async def test_what_a_gateway_gave_up_on_is_sent_once(status: int) -> None:
    case = Case(
        {"a": [httpx2.Response(status, text="504 Gateway Time-out"), FINE], "ok": [FINE]}, a={"fallback": ["ok"]}
    )
    (outcome,) = await case.ask("a")
    assert isinstance(outcome, Failure) and isinstance(outcome.error, ServerError)
    assert outcome.error.maybe_billed and "billed" in str(outcome.error) and len(case.sent) == 1


async def test_an_overload_inside_a_200_is_sent_once() -> None:
    case = Case({"a": [events({"error": {"message": "Overloaded", "type": "overloaded_error"}}), FINE]})
    (outcome,) = await case.ask("a")
    assert isinstance(outcome, Failure) and outcome.error.code == "overloaded" and len(case.sent) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal(403, {"error": {"message": "Country, region, or territory not supported"}}), "region"),
        (httpx2.Response(403, headers={"content-type": "text/html"}, text="<html>Attention! Cloudflare"), "firewall"),
        (httpx2.Response(407, text="Proxy Authentication Required"), "proxy"),
    ],
)
async def test_who_refuses_for_another_reason_burns_no_key(reply: httpx2.Response, code: str) -> None:
    keys = [{"alias": "one", "key": "key-000001"}, {"alias": "two", "key": "key-000002"}]
    case = Case({"a": [reply]}, a={"api_keys": keys, "api_key": None})
    (outcome,) = await case.ask("a")
    assert isinstance(outcome, Failure) and isinstance(outcome.error, ForbiddenError) and outcome.error.code == code
    assert "api_key" not in str(outcome.error) and len(case.sent) == 1
    pool = case.roster.seats["a"].pool
    assert pool is not None and not any(pool.rests().values())


async def test_a_key_that_may_not_do_this_lets_the_next_one_try_and_is_not_rested() -> None:
    refused = refusal(403, {"error": {"message": "You do not have permission", "type": "permission_error"}})
    keys = [{"alias": "one", "key": "key-000001"}, {"alias": "two", "key": "key-000002"}]
    case = Case({"a": [refused, FINE]}, a={"api_keys": keys, "api_key": None})
    (outcome,) = await case.ask("a")
    assert text(outcome) == "Fine."
    pool = case.roster.seats["a"].pool
    assert pool is not None and not any(pool.rests().values())


async def test_a_wrong_key_by_401_says_where_it_comes_from() -> None:
    case = Case({"a": [refusal(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})]})
    (outcome,) = await case.ask("a")
    assert isinstance(outcome, Failure) and isinstance(outcome.error, AuthenticationError)
    assert "\"api_key\" for 'a'" in str(outcome.error)


async def test_what_a_model_thinks_aloud_is_not_its_answer() -> None:
    case = Case({"a": [chat('<think>\nHm. {"city": "?"}\n</think>\n\n{"city": "Paris"}')]})
    assert text((await case.ask("a"))[0]) == '{"city": "Paris"}'


async def test_a_header_that_cannot_be_sent_is_one_sentence_and_costs_nobody_else(provider: FakeProvider) -> None:
    rows = {
        name: AIConfig.model_validate(
            {"provider": "openai_compatible", "base_url": provider.base_url, "model": "tokens=1"}
        ).model_copy(update={"headers": {"x-extra": value}})  # whatever got past the checks of the file
        for name, value in [("odd", "a\nb"), ("ok", "fine")]
    }
    roster = Roster.open(Config(rows=rows))
    odd, ok = await Caller(roster, EventBus()).call_many([("odd", Request.of("Hi")), ("ok", Request.of("Hi"))])
    await roster.aclose()
    assert isinstance(odd, Failure) and (odd.error.code, odd.error.maybe_billed) == ("key_unsendable", False)
    assert text(ok) == "tok "


async def test_of_the_models_an_endpoint_lists_one_that_can_chat_is_asked() -> None:
    listing = {"data": [{"id": "nomic-embed-text:latest"}, {"id": "qwen3:8b"}]}

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json=listing)
        assert json.loads(request.content)["model"] == "qwen3:8b"
        return FINE

    case = Case({"a": [answer]}, a={"provider": "ollama", "model": None})
    assert text((await case.ask("a"))[0]) == "Fine."
