"""The Chat Completions dialect, sync and async, against a provider on loopback that can misbehave."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider

from ai.client import Signal, Thinking, ignore
from ai.providers import chat_body, openai_chat
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint, Quirks
from ai.wire.transport import SharedHTTP
from core.errors import (
    AIError,
    AITimeoutError,
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    ContextTooLongError,
    ForbiddenError,
    ModelNotFoundError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TruncatedError,
)
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolResult, ToolSpec, Usage

Ask = Callable[..., Awaitable[Response]]
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
CLOSED = {
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}


def settings(base_url: str, model: str | None, **more: Any) -> ClientSettings:
    return ClientSettings(Who("gpt", "openai", ("OPENAI_API_KEY",)), model, Endpoint(base_url, "k-123456"), **more)


@pytest.fixture(params=["async", "sync"])
async def ask(request: pytest.FixtureRequest, provider: FakeProvider) -> AsyncIterator[Ask]:
    """Ask the provider to behave as `model` says, through either client."""
    http = SharedHTTP()

    async def via_async(model: str, asked: Request | None = None, emit: Any = ignore, **more: Any) -> Response:
        client = openai_chat.AsyncClient(settings(provider.base_url, model, **more), http)
        return await client.complete(asked or Request.of("hi"), emit)

    async def via_sync(model: str, asked: Request | None = None, emit: Any = ignore, **more: Any) -> Response:
        client = openai_chat.SyncClient(settings(provider.base_url, model, **more), http)
        return await anyio.to_thread.run_sync(client.complete, asked or Request.of("hi"), emit, threading.Event())

    yield via_async if request.param == "async" else via_sync
    await http.aclose()


async def test_an_answer_arrives_whole_with_usage_model_and_request_id(ask: Ask) -> None:
    assert await ask("tokens=3") == Response(
        "tok tok tok ", "fake-1", "stop", Usage(input_tokens=7, output_tokens=3), request_id="req-1"
    )


async def test_text_is_emitted_piece_by_piece(ask: Ask) -> None:
    pieces: list[Signal] = []
    await ask("tokens=3,gap=0.001", emit=pieces.append)
    assert pieces == ["tok0 ", "tok1 ", "tok2 "]


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("status=400", RequestRejectedError, 400),
        ("status=400,code=context_length_exceeded", ContextTooLongError, 400),
        ("status=401", AuthenticationError, 401),
        ("status=402", QuotaExceededError, 402),
        ("status=403", ForbiddenError, 403),
        ("status=404", ModelNotFoundError, 404),
        ("status=413", ContextTooLongError, 413),
        ("status=422", RequestRejectedError, 422),
        ("status=429", RateLimitedError, 429),
        ("status=429,code=insufficient_quota", QuotaExceededError, 429),
        ("status=500", ServerError, 500),
        ("status=502", ServerError, 502),
        ("status=503", OverloadedError, 503),
        ("status=529", OverloadedError, 529),
    ],
)
async def test_every_status_has_its_own_error(ask: Ask, model: str, kind: type[AIError], status: int) -> None:
    with pytest.raises(AIError) as caught:
        await ask(model)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.ai, error.provider, error.request_id) == (status, "gpt", "openai", "req-1")


async def test_retry_after_is_carried_in_seconds(ask: Ask) -> None:
    with pytest.raises(RateLimitedError) as caught:
        await ask("status=429,retry_after=7")
    assert caught.value.retry_after == 7.0
    assert "Wait 7 s" in str(caught.value)


async def test_a_key_the_provider_echoes_never_reaches_the_message(ask: Ask) -> None:
    with pytest.raises(AuthenticationError) as caught:
        await ask("status=401,say=Incorrect API key sk-proj-abcdef123456")
    assert "sk-proj" not in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)


@pytest.mark.parametrize("fault", ["html", "null", "no_choices", "garbage"])
async def test_a_200_that_is_no_answer_is_an_error(ask: Ask, fault: str) -> None:
    with pytest.raises(BadResponseError) as caught:
        await ask(f"fault={fault}")
    assert "base_url" in str(caught.value)


async def test_a_stream_without_its_end_is_truncated_and_keeps_what_arrived(ask: Ask) -> None:
    with pytest.raises(TruncatedError) as caught:
        await ask("fault=cut,tokens=2")
    assert caught.value.partial == "tok0 tok1 "


async def test_an_error_inside_a_200_stream_is_an_error_and_keeps_what_arrived(ask: Ask) -> None:
    with pytest.raises(ServerError) as caught:
        await ask("fault=error_event,tokens=2")
    assert caught.value.partial == "tok0 tok1 "
    assert "the engine died" in str(caught.value)


async def test_a_reset_after_the_request_was_sent_is_not_retryable(ask: Ask) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        await ask("fault=reset")
    assert caught.value.sent and not caught.value.retryable


async def test_an_endpoint_that_is_down_was_not_asked(provider: FakeProvider) -> None:
    http = SharedHTTP()
    client = openai_chat.AsyncClient(settings("http://127.0.0.1:9/v1", "m"), http)
    with pytest.raises(ConnectionFailedError) as caught:
        await client.complete(Request.of("hi"), ignore)
    assert not caught.value.sent
    assert "the connection was refused" in str(caught.value)
    await http.aclose()


async def test_without_a_model_the_first_one_offered_is_used(ask: Ask, provider: FakeProvider) -> None:
    await ask(None)  # type: ignore[arg-type]
    assert provider.requests[0]["model"] == "fake-1"


async def test_cancelling_closes_the_connection(provider: FakeProvider) -> None:
    http = SharedHTTP()
    client = openai_chat.AsyncClient(settings(provider.base_url, "fault=hang"), http)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.complete, Request.of("hi"), ignore)
            await provider.until(lambda p: p.in_flight == 1)
            tasks.cancel_scope.cancel()
        await provider.until(lambda p: p.aborted == 1)
    await http.aclose()


async def test_a_shared_client_that_is_gone_counts_as_machinery_not_as_an_answer(provider: FakeProvider) -> None:
    http = SharedHTTP()
    client = openai_chat.AsyncClient(settings(provider.base_url, "tokens=1"), http)
    await client.complete(Request.of("hi"), ignore)
    await http.client.aclose()
    with pytest.raises(AIError) as caught:
        await client.complete(Request.of("hi"), ignore)
    assert caught.value.kind == "async_unavailable"
    await http.aclose()


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    body = chat_body.build_body(Request.of("hi"), "m", settings("http://x/v1", "m"))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_everything_asked_for_is_sent_in_the_endpoint_s_own_words() -> None:
    request = Request(
        messages=(
            Message("user", (Text("what is this?"), Image(b"png", "image/png"))),
            Message("assistant", (ToolCall("c1", "look", {"at": 1}),)),
            Message("user", (ToolResult("c1", "a cat"),)),
        ),
        system="Be brief.",
        temperature=0.5,
        max_tokens=9,
        effort="low",
        json_schema=CLOSED,
        tools=(ToolSpec("look", "Look at it", {"type": "object"}),),
        extra={"seed": 1},
    )
    quirks = Quirks(max_tokens_field="max_completion_tokens", stream_usage=False, effort_field="reasoning.effort")
    url = "data:image/png;base64," + base64.b64encode(b"png").decode()
    assert chat_body.build_body(request, "m", settings("http://x/v1", "m", quirks=quirks)) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image_url", "image_url": {"url": url}},
                ],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        ],
        "stream": True,
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "reasoning": {"effort": "low"},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look at it", "parameters": NOTHING},
            }
        ],
        "seed": 1,
    }


def test_an_endpoint_without_json_schema_gets_the_schema_in_words() -> None:
    request = Request.of("hi", json_schema={"type": "object"})
    body = chat_body.build_body(request, "m", settings("http://x/v1", "m", quirks=Quirks(json_schema=False)))
    assert body["response_format"] == {"type": "json_object"}
    assert '{"type": "object"}' in body["messages"][0]["content"]


async def test_what_is_built_is_what_the_wire_carries(ask: Ask, provider: FakeProvider) -> None:
    asked = Request.of("hi", temperature=0.1, extra={"seed": 3})
    await ask("tokens=1", asked)
    (sent,) = provider.requests
    assert sent == chat_body.build_body(asked, "tokens=1", settings(provider.base_url, "tokens=1"))
    assert provider.headers[0]["authorization"] == "Bearer k-123456"


def fold_of(*events: dict[str, Any]) -> tuple[ChatFold, list[Signal]]:
    heard: list[Signal] = []
    fold = ChatFold(Who("gpt", "openai"), "m", heard.append)
    for data in events:
        fold.feed(f"data: {json.dumps(data)}\n\n".encode())
    return fold, heard


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def test_reasoning_is_told_apart_from_the_answer() -> None:
    fold, heard = fold_of(delta(reasoning_content="hmm"), delta(content="4"), delta("stop"))
    assert fold.finish().text == "4"
    assert heard == [Thinking("hmm"), "4"]


def test_reasoning_and_cached_tokens_are_counted_and_xai_s_are_added() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 35,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    fold, _ = fold_of(delta(content="4"), delta("stop"), {"choices": [], "usage": usage})
    assert fold.finish().usage == Usage(10, 25, 8, 20)


def test_tool_calls_come_in_pieces_and_are_put_together() -> None:
    fold, _ = fold_of(
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"x"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta("tool_calls"),
    )
    response = fold.finish()
    assert response.tool_calls == (ToolCall("a", "add", {"x": 1}),)
    assert response.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([delta("stop")], "empty_answer"),
        ([delta(content="   "), delta("stop")], "empty_answer"),
        ([delta("length")], "empty_answer"),
        ([delta(content="well"), delta("content_filter")], "content_filtered"),
        ([delta(refusal="I cannot."), delta("stop")], "refused"),
    ],
)
def test_an_answer_that_is_none_is_told_for_what_it_is(events: list[dict[str, Any]], kind: str) -> None:
    fold, _ = fold_of(*events)
    with pytest.raises(AIError) as caught:
        fold.finish()
    assert caught.value.kind == kind


def test_an_answer_cut_by_length_is_an_answer_that_says_so() -> None:
    fold, _ = fold_of(delta(content="once upon"), delta("length"))
    assert fold.finish().finish_reason == "length"


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["a \ud83d", "\ude00 b"], "a \U0001f600 b"),
        (["a \ud83d", " b"], "a \ufffd b"),
        (["a \ude00 b"], "a \ufffd b"),
        (["a", "\ud83d"], "a\ufffd"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd\U0001f600"),
        (["ä\U0001f600"], "ä\U0001f600"),
    ],
)
def test_half_a_character_is_joined_with_its_other_half_or_replaced(tokens: list[str], text: str) -> None:
    fold, heard = fold_of(*(delta(content=token) for token in tokens), delta("stop"))
    assert fold.finish().text == text
    assert "".join(str(token) for token in heard) == text


def test_garbage_in_the_middle_keeps_what_arrived() -> None:
    fold, _ = fold_of(delta(content="one"))
    with pytest.raises(TruncatedError) as caught:
        fold.feed(b"data: {broken\n\n")
    assert caught.value.partial == "one"


async def test_a_connect_timeout_is_a_timeout_that_may_be_retried() -> None:
    import httpx2

    def slow(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectTimeout("too slow", request=request)

    http = SharedHTTP(transport=httpx2.MockTransport(slow))
    client = openai_chat.AsyncClient(settings("http://127.0.0.1/v1", "m"), http)
    with pytest.raises(AITimeoutError) as caught:
        await client.complete(Request.of("hi"), ignore)
    assert caught.value.phase == "connect" and caught.value.retryable
    await http.aclose()
