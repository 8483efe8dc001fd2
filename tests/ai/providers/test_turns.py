"""A turn with calls goes back as it came: reasoning, signatures, order, ids, errors; in each protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest
from calling_providers import NAME, CallingProvider, Wanted, providers

from ai.client import ignore
from ai.providers import anthropic, gemini, ollama, openai_chat
from ai.providers.catalog import PROVIDERS
from ai.runs.memo import dump_answer, load_answer
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint, Quirks
from ai.wire.transport import SharedHTTP
from core.errors import RequestRejectedError, TruncatedError
from core.values import Answer, Message, Reasoning, Request, Response, Text, ToolCall, ToolResult, ToolSpec, Usage

LOOK = ToolSpec("fs.look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})
ASKED = Request.of("Look.", tools=(LOOK,))
SIGNED = "c2lnbmVk"


def events(*said: Mapping[str, Any]) -> bytes:
    return b"".join(f"event: {one.get('type')}\ndata: {json.dumps(one)}\n\n".encode() for one in said)


def lines(*said: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in said)


REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm"}],
    "encrypted_content": "gA",
}
ASIDE = {
    "type": "message",
    "role": "assistant",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "I look."}],
}
CALLED = {"type": "function_call", "call_id": "c1", "name": "fs_look", "arguments": '{"at": "x"}'}
RESPONSES = events(
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "phase": "commentary"}},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "I look."},
    {
        "type": "response.completed",
        "response": {"status": "completed", "output": [REASONING | {"status": None}, ASIDE, CALLED], "usage": {}},
    },
)
THINKING = {"type": "thinking", "thinking": "Hm, so", "signature": SIGNED}
HIDDEN = {"type": "redacted_thinking", "data": "xyz"}
MESSAGES = events(
    {"type": "message_start", "message": {"model": "m", "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": THINKING | {"thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm,"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": " so"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": SIGNED}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": HIDDEN},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "I look."}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "content_block_start",
        "index": 3,
        "content_block": {"type": "tool_use", "id": "c1", "name": "fs_look", "input": {}},
    },
    {"type": "content_block_delta", "index": 3, "delta": {"type": "input_json_delta", "partial_json": '{"at": "x"}'}},
    {"type": "content_block_stop", "index": 3},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
    {"type": "message_stop"},
)


def choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


WISH = {"index": 0, "id": "c1", "function": {"name": "fs_look", "arguments": '{"at": "x"}'}}
DEEPSEEK = events(
    choice(reasoning_content="Hm,"),
    choice(reasoning_content=" so"),
    choice(content="I look."),
    choice("tool_calls", tool_calls=[WISH]),
)
DETAIL = {"type": "reasoning.text", "index": 0, "text": "Hm,", "id": "d"}
OPENROUTER = events(
    choice(reasoning="Hm,", reasoning_details=[DETAIL]),
    choice(reasoning=" so", reasoning_details=[DETAIL | {"text": " so", "signature": SIGNED}]),
    choice("tool_calls", tool_calls=[WISH | {"extra_content": {"google": {"thought_signature": SIGNED}}}]),
)
GEMINI = events(
    {"candidates": [{"content": {"parts": [{"text": "I look."}, {"text": "", "thoughtSignature": SIGNED}]}}]},
    {
        "candidates": [
            {
                "content": {
                    "parts": [{"functionCall": {"name": "fs_look", "args": {"at": "x"}}, "thoughtSignature": SIGNED}]
                },
                "finishReason": "STOP",
            }
        ]
    },
)
OLLAMA = lines(
    {"message": {"role": "assistant", "content": "", "thinking": "Hm"}, "done": False},
    {
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "fs_look", "arguments": {"at": "x"}}}],
        },
        "done": False,
    },
    {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
)


class Server:
    """Answers *bodies* in turn, and keeps what it was sent."""

    def __init__(self, module: Any, *bodies: bytes | httpx2.Response, quirks: Quirks | None = None) -> None:
        self.bodies = list(bodies)
        self.sent: list[dict[str, Any]] = []
        http = SharedHTTP(httpx2.MockTransport(self._reply), httpx2.MockTransport(self._reply))
        endpoint = Endpoint("http://127.0.0.1:1/v1", "k-123456")
        self.client = module.AsyncClient(ClientSettings(Who("x", "x"), "m", endpoint, quirks=quirks or Quirks()), http)

    def _reply(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(json.loads(request.content))
        body = self.bodies.pop(0)
        if isinstance(body, httpx2.Response):
            return body
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    async def ask(self, request: Request = ASKED) -> Response:
        found: Response = await self.client.complete(request, ignore)
        return found


def answered(response: Response) -> Answer:
    """As the loop gets it, also out of a journal."""
    answer = Answer("x", "m", response.text, 0.1, Usage(), None, tool_calls=response.tool_calls, parts=response.parts)
    kept = load_answer(json.loads(json.dumps(dump_answer(answer))))
    assert kept == answer
    return kept


def with_results(response: Response, *more: Message) -> Request:
    results = tuple(ToolResult(call.id, "seen", name=call.name) for call in response.tool_calls)
    return Request((*ASKED.messages, answered(response).turn, Message("user", results), *more), tools=(LOOK,))


RESULT = {"role": "tool", "tool_call_id": "c1", "content": "seen"}
SENT_CALL = {"id": "c1", "type": "function", "function": {"name": "fs_look", "arguments": '{"at": "x"}'}}


@pytest.mark.parametrize(
    ("module", "body", "quirks", "turn"),
    [
        (
            openai_chat,
            RESPONSES,
            PROVIDERS["openai"].quirks,
            lambda sent: (
                sent["input"][1:]
                == [REASONING, ASIDE, CALLED, {"type": "function_call_output", "call_id": "c1", "output": "seen"}]
            ),
        ),
        (
            anthropic,
            MESSAGES,
            None,
            lambda sent: (
                sent["messages"][1]["content"]
                == [
                    THINKING,
                    HIDDEN,
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "c1", "name": "fs_look", "input": {"at": "x"}},
                ]
            ),
        ),
        (
            openai_chat,
            DEEPSEEK,
            None,
            lambda sent: (
                sent["messages"][1:]
                == [
                    {
                        "role": "assistant",
                        "content": "I look.",
                        "reasoning_content": "Hm, so",
                        "tool_calls": [SENT_CALL],
                    },
                    RESULT,
                ]
            ),
        ),
        (
            openai_chat,
            OPENROUTER,
            None,
            lambda sent: (
                sent["messages"][1]
                == {
                    "role": "assistant",
                    "content": "",
                    "reasoning_details": [DETAIL | {"text": "Hm, so", "signature": SIGNED}],
                    "tool_calls": [SENT_CALL | {"extra_content": {"google": {"thought_signature": SIGNED}}}],
                }
            ),
        ),
        (
            gemini,
            GEMINI,
            None,
            lambda sent: (
                [{key: one[key] for key in one if key != "functionCall"} for one in sent["contents"][1]["parts"]]
                == [{"text": "I look."}, {"text": "", "thoughtSignature": SIGNED}, {"thoughtSignature": SIGNED}]
            ),
        ),
        (ollama, OLLAMA, None, lambda sent: sent["messages"][1]["thinking"] == "Hm"),
    ],
    ids=["responses", "messages", "chat", "openrouter", "gemini", "ollama"],
)
async def test_what_a_provider_wants_back_goes_back_in_its_place_also_out_of_a_journal(
    module: Any, body: bytes, quirks: Quirks | None, turn: Callable[[dict[str, Any]], bool]
) -> None:
    server = Server(module, body, body, quirks=quirks)
    first = await server.ask()
    assert [(call.name, call.arguments, call.broken) for call in first.tool_calls] == [("fs.look", {"at": "x"}, "")]
    assert first.finish_reason == "tool_calls" and first.parts
    assert "".join(part.text for part in first.parts if isinstance(part, Text)) == first.text
    await server.ask(with_results(first))
    assert turn(server.sent[1]), server.sent[1]


@pytest.mark.parametrize("provider", providers(), ids=lambda one: one.name)
async def test_reasoning_of_another_protocol_is_left_out(provider: CallingProvider) -> None:
    foreign = Message("assistant", (Reasoning("elsewhere", {"type": "secret"}), ToolCall("c", "fs.look", {"at": "x"})))
    request = Request(
        (*ASKED.messages, foreign, Message("user", (ToolResult("c", "seen", name="fs.look"),))), tools=(LOOK,)
    )
    await provider.ask(request, [Wanted(0, {"at": "x"})])
    assert "secret" not in json.dumps(provider.bodies[0])


@pytest.mark.parametrize("provider", providers(), ids=lambda one: one.name)
async def test_several_calls_have_ids_of_their_own_and_an_error_is_told(provider: CallingProvider) -> None:
    first = await provider.ask(ASKED, [Wanted(0, {"at": "x"}), Wanted(0, {"at": "y"})])
    assert [call.arguments for call in first.tool_calls] == [{"at": "x"}, {"at": "y"}]
    ids = {call.id for call in first.tool_calls}
    results = tuple(ToolResult(id_, f"no {n}", is_error=True, name="fs.look") for n, id_ in enumerate(sorted(ids)))
    turn = (Message("assistant", first.tool_calls), *(Message("user", (one,)) for one in results))
    second = await provider.ask(Request((*ASKED.messages, *turn), tools=(LOOK,)), [Wanted(0, {"at": "z"})])
    assert not ids & {call.id for call in second.tool_calls} or provider.name == "emulation"
    sent = json.dumps(provider.bodies[1])
    assert "no 0" in sent and "no 1" in sent and "error" in sent.lower()


@pytest.mark.parametrize("provider", providers()[:-1], ids=lambda one: one.name)
async def test_a_call_that_cannot_be_read_goes_back_and_a_name_that_is_refused_is_mapped(
    provider: CallingProvider,
) -> None:
    broken = ToolCall("c1", "fs.look", {}, broken='{"at": ')
    turn = (Message("assistant", (broken,)), Message("user", (ToolResult("c1", "no JSON", True, "fs.look"),)))
    await provider.ask(Request((*ASKED.messages, *turn), tools=(LOOK,)), [Wanted(0, {"at": "z"})])
    assert "unreadable" in json.dumps(provider.bodies[0])
    assert all(NAME.fullmatch(name) for name, _ in provider.functions(provider.bodies[0]))


@pytest.mark.parametrize("said", ['{"at": ', "[1]", '"x"', "7", '{"at": 1e999}'])
async def test_arguments_that_are_no_object_make_a_broken_call_where_functions_were_offered(said: str) -> None:
    body = events(choice("tool_calls", tool_calls=[WISH | {"function": {"name": "fs_look", "arguments": said}}]))
    (call,) = (await Server(openai_chat, body).ask()).tool_calls
    assert (call.name, call.arguments, call.broken) == ("fs.look", {}, said.strip())
    with pytest.raises(TruncatedError, match="cannot be read"):
        await Server(openai_chat, body).ask(Request.of("Hi"))


async def test_a_cut_answer_says_so_and_its_last_call_is_broken() -> None:
    cut = events(
        choice(tool_calls=[WISH]),
        choice("length", tool_calls=[{"index": 1, "id": "c2", "function": {"name": "fs_look", "arguments": '{"a'}}]),
    )
    response = await Server(openai_chat, cut).ask()
    assert response.finish_reason == "length" and [call.broken for call in response.tool_calls] == ["", '{"a']


@pytest.mark.parametrize(
    ("calls", "count"),
    [
        ([WISH, WISH | {"id": "c2"}], 2),
        ([{"index": 0, "function": {"name": "fs_look", "arguments": "{}"}}] * 2, 2),
        ([WISH, {"index": 0, "id": "c1", "function": {"name": "fs_look", "arguments": " "}}], 1),
    ],
)
async def test_calls_under_one_index_are_told_apart(calls: list[dict[str, Any]], count: int) -> None:
    body = events(*(choice(tool_calls=[one]) for one in calls), choice("tool_calls"))
    found = (await Server(openai_chat, body).ask()).tool_calls
    assert len(found) == len({call.id for call in found}) == count


@pytest.mark.parametrize("status", [400, 404])
async def test_a_provider_that_takes_no_functions_fails_and_is_never_asked_without_them(status: int) -> None:
    refusal = httpx2.Response(
        status, json={"error": {"message": "No endpoints found that support tool use: x does not support tools"}}
    )
    server = Server(openai_chat, refusal)
    with pytest.raises(RequestRejectedError) as caught:
        await server.ask()
    assert caught.value.code == "tools_refused" and '"tools": "emulated"' in str(caught.value)
    assert len(server.sent) == 1


async def test_who_takes_no_reasoning_back_is_asked_without_it_and_still_with_functions() -> None:
    refusal = httpx2.Response(400, json={"error": {"message": "Encrypted content is not supported with this model."}})
    server = Server(openai_chat, refusal, RESPONSES, quirks=PROVIDERS["openai"].quirks)
    await server.ask()
    assert ["include" in sent for sent in server.sent] == [True, False] and server.sent[1]["tools"]


async def test_a_schema_that_is_refused_as_strict_is_offered_without_it() -> None:
    message = "Invalid schema for function 'fs_look': 'x' is not permitted."
    refusal = httpx2.Response(400, json={"error": {"message": message, "code": "invalid_function_parameters"}})
    server = Server(openai_chat, refusal, RESPONSES, quirks=PROVIDERS["openai"].quirks)
    await server.ask()
    assert [sent["tools"][0]["strict"] for sent in server.sent] == [True, False]


def test_an_answer_that_was_kept_before_there_were_parts_still_loads() -> None:
    old = {"ai": "x", "model": "m", "text": "Hi", "latency_s": 1.0, "usage": {}}
    old["tool_calls"] = [{"id": "c", "name": "n", "arguments": {}, "signature": None}]
    kept = load_answer(old)
    assert kept.parts == () and kept.tool_calls == (ToolCall("c", "n", {}),)
    assert kept.turn == Message("assistant", (Text("Hi"), ToolCall("c", "n", {})))
