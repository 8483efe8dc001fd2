"""What is refused, and how: the status, the field and the fix, in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from endpoint_server import asked, through
from fake_provider import FakeProvider

HI: list[Any] = [{"role": "user", "content": "Hi"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": "Of a town", "parameters": {"type": "object", "properties": {}}},
}


def _calling(arguments: str) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"n": 2}, "n", "one answer"),
        ({"logit_bias": {"1": 2}}, "logit_bias", "Leave it out"),
        ({"presence_penalty": 1.0}, "presence_penalty", "Leave it out"),
        ({"temprature": 1.0}, "temprature", "Did you mean 'temperature'?"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "none of none"),
        ({"functions": []}, "functions", "use 'tools'"),
        ({"messages": []}, "messages", "is empty"),
        ({"messages": [{"role": "user", "content": "x"}] * 10_000}, "messages", "10,000 entries"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "none of system"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "tool_call_id is missing"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "valid string"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]", "neither"),
        ({"messages": "Hi"}, "messages", "valid array"),
        ({"messages": [*HI, _calling("[" * 5_000)]}, "messages[1].tool_calls[0].function.arguments", "no JSON object"),
        ({"messages": [*HI, _calling("[1]")]}, "messages[1].tool_calls[0].function.arguments", "no JSON object"),
        ({"tools": [{"type": "web_search"}]}, "tools", "no function"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice", "'x'"),
        ({"response_format": {"type": "xml"}}, "response_format", "none of the types"),
        ({"moot": {"rounds": 1}}, "moot", "for panels"),
        ({"stream": "maybe"}, "stream", "valid boolean"),
        ({"store": True}, "store", "nothing is stored"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_field_and_the_fix(
    fields: dict[str, Any], param: str, words: str
) -> None:
    async with asked(gpt=[]) as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.post("/chat/completions", body={"model": "gpt", "messages": HI} | fields, cast_to=object)
    assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")
    assert words in refused.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b'{"model": 1}', b'{"model":"gpt"}', b'{"a":' + b"[" * 100_000],
)
async def test_an_odd_body_is_a_400_in_openais_shape(body: bytes) -> None:
    async with asked(gpt=[]) as (client, _):
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"{client.base_url}chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] and answer.headers["x-should-retry"] == "false"


async def test_an_unknown_model_is_a_404_that_says_what_was_meant() -> None:
    async with asked(gpt=[], claude=[]) as (client, _):
        for model, meant in (("cluade", "claude"), ("moot/concensus", "moot/consensus")):
            with pytest.raises(openai.NotFoundError) as unknown:
                await client.chat.completions.create(model=model, messages=HI)
            assert unknown.value.code == "model_not_found"
            assert f"Did you mean '{meant}'?" in unknown.value.message


@pytest.mark.parametrize(
    ("model", "status", "retry_after"),
    [
        ("status=429,retry_after=900", 429, "900"),
        ("status=402", 429, None),
        ("status=401", 502, None),
        ("status=500", 502, None),
        ("status=503,retry_after=900", 503, "900"),
        ("status=400", 400, None),
        ("fault=html", 502, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_provider_refuses_has_its_status(
    provider: FakeProvider, model: str, status: int, retry_after: str | None, stream: bool
) -> None:
    async with through(provider, gpt=model) as client:
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(model="gpt", messages=HI, stream=stream)
    assert failed.value.status_code == status
    assert failed.value.response.headers.get("retry-after") == retry_after
    assert "sk-" not in failed.value.message and "/work" not in failed.value.message
    again = failed.value.response.headers.get("x-should-retry")
    assert again == (None if status in (429, 503) and retry_after else "false")
