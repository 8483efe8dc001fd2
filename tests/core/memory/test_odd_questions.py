"""Questions of odd shape: whatever is asked, words are searched, and no time that is named stops the search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from core.memory.memory import Memory
from core.memory.scope import Scope
from core.memory.threads import USER, Threads, Turn
from core.memory.times import asked_of

NOON = datetime(2026, 6, 17, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    opened.add("a", [Turn(USER, "The boat is blue."), Turn(USER, "猫は白い")]).result(5)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "time",
    [
        "in 9999-12",
        "on 9999-12-31",
        "on 0001-01-01",
        "before 0001-01-01",
        "on 0000-00-00",
        "in apr\u0131l",
        "on fr\u0130day",
        "f\u0131ve days ago",
        "s\u0130x weeks ago",
    ],
)
def test_a_time_that_no_clock_shows_does_not_stop_a_search(threads: Threads, time: str) -> None:
    found = Memory(threads).search(Scope.of_thread("a"), f"Which boat {time}?", now=NOON)
    assert found.passages[0].text == "The boat is blue."


@pytest.mark.parametrize("year", [1, 1970, 9999])
@pytest.mark.parametrize("time", ["yesterday", "last week", "3 years ago", "last year", "since 2020", "this month"])
def test_a_clock_that_is_far_off_does_not_stop_a_search(threads: Threads, year: int, time: str) -> None:
    day = 1 if year == 1 else 31
    now = datetime(year, 12 if day == 31 else 1, day, 23, tzinfo=UTC)
    assert Memory(threads).search(Scope.of_thread("a"), f"Which boat {time}?", now=now).passages


@pytest.mark.parametrize(
    "question",
    [
        '" OR NEAR(boat blue)',
        "text : boat*",
        "\x00boat\x00",
        "\u202eboat",
        "\uff9e boat",
        "\ud800 boat",
        "boat " * 20_000,
    ],
)
def test_what_a_search_language_would_read_is_words_here(threads: Threads, question: str) -> None:
    assert Memory(threads).search(Scope.of_thread("a"), question).passages[0].text == "The boat is blue."


@pytest.mark.parametrize("question", ["\U0001f600\U0001f600", "", " \n", "*", "\u05e9\u05dc\u05d5\u05dd"])
def test_a_question_without_a_word_that_was_said_finds_nothing(threads: Threads, question: str) -> None:
    assert Memory(threads).search(Scope.of_thread("a"), question).passages == ()


def test_a_word_of_one_sign_is_found(threads: Threads) -> None:
    assert [one.text for one in Memory(threads).search(Scope.of_thread("a"), "猫").passages] == ["猫は白い"]


def test_a_time_before_all_time_is_none() -> None:
    assert asked_of("on 0001-01-01", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-5)))).span is not None
    assert asked_of("on 0001-01-01", NOON).span is None


def test_a_run_of_letters_without_end_is_read_once(threads: Threads) -> None:
    """Read again from each of its letters, it would take hours, and hold up everybody."""
    endless = "z" * 300_000
    threads.add("a", [Turn(USER, f"boat {endless}"), Turn(USER, f"boat 42 {endless}")]).result(5)
    found = Memory(threads).search(Scope.of_thread("a"), f"Which boat 42? {endless}", now=NOON)
    assert found.passages[0].text.startswith("boat 42")
