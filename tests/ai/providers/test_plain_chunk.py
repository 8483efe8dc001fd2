"""The fast way through a stream: whatever it takes, the careful way would have taken alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai.client import Signal
from ai.providers.chat_fold import ChatFold
from ai.providers.plain_chunk import plain_text
from ai.wire.classify.failure import Who
from core.errors import AIError
from core.values import Response

PLAIN: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m-1",
    "usage": None,
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "tok "}, "finish_reason": None}],
}


def choice(**fields: Any) -> dict[str, Any]:
    return PLAIN | {"choices": [PLAIN["choices"][0] | fields]}


def test_a_chunk_of_text_alone_is_plain() -> None:
    assert plain_text(PLAIN) == "tok "
    assert plain_text(choice(logprobs=None)) == "tok "


@pytest.mark.parametrize(
    "chunk",
    [
        PLAIN | {"error": {"message": "x"}},
        PLAIN | {"object": "error"},
        PLAIN | {"type": "response.output_text.delta"},
        PLAIN | {"base_resp": {"status_code": 1}},
        PLAIN | {"usage": {"prompt_tokens": 1}},
        PLAIN | {"x_groq": {}},
        PLAIN | {"choices": []},
        PLAIN | {"choices": None},
        PLAIN | {"choices": PLAIN["choices"] * 2},
        PLAIN | {"choices": ["tok"]},
        choice(index=1),
        choice(finish_reason="stop"),
        choice(usage={"prompt_tokens": 1}),
        choice(error={"message": "x"}),
        choice(delta=None),
        choice(delta={"content": None}),
        choice(delta={"content": ["tok"]}),
        choice(delta={"content": "tok", "reasoning_content": "hm"}),
        choice(delta={"content": "tok", "tool_calls": []}),
        choice(delta={"content": "tok", "refusal": "no"}),
        choice(message={"content": "tok"}),
        {},
    ],
)
def test_a_chunk_that_says_anything_else_is_read_with_care(chunk: dict[str, Any]) -> None:
    assert plain_text(chunk) == ""


def test_both_ways_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    end = choice(delta={}, finish_reason="stop")
    pieces = ["<think>", "hm", "</think>", "Gr", "ü", "ß\x1b[31m dich", " \ud83d", "\ude00"]
    chunks = [*(choice(delta={"content": piece}) for piece in pieces), end]
    assert _read(chunks) == _read(chunks, monkeypatch)


def _read(chunks: list[dict[str, Any]], slow: pytest.MonkeyPatch | None = None) -> tuple[Response | str, list[Signal]]:
    if slow is not None:
        slow.setattr(ChatFold, "plain", lambda self, data: False)
    told: list[Signal] = []
    fold = ChatFold(Who("gpt", "openai"), "m", told.append)
    fold.open({"content-type": "text/event-stream"})
    try:
        for chunk in chunks:
            fold.feed(f"data: {json.dumps(chunk)}\n\n".encode())
        return fold.finish(), told
    except AIError as error:
        return str(error), told


def test_what_comes_together_is_told_together() -> None:
    told: list[Signal] = []
    fold = ChatFold(Who("gpt", "openai"), "m", told.append)
    fold.open({"content-type": "text/event-stream"})
    fold.feed(f"data: {json.dumps(PLAIN)}\n\n".encode() * 3)
    fold.feed(f"data: {json.dumps(PLAIN)}\n\n".encode())
    assert told == ["tok tok tok ", "tok "]
