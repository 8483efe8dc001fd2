"""Anthropic's Messages through the real SDK over loopback."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import anyio
import pytest
from endpoint_server import served
from scripted_ai import Hold, ScriptedApp, Step, scripted_app

from core.errors import OverloadedError, RateLimitedError
from core.values import Image, Response, Text, ToolCall, ToolResult, Usage

HI: list[Any] = [{"role": "user", "content": "Hi"}]
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
TOOL: dict[str, Any] = {"name": "weather", "description": "", "input_schema": {"type": "object", "properties": {}}}
CALL = Response("Let me see.", "m", finish_reason="tool_calls", tool_calls=(ToolCall("t1", "weather", {"a": 1}),))


@asynccontextmanager
async def asked(**ais: list[Step]) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, ScriptedApp]]:
    with anyio.fail_after(20):
        async with scripted_app(ais) as app, served(lambda: app) as url:
            base = url.removesuffix("/v1")
            async with anthropic.AsyncAnthropic(base_url=base, api_key="t", max_retries=0) as client:
                yield client, app


async def test_a_message_is_answered_with_everything_that_was_asked_for() -> None:
    said: list[Step] = [Response("four", "m", usage=Usage(10, 2, 4))]
    async with asked(claude=said) as (client, app):
        answer = await client.messages.create(
            model="claude",
            max_tokens=50,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=[*HI, {"role": "assistant", "content": [{"type": "text", "text": "Yes?"}]}, *HI],
            extra_body={"temperature": 0.1},
            stop_sequences=["END"],
            metadata={"user_id": "u"},
            thinking={"type": "disabled"},
        )
        (request,) = app.clients["claude"].requests
    (block,) = answer.content
    assert block.type == "text" and block.text == "four"
    assert (answer.stop_reason, answer.role, answer.type) == ("end_turn", "assistant", "message")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (6, 4, 2)
    assert answer.model_extra and answer.model_extra["moot"]["ai"] == "claude"
    assert (request.system, request.max_tokens, request.temperature) == ("Be brief.", 50, 0.1)
    assert request.stop == ("END",)
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]


async def test_the_sdks_own_helper_reads_the_stream_to_its_end() -> None:
    async with asked(claude=["one two"]) as (client, _):
        async with client.messages.stream(model="claude", max_tokens=9, messages=HI) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert final.content[0].type == "text" and final.content[0].text == "one two "
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 2


async def test_functions_are_called_streamed_and_answered_with_pictures_too() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _base64(PNG)}}
    async with asked(claude=[CALL, "Warm."]) as (client, app):
        async with client.messages.stream(
            model="claude",
            max_tokens=9,
            messages=HI,
            tools=[TOOL],  # type: ignore[list-item]
            tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ) as stream:
            first = await stream.get_final_message()
        assert first.stop_reason == "tool_use"
        assert first.content[1].type == "tool_use" and first.content[1].input == {"a": 1}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "20"}, picture]}
        history: list[Any] = [
            *HI,
            {"role": "assistant", "content": [block.model_dump() for block in first.content]},
            {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
        ]
        await client.messages.create(model="claude", max_tokens=9, messages=history, tools=[TOOL])  # type: ignore[list-item]
        asked_first, then = app.clients["claude"].requests
    choice = asked_first.tool_choice
    assert choice and (choice.name, choice.parallel) == ("weather", False)
    assert then.messages[1].parts == (Text("Let me see."), ToolCall("t1", "weather", {"a": 1}))
    assert then.messages[2].parts == (ToolResult("t1", "20", name="weather"), Image(PNG, "image/png"), Text("So?"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_blocks_of_one_turn_stay_apart_and_turns_of_one_speaker_are_joined() -> None:
    said: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": ""},
        {"role": "user", "content": "c"},
    ]
    async with asked(claude=["x"]) as (client, app):
        await client.messages.create(model="claude", max_tokens=9, messages=said)
        (message,) = app.clients["claude"].requests[0].messages
    assert message.parts == (Text("a"), Text("b\n\nc"))


async def test_errors_have_anthropics_shape() -> None:
    limited = RateLimitedError("'claude' is rate limited.", retry_after=900)
    async with asked(claude=[limited], opus=[OverloadedError("'opus' broke off.", partial="half")]) as (client, _):
        with pytest.raises(anthropic.RateLimitError) as refused:
            await client.messages.create(model="claude", max_tokens=9, messages=HI)
        assert refused.value.response.headers["retry-after"] == "900"
        assert refused.value.body == {
            "type": "error",
            "error": {"type": "rate_limit_error", "message": "'claude' is rate limited."},
        }
        with pytest.raises(anthropic.APIStatusError):
            async with client.messages.stream(model="opus", max_tokens=9, messages=HI) as stream:
                async for _ in stream:
                    pass
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(model="nobody", max_tokens=9, messages=HI)
        with pytest.raises(anthropic.APIStatusError) as uncounted:
            await client.messages.count_tokens(model="claude", messages=HI)
        assert uncounted.value.status_code == 501 and "usage" in uncounted.value.message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"top_k": 3}, "temperature"),
        ({"mcp_servers": [{}]}, "functions"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "only functions"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}, "not fetched"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "neither user nor assistant"),
    ],
)
async def test_what_cannot_be_done_is_refused(fields: dict[str, Any], words: str) -> None:
    async with asked(claude=[]) as (client, _):
        with pytest.raises(anthropic.BadRequestError) as refused:
            body = {"model": "claude", "max_tokens": 9, "messages": HI} | fields
            await client.post("/v1/messages", body=body, cast_to=object)
    assert words in refused.value.message


async def test_who_hangs_up_cancels_the_call() -> None:
    hold = Hold("late")
    async with asked(claude=[hold]) as (client, app):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.messages.create(model="claude", max_tokens=9, messages=HI))
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
        with app.bus.subscribe() as events:
            while not app.clients["claude"].cancelled:
                await anext(aiter(events))
