"""Recorded answers with one thing wrong in them: whatever it is, the outcome is an answer or an AIError.

Every node of every event is dropped, replaced by values of other types, put into a list, and doubled; through every
protocol, as a stream and as one body. And never is an answer whole whose end was hit.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.client import ignore
from ai.providers import anthropic, gemini, message_fold, openai_chat
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.failure import Who
from ai.wire.response.sse_fold import SSEFold
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError
from core.values import Request, Response, Usage

Path = tuple[str | int, ...]
WHO = Who("a", "p")
SETTINGS = ClientSettings(WHO, "m", Endpoint("http://127.0.0.1:1/v1", "k-123456"))


def chat_chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


CHAT_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
CALL = {"index": 0, "id": "t", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}
BLOCK = {"type": "text", "text": "Hello"}
ENDED = {"stop_reason": "end_turn", "stop_sequence": None}
PARTS = [{"text": "hm", "thought": True}, {"text": "Hello"}]
GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15}

STREAMS: dict[str, tuple[type[SSEFold], list[dict[str, Any]], bool]] = {
    "chat": (
        ChatFold,
        [
            chat_chunk(role="assistant", content=""),
            chat_chunk(reasoning_content="hm"),
            chat_chunk(content="Hel"),
            chat_chunk(content="lo"),
            chat_chunk("stop"),
            {"id": "c", "model": "m-1", "choices": [], "usage": CHAT_USAGE},
        ],
        True,
    ),
    "chat tools": (
        ChatFold,
        [chat_chunk(tool_calls=[CALL]), chat_chunk("tool_calls"), {"choices": [], "usage": CHAT_USAGE}],
        True,
    ),
    "messages": (
        message_fold.MessageFold,
        [
            {"type": "message_start", "message": {"model": "m-1", "usage": {"input_tokens": 9, "output_tokens": 1}}},
            {"type": "ping"},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}},
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": ENDED, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ],
        False,
    ),
    "messages tools": (
        message_fold.MessageFold,
        [
            {"type": "message_start", "message": {"model": "m-1", "usage": {"input_tokens": 9}}},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "tool_use", "id": "t", "name": "add", "input": {}},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": '{"x": 1}'},
            },
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ],
        False,
    ),
    "gemini": (
        gemini.GeminiFold,
        [
            {"candidates": [{"index": 0, "content": {"role": "model", "parts": PARTS}}], "modelVersion": "m-1"},
            {"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP"}]}
            | {"usageMetadata": GEMINI_USAGE, "responseId": "r"},
        ],
        False,
    ),
    "gemini tools": (
        gemini.GeminiFold,
        [
            {
                "candidates": [
                    {
                        "content": {
                            "parts": [{"functionCall": {"name": "add", "args": {"x": 1}}, "thoughtSignature": "c2ln"}]
                        },
                        "finishReason": "STOP",
                    }
                ]
            }
        ],
        False,
    ),
}
RESPONSE = {
    "object": "response",
    "model": "m-1",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
    ],
    "usage": {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}},
}
STREAMS["responses"] = (
    ChatFold,
    [
        {"type": "response.created", "response": {"model": "m-1", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message"}},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "lo"},
        {"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hello"},
        {"type": "response.completed", "response": RESPONSE},
    ],
    False,
)
BODIES: dict[str, tuple[type[SSEFold], dict[str, Any]]] = {
    "chat": (
        ChatFold,
        {
            "id": "c",
            "model": "m-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": CHAT_USAGE,
        },
    ),
    "messages": (
        message_fold.MessageFold,
        {
            "type": "message",
            "model": "m-1",
            "content": [BLOCK],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 5},
        },
    ),
    "gemini": (
        gemini.GeminiFold,
        {"candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}], "usageMetadata": GEMINI_USAGE},
    ),
    "responses": (ChatFold, RESPONSE),
}
DEEP = "nested too deeply for the encoder, so put in afterwards"
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -7, 3.5, 10**30, "", "x", "\ud83d", [], {}, [None], {"x": None}, [[]], [{}], {"0": "x"}),
    *(["x", 1], float("nan"), float("inf"), DEEP),
)
END_NODES = {"finish_reason", "stop_reason", "finishReason"}


def nodes(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(inner, (*path, key))


def changed(value: Any, path: Path) -> Iterator[Any]:
    """*value* with the node at *path* dropped, doubled, nested, and replaced by whatever it may not be."""

    def with_node(*made: Any) -> Any:
        whole = copy.deepcopy(value)
        if not path:
            return made[0] if made else None
        outer = whole
        for step in path[:-1]:
            outer = outer[step]
        if made:
            outer[path[-1]] = made[0]
        else:
            del outer[path[-1]]
        return whole

    node = value
    for step in path:
        node = node[step]
    yield with_node()
    yield with_node([node])
    yield with_node([node, node])
    yield with_node({"x": node})
    yield with_node(str(node))
    for odd in ODD:
        yield with_node(odd)


def as_json(value: Any) -> bytes:
    deep = "[" * 3_000 + "1" + "]" * 3_000
    return json.dumps(value).replace(json.dumps(DEEP), deep).encode()


def stream_of(events: list[bytes], *, done: bool) -> bytes:
    return b"".join(b"data: " + event + b"\n\n" for event in events) + (b"data: [DONE]\n\n" if done else b"")


def outcome_of(fold: SSEFold, content_type: str, *chunks: bytes) -> Response | AIError:
    fold.open({"content-type": content_type})
    try:
        for chunk in chunks:
            fold.feed(chunk)
        return fold.finish()
    except AIError as error:
        return error
    except Exception as error:  # what `sdk_errors` around it would do; here it must not be needed
        raise AssertionError(f"{type(error).__name__}: {error}") from error


def check_usage(usage: Usage) -> None:
    for count in (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens):
        assert count is None or (isinstance(count, int) and 0 <= count < 100_000_000)


def at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def lost_its_end(right: Any, wrong: Any) -> bool:
    """Whether *right* says why the answer ended, and *wrong* does not say so any more."""
    ends = [path for path in nodes(right) if path and path[-1] in END_NODES and at(right, path)]
    return any(at(wrong, path) != at(right, path) for path in ends)


@pytest.mark.parametrize("name", STREAMS)
def test_an_event_with_anything_wrong_in_it_is_an_answer_or_an_ai_error(name: str) -> None:
    kind, events, done = STREAMS[name]
    whole = outcome_of(kind(WHO, "m", ignore), "text/event-stream", stream_of([*map(as_json, events)], done=done))
    assert isinstance(whole, Response)
    checked = 0
    for place, event in enumerate(events):
        for path in nodes(event):
            for wrong in changed(event, path):
                told = [as_json(one) for one in events]
                told[place] = as_json(wrong)
                outcome = outcome_of(kind(WHO, "m", ignore), "text/event-stream", stream_of(told, done=done))
                checked += 1
                if isinstance(outcome, Response):
                    check_usage(outcome.usage)
                    assert isinstance(outcome.text, str) and isinstance(outcome.model, str)
                    assert not lost_its_end(event, wrong), (path, wrong, outcome)
    assert checked > 100


@pytest.mark.parametrize("name", STREAMS)
def test_bytes_that_are_no_utf8_cost_a_character_and_not_the_answer(name: str) -> None:
    kind, events, done = STREAMS[name]
    told = stream_of([*map(as_json, events)], done=done)
    outcome = outcome_of(kind(WHO, "m", ignore), "text/event-stream", told.replace(b'lo"', b'l\xff"'))
    assert isinstance(outcome, Response)
    assert "l\ufffd" in outcome.text or b'lo"' not in told


@pytest.mark.parametrize("name", BODIES)
def test_a_body_with_anything_wrong_in_it_is_an_answer_or_an_ai_error(name: str) -> None:
    kind, body = BODIES[name]
    assert isinstance(outcome_of(kind(WHO, "m", ignore), "application/json", as_json(body)), Response)
    for path in nodes(body):
        for wrong in changed(body, path):
            outcome = outcome_of(kind(WHO, "m", ignore), "application/json", as_json(wrong))
            if isinstance(outcome, Response):
                check_usage(outcome.usage)
                assert name != "responses" or at(wrong, ("status",)) == "completed" or wrong == [body], (path, wrong)
                assert not lost_its_end(body, wrong) or wrong in ([body], [body, body]), (path, wrong, outcome)
                assert outcome.text in ("Hello", "hmHello") or path, wrong


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_lost_events_at_its_end_is_never_whole(name: str) -> None:
    kind, events, done = STREAMS[name]
    complete = {"chat": 5, "chat tools": 2}.get(name, len(events))  # what follows are figures
    for kept in range(complete):
        for with_done in {False, done}:
            told = stream_of([as_json(event) for event in events[:kept]], done=with_done)
            assert isinstance(outcome_of(kind(WHO, "m", ignore), "text/event-stream", told), AIError), kept


@pytest.mark.parametrize("name", STREAMS)
def test_bytes_cut_anywhere_are_never_a_whole_answer_before_its_end(name: str) -> None:
    kind, events, done = STREAMS[name]
    told = stream_of([as_json(event) for event in events], done=done)
    whole = outcome_of(kind(WHO, "m", ignore), "text/event-stream", told)
    for cut in range(len(told)):
        outcome = outcome_of(kind(WHO, "m", ignore), "text/event-stream", told[:cut])
        if isinstance(outcome, Response):
            assert isinstance(whole, Response)
            assert (outcome.text, outcome.tool_calls) == (whole.text, whole.tool_calls), cut


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("dress", ["plain", "bom", "crlf", "cr", "comments", "named"])
def test_every_split_of_every_dress_of_a_stream_is_the_same_answer(name: str, dress: str) -> None:
    kind, events, done = STREAMS[name]
    told = stream_of([as_json(event) for event in events], done=done)
    whole = outcome_of(kind(WHO, "m", ignore), "text/event-stream", told)
    dressed = {
        "plain": told,
        "bom": b"\xef\xbb\xbf" + told,
        "crlf": told.replace(b"\n", b"\r\n"),
        "cr": told.replace(b"\n", b"\r"),
        "comments": b": hi\n\n" + told.replace(b"\n\n", b"\n\n: ping\n\n"),
        "named": told.replace(b"data: {", b"event: x\nid: 1\nretry: 5\ndata: {"),
    }[dress]
    for cut in range(len(dressed)):
        fold = kind(WHO, "m", ignore)
        assert outcome_of(fold, "text/event-stream", dressed[:cut], dressed[cut:]) == whole, cut
    bytewise = [dressed[at : at + 1] for at in range(len(dressed))]
    assert outcome_of(kind(WHO, "m", ignore), "text/event-stream", *bytewise) == whole


@st.composite
def wrong_replies(draw: st.DrawFn) -> tuple[str, bytes, str]:
    """A protocol, a body with something wrong in it, and its content type."""
    name = draw(st.sampled_from(sorted(BODIES)))
    if draw(st.booleans()):
        body = BODIES[name][1]
        wrong = draw(st.sampled_from([*changed(body, draw(st.sampled_from([*nodes(body)])))]))
        return name, as_json(wrong), "application/json"
    _, events, done = STREAMS[name]
    told = [as_json(event) for event in events]
    place = draw(st.integers(0, len(events) - 1))
    told[place] = as_json(
        draw(st.sampled_from([*changed(events[place], draw(st.sampled_from([*nodes(events[place])])))]))
    )
    return name, stream_of(told, done=done), "text/event-stream"


CLIENTS: dict[str, Any] = {
    "chat": openai_chat,
    "messages": anthropic,
    "gemini": gemini,
    "responses": openai_chat,
}


@settings(max_examples=60, deadline=None)
@given(wrong_replies())
async def test_through_both_clients_it_is_the_same_answer_or_error(reply: tuple[str, bytes, str]) -> None:
    name, body, content_type = reply

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=body)

    transport = httpx2.MockTransport(answer)
    http = SharedHTTP(transport=transport, sync_transport=transport)
    asynchronous = CLIENTS[name].AsyncClient(SETTINGS, http)
    synchronous = CLIENTS[name].SyncClient(SETTINGS, http)
    outcomes: list[Any] = []
    for ask in (
        lambda: asynchronous.complete(Request.of("hi"), ignore),
        lambda: anyio.to_thread.run_sync(synchronous.complete, Request.of("hi"), ignore, threading.Event()),
    ):
        try:
            outcomes.append(await ask())
        except AIError as error:
            outcomes.append((type(error), str(error), error.partial))
    await http.aclose()
    assert outcomes[0] == outcomes[1]
