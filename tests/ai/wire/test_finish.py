"""Only a reason that is known to mean a whole answer is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ai.client import ignore
from ai.providers.chat_fold import ChatFold
from ai.providers.gemini import GeminiFold
from ai.providers.message_fold import MessageFold
from ai.wire.classify.failure import Who
from ai.wire.response.finish import CHAT, GEMINI, MESSAGES, Ending
from ai.wire.response.sse_fold import SSEFold
from core.errors import AIError, ContentFilteredError, RefusedError, TruncatedError

WHO = Who("a", "p")
DIALECTS: dict[str, tuple[type[SSEFold], Mapping[str, Ending]]] = {
    "chat": (ChatFold, CHAT),
    "messages": (MessageFold, MESSAGES),
    "gemini": (GeminiFold, GEMINI),
}
WORDS = [(dialect, word, meaning) for dialect, (_, table) in DIALECTS.items() for word, meaning in table.items()]


def events(dialect: str, reason: Any) -> list[dict[str, Any]]:
    if dialect == "chat":
        return [{"choices": [{"index": 0, "delta": {"content": "text"}, "finish_reason": reason}]}]
    if dialect == "gemini":
        return [{"candidates": [{"content": {"parts": [{"text": "text"}]}, "finishReason": reason}]}]
    return [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "text"}},
        {"type": "message_delta", "delta": {"stop_reason": reason}},
        {"type": "message_stop"},
    ]


def ended(dialect: str, reason: Any) -> Any:
    fold = DIALECTS[dialect][0](WHO, "m", ignore)
    try:
        for event in events(dialect, reason):
            fold.feed(f"data: {json.dumps(event)}\n\n".encode())
        return fold.finish()
    except AIError as error:
        return error


@pytest.mark.parametrize(("dialect", "word", "meaning"), WORDS)
def test_every_known_reason_is_told_for_what_it_is(dialect: str, word: str, meaning: Ending) -> None:
    for said in (word, word.upper(), word.title(), f" {word} "):
        outcome = ended(dialect, said)
        if meaning in ("stop", "length", "tool_calls"):
            assert outcome.finish_reason == meaning
            continue
        kind = {"filtered": ContentFilteredError, "refused": RefusedError, "failed": TruncatedError}[meaning]
        assert type(outcome) is kind and outcome.partial == "text"
        assert meaning != "failed" or said.strip() in str(outcome)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("word", ["server_shutdown", "STOPPED_EARLY", "no", "stopp", "止", "x" * 500])
def test_a_reason_nobody_knows_is_incomplete_and_its_word_is_said(dialect: str, word: str) -> None:
    outcome = ended(dialect, word)
    assert type(outcome) is TruncatedError
    assert outcome.partial == "text" and word[:40] in str(outcome) and len(str(outcome)) < 400


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("odd", [None, "", "null", "None", 0, 7, True, ["stop"], {"stop": 1}])
def test_a_reason_that_is_no_word_is_no_reason(dialect: str, odd: Any) -> None:
    assert type(ended(dialect, odd)) is TruncatedError


def test_the_end_of_the_stream_alone_does_not_make_an_answer_whole() -> None:
    fold = ChatFold(WHO, "m", ignore)
    fold.feed(b'data: {"choices": [{"index": 0, "delta": {"content": "text"}}]}\n\ndata: [DONE]\n\n')
    with pytest.raises(TruncatedError) as caught:
        fold.finish()
    assert caught.value.partial == "text"


def test_message_stop_without_a_reason_does_not_either() -> None:
    fold = MessageFold(WHO, "m", ignore)
    for event in events("messages", None):
        fold.feed(f"data: {json.dumps(event)}\n\n".encode())
    with pytest.raises(TruncatedError):
        fold.finish()


@pytest.mark.parametrize(
    "late",
    [
        'data: {"object": "error", "message": "died", "code": 500}\n\n',
        'data: {"error": {"message": "died"}}\n\n',
        'event: error\ndata: {"message": "died"}\n\n',
        'data: {"type": "error", "error": {"type": "overloaded_error", "message": "died"}}\n\n',
        'data: {"choices": [{"index": 0, "error": {"message": "died", "code": 502}, "finish_reason": "error"}]}\n\n',
    ],
)
def test_an_error_object_after_text_is_an_error_and_the_text_is_kept(late: str) -> None:
    fold = ChatFold(WHO, "m", ignore)
    fold.feed(b'data: {"choices": [{"index": 0, "delta": {"content": "text"}}]}\n\n')
    with pytest.raises(AIError, match="died") as caught:
        fold.feed(late.encode())
    assert caught.value.partial == "text" and caught.value.accepted and not caught.value.retryable


def test_an_error_after_message_start_is_an_error() -> None:
    fold = MessageFold(WHO, "m", ignore)
    fold.feed(b'data: {"type": "message_start", "message": {"model": "m"}}\n\n')
    with pytest.raises(AIError) as caught:
        fold.feed(b'data: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n')
    assert caught.value.code == "overloaded" and not caught.value.retryable


def test_of_several_answers_in_one_stream_only_the_first_is_read() -> None:
    fold = ChatFold(WHO, "m", ignore)
    for index, text, reason in [(1, "B", None), (0, "A", None), (1, "b", "stop"), (0, "a", "stop")]:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": reason}
        fold.feed(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    assert fold.finish().text == "Aa"


@pytest.mark.parametrize(
    ("usage", "cached", "reasoning"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 4}}, 4, None),
        ({"cached_tokens": 4}, 4, None),
        ({"num_cached_tokens": 4}, 4, None),
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, 4, None),
        ({"prompt_tokens_details": {"audio_tokens": 3}, "completion_tokens_details": {"audio_tokens": 2}}, None, None),
        ({"completion_tokens_details": {"reasoning_tokens": 3}}, None, 3),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, None, None),
        ({"cached_tokens": -1, "num_cached_tokens": 10**12}, None, None),
    ],
)
def test_usage_is_read_in_every_spelling(usage: dict[str, Any], cached: int | None, reasoning: int | None) -> None:
    fold = ChatFold(WHO, "m", ignore)
    told = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14} | usage
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": told}
    fold.feed(json.dumps(body).encode())
    read = fold.finish().usage
    assert (read.input_tokens, read.output_tokens, read.cached_tokens, read.reasoning_tokens) == (
        9,
        5,
        cached,
        reasoning,
    )


def test_a_reason_that_is_spelled_as_none_is_none_yet() -> None:
    """Some endpoints send the word in every chunk but the last."""
    fold = ChatFold(WHO, "m", ignore)
    for text, reason in [("A", "null"), ("b", "None"), ("c", "stop")]:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
        fold.feed(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    assert fold.finish().text == "Abc"


@pytest.mark.parametrize(
    "calls", [{"name": "add"}, "add", 7, [7], [{}], [{"function": {"name": "add", "arguments": "{"}}]]
)
def test_a_wish_for_a_function_that_cannot_be_read_is_no_whole_answer(calls: Any) -> None:
    fold = ChatFold(WHO, "m", ignore)
    body = {"choices": [{"message": {"content": "x", "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    fold.feed(json.dumps(body).encode())
    with pytest.raises(TruncatedError):
        fold.finish()
