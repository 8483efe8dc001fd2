"""An AI that repeats itself for ever, as models do, must not keep the others waiting while its answer is read."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from core.changes.source import whole
from core.secrecy.check import secret_in
from core.untrusted import clean
from tools.answers.options import read_options
from tools.answers.values import value_of
from tools.debating.prompts import Ruling, Statement
from tools.judging.prompts import read_ranking
from tools.reading.abstentions import abstains
from tools.reading.final_answer import final_answer, rendered
from tools.reading.letters import named_letters
from tools.reading.rankings import read_better, read_tiers
from tools.reviewing.findings import anchored, merged, searched
from tools.reviewing.listed import read_findings
from tools.voting.prompts import Take, read_confidence
from tools.voting.referee_prompts import read_matching

_LONG = 1_000_000
_SHORT = 4_000
_MOST_S = 4.0
"""Far more than any reader needs for a megabyte; by the square of the length the quickest would need an hour."""
_SOURCE = searched({"a.py": [whole("a.py", "x = 1\ny = 2\n" * 200)]})


def _findings(text: str) -> object:
    found = read_findings("a", text) or []
    placed = [(raw, place) for raw in found if isinstance(place := anchored(raw, _SOURCE), tuple)]
    return merged([(raw, *place) for raw, place in placed])


READERS: dict[str, Callable[[str], object]] = {
    "clean": clean,
    "statement": Statement.read,
    "ruling": lambda text: Ruling.read(text, ["A", "B"]),
    "take": Take.of,
    "answer": final_answer,
    "shown": rendered,
    "confidence": read_confidence,
    "abstention": abstains,
    "options": read_options,
    "value": value_of,
    "value of a long list": lambda text: value_of("{" + text[:-2] + "}"),
    "referee": lambda text: read_matching(text, [True, True]),
    "ranking": lambda text: read_ranking(text, ["A", "B"]),
    "tiers": lambda text: read_tiers(text, ["A", "B"]),
    "preference": lambda text: read_better(text, ["A", "B"]),
    "letters": lambda text: named_letters(text, ["A", "B"]),
    "findings": _findings,
}
REPEATED = (
    *(
        "\n",
        " ",
        "\t",
        "\r",
        "*",
        "_",
        "#",
        ">",
        "|",
        "-",
        "`",
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        "\\",
        "$",
        "/",
    ),
    *(":", ",", ".", "=", "0", "9", "a", "A", "é", "：", "\u00a0", "\u2028", "\x0c"),
    *(
        "{\n",
        "\n{",
        '{"',
        "{'",
        '["',
        "[{",
        '":',
        "',",
        "\\{",
        "\\boxed{",
        "a:",
        "a b",
        "A, ",
        "1. ",
        "1,",
        "**",
        "* _\n",
        "| ",
        "|\n",
    ),
    *(
        "> ",
        "- ",
        "<a",
        "</",
        "A) ",
        "(A) ",
        "(a",
        "x = ",
        "so ",
        "no, ",
        "is the answer ",
        "The answer is ",
        "POSITION: 1 | ",
        "1 | ",
    ),
    *(
        "ANSWER:",
        "ANSWER: \n",
        "```\n",
        "//",
        "/*",
        "at least ",
        "five ",
        "10^",
        "$5 ",
        "5 ft ",
        "\\frac{1}{2}",
        ". ",
        "? ",
        "I can",
        "i ",
    ),
)
BEGUN = ("", "ANSWER: ", '{"findings": [{"claim": "')


def _texts(length: int) -> Iterator[str]:
    for begun, repeated in itertools.product(BEGUN, REPEATED):
        yield begun + repeated * (length // len(repeated)) + "y"


@pytest.mark.parametrize("reader", READERS)
def test_whatever_is_repeated_by_the_thousand_is_read_at_once(reader: str) -> None:
    for text in _texts(_SHORT):
        assert _seconds(READERS[reader], text) < _MOST_S / 4, f"{text[:40]!r} of {_SHORT}"


@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_of_what_readers_look_for_is_read_in_seconds(reader: str) -> None:
    _read_megabytes(reader, ("\n", " ", "{", "*"))


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_of_anything_is_read_in_seconds(reader: str) -> None:
    _read_megabytes(reader, REPEATED[:34])


def _read_megabytes(reader: str, of: Sequence[str]) -> None:
    for repeated in of:
        text = repeated * (_LONG // len(repeated))
        assert _seconds(READERS[reader], text) < _MOST_S, f"{text[:40]!r} of {_LONG}"


def test_secrets_are_looked_for_at_once_too() -> None:
    for text in itertools.islice(_texts(60_000), len(REPEATED)):
        assert _seconds(lambda text: secret_in(text, "x.txt"), text) < _MOST_S


def _seconds(read: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    read(text)
    return time.process_time() - started


def test_a_marker_still_has_its_value_without_what_stands_around_it() -> None:
    said = Ruling.read("Because.\n\n> **VERDICT:** _Tests first._ **  \nDISSENTERS: B\n", ["A", "B"])
    assert (said.verdict, said.dissenters) == ("Tests first.", ("B",))
    assert Take.of("Well.\n**ANSWER:** 42  \n**CONFIDENCE: 80**").answer == "42"
    assert read_options("Which?\n  A) red  \n  B) blue\t\n").labelled == {"A": "red", "B": "blue"}
