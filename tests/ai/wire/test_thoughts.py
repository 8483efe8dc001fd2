"""Thoughts that a model writes into its answer are taken out of it, however the text is cut into tokens."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.client import Signal, Thinking
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.failure import Who
from ai.wire.response.thoughts import ThoughtSplitter
from core.errors import EmptyAnswerError

SORTED = [
    ("4", "4", ""),
    ("  4", "  4", ""),
    ("<think>hm</think>\n\n4", "4", "hm"),
    ("\n <think>hm</think>4", "4", "hm"),
    ('<think>\nhm\n</think>\n{"a": 1}', '{"a": 1}', "\nhm\n"),
    ("<Think>hm</THINK>4", "4", "hm"),
    ("<thinking>hm</thinking>4", "4", "hm"),
    ("<reasoning>hm</reasoning>4", "4", "hm"),
    ("<thought>hm</thought>4", "4", "hm"),
    ("<seed:think>hm</seed:think>4", "4", "hm"),
    ('<think signature="x">hm</think>4', "4", "hm"),
    ("[THINK]hm[/THINK]4", "4", "hm"),
    ("◁think▷hm◁/think▷4", "4", "hm"),
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4", "4", "hm"),
    ("<think>a <think>b</think> c</think>4", "4", "a <think>b</think> c"),
    ("<think></think>\n\n4", "4", ""),
    ("<think>a</think>\n<think>b</think>4", "4", "ab"),
    ("<think>a </thin b</think>4", "4", "a </thin b"),
    ("<think>never ends", "", "never ends"),
    ("<think>a</thinking>b", "", "a</thinking>b"),
    ("The tag <think>x</think> means", "The tag <think>x</think> means", ""),
    ("<thin>4", "<thin>4", ""),
    ("<b>4</b>", "<b>4</b>", ""),
    ("<", "<", ""),
    ("<think", "<think", ""),
    ("< think>4", "< think>4", ""),
    ("```\n<think>a</think>\n```", "```\n<think>a</think>\n```", ""),
]


def sort(pieces: list[str]) -> tuple[str, str]:
    splitter, told = ThoughtSplitter(), ([""], [""])
    for piece in pieces:
        for thought, text in splitter.feed(piece):
            told[thought].append(text)
    for thought, text in splitter.flush():
        told[thought].append(text)
    return "".join(told[0]), "".join(told[1])


@pytest.mark.parametrize(("said", "answer", "thoughts"), SORTED)
def test_thoughts_and_answer_are_told_apart_at_every_cut(said: str, answer: str, thoughts: str) -> None:
    for first, second in itertools.combinations_with_replacement(range(len(said) + 1), 2):
        assert sort([said[:first], said[first:second], said[second:]]) == (answer, thoughts)
    assert sort(list(said)) == (answer, thoughts)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "<", ">", "\n", "think", "/", "<thinking>", "[THINK]"])))
def test_nothing_is_lost_or_sorted_otherwise_however_it_is_cut(pieces: list[str]) -> None:
    assert sort(pieces) == sort(["".join(pieces)])


def chat(*tokens: str, finish: str = "stop", keep: bool = False) -> tuple[ChatFold, list[Signal]]:
    heard: list[Signal] = []
    fold = ChatFold(Who("a", "p"), "m", heard.append)
    fold.keeps_thoughts = keep
    for token in tokens:
        fold.feed(f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': token}}]})}\n\n".encode())
    fold.feed(f"data: {json.dumps({'choices': [{'index': 0, 'delta': {}, 'finish_reason': finish}]})}\n\n".encode())
    return fold, heard


def test_thoughts_are_told_as_reasoning_and_the_answer_follows() -> None:
    fold, heard = chat("<th", "ink>h", "m</thi", "nk>\n", "4", "2")
    assert fold.finish().text == "42"
    assert [signal for signal in heard if isinstance(signal, str)] == ["4", "2"]
    assert "".join(signal.text for signal in heard if isinstance(signal, Thinking)) == "hm"


def test_a_row_may_keep_its_thoughts() -> None:
    fold, _ = chat("<think>hm</think>4", keep=True)
    assert fold.finish().text == "<think>hm</think>4"


def test_thoughts_without_an_answer_are_no_answer() -> None:
    fold, _ = chat("<think>hm")
    with pytest.raises(EmptyAnswerError, match="thought aloud"):
        fold.finish()
    fold, _ = chat("<think>hm", finish="length")
    with pytest.raises(EmptyAnswerError, match="max_tokens"):
        fold.finish()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("It must be 4.\n</think>\n\n4", "4"),
        ("It must be 4.</think>\n\n4", "4"),
        ('hm\n</think>{"a": 1}', '{"a": 1}'),
        ("The mark `</think>` ends it.", "The mark `</think>` ends it."),
        ("Write </think> at the end.", "Write </think> at the end."),
        ("```\n</think>\n```\nends it", "```\n</think>\n```\nends it"),
    ],
)
def test_where_the_prompt_opened_the_thoughts_the_closing_mark_alone_ends_them(said: str, answer: str) -> None:
    fold, _ = chat(said)
    assert fold.finish().text == answer
