"""What an endpoint does not take is left out, once, and remembered; what a user sets stays."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from ai.batch.endpoints import mistral as mistral_batch
from ai.batch.endpoints import openai as openai_batch
from ai.client import ignore
from ai.local.engines import LocalEngines
from ai.providers import anthropic, gemini, openai_chat
from ai.providers.catalog import PROVIDERS
from ai.providers.efforts import nearest
from ai.providers.learned import MOST_STEPS
from ai.roster.client_settings import client_settings
from ai.wire.classify.failure import Who
from ai.wire.sdk import first_model
from ai.wire.settings import ClientSettings, Endpoint, Quirks
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Defaults
from core.errors import AIError, NotUsableError, RequestRejectedError
from core.values import Image, Message, Request, Response, Text

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
EVERYTHING = Request(
    messages=(Message.user("hi"),), system="Be brief.", temperature=0.2, max_tokens=9, effort="max", json_schema=SCHEMA
)
Refuse = Callable[[dict[str, Any]], tuple[int, Any] | None]


class RefusingEndpoint:
    """An endpoint that refuses as *refuse* says, and counts what it was sent."""

    def __init__(self, refuse: Refuse, text: str = '{"a": "x"}') -> None:
        self.sent: list[dict[str, Any]] = []
        self._refuse = refuse
        self._text = text

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.sent.append(body)
        if refused := self._refuse(body):
            return httpx2.Response(refused[0], json=refused[1])
        choice = {"message": {"content": self._text}, "finish_reason": "stop"}
        return httpx2.Response(200, json={"model": "m", "choices": [choice]})


Ask = Callable[..., Awaitable[Response]]


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Ask with a client of its own each time, as every process has."""

    async def call(
        endpoint: RefusingEndpoint,
        asked: Request = EVERYTHING,
        quirks: Quirks | None = None,
        fixed: frozenset[str] = frozenset(),
    ) -> Response:
        transport = httpx2.MockTransport(endpoint)
        http = SharedHTTP(transport=transport, sync_transport=transport)
        settings = ClientSettings(
            Who("a", "p"),
            "m",
            Endpoint("http://127.0.0.1:1/v1", "k-123456"),
            quirks=quirks or Quirks(),
            fixed_quirks=fixed,
        )
        try:
            if request.param == "async":
                return await openai_chat.AsyncClient(settings, http).complete(asked, ignore)
            client = openai_chat.SyncClient(settings, http)
            return await anyio.to_thread.run_sync(client.complete, asked, ignore, threading.Event())
        finally:
            await http.aclose()

    return call


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"} | more}


def unless(wrong: Callable[[dict[str, Any]], bool], body: Any, status: int = 400) -> Refuse:
    return lambda sent: (status, body) if wrong(sent) else None


def kind(sent: dict[str, Any]) -> str:
    return str((sent.get("response_format") or {}).get("type"))


CASES: dict[str, tuple[Refuse, Callable[[dict[str, Any]], bool]]] = {
    "stream_options": (
        unless(
            lambda s: "stream_options" in s,
            {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]},
            422,
        ),
        lambda s: "stream_options" not in s,
    ),
    "max_tokens": (
        unless(
            lambda s: "max_tokens" in s,
            said("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        ),
        lambda s: s["max_completion_tokens"] == 9,
    ),
    "strict": (
        unless(
            lambda s: (s.get("response_format") or {}).get("json_schema", {}).get("strict") is True,
            said("response_format.json_schema.strict is not supported."),
        ),
        lambda s: kind(s) == "json_schema" and s["response_format"]["json_schema"]["schema"] == SCHEMA,
    ),
    "json_schema": (
        unless(lambda s: kind(s) == "json_schema", said("response_format.type: must be 'text' or 'json_object'")),
        lambda s: kind(s) == "json_object" and json.dumps(SCHEMA) in json.dumps(s["messages"]).replace('\\"', '"'),
    ),
    "json_object": (
        unless(lambda s: "response_format" in s, said("response_format is not supported by this model")),
        lambda s: "response_format" not in s and "JSON Schema" in json.dumps(s["messages"]),
    ),
    "an effort it lists": (
        unless(
            lambda s: s.get("reasoning_effort") == "max",
            said(
                "Unsupported value: 'reasoning_effort' does not support 'max'. Supported values are: 'low' and 'high'."
            ),
        ),
        lambda s: s["reasoning_effort"] == "high",
    ),
    "any effort": (
        unless(lambda s: "reasoning_effort" in s, said("Unrecognized request argument supplied: reasoning_effort")),
        lambda s: "reasoning_effort" not in s,
    ),
    "temperature": (
        unless(lambda s: "temperature" in s, said("'temperature' does not support 0.2 with this model. Only 1 is.")),
        lambda s: "temperature" not in s,
    ),
    "system role": (
        unless(lambda s: s["messages"][0]["role"] == "system", said("System role not supported")),
        lambda s: s["messages"] == [{"role": "user", "content": "Be brief.\n\nhi"}],
    ),
    "developer role": (
        unless(lambda s: s["messages"][0]["role"] == "system", said("Unsupported role 'system': use 'developer'.")),
        lambda s: s["messages"][0] == {"role": "developer", "content": "Be brief."},
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_refused_is_left_out_and_the_next_process_knows(ask: Ask, case: str) -> None:
    refuse, taken = CASES[case]
    endpoint = RefusingEndpoint(refuse)
    assert (await ask(endpoint)).text == '{"a": "x"}'
    assert taken(endpoint.sent[-1]), endpoint.sent[-1]
    tries = len(endpoint.sent)
    assert tries > 1
    await ask(endpoint)
    assert len(endpoint.sent) == tries + 1, "remembered"


async def test_a_refusal_of_one_schema_is_no_news_of_others(ask: Ask) -> None:
    refuse = unless(
        lambda s: (s.get("response_format") or {}).get("json_schema", {}).get("strict") is True,
        said("Invalid schema for response_format 'answer': In context=('properties', 'a'), 'format' is not permitted."),
    )
    endpoint = RefusingEndpoint(refuse)
    await ask(endpoint)
    await ask(endpoint)
    assert len(endpoint.sent) == 4, "strict is tried again: the next schema may be taken"


async def test_several_things_are_left_out_one_after_the_other(ask: Ask) -> None:
    def refuse(sent: dict[str, Any]) -> tuple[int, Any] | None:
        for name in ("temperature", "reasoning_effort", "stream_options", "response_format"):
            if name in sent:
                return 400, said(f"Unsupported parameter: {name}")
        return None

    endpoint = RefusingEndpoint(refuse)
    await ask(endpoint)
    assert set(endpoint.sent[-1]) == {"model", "messages", "stream", "max_tokens"}


@pytest.mark.parametrize(
    "refusal",
    [
        said("messages: text is required"),
        said("Invalid 'max_tokens': must be at most 4096"),
        said("Your credit balance is too low"),
        said("temperature must be between 0 and 0.1"),
        said("Internal system error"),
        said("The system is busy with another role"),
        said("This model's maximum context length is 10 tokens", code="context_length_exceeded"),
    ],
)
async def test_a_refusal_for_another_reason_is_told_at_once(ask: Ask, refusal: dict[str, Any]) -> None:
    endpoint = RefusingEndpoint(lambda _: (400, refusal))
    with pytest.raises(AIError):
        await ask(endpoint)
    assert len(endpoint.sent) == 1


async def test_what_is_refused_for_ever_ends(ask: Ask) -> None:
    endpoint = RefusingEndpoint(
        lambda _: (400, said("response_format temperature reasoning_effort stream_options system"))
    )
    with pytest.raises(RequestRejectedError):
        await ask(endpoint)
    assert len(endpoint.sent) <= 10


async def test_an_endpoint_that_refuses_both_names_of_a_setting_is_quoted_in_the_end(ask: Ask) -> None:
    def refuse(sent: dict[str, Any]) -> tuple[int, Any] | None:
        name = next(name for name in ("max_tokens", "max_completion_tokens") if name in sent)
        return 400, said(f"Unsupported parameter: '{name}'")

    endpoint = RefusingEndpoint(refuse)
    with pytest.raises(RequestRejectedError, match="Unsupported parameter"):
        await ask(endpoint)
    assert len(endpoint.sent) == MOST_STEPS


async def test_what_a_row_sets_is_never_tried_otherwise(ask: Ask) -> None:
    endpoint = RefusingEndpoint(
        lambda sent: (400, said("temperature is not supported")) if "temperature" in sent else None
    )
    with pytest.raises(RequestRejectedError):
        await ask(endpoint, fixed=frozenset({"temperature"}))
    assert len(endpoint.sent) == 1


async def test_a_schema_that_was_not_heeded_stands_in_the_prompt_from_then_on() -> None:
    endpoint = RefusingEndpoint(lambda _: None, text="Sure! The answer is x.")
    transport = httpx2.MockTransport(endpoint)
    http = SharedHTTP(transport=transport)
    settings = ClientSettings(Who("a", "p"), "m", Endpoint("http://127.0.0.1:1/v1", "k-123456"))
    for _ in range(2):
        await openai_chat.AsyncClient(settings, http).complete(EVERYTHING, ignore)
    await http.aclose()
    assert "JSON Schema" not in json.dumps(endpoint.sent[0]["messages"])
    assert "JSON Schema" in json.dumps(endpoint.sent[1]["messages"])


async def test_several_answers_in_one_call_and_images_for_the_blind_are_refused_before_they_are_sent(ask: Ask) -> None:
    endpoint = RefusingEndpoint(lambda _: None)
    with pytest.raises(NotUsableError, match="'n'"):
        await ask(endpoint, Request.of("hi", extra={"n": 2}))
    shown = Request(messages=(Message("user", (Text("see"), Image(b"png", "image/png"))),))
    with pytest.raises(NotUsableError, match="images"):
        await ask(endpoint, shown, Quirks(images=False))
    assert not endpoint.sent


def test_every_quirk_can_be_set_in_a_row() -> None:
    row = AIConfig.model_validate(
        {
            "provider": "openai_compatible",
            "base_url": "http://x/v1",
            "keep_thoughts": True,
            "quirks": {
                "json_schema": False,
                "strict": False,
                "json_object": False,
                "schema_in_prompt": False,
                "stream_options": False,
                "max_tokens_field": "max_completion_tokens",
                "effort_field": "reasoning.effort",
                "efforts": ["low"],
                "system_role": "user",
                "temperature": False,
                "images": False,
            },
        }
    )
    settings = client_settings("a", row, PROVIDERS["openai_compatible"], Defaults(), LocalEngines())
    assert settings.quirks == Quirks(
        max_tokens_field="max_completion_tokens",
        stream_usage=False,
        json_schema=False,
        strict=False,
        json_object=False,
        schema_in_prompt=False,
        effort_field="reasoning.effort",
        efforts=("low",),
        system_role="user",
        temperature=False,
        images=False,
    )
    assert len(settings.fixed_quirks) == 11 and settings.keep_thoughts


@pytest.mark.parametrize(
    ("effort", "offered", "sent"),
    [
        ("max", ("low", "medium", "high"), "high"),
        ("max", ("none", "low", "high", "xhigh"), "xhigh"),
        ("minimal", ("low", "high"), "low"),
        ("none", ("low", "high"), "low"),
        ("none", ("none", "low"), "none"),
        ("low", ("none", "high"), "high"),
        ("medium", ("low", "high"), "low"),
        ("medium", ("none",), "none"),
        ("high", (), None),
        ("high", ("default",), "default"),
    ],
)
def test_an_effort_is_sent_as_the_nearest_that_is_offered(
    effort: str, offered: tuple[str, ...], sent: str | None
) -> None:
    assert nearest(effort, offered) == sent


@pytest.mark.parametrize(
    "other",
    [
        *("nomic-embed-text:latest", "text-embedding-3-small", "bge-m3", "mxbai-embed-large"),
        *("all-minilm:l6", "snowflake-arctic-embed", "whisper-1", "gpt-4o-transcribe", "tts-1-hd"),
        *("gpt-4o-mini-tts", "kokoro-82m", "dall-e-3", "gpt-image-2", "flux.1-dev"),
        *("stable-diffusion-3", "gemini-3-flash-image", "sora-2", "veo-3"),
        *("omni-moderation-latest", "llama-guard-4", "bge-reranker-v2", "jina-reranker"),
        *("gte-large", "gpt-realtime", "gpt-audio", "mistral-ocr", "mistral-embed"),
        *("multilingual-e5-large", "babbage-002", "sdxl-turbo", "siglip"),
    ],
)
def test_the_first_model_offered_is_one_that_can_chat(other: str) -> None:
    assert first_model(Who("a", "p"), [other, "qwen3:8b"]) == "qwen3:8b"
    with pytest.raises(AIError, match='Set "model"') as caught:
        first_model(Who("a", "p"), [other])
    assert not caught.value.maybe_billed


@pytest.mark.parametrize(
    "chat",
    [
        *("qwen3:8b", "llama3.3", "gpt-6.1-sol", "claude-opus-5-5", "gemini-4-argon"),
        *("mistral-large-4", "deepseek-v4-pro", "gpt-oss-120b", "phi-4", "gemma3:27b"),
        *("kimi-k3.1-pro", "glm-5.3", "command-a", "codestral-latest", "llava:13b", "grok-4.7"),
        *("smollm2", "yi-34b-chat"),
    ],
)
def test_a_model_that_can_chat_is_not_passed_over(chat: str) -> None:
    assert first_model(Who("a", "p"), [chat]) == chat


@pytest.mark.parametrize("name", ["messages", "gemini"])
@pytest.mark.parametrize("sync", [False, True])
async def test_a_schema_that_is_refused_stands_in_the_prompt_instead(name: str, sync: bool) -> None:
    sent: list[dict[str, Any]] = []
    whole: dict[str, Any] = {
        "messages": {"content": [{"type": "text", "text": '{"a": "x"}'}], "stop_reason": "end_turn"},
        "gemini": {"candidates": [{"content": {"parts": [{"text": '{"a": "x"}'}]}, "finishReason": "STOP"}]},
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        if "responseJsonSchema" in str(sent[-1]) or "output_config" in sent[-1]:
            return httpx2.Response(400, json=said("output_config.format / response_json_schema: schema is too complex"))
        return httpx2.Response(200, json=whole[name])

    transport = httpx2.MockTransport(answer)
    http = SharedHTTP(transport=transport, sync_transport=transport)
    module = {"messages": anthropic, "gemini": gemini}[name]
    settings = ClientSettings(Who("a", "p"), "m", Endpoint("http://127.0.0.1:1", "k-123456"))
    asked = Request.of("hi", json_schema=SCHEMA)
    if sync:
        client = module.SyncClient(settings, http)
        response = await anyio.to_thread.run_sync(client.complete, asked, ignore, threading.Event())
    else:
        response = await module.AsyncClient(settings, http).complete(asked, ignore)
    await http.aclose()
    assert response.text == '{"a": "x"}' and len(sent) == 2
    assert "JSON Schema" in json.dumps(sent[1])


async def test_the_batch_endpoint_of_the_same_model_knows_it_too(ask: Ask) -> None:
    await ask(RefusingEndpoint(CASES["temperature"][0]))
    http = SharedHTTP(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
    for module in (openai_batch, mistral_batch):
        batches = module.Batches(
            ClientSettings(Who("a", "p"), "m", Endpoint("http://127.0.0.1:1/v1", "k-123456")), http
        )
        await batches.open()
        assert b"temperature" not in batches.line("r1", EVERYTHING)
    await http.aclose()
