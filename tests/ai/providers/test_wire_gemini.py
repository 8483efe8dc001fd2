"""The Gemini dialect, sync and async, through the real SDK and a transport that answers from the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from ai.client import Signal, Thinking, ignore
from ai.providers import gemini
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError, AuthenticationError, ConnectionFailedError, RateLimitedError, TruncatedError
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolResult, ToolSpec, Usage

Handler = Callable[[httpx2.Request], httpx2.Response]
Ask = Callable[..., Awaitable[Response]]
SETTINGS = ClientSettings(
    Who("gemini", "gemini", ("GOOGLE_API_KEY",)), "gemini-4-argon", Endpoint("http://127.0.0.1:1", "k-123456")
)


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-4-argon", "responseId": "r7", **more}


def stream(*chunks: dict[str, Any]) -> Handler:
    body = "".join(f"data: {json.dumps(data)}\n\n" for data in chunks)
    return lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Ask:
    async def call(handler: Handler, asked: Request | None = None, emit: Any = ignore) -> Response:
        transport = httpx2.MockTransport(handler)
        http = SharedHTTP(transport, transport)
        try:
            if request.param == "async":
                return await gemini.AsyncClient(SETTINGS, http).complete(asked or Request.of("hi"), emit)
            client = gemini.SyncClient(SETTINGS, http)
            return await anyio.to_thread.run_sync(client.complete, asked or Request.of("hi"), emit, threading.Event())
        finally:
            await http.aclose()

    return call


async def test_an_answer_arrives_whole_and_thoughts_count_as_output(ask: Ask) -> None:
    heard: list[Signal] = []
    usage = {
        "promptTokenCount": 9,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 6,
        "cachedContentTokenCount": 2,
        "totalTokenCount": 19,
    }
    chunks = [
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "He"}),
        chunk({"text": "llo"}, finish="STOP", usageMetadata=usage),
    ]
    response = await ask(stream(*chunks), emit=heard.append)
    assert response == Response("Hello", "gemini-4-argon", "stop", Usage(9, 10, 2, 6), request_id="r7")
    assert heard == [Thinking("hm"), "Hello"]


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([chunk({"text": "Hel"})], "truncated"),
        ([chunk(finish="STOP")], "empty_answer"),
        ([chunk(finish="MAX_TOKENS")], "empty_answer"),
        ([chunk({"text": "x"}, finish="SAFETY")], "content_filtered"),
        ([{"promptFeedback": {"blockReason": "SAFETY"}}], "content_filtered"),
        ([chunk({"text": "x"}, finish="MALFORMED_RESPONSE")], "truncated"),
        ([], "bad_response"),
    ],
)
async def test_an_answer_that_is_none_is_told_for_what_it_is(ask: Ask, chunks: list[dict[str, Any]], kind: str) -> None:
    with pytest.raises(AIError) as caught:
        await ask(stream(*chunks))
    assert caught.value.kind == kind


async def test_an_answer_cut_by_length_says_so(ask: Ask) -> None:
    assert (await ask(stream(chunk({"text": "a"}, finish="MAX_TOKENS")))).finish_reason == "length"


async def test_what_arrived_before_the_end_was_lost_is_kept(ask: Ask) -> None:
    with pytest.raises(TruncatedError) as caught:
        await ask(stream(chunk({"text": "Hel"})))
    assert caught.value.partial == "Hel"


async def test_retry_info_is_read_where_others_send_retry_after(ask: Ask) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [info]}}
    with pytest.raises(RateLimitedError) as caught:
        await ask(lambda request: httpx2.Response(429, json=error))
    assert caught.value.retry_after == 12.5


async def test_a_refused_key_is_an_authentication_error(ask: Ask) -> None:
    error = {"error": {"code": 403, "message": "API key not valid", "status": "PERMISSION_DENIED"}}
    with pytest.raises(AuthenticationError) as caught:
        await ask(lambda request: httpx2.Response(403, json=error))
    assert "GOOGLE_API_KEY" in str(caught.value)


async def test_a_web_page_is_no_answer(ask: Ask) -> None:
    page = {"content-type": "text/html"}
    with pytest.raises(AIError) as caught:
        await ask(lambda request: httpx2.Response(200, headers=page, content="<html>hi</html>"))
    assert caught.value.kind == "bad_response"


async def test_a_broken_connection_is_told_apart_from_one_never_made(ask: Ask) -> None:
    def refused(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.RemoteProtocolError("broken", request=request)

    with pytest.raises(ConnectionFailedError) as first:
        await ask(refused)
    with pytest.raises(ConnectionFailedError) as second:
        await ask(broken)
    assert (first.value.sent, second.value.sent) == (False, True)


async def test_a_function_call_keeps_its_signature(ask: Ask) -> None:
    call = {"functionCall": {"id": "f", "name": "add", "args": {"x": 1}}, "thoughtSignature": "c2ln"}
    response = await ask(stream(chunk(call, finish="STOP")))
    assert response.tool_calls == (ToolCall("f", "add", {"x": 1}, signature=b"sig"),)
    assert response.finish_reason == "tool_calls"


async def test_everything_asked_for_reaches_the_wire_and_nothing_else(ask: Ask) -> None:
    sent: list[dict[str, Any]] = []

    def capture(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        assert request.headers["x-goog-api-key"] == "k-123456"
        return stream(chunk({"text": "ok"}, finish="STOP"))(request)

    asked = Request(
        messages=(
            Message("user", (Text("see"), Image(b"png", "image/png"))),
            Message("assistant", (ToolCall("f", "add", {"x": 1}, signature=b"sig"),)),
            Message("user", (ToolResult("f", "2", name="add"),)),
        ),
        system="Be brief.",
        temperature=0.2,
        max_tokens=9,
        effort="low",
        json_schema={"type": "object"},
        tools=(ToolSpec("add", "Add", {"type": "object"}),),
    )
    await ask(capture, asked)
    await ask(capture, Request.of("hi"))
    assert sent[0]["contents"] == [
        {"role": "user", "parts": [{"text": "see"}, {"inlineData": {"data": "cG5n", "mime_type": "image/png"}}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"id": "f", "name": "add", "args": {"x": 1}}, "thoughtSignature": "c2ln"}],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "f", "name": "add", "response": {"result": "2"}}}]},
    ]
    config = sent[0]["generationConfig"]
    assert config["temperature"] == 0.2 and config["maxOutputTokens"] == 9
    assert config["thinkingConfig"] == {"thinking_level": "LOW"} or config["thinkingConfig"] == {"thinkingLevel": "LOW"}
    assert config["responseMimeType"] == "application/json" and config["responseJsonSchema"] == {"type": "object"}
    assert sent[0]["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert sent[0]["tools"][0]["functionDeclarations"][0]["name"] == "add"
    assert set(sent[1]) <= {"contents", "generationConfig"} and not sent[1].get("generationConfig")


async def test_the_endpoint_s_own_models_are_listed() -> None:
    listing = {"models": [{"name": "models/gemini-a"}, {"name": "models/gemini-b"}]}
    http = SharedHTTP(httpx2.MockTransport(lambda request: httpx2.Response(200, json=listing)))
    assert await gemini.AsyncClient(SETTINGS, http).list_models() == ["gemini-a", "gemini-b"]
    await http.aclose()


async def test_a_stream_that_came_as_a_list_is_read_too(ask: Ask) -> None:
    """Without `alt=sse`, which some proxies drop, the chunks come as one JSON list."""
    chunks = [chunk({"text": "He"}), chunk({"text": "llo"}, finish="STOP")]
    reply = httpx2.Response(200, json=chunks)
    assert (await ask(lambda request: reply)).text == "Hello"


async def test_a_reason_with_every_piece_does_not_end_the_answer_at_the_first(ask: Ask) -> None:
    answer = await ask(stream(chunk({"text": "Hel"}, finish="STOP"), chunk({"text": "lo"}, finish="STOP")))
    assert answer.text == "Hello"
