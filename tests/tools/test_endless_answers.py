"""An AI that repeats itself for ever, as models do, must not keep the others waiting while its answer is read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from core.secrets_check import secret_in
from tools._answers import final_answer, options, value_of
from tools._consensus_text import Take
from tools._debate_text import Ruling, Statement
from tools._judging_text import read_ranking

_MOST_S = 2.0
"""A few milliseconds in truth; by the square of the length it would be a quarter of a minute at least."""

READERS: dict[str, Callable[[str], object]] = {
    "statement": Statement.read,
    "ruling": lambda text: Ruling.read(text, ["A", "B"]),
    "take": Take.read,
    "answer": final_answer,
    "options": options,
    "value": value_of,
    "ranking": lambda text: read_ranking(text, ["A", "B"]),
    "secret": lambda text: secret_in(text, "x.txt"),
}


@pytest.mark.parametrize("repeated", ["\n", " ", "* _\n"])
@pytest.mark.parametrize("begun", ["", "VERDICT: x", "ANSWER: x"])
@pytest.mark.parametrize("reader", READERS)
def test_blanks_by_the_thousand_are_read_at_once(reader: str, begun: str, repeated: str) -> None:
    text = begun + repeated * (60_000 // len(repeated)) + "y"
    started = time.perf_counter()
    READERS[reader](text)
    assert time.perf_counter() - started < _MOST_S


def test_a_marker_still_has_its_value_without_what_stands_around_it() -> None:
    said = Ruling.read("Because.\n\n> **VERDICT:** _Tests first._ **  \nDISSENTERS: B\n", ["A", "B"])
    assert (said.verdict, said.dissenters) == ("Tests first.", ("B",))
    assert Take.read("Well.\n**ANSWER:** 42  \n**CONFIDENCE: 80**").answer == "42"
    assert options("Which?\n  A) red  \n  B) blue\t\n") == {"A": "red", "B": "blue"}
