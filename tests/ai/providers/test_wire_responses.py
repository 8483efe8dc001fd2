"""OpenAI's Responses API: what is sent, how its events are read, and what happens where it is not spoken."""

# ruff: noqa: E501 - events on one line each
from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ai.client import Signal, Thinking
from ai.providers import openai_chat
from ai.providers.catalog import PROVIDERS
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint, Quirks
from ai.wire.transport import SharedHTTP
from core.errors import (
    AIError,
    BadResponseError,
    ContentFilteredError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TruncatedError,
)
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolResult, ToolSpec, Usage

WHO = Who("gpt", "openai")
USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]} | more


def completed(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    response = {"object": "response", "status": "completed", "model": "gpt-6-x", "output": list(output), "usage": USAGE}
    return {"type": "response.completed", "response": response | more}


def delta(text: str, place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": place, "content_index": 0, "delta": text}


def said(text: str, place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.done", "output_index": place, "content_index": 0, "text": text}


HELLO = [delta("Hel"), delta("lo"), said("Hello"), completed(message("Hello"))]


class Endpoints:
    """An endpoint whose answers are given in turn; keeps what it was asked."""

    def __init__(self, *replies: httpx2.Response) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, dict[str, Any], httpx2.Headers]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((str(request.url), json.loads(request.content), request.headers))
        return self.replies.pop(0)


def stream(events: list[dict[str, Any]]) -> httpx2.Response:
    body = b"".join(f"event: {e.get('type')}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
    return httpx2.Response(200, headers={"content-type": "text/event-stream", "x-request-id": "r1"}, content=body)


async def ask(
    endpoint: Endpoints,
    request: Request | None = None,
    *,
    heard: list[Signal] | None = None,
    quirks: Quirks | None = None,
    sync: bool = False,
    **more: Any,
) -> Response:
    settings = ClientSettings(
        who=WHO,
        model="gpt-6-x",
        endpoint=more.pop("endpoint", Endpoint("http://127.0.0.1:1/v1", "k")),
        quirks=quirks or PROVIDERS["openai"].quirks,
        **more,
    )
    transport = httpx2.MockTransport(endpoint)
    http = SharedHTTP(transport, transport)
    emit = (heard if heard is not None else []).append
    if sync:
        import threading

        import anyio.to_thread

        client = openai_chat.SyncClient(settings, http)
        return await anyio.to_thread.run_sync(client.complete, request or Request.of("Hi"), emit, threading.Event())
    return await openai_chat.AsyncClient(settings, http).complete(request or Request.of("Hi"), emit)


async def read(*events: dict[str, Any], heard: list[Signal] | None = None) -> Response:
    return await ask(Endpoints(stream(list(events))), heard=heard)


@pytest.mark.parametrize("sync", [False, True])
async def test_an_answer_streams_and_ends_with_its_figures(sync: bool) -> None:
    heard: list[Signal] = []
    endpoint = Endpoints(stream(HELLO))
    response = await ask(endpoint, heard=heard, sync=sync)
    assert response == Response("Hello", "gpt-6-x", usage=Usage(7, 5, 2, 3), request_id="r1")
    assert [one for one in heard if isinstance(one, str)] == ["Hello"]
    assert endpoint.asked[0][0] == "http://127.0.0.1:1/v1/responses"


async def test_everything_a_request_may_hold_is_sent_in_this_protocols_words() -> None:
    endpoint = Endpoints(stream(HELLO))
    tool = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
    request = Request(
        messages=(
            Message("user", (Text("See"), Image(b"png", "image/png"))),
            Message("assistant", (Text("I look."), ToolCall("c1", "look", {"at": "it"}))),
            Message("user", (ToolResult("c1", "seen", name="look"),)),
        ),
        system="Be brief.",
        temperature=0.5,
        max_tokens=5,
        effort="low",
        json_schema={"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        tools=(tool,),
        extra={"service_tier": "flex"},
    )
    await ask(endpoint, request)
    ((_, body, headers),) = endpoint.asked
    assert headers["authorization"] == "Bearer k"
    assert body == {
        "model": "gpt-6-x",
        "stream": True,
        "store": False,
        "instructions": "Be brief.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": "data:image/png;base64,cG5n"},
                ],
            },
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "it"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "seen"},
        ],
        "temperature": 0.5,
        "max_output_tokens": 16,
        "reasoning": {"summary": "auto", "effort": "low"},
        "text": {
            "format": {
                "type": "json_schema",
                "name": "answer",
                "schema": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "required": ["a"],
                    "additionalProperties": False,
                },
                "strict": True,
            }
        },
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Looks.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "at": {"anyOf": [{"type": "string", "description": "Null leaves it out."}, {"type": "null"}]}
                    },
                    "required": ["at"],
                    "additionalProperties": False,
                },
                "strict": True,
            }
        ],
        "include": ["reasoning.encrypted_content"],
        "service_tier": "flex",
    }


async def test_thoughts_and_comments_are_no_answer_but_signs_of_life() -> None:
    heard: list[Signal] = []
    response = await read(
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Hm."},
        {"type": "response.output_item.added", "output_index": 1, "item": message("", phase="commentary", content=[])},
        delta("I will look.", 1),
        said("I will look.", 1),
        {"type": "response.some_new_tool.in_progress", "output_index": 2},
        delta("42", 3),
        said("42", 3),
        completed({"type": "reasoning"}, message("I will look.", phase="commentary"), {"type": "new"}, message("42")),
        heard=heard,
    )
    assert response.text == "42"
    assert [one.text for one in heard if isinstance(one, Thinking) and one.text] == ["Hm.", "I will look."]


async def test_a_function_call_is_carried_once_however_often_it_is_said() -> None:
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": '{"at": "x"}'}
    response = await read(
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"},
        {"type": "response.output_item.done", "output_index": 0, "item": call},
        completed(call),
    )
    assert response.finish_reason == "tool_calls"
    assert response.tool_calls == (ToolCall("c1", "look", {"at": "x"}),)


async def test_a_last_piece_that_went_missing_is_added_and_a_lost_middle_is_told() -> None:
    assert (await read(delta("Hel"), said("Hello"), completed(message("Hello")))).text == "Hello"
    assert (await read(delta("Hel"), completed(message("Hello")))).text == "Hello"
    with pytest.raises(TruncatedError, match="lost a piece"):
        await read(delta("Hlo"), said("Hello"), completed(message("Hello")))


async def test_several_messages_are_set_apart() -> None:
    response = await read(delta("One.", 0), delta("Two.", 1), completed(message("One."), message("Two.")))
    assert response.text == "One.\n\nTwo."


@pytest.mark.parametrize(
    ("end", "error", "words"),
    [
        ({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}}, ContentFilteredError, "filter"),
        ({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "solar_flare"}}}, TruncatedError, "solar_flare"),
        ({"type": "response.incomplete", "response": {"status": "incomplete"}}, TruncatedError, "incomplete"),
        ({"type": "response.cancelled", "response": {"status": "cancelled"}}, TruncatedError, "cancelled"),
        ({"type": "response.completed", "response": {"status": "pondering"}}, TruncatedError, "pondering"),
        ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}}}, RateLimitedError, "Slow down"),
        ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "Oops."}}}, ProviderError, "Oops"),
        ({"type": "error", "code": "server_error", "message": "Gone wrong.", "param": None}, ProviderError, "Gone wrong"),
        ({"type": "response.refusal.done", "output_index": 0, "refusal": "No."}, RefusedError, "No."),
    ],
)  # fmt: skip
async def test_an_end_that_is_not_whole_is_said_and_the_text_kept(
    end: dict[str, Any], error: type[AIError], words: str
) -> None:
    with pytest.raises(error) as caught:
        await read(delta("Begun"), end)
    assert words in str(caught.value)
    assert caught.value.partial == "Begun"
    assert not caught.value.retryable, "it was accepted, and is not sent again"


async def test_a_refusal_is_one() -> None:
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    with pytest.raises(RefusedError, match="I will not"):
        await read({"type": "response.refusal.delta", "output_index": 0, "delta": "I will"}, completed(refusal))


async def test_a_limit_on_length_is_told() -> None:
    end = {
        "type": "response.incomplete",
        "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    }
    assert (await read(delta("Begun"), end)).finish_reason == "length"


async def test_a_whole_response_without_streaming_is_read() -> None:
    whole = completed(message("Hello"))["response"]
    assert (await ask(Endpoints(httpx2.Response(200, json=whole)))).text == "Hello"
    with pytest.raises(BadResponseError):
        await ask(Endpoints(httpx2.Response(200, json={"object": "response", "status": "completed"})))


async def test_a_gateway_that_answers_in_the_other_protocol_is_understood() -> None:
    chunk = {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    assert (await ask(Endpoints(stream([chunk])))).text == "Hi"


CHAT = stream([{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}])


@pytest.mark.parametrize(
    "refusal",
    [
        httpx2.Response(404, json={"detail": "Not Found"}),
        httpx2.Response(404, text="404 page not found"),
        httpx2.Response(405, json={"detail": "Method Not Allowed"}),
        httpx2.Response(
            404, json={"error": {"message": "Invalid URL (POST /v1/responses)", "type": "invalid_request_error"}}
        ),
        httpx2.Response(400, json={"error": {"message": "Unknown request URL: POST /v1/responses"}}),
    ],
)
async def test_where_responses_are_not_spoken_chat_is_and_that_is_remembered(refusal: httpx2.Response) -> None:
    endpoint = Endpoints(refusal, CHAT, CHAT)
    for _ in range(2):
        assert (await ask(endpoint)).text == "Hi"
    assert [url.rpartition("/v1")[2] for url, _, _ in endpoint.asked] == [
        "/responses",
        "/chat/completions",
        "/chat/completions",
    ]


async def test_a_model_nobody_knows_is_no_reason_to_change_the_protocol() -> None:
    said = {
        "error": {"message": "The model 'x' does not exist", "code": "model_not_found", "type": "invalid_request_error"}
    }
    endpoint = Endpoints(httpx2.Response(404, json=said))
    with pytest.raises(ProviderError, match="does not know the model"):
        await ask(endpoint)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Function tools with reasoning_effort are not supported for gpt-6 in /v1/chat/completions. To use function "
              "tools, use /v1/responses or set reasoning_effort to 'none'"),
        (404, "This model is only supported in v1/responses and not in v1/chat/completions."),
    ],
)  # fmt: skip
async def test_a_model_that_lives_in_responses_alone_is_asked_there(status: int, words: str) -> None:
    refusal = httpx2.Response(
        status, json={"error": {"message": words, "type": "invalid_request_error", "param": "model"}}
    )
    endpoint = Endpoints(refusal, stream(HELLO))
    tool = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})
    request = Request((Message.user("Hi"),), tools=(tool,))
    assert (await ask(endpoint, request, quirks=Quirks())).text == "Hello"
    assert endpoint.asked[1][1]["tools"][0]["name"] == "look", "a function is never left out in silence"


async def test_summaries_are_not_asked_for_again_where_they_are_refused() -> None:
    said = {
        "error": {
            "message": "Your organization must be verified to generate reasoning summaries.",
            "param": "reasoning.summary",
        }
    }
    endpoint = Endpoints(httpx2.Response(400, json=said), stream(HELLO), stream(HELLO))
    for _ in range(2):
        await ask(endpoint)
    assert ["reasoning" in body for _, body, _ in endpoint.asked] == [True, False, False]


async def test_what_a_row_says_of_its_protocol_is_not_changed() -> None:
    endpoint = Endpoints(httpx2.Response(404, json={"detail": "Not Found"}))
    with pytest.raises(ProviderError):
        await ask(endpoint, fixed_quirks=frozenset({"api"}))
    assert len(endpoint.asked) == 1
