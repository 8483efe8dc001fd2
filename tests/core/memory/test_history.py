"""Runs that are kept, found, and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InvalidInputError
from core.memory.history import History, PastRun, days_kept


def run(question: str, answer: str = "Blue.", **more: object) -> PastRun:
    return PastRun("ask_one", question, ("gpt",), (("gpt", answer),), **more)  # type: ignore[arg-type]


@pytest.fixture
def history(isolated: Path) -> History:
    return History()


def test_a_run_comes_back_as_it_was_by_its_name_or_the_beginning_of_it(history: History) -> None:
    kept = run("Which colour?", arguments={"prompt": "Which colour?"}, result={"ok": True}, usd=0.5, thread="paint")
    name = history.add(kept).result(5)
    for said in (name, name[:3], name.upper(), "last"):
        past = history.get(said)
        assert (past.question, past.answers, past.usd, past.thread) == (
            "Which colour?",
            (("gpt", "Blue."),),
            0.5,
            "paint",
        )
        assert (dict(past.arguments), dict(past.result), past.name) == ({"prompt": "Which colour?"}, {"ok": True}, name)


def test_runs_are_found_by_the_beginnings_of_words_of_question_and_answer(history: History) -> None:
    history.add(run("Which colour has the sky?", "Azure, mostly.")).result(5)
    history.add(run("How many legs?", "Eight.")).result(5)
    assert [one.question for one in history.search("colo azur")] == ["Which colour has the sky?"]
    assert [one.question for one in history.latest()] == ["How many legs?", "Which colour has the sky?"]
    assert history.search("purple") == []


def test_what_is_older_than_the_days_to_keep_goes_when_something_is_added(history: History) -> None:
    old = (datetime.now(UTC) - timedelta(days=10)).isoformat(timespec="seconds")
    history.add(run("Old?", at=old)).result(5)
    history.add(run("New?"), days=7).result(5)
    assert [one.question for one in history.latest()] == ["New?"]
    assert history.search("old") == []


def test_runs_are_forgotten_one_by_one_and_all(history: History) -> None:
    first = history.add(run("One?")).result(5)
    history.add(run("Two?")).result(5)
    assert history.forget(name=first) == 1
    assert history.forget() == 1
    assert history.latest() == [] and history.search("two") == []


def test_thousands_of_runs_are_forgotten_at_once(history: History) -> None:
    """SQLite calls the file damaged where the index is merged once for each of so many."""
    texts = [f"word{number} of the {number * 7} words of the sailing club" for number in range(3_000)]
    added = [history.add(PastRun("ask_one", text, ("gpt",), (("gpt", text[::-1]),))) for text in texts]
    kept = history.add(PastRun("ask_one", "Something else", ("gpt",))).result(20)
    assert all(one.result(20) for one in added)
    assert history.forget_said((), texts) == 3_000
    assert [one.name for one in history.latest()] == [kept]


def test_the_file_is_for_its_owner_alone(history: History, isolated: Path) -> None:
    history.add(run("Secret?")).result(5)
    history.close()
    assert (isolated / "home" / "history.db").stat().st_mode & 0o077 == 0


def test_what_is_not_there_is_told(history: History) -> None:
    with pytest.raises(InvalidInputError, match="To list them: moot history"):
        history.get("zzzz")
    with pytest.raises(InvalidInputError, match="give at least one word"):
        history.search("!")


@pytest.mark.parametrize(("setting", "days"), [("on", None), (True, None), ("off", 0), (False, 0), (7, 7)])
def test_the_setting_says_for_how_long(setting: str | bool | int, days: int | None) -> None:
    assert days_kept(setting) == days  # type: ignore[arg-type]
