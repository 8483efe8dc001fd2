"""What an endpoint repeats for ever is read in the time of its length, whoever reads it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ai.batch.records import Schema
from ai.wire.classify.refusals import meaning_of
from ai.wire.classify.shapes import read_body
from ai.wire.classify.waits import span_s
from ai.wire.response.thoughts import ThoughtSplitter, without_lone_end
from core.pictures import without_pictures
from core.redact import redact
from core.untrusted import clean, one_line

_LENGTH = 100_000
_MOST_S = 2.0
_ROWS = Schema({"type": "object"})


def _split(text: str) -> None:
    splitter = ThoughtSplitter()
    for start in range(0, len(text), 100):
        list(splitter.feed(text[start : start + 100]))
    list(splitter.flush())


READERS: dict[str, Callable[[str], object]] = {
    "a row's answer": _ROWS.read,
    "thoughts": _split,
    "a lone end of thoughts": without_lone_end,
    "a refusal": lambda text: meaning_of(429, read_body(text, "text/html")),
    "a span": span_s,
    "pictures": without_pictures,
    "text": clean,
    "a line": one_line,
    "keys": redact,
}
REPEATED = (
    *("\n", " ", "\r", "\t", "<", ">", "{", "[", "(", ")", "`", "!", "*", "#", "0", "a", "é", '"', "\\", "-"),
    *("<title>", "<think>", "</think>", "<!--", "![a](", "![", "[a]:", "```\n", "~~~\n", "sk-", "in 5 ", "* _\n", '{"'),
)


@pytest.mark.parametrize("begun", ["", "```json\n", "<title>", "<think>"])
@pytest.mark.parametrize("reader", READERS)
def test_whatever_is_repeated_is_read_at_once(reader: str, begun: str) -> None:
    for repeated in REPEATED:
        text = begun + repeated * (_LENGTH // len(repeated))
        started = time.process_time()
        READERS[reader](text)
        assert time.process_time() - started < _MOST_S, f"{repeated!r}"


def test_a_fenced_row_is_read_without_its_fence() -> None:
    for text in ('```json\n{"a": 1}\n```', '{"a": 1}', '\n```\n{"a": 1}\n```\n'):
        assert _ROWS.read(text) == ({"a": 1}, None)
