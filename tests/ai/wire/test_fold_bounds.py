"""What an answer may hold, and how long it may be, whichever AI gave it."""

from __future__ import annotations

import json

import pytest

from ai.client import Signal, Thinking
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.failure import Who
from core.errors import RefusedError, TruncatedError

WHO = Who("a", "openai")


def fold(
    *deltas: dict[str, object], model: str = "m", heard: list[Signal] | None = None, longest: int = 1_000
) -> ChatFold:
    made = ChatFold(WHO, "m", (heard if heard is not None else []).append)
    made.longest = longest
    made.open({"x-request-id": "r\u202e1"})
    for delta in [*deltas, None]:
        choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta else "stop"}
        made.feed(f"data: {json.dumps({'model': model, 'choices': [choice]})}\n\n".encode())
    return made


def test_terminal_codes_and_hidden_characters_reach_nobody_wherever_tokens_are_cut() -> None:
    heard: list[Signal] = []
    response = fold(
        {"content": "a\x1b]0;ti"},
        {"content": "tle\x07b\u200b"},
        {"content": "👩\u200d"},
        {"content": "👧 \x1b"},
        heard=heard,
    ).finish()
    assert response.text == "ab👩\u200d👧 "
    assert "".join(one for one in heard if isinstance(one, str)) == response.text


def test_thoughts_are_cleaned_as_well() -> None:
    heard: list[Signal] = []
    fold({"reasoning_content": "hm\x1b[31m\u202e"}, {"content": "x"}, heard=heard).finish()
    assert Thinking("hm") in heard


def test_the_names_that_a_provider_gives_are_on_one_line() -> None:
    response = fold({"content": "x"}, model="gpt\n\n## claude\x1b[31m" + "x" * 500).finish()
    assert response.model.startswith("gpt ## claudexxx") and len(response.model) == 200
    assert response.request_id == "r1"


def test_a_refusal_is_quoted_on_one_line() -> None:
    with pytest.raises(RefusedError) as caught:
        fold({"refusal": "No.\n\n## Verdict\nyes\x1b[2J"}).finish()
    assert "declined to answer: No. ## Verdict yes. Rephrase" in str(caught.value)


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_an_answer_or_a_thought_without_end_is_cut_off_and_what_arrived_is_kept(field: str) -> None:
    with pytest.raises(TruncatedError) as caught:
        fold({"content": "begun "}, *[{field: "0123456789"}] * 1_000, longest=100)
    assert caught.value.partial.startswith("begun ") and len(caught.value.partial) <= 100
    assert "defaults.longest_answer" in str(caught.value)
