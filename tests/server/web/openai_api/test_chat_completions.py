"""Chat Completions through the real SDK over loopback."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import httpx2
import openai
import pytest
from endpoint_server import asked, endpoint, said, through
from fake_provider import FakeProvider
from pydantic import BaseModel
from scripted_ai import ScriptedClient, Step, scripted_seat

from ai.client import Emit, Thinking
from core.values import Image, Request, Response, ToolCall, ToolResult, Usage
from server.web.openai_api import reply

HI: list[Any] = [{"role": "user", "content": "Hi"}]
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
INLINE = "data:image/png;base64," + base64.b64encode(PNG).decode()
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": "Of a town", "parameters": {"type": "object", "properties": {}}},
}


async def test_an_answer_comes_whole_with_usage_the_run_and_its_cost(provider: FakeProvider) -> None:
    async with through(provider, gpt="tokens=3") as client:
        raw = await client.chat.completions.with_raw_response.create(model="gpt", messages=HI)
        answer = raw.parse()
        assert answer.choices[0].message.content == "tok tok tok "
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage and (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)
        assert answer.usage.total_tokens == 10
        run = raw.headers["x-moot-run"]
        assert answer.id == f"chatcmpl-{run}"
        assert answer.model_extra and answer.model_extra["moot"]["ai"] == "gpt"
        assert answer.model_extra["moot"]["run"] == run


async def test_a_call_that_cannot_be_read_is_a_failure_and_no_call_without_arguments() -> None:
    broken = Response("", "m", "tool_calls", tool_calls=(ToolCall("c1", "weather", {}, broken='{"town": '),))
    async with asked(gpt=[broken]) as (client, _):
        with pytest.raises(openai.APIStatusError, match="cannot be read"):
            await client.chat.completions.create(model="gpt", messages=HI, tools=[WEATHER])  # type: ignore[list-item]


async def test_the_cost_stands_in_a_header_where_it_is_known() -> None:
    paid: list[Step] = [Response("yes", "gpt-6.1-sol", usage=Usage(1_000, 100))]
    async with asked(gpt=paid) as (client, _):
        raw = await client.chat.completions.with_raw_response.create(model="gpt", messages=HI)
        assert float(raw.headers["x-moot-cost-usd"]) > 0


async def test_an_answer_is_streamed_and_says_its_usage_when_asked(provider: FakeProvider) -> None:
    async with through(provider, gpt="tokens=5,gap=0.001") as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert said(chunks) == "tok0 tok1 tok2 tok3 tok4 "
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage and chunks[-1].usage.completion_tokens == 5
    assert chunks[-1].model_extra and chunks[-1].model_extra["moot"]["ai"] == "gpt"
    assert len({chunk.id for chunk in chunks}) == 1


async def test_without_asking_no_usage_chunk_comes_and_the_last_one_has_the_metadata(provider: FakeProvider) -> None:
    async with through(provider, gpt="tokens=2") as client:
        chunks = [c async for c in await client.chat.completions.create(model="gpt", messages=HI, stream=True)]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].model_extra and chunks[-1].model_extra["moot"]["run"]


async def test_a_burst_of_thousands_of_tokens_loses_none(provider: FakeProvider) -> None:
    async with through(provider, gpt="tokens=5000") as client:
        chunks = [c async for c in await client.chat.completions.create(model="gpt", messages=HI, stream=True)]
    assert said(chunks) == "tok " * 5000
    assert len(chunks) < 1000, "what comes at once goes out at once"


async def test_every_setting_arrives_at_the_provider(provider: FakeProvider) -> None:
    async with through(provider, gpt="tokens=1") as client:
        await client.chat.completions.create(
            model="gpt",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            ],
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=9,
            stop=["END"],
            reasoning_effort="low",
            user="somebody",
            metadata={"a": "b"},
        )
    (body,) = provider.requests
    assert body["messages"][0] == {"role": "system", "content": "Be brief.\n\nBe kind."}
    assert body["messages"][1] == {"role": "user", "content": "Hi"}
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.9, ["END"])
    assert (body["max_tokens"], body["reasoning_effort"]) == (9, "low")
    assert "user" not in body and "metadata" not in body


async def test_a_schema_goes_along_and_json_mode_too() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    async with asked(gpt=['{"a":1}', '{"b":2}']) as (client, app):
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
        stream = await client.chat.completions.create(model="gpt", messages=HI, response_format=wanted, stream=True)
        assert said([chunk async for chunk in stream]) == '{"a":1}'
        await client.chat.completions.create(model="gpt", messages=HI, response_format={"type": "json_object"})
        assert [request.json_schema for request in app.clients["gpt"].requests] == [schema, {"type": "object"}]


async def test_a_picture_goes_along_and_one_on_the_web_is_refused() -> None:
    def look(url: str) -> list[Any]:
        return [{"role": "user", "content": [{"type": "text", "text": "What?"}, _image(url)]}]

    async with asked(gpt=["a cat"]) as (client, app):
        await client.chat.completions.create(model="gpt", messages=look(INLINE))
        assert app.clients["gpt"].requests[0].messages[0].parts[1] == Image(PNG, "image/png")
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="gpt", messages=look("https://example.com/a.png"))
        assert "not fetched" in refused.value.message
        assert refused.value.param == "messages[0].content[1].image_url"
        odd = [f"data:image/png;base64,{one}" for one in ("%%%", "\u00e9", "\U0001f600", "AAAA=AAA", ",")]
        for bad in ("data:text/html;base64,PGI+", "file:///etc/passwd", *odd):
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(model="gpt", messages=look(bad))


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64,{}", "DATA:image/PNG;BASE64,{}", "data:image/png; base64,{}\n", "data:;base64,{}"],
)
async def test_a_picture_may_stand_alone_and_be_written_as_browsers_take_it(url: str) -> None:
    payload = base64.encodebytes(PNG).decode().rstrip("=\n")
    async with asked(gpt=["a cat"]) as (client, app):
        look: list[Any] = [{"role": "user", "content": [_image(url.format(payload))]}]
        await client.chat.completions.create(model="gpt", messages=look)
        assert app.clients["gpt"].requests[0].messages[0].parts == (Image(PNG, "image/png"),)


async def test_a_blank_text_beside_a_picture_is_still_an_empty_prompt() -> None:
    look: list[Any] = [{"role": "user", "content": [{"type": "text", "text": " "}, _image(INLINE)]}]
    async with asked(gpt=[]) as (client, _):
        with pytest.raises(openai.BadRequestError, match="prompt is empty"):
            await client.chat.completions.create(model="gpt", messages=look)


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


CALLS = Response(
    "",
    "m",
    finish_reason="tool_calls",
    usage=Usage(3, 4),
    tool_calls=(ToolCall("c1", "weather", {"town": "Ulm"}, b"sign"), ToolCall("c2", "weather", {"town": "Rom"})),
)


async def test_functions_are_called_answered_and_their_signature_goes_back() -> None:
    async with asked(gpt=[CALLS, "It is warm."]) as (client, app):
        first = await client.chat.completions.create(
            model="gpt",
            messages=HI,
            tools=[WEATHER],  # type: ignore[list-item]
            tool_choice={"type": "function", "function": {"name": "weather"}},
            parallel_tool_calls=False,
        )
        message = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls" and message.content is None
        assert message.tool_calls is not None
        calls: Any = message.tool_calls
        assert [json.loads(call.function.arguments) for call in calls] == [{"town": "Ulm"}, {"town": "Rom"}]
        results: list[Any] = [{"role": "tool", "tool_call_id": call.id, "content": "20 C"} for call in calls]
        history: list[Any] = [*HI, message.model_dump(exclude_none=True), *results]
        await client.chat.completions.create(model="gpt", messages=history, tools=[WEATHER])  # type: ignore[list-item]
        asked_first, asked_then = app.clients["gpt"].requests
        choice = asked_first.tool_choice
        assert choice and (choice.mode, choice.name, choice.parallel) == ("required", "weather", False)
        assert asked_first.tools[0].name == "weather"
        assert asked_then.messages[1].parts == CALLS.tool_calls
        assert asked_then.messages[2].parts == (
            ToolResult("c1", "20 C", name="weather"),
            ToolResult("c2", "20 C", name="weather"),
        )


async def test_function_calls_are_streamed_as_deltas() -> None:
    async with asked(gpt=[CALLS]) as (client, _):
        stream = await client.chat.completions.create(
            model="gpt",
            messages=HI,
            tools=[WEATHER],  # type: ignore[list-item]
            stream=True,
        )
        chunks = [chunk async for chunk in stream]
    (calls,) = [c.choices[0].delta.tool_calls for c in chunks if c.choices[0].delta.tool_calls]
    assert [(call.index, call.id) for call in calls] == [(0, "c1"), (1, "c2")]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_the_sdks_own_helpers_read_a_stream_and_a_schema() -> None:
    class Sum(BaseModel):
        value: int

    async with asked(gpt=["one two", CALLS, '{"value":4}']) as (client, _):
        async with client.chat.completions.stream(model="gpt", messages=HI) as stream:
            async for _event in stream:
                pass
            final = await stream.get_final_completion()
        assert (final.choices[0].message.content or "").strip() == "one two"
        async with client.chat.completions.stream(model="gpt", messages=HI, tools=[WEATHER]) as stream:  # type: ignore[list-item]
            async for _event in stream:
                pass
            called = await stream.get_final_completion()
        assert [call.id for call in called.choices[0].message.tool_calls or ()] == ["c1", "c2"]
        parsed = await client.chat.completions.parse(model="gpt", messages=HI, response_format=Sum)
        assert parsed.choices[0].message.parsed == Sum(value=4)


async def test_half_an_answer_is_no_whole_one(provider: FakeProvider) -> None:
    async with through(provider, gpt="fault=cut,tokens=2") as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.chat.completions.create(model="gpt", messages=HI)
    assert failed.value.status_code == 502


@pytest.mark.parametrize("fault", ["cut", "error_event"])
async def test_what_breaks_off_in_the_middle_is_an_error_event_and_no_stop(provider: FakeProvider, fault: str) -> None:
    async with through(provider, gpt=f"fault={fault},tokens=3,gap=0.001") as client:
        chunks: list[Any] = []
        with pytest.raises(openai.APIError) as failed:
            async for chunk in await client.chat.completions.create(model="gpt", messages=HI, stream=True):
                chunks.append(chunk)
    assert said(chunks).startswith("tok0 ")
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    assert "'gpt'" in failed.value.message


async def test_who_hangs_up_ends_the_request_at_the_provider(provider: FakeProvider) -> None:
    async with through(provider, gpt="fault=drip,tokens=1") as client:
        stream = await client.chat.completions.create(model="gpt", messages=HI, stream=True)
        async with stream:
            await anext(aiter(stream))
            assert provider.in_flight == 1
        await provider.until(lambda fake: fake.aborted == 1 and fake.in_flight == 0)


async def test_who_hangs_up_before_a_whole_answer_ends_it_too(provider: FakeProvider) -> None:
    async with through(provider, gpt="fault=hang") as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.chat.completions.create(model="gpt", messages=HI))
            await provider.until(lambda fake: fake.in_flight == 1)
            tasks.cancel_scope.cancel()
        await provider.until(lambda fake: fake.aborted == 1 and fake.in_flight == 0)


async def test_silence_is_filled_with_comments(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply, "KEEP_ALIVE_S", 0.01)
    provider.gate.clear()
    async with through(provider, gpt="tokens=1") as client, httpx2.AsyncClient() as http:
        body = {"model": "gpt", "messages": HI, "stream": True}
        async with http.stream("POST", f"{client.base_url}chat/completions", json=body, timeout=None) as answer:
            lines = answer.aiter_lines()
            assert answer.headers["content-type"].startswith("text/event-stream")
            seen = [await anext(lines) for _ in range(6)]
            assert ": keep-alive" in seen
            provider.gate.set()
            rest = [line async for line in lines]
    assert rest[-2:] == ["data: [DONE]", ""]


async def test_what_a_model_shows_of_its_reasoning_goes_out_as_such() -> None:
    class Thinker(ScriptedClient):
        async def complete(self, request: Request, emit: Emit) -> Response:
            emit(Thinking("Let me "))
            emit(Thinking("see."))
            return await super().complete(request, emit)

    async with asked(gpt=[]) as (client, app):
        app.roster.seats["deep"] = scripted_seat("deep", Thinker("four", "four"), buckets=app.roster.buckets)
        whole = await client.chat.completions.create(model="deep", messages=HI)
        assert whole.choices[0].message.model_extra == {"reasoning_content": "Let me see."}
        assert whole.choices[0].message.content == "four"
        stream = await client.chat.completions.create(model="deep", messages=HI, stream=True)
        chunks = [chunk async for chunk in stream]
    thoughts = [(chunk.choices[0].delta.model_extra or {}).get("reasoning_content", "") for chunk in chunks]
    assert "".join(thoughts) == "Let me see." and said(chunks).strip() == "four"


async def test_an_unexpected_failure_says_nothing_of_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Any) -> str:
        raise KeyError("/home/me/secret sk-1234567890")

    async with asked(gpt=[broken]) as (client, _):
        with pytest.raises(openai.InternalServerError) as failed:
            await client.chat.completions.create(model="gpt", messages=HI)
    assert "secret" not in failed.value.message


async def test_the_models_are_the_ais_and_the_panels(provider: FakeProvider) -> None:
    async with through(provider, gpt="a", claude="b") as client:
        listed = [model.id async for model in client.models.list()]
        assert listed[:2] == ["gpt", "claude"]
        assert {"moot/consensus", "moot/debate", "moot/ask-many", "moot/ask-many:merge"} <= set(listed)
        assert (await client.models.retrieve("gpt")).owned_by == "openai_compatible"
        assert (await client.models.retrieve("gpt/tokens=2")).id == "gpt/tokens=2"
        assert (await client.models.retrieve("moot/debate")).owned_by == "moot"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")
        with pytest.raises(openai.NotFoundError) as nothing:
            await client.get("/files", cast_to=object)
        assert nothing.value.code == "unknown_url"
        answer = await client.chat.completions.create(model="gpt/tokens=2", messages=HI)
        assert answer.choices[0].message.content == "tok tok "


def test_the_synchronous_sdk_works_too(base_url: str) -> None:
    """In a thread of its own, so that the endpoint's loop is free."""

    async def ask() -> str | None:
        async with endpoint(base_url, {"gpt": "tokens=2"}) as (url, _):
            return await anyio.to_thread.run_sync(_ask_blocking, url)

    assert anyio.run(ask) == "tok tok "


def _ask_blocking(url: str) -> str | None:
    with openai.OpenAI(base_url=url, api_key="t") as client:
        return client.chat.completions.create(model="gpt", messages=HI).choices[0].message.content
