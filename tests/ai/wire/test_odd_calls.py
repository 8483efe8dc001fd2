"""Function calls as gateways send them: cut anywhere, without places or ids, told twice, or after the end.

Whatever comes, a call is there once with the arguments it was given, or it is said that it could not be read: none is
lost, doubled or made with other arguments in silence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ai.client import ignore
from ai.providers.chat_fold import ChatFold
from ai.providers.gemini import GeminiFold
from ai.providers.message_fold import MessageFold
from ai.providers.ollama import OllamaFold
from ai.wire.classify.failure import Who
from core.errors import AIError, EmptyAnswerError, TruncatedError
from core.values import Request, ToolSpec

REQUEST = Request.of("Hi", tools=(ToolSpec("f", "", {}), ToolSpec("g", "", {})))
F, G = ("f", {"x": 1}), ("g", {"x": 2})
Event = dict[str, Any]


def outcome(kind: Any, said: bytes, size: int, longest: int = 1_000) -> list[tuple[str, Any]] | type[AIError]:
    """The calls, each with its arguments or as it was written; or what kind of failure it is."""
    fold = kind(Who("a", "p"), "m", ignore)
    fold.longest = longest
    fold.offers(REQUEST)
    fold.open({"content-type": "text/event-stream"})
    try:
        for start in range(0, len(said), size):
            fold.feed(said[start : start + size])
        calls = fold.finish().tool_calls
    except AIError as error:
        return type(error)
    assert len({call.id for call in calls}) == len(calls)
    return [(call.name, call.broken or dict(call.arguments)) for call in calls]


def read(kind: Any, events: Sequence[Event], *, done: bool = False) -> Any:
    """The outcome, which is the same wherever the bytes are cut."""
    if kind is OllamaFold:
        said = b"".join(json.dumps(one).encode() + b"\n" for one in events)
    else:
        said = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)
    said += b"data: [DONE]\n\n" if done else b""
    whole = outcome(kind, said, len(said))
    assert all(outcome(kind, said, size) == whole for size in (1, 2, 7))
    return whole


def chunk(*calls: Any, finish: str | None = None, **delta: Any) -> Event:
    said = delta | ({"tool_calls": list(calls)} if calls else {})
    return {"model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def piece(name: str | None = None, said: Any = None, *, index: Any = None, id: str | None = None) -> Event:
    function = {"name": name, "arguments": said}
    made = {"index": index, "id": id, "function": {key: one for key, one in function.items() if one is not None}}
    return {key: one for key, one in made.items() if one is not None}


END = chunk(finish="tool_calls")
WHOLE = '{"x": 1}'


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([chunk(piece("f", '{"x"', id="a")), chunk(piece("g", '{"x"', id="b")),
          chunk(piece(said=": 1}", id="a")), chunk(piece(said=": 2}", id="b")), END], [F, G]),
        ([chunk(piece("f", '{"x"', index="0")), chunk(piece("g", '{"x"', index="1")),
          chunk(piece(said=": 1}", index="0")), chunk(piece(said=": 2}", index="1")), END], [F, G]),
        ([chunk(piece("f", '{"x"', index=0)), chunk(piece(said=": 1}")),
          chunk(piece("g", '{"x"', index=1)), chunk(piece(said=": 2}")), END], [F, G]),
        ([chunk(piece("f", WHOLE), piece("g", "")), chunk(piece(said='{"x": 2}')), END], [F, G]),
        ([chunk(piece("f")), chunk(piece("g")), END], [("f", {}), ("g", {})]),
        ([chunk(piece("f", "", index=0)), chunk(piece("g", "", index=0)), END], [("f", {}), ("g", {})]),
        ([chunk(piece("f", '{"x"', index=0, id="a")), chunk(piece(said=": 1}", index=0, id="b")), END], [F]),
        ([chunk(piece("f", '{"x"', index=0)), chunk(piece(said=": 1}", index=0, id="late")), END], [F]),
        ([*(chunk(piece("f", one, index=0)) for one in ("", '{"x": ', "1}", "")), END], [F]),
        ([chunk(piece("f", WHOLE, index=0, id="a")), chunk(piece("f", WHOLE, id="a")), END], [F]),
        ([chunk(piece("f", '{"x"', index=0, id="a")), chunk(piece(said=": 1}", index=0)),
          chunk(piece("f", {"x": 1}, index=0, id="a")), END], [F]),
        ([chunk(piece("f", WHOLE, index=0, id="a")), chunk(piece("f", WHOLE, index=1, id="a")), END], [F]),
        ([chunk(piece("f", WHOLE, index=0, id="a")),
          {"choices": [{"index": 0, "message": {"tool_calls": [piece("f", WHOLE, id="a")]}}]}, END], [F]),
        ([chunk(piece("f", WHOLE, id="a"), function_call={"name": "f", "arguments": WHOLE}), END], [F]),
        ([chunk(function_call={"name": "f", "arguments": '{"x"'}), chunk(function_call={"arguments": ": 1}"}), END],
         [F]),
    ],
)  # fmt: skip
def test_a_piece_goes_to_its_call_whatever_it_bears(events: Sequence[Event], calls: Any) -> None:
    assert read(ChatFold, events, done=True) == calls


@pytest.mark.parametrize("reason", ["null", "stop", "tool_calls"])
def test_a_reason_for_the_end_with_every_piece_ends_no_call(reason: str) -> None:
    events = [chunk(piece("f", "", index=0), finish=reason), chunk(piece(said=WHOLE, index=0), finish=reason), END]
    assert read(ChatFold, events) == [F]
    late = [chunk(piece("f", WHOLE, index=0)), END, chunk(piece("g", '{"x": 2}', index=1))]
    assert read(ChatFold, late) == [F, G]


@pytest.mark.parametrize(
    "said", ['{"x": 1, "x": 2}', '{"x": NaN}', '{"x": -Infinity}', '{"a": {"x": 1, "x": 1}}', "[1]", "3", '{"x":', "}"]
)
def test_arguments_that_mean_two_things_or_none_are_nobodys(said: str) -> None:
    assert read(ChatFold, [chunk(piece("f", said, index=0)), END]) == [("f", said)]
    assert read(MessageFold, [BLOCK, delta(said), *STOPPED]) == [("f", said)]
    assert read(ChatFold, [item(said), completed()]) == [("f", said)]


def test_who_says_that_it_calls_and_names_nothing_has_not_answered() -> None:
    assert read(ChatFold, [chunk(content="Let me look."), END]) is TruncatedError
    assert read(ChatFold, [END]) is EmptyAnswerError
    assert read(MessageFold, [TEXT, *STOPPED]) is TruncatedError


def test_arguments_where_nobody_looks_for_them_are_not_left_out() -> None:
    odd = {"function": {"name": "f", "parameters": {"x": 1}}}
    assert read(ChatFold, [chunk(odd), END]) is TruncatedError
    assert read(OllamaFold, [line(odd), line(done=True)]) is TruncatedError
    assert read(OllamaFold, [{"message": {"content": "Hi", "tool_calls": odd}}, line(done=True)]) is TruncatedError
    assert read(GeminiFold, [part({"functionCall": {"name": "f", "partialArgs": []}})]) is TruncatedError


@pytest.mark.parametrize("kind", [ChatFold, MessageFold, "responses"])
def test_a_call_without_end_is_cut_off(kind: Any) -> None:
    long = '{"x": "' + "y" * 2_000
    events = {
        ChatFold: [chunk(piece("f", long))],
        MessageFold: [BLOCK, delta(long)],
        "responses": [begun(), more(long)],
    }
    said = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events[kind])
    assert outcome(ChatFold if kind == "responses" else kind, said, 50) is TruncatedError


BLOCK: Event = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}},
}
OTHER: Event = BLOCK | {"content_block": {"type": "tool_use", "id": "b", "name": "g", "input": {}}}
TEXT: Event = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}
STOPPED: Sequence[Event] = (
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)


def delta(said: Any, index: int | None = 0) -> Event:
    made = {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": said}}
    return made if index is None else made | {"index": index}


def nowhere(event: Event) -> Event:
    return {key: one for key, one in event.items() if key != "index"}


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([BLOCK, delta(WHOLE), OTHER, delta('{"x": 2}'), *STOPPED], [F, G]),
        ([nowhere(BLOCK), delta(WHOLE, None), nowhere(OTHER), delta('{"x": 2}', None), *STOPPED], [F, G]),
        ([BLOCK, OTHER | {"index": 1}, delta('{"x"'), delta('{"x"', 1), delta(": 1}"), delta(": 2}", 1), *STOPPED],
         [F, G]),
        ([TEXT, BLOCK | {"index": 1}, delta(WHOLE, None), *STOPPED], [F]),
        ([BLOCK, delta({"x": 1}), *STOPPED], [F]),
        ([BLOCK, BLOCK, delta(WHOLE), *STOPPED], [F]),
        ([BLOCK, STOPPED[0], delta(WHOLE), STOPPED[1]], [F]),
        ([BLOCK, {"type": "message_delta", "delta": {"stop_reason": "null"}}, delta(WHOLE), *STOPPED], [F]),
        ([BLOCK, delta(WHOLE), STOPPED[0], OTHER | {"index": 1}, delta('{"x": 2}', 1), STOPPED[1]], [F, G]),
        ([BLOCK, delta(WHOLE, 7), *STOPPED], TruncatedError),
        ([delta(WHOLE), BLOCK, *STOPPED], TruncatedError),
        ([BLOCK, delta(WHOLE), STOPPED[0]], TruncatedError),
    ],
)  # fmt: skip
def test_a_block_keeps_its_arguments_wherever_it_stands(events: Sequence[Event], calls: Any) -> None:
    assert read(MessageFold, events) == calls


def item(said: Any = WHOLE, *, place: int | None = 0, name: str = "f", of: str = "done", **more: Any) -> Event:
    whole = {"type": "function_call", "id": f"i{name}", "call_id": f"c{name}", "name": name, "arguments": said} | more
    made = {"type": f"response.output_item.{of}", "item": {key: one for key, one in whole.items() if one is not None}}
    return made if place is None else made | {"output_index": place}


def begun(**more: Any) -> Event:
    return item("", of="added", **more)


def more(said: str, kind: str = "delta") -> Event:
    key = "delta" if kind == "delta" else "arguments"
    return {"type": f"response.function_call_arguments.{kind}", "output_index": 0, key: said}


def completed(*items: Event, status: str = "completed") -> Event:
    return {"type": "response.completed", "response": {"status": status, "output": [one["item"] for one in items]}}


SECOND = item('{"x": 2}', place=1, name="g")
NAMELESS = [item(id=None, call_id=None), item('{"x": 2}', place=1, name="g", id=None, call_id=None)]


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([item(place=None), item('{"x": 2}', place=None, name="g"), completed()], [F, G]),
        ([item(), item('{"x": 2}', name="g"), completed()], [F, G]),
        ([item(place=1), completed(item())], [F]),
        ([item(place=1), item('{"x": 2}', place=2, name="g"), completed(item(), SECOND)], [F, G]),
        ([item(), item(), completed(item())], [F]),
        ([item(), completed(item(id="another"))], [F]),
        ([*NAMELESS, completed(*NAMELESS)], [F, G]),
        ([completed(*NAMELESS)], [F, G]),
        ([begun(), more('{"x"'), more(": 1}"), item(""), completed(item(""))], [F]),
        ([begun(), more('{"x"'), more(": 1}"), item(None), completed(item(None))], [F]),
        ([begun(), more(WHOLE), completed()], [F]),
        ([begun(), more('{"x"'), more(WHOLE, "done"), completed()], [F]),
        ([begun(), completed(item())], [F]),
        ([begun(), completed()], TruncatedError),
        ([item("", status="incomplete"), completed()], TruncatedError),
        ([begun(), more(WHOLE)], TruncatedError),
        ([item(), completed(status="unheard of")], TruncatedError),
    ],
)
def test_an_item_is_one_call_however_often_it_is_told_of(events: Sequence[Event], calls: Any) -> None:
    assert read(ChatFold, events) == calls


def part(*parts: Event, finish: str = "STOP") -> Event:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]}


def line(*calls: Event, done: bool = False) -> Event:
    return {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": list(calls)}, "done": done}


def test_a_call_that_is_sent_twice_under_one_id_is_one_and_without_ids_they_are_two() -> None:
    call, same = {"name": "f", "args": {"x": 1}}, {"function": {"name": "f", "arguments": {"x": 1}}}
    assert read(GeminiFold, [part({"functionCall": call | {"id": "1"}})] * 2) == [F]
    assert read(GeminiFold, [part({"functionCall": call})] * 2) == [F, F]
    assert read(OllamaFold, [line(same | {"id": "1"}), line(same | {"id": "1"}), line(done=True)]) == [F]
    assert read(OllamaFold, [line(same), line(same), line(done=True)]) == [F, F]
