"""Responses through the real SDK over loopback."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from endpoint_server import asked

from core.errors import OverloadedError
from core.values import Response, Text, ToolCall, ToolResult, Usage

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "",
    "parameters": {"type": "object", "properties": {}},
    "strict": True,
}
CALL = Response("Let me see.", "m", finish_reason="tool_calls", tool_calls=(ToolCall("c1", "weather", {"a": 1}),))


async def test_a_text_is_answered_with_usage_and_metadata() -> None:
    async with asked(gpt=[Response("four", "m", usage=Usage(10, 2, 4, 1))]) as (client, app):
        answer = await client.responses.create(
            model="gpt", input="2+2?", instructions="Be brief.", max_output_tokens=50, temperature=0.2
        )
        (request,) = app.clients["gpt"].requests
    assert (answer.output_text, answer.status, answer.store) == ("four", "completed", False)
    assert answer.usage and answer.usage.total_tokens == 12
    assert answer.usage.input_tokens_details.cached_tokens == 4
    assert answer.usage.output_tokens_details.reasoning_tokens == 1
    assert answer.model_extra and answer.model_extra["moot"]["ai"] == "gpt"
    assert (request.system, request.max_tokens, request.temperature) == ("Be brief.", 50, 0.2)


async def test_the_events_of_a_stream_come_in_order_and_are_numbered() -> None:
    async with asked(gpt=["one two"]) as (client, _):
        stream = await client.responses.create(model="gpt", input="Hi", stream=True)
        events = [event async for event in stream]
    kinds = [event.type for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "one two "
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "one two "
    assert events[-1].response.usage and events[-1].response.usage.output_tokens == 2


async def test_the_sdks_own_helper_reads_the_stream_to_its_end() -> None:
    async with asked(gpt=["one two"]) as (client, _):
        async with client.responses.stream(model="gpt", input="Hi") as stream:
            async for _event in stream:
                pass
            final = await stream.get_final_response()
    assert final.output_text == "one two "


async def test_functions_are_called_streamed_and_answered() -> None:
    async with asked(gpt=[CALL, "Warm."]) as (client, app):
        stream = await client.responses.create(
            model="gpt",
            input="Weather?",
            stream=True,
            tools=[TOOL],  # type: ignore[list-item]
            tool_choice={"type": "function", "name": "weather"},
        )
        events = [event async for event in stream]
        last = events[-1]
        assert last.type == "response.completed"
        call = last.response.output[1]
        assert call.type == "function_call" and json.loads(call.arguments) == {"a": 1}
        arguments = [event for event in events if event.type == "response.function_call_arguments.done"]
        assert [event.arguments for event in arguments] == ['{"a": 1}']
        items: list[Any] = [
            {"role": "user", "content": "Weather?"},
            *[item.model_dump() for item in last.response.output],
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call_output", "call_id": call.call_id, "output": "20 C"},
        ]
        answer = await client.responses.create(model="gpt", input=items, tools=[TOOL])  # type: ignore[list-item]
        assert answer.output_text == "Warm."
        first, then = app.clients["gpt"].requests
    assert first.tool_choice and first.tool_choice.name == "weather"
    assert then.messages[1].parts == (Text("Let me see."), ToolCall("c1", "weather", {"a": 1}))
    assert then.messages[2].parts == (ToolResult("c1", "20 C", name="weather"),)


async def test_a_schema_goes_along() -> None:
    schema = {"type": "object", "properties": {}}
    async with asked(gpt=["{}"]) as (client, app):
        await client.responses.create(
            model="gpt", input="Hi", text={"format": {"type": "json_schema", "name": "x", "schema": schema}}
        )
        assert app.clients["gpt"].requests[0].json_schema == schema


async def test_an_answer_that_was_cut_off_is_incomplete() -> None:
    async with asked(gpt=[Response("one", "m", finish_reason="length")] * 2) as (client, _):
        answer = await client.responses.create(model="gpt", input="Hi")
        assert answer.status == "incomplete" and answer.incomplete_details
        assert answer.incomplete_details.reason == "max_output_tokens"
        events = [event async for event in await client.responses.create(model="gpt", input="Hi", stream=True)]
        assert events[-1].type == "response.incomplete"


async def test_what_breaks_off_in_the_middle_is_a_failed_response() -> None:
    async with asked(gpt=[OverloadedError("'gpt' broke off.", partial="half")]) as (client, _):
        events = [event async for event in await client.responses.create(model="gpt", input="Hi", stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error and "'gpt' broke off." in events[-1].response.error.message


KEPT = {"role": "user", "content": [{"type": "input_image", "file_id": "file-1", "detail": "auto"}]}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "nothing is kept"),
        ({"store": True}, "store", "nothing is kept"),
        ({"background": True}, "background", "stream it"),
        ({"conversation": "c"}, "conversation", "whole conversation"),
        ({"truncation": "auto"}, "truncation", "send what fits"),
        ({"tools": [{"type": "web_search"}]}, "tools", "only functions"),
        ({"input": []}, "input", "is empty"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]", "no message"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]", "neither"),
        ({"input": [KEPT]}, "input[0].content[0].file_id", "no files are kept"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_next_step(
    fields: dict[str, Any], param: str, words: str
) -> None:
    async with asked(gpt=[]) as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.post("/responses", body={"model": "gpt", "input": "Hi"} | fields, cast_to=object)
    assert refused.value.param == param and words in refused.value.message
