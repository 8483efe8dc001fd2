"""The Messages dialect, sync and async, through the real SDK and a transport that answers from the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from ai.client import Signal, Thinking, ignore
from ai.providers import anthropic
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError, AuthenticationError, OverloadedError, RefusedError, TruncatedError
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolResult, ToolSpec, Usage

Handler = Callable[[httpx2.Request], httpx2.Response]
SETTINGS = ClientSettings(
    Who("claude", "anthropic", ("ANTHROPIC_API_KEY",)), "claude-opus-5-5", Endpoint("http://127.0.0.1:1", "k-123456")
)

START = {
    "type": "message_start",
    "message": {
        "model": "claude-opus-5-5",
        "usage": {
            "input_tokens": 3,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 2,
            "output_tokens": 1,
        },
    },
}
STOP = {"type": "message_stop"}


def text(words: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


def end(reason: str, **more: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": {"output_tokens": 5}}


def stream(*events: dict[str, Any]) -> Handler:
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    headers = {"content-type": "text/event-stream", "request-id": "req-9"}
    return lambda request: httpx2.Response(200, headers=headers, content=body)


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Awaitable[Response]]:
    async def call(handler: Handler, asked: Request | None = None, emit: Any = ignore) -> Response:
        transport = httpx2.MockTransport(handler)
        http = SharedHTTP(transport, transport)
        try:
            if request.param == "async":
                return await anthropic.AsyncClient(SETTINGS, http).complete(asked or Request.of("hi"), emit)
            client = anthropic.SyncClient(SETTINGS, http)
            return await anyio.to_thread.run_sync(client.complete, asked or Request.of("hi"), emit, threading.Event())
        finally:
            await http.aclose()

    return call


Ask = Callable[..., Awaitable[Response]]


async def test_an_answer_arrives_whole_and_cached_tokens_count_as_input(ask: Ask) -> None:
    heard: list[Signal] = []
    thought = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}
    response = await ask(stream(START, thought, text("He"), text("llo"), end("end_turn"), STOP), emit=heard.append)
    assert response == Response("Hello", "claude-opus-5-5", "stop", Usage(12, 5, 7, None), request_id="req-9")
    assert heard == [Thinking("hm"), "Hello"]


async def test_a_stream_without_message_stop_is_truncated(ask: Ask) -> None:
    with pytest.raises(TruncatedError) as caught:
        await ask(stream(START, text("Hel")))
    assert caught.value.partial == "Hel"


async def test_a_refusal_is_no_answer(ask: Ask) -> None:
    with pytest.raises(RefusedError):
        await ask(stream(START, end("refusal", stop_details={"explanation": "not this"}), STOP))


async def test_reaching_max_tokens_is_told(ask: Ask) -> None:
    assert (await ask(stream(START, text("a"), end("max_tokens"), STOP))).finish_reason == "length"


async def test_an_overloaded_event_inside_a_200_is_overload(ask: Ask) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(OverloadedError) as caught:
        await ask(stream(START, error))
    assert caught.value.status == 529


async def test_an_error_status_is_classified_and_its_words_are_kept(ask: Ask) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        error = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
        return httpx2.Response(401, json=error)

    with pytest.raises(AuthenticationError) as caught:
        await ask(refuse)
    assert "invalid x-api-key" in str(caught.value) and "ANTHROPIC_API_KEY" in str(caught.value)


async def test_a_web_page_is_no_answer(ask: Ask) -> None:
    page = {"content-type": "text/html"}
    with pytest.raises(AIError) as caught:
        await ask(lambda request: httpx2.Response(200, headers=page, content="<html>hi</html>"))
    assert caught.value.kind == "bad_response"


async def test_a_whole_message_from_an_endpoint_that_does_not_stream_is_read_too(ask: Ask) -> None:
    whole = {
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    response = await ask(lambda request: httpx2.Response(200, json=whole))
    assert (response.text, response.model, response.usage) == ("Hello", "claude-x", Usage(1, 2))


async def test_tool_use_comes_in_pieces_and_is_put_together(ask: Ask) -> None:
    block = {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "add"}}

    def piece(json_text: str) -> dict[str, Any]:
        delta = {"type": "input_json_delta", "partial_json": json_text}
        return {"type": "content_block_delta", "index": 1, "delta": delta}

    response = await ask(stream(START, block, piece('{"x"'), piece(": 1}"), end("tool_use"), STOP))
    assert response.tool_calls == (ToolCall("t", "add", {"x": 1}),)
    assert response.finish_reason == "tool_calls"


async def test_everything_asked_for_reaches_the_wire_and_nothing_else(ask: Ask) -> None:
    sent: list[dict[str, Any]] = []

    def capture(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        assert request.headers["authorization"] == "Bearer k-123456"
        return stream(START, text("ok"), end("end_turn"), STOP)(request)

    asked = Request(
        messages=(
            Message("user", (Text("see"), Image(b"png", "image/png"))),
            Message("assistant", (ToolCall("t", "add", {"x": 1}),)),
            Message("user", (ToolResult("t", "2"),)),
        ),
        system="Be brief.",
        temperature=0.2,
        max_tokens=9,
        effort="high",
        json_schema={"type": "object"},
        tools=(ToolSpec("add", "Add", {"type": "object"}),),
    )
    await ask(capture, asked)
    await ask(capture, Request.of("hi"))
    assert sent[0] == {
        "model": "claude-opus-5-5",
        "max_tokens": 9,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "add", "input": {"x": 1}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "2", "is_error": False}],
            },
        ],
        "stream": True,
        "system": "Be brief.",
        "temperature": 0.2,
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tools": [{"name": "add", "description": "Add", "input_schema": {"type": "object", "properties": {}}}],
    }
    assert sorted(sent[1]) == ["max_tokens", "messages", "model", "stream"]


async def test_the_endpoint_s_own_models_are_listed() -> None:
    listing = {"data": [{"id": "claude-a"}, {"id": "claude-b"}], "has_more": False}
    http = SharedHTTP(httpx2.MockTransport(lambda request: httpx2.Response(200, json=listing)))
    assert await anthropic.AsyncClient(SETTINGS, http).list_models() == ["claude-a", "claude-b"]
    await http.aclose()
