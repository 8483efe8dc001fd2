"""`moot threads` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.memory.history import History, PastRun
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir
from server.cli.main import cli


@pytest.fixture(autouse=True)
def kept(isolated: Path) -> None:
    threads = Threads()
    threads.add("paint", [Turn(USER, "Which blue?"), Turn("gpt", "Ultramarine.")])
    threads.add("bikes", [Turn(USER, "Which shed?")])
    threads.close()


def moot(*arguments: str, input: str = "") -> Result:
    return CliRunner().invoke(cli, ["threads", *arguments], input=input)


def test_threads_are_listed_with_how_they_began() -> None:
    result = moot()
    assert result.exit_code == 0
    assert "paint  (2 turns" in result.stdout and "Which blue?" in result.stdout
    listed = json.loads(moot("--json").stdout)["threads"]
    assert {(one["name"], one["turns"]) for one in listed} == {("paint", 2), ("bikes", 1)}


def test_a_thread_is_shown_as_markdown_and_written_to_a_file(tmp_path: Path) -> None:
    assert "Ultramarine." in moot("show", "paint").stdout
    assert moot("show", "paint", "-o", str(tmp_path / "paint.md")).exit_code == 0
    assert "Ultramarine." in (tmp_path / "paint.md").read_text()


def test_turns_are_found_by_their_words() -> None:
    assert moot("search", "which", "blue").stdout.startswith("paint, user, ")
    (match,) = json.loads(moot("search", "ultramarine", "--json").stdout)["matches"]
    assert (match["thread"], match["author"]) == ("paint", "gpt")
    nothing = moot("search", "green")
    assert nothing.exit_code == 1 and "Nothing found." in nothing.stderr


def test_a_search_says_that_words_alone_were_searched_and_that_nothing_was_found() -> None:
    assert "Only words were searched. Static vectors" in moot("search", "which", "blue").stderr
    nothing = moot("search", "green", "--json")
    assert nothing.exit_code == 1
    told = json.loads(nothing.stdout)
    assert told["matches"] == []
    assert told["notes"][0].endswith("Run: moot memory install")
    assert moot("search", "?").exit_code == 2


def test_a_thread_is_forgotten_only_after_a_yes() -> None:
    unasked = moot("delete", "paint")
    assert unasked.exit_code == 2 and "--yes" in unasked.output
    assert "paint" in moot().stdout
    assert moot("delete", "paint", "--yes").exit_code == 0
    assert "paint" not in moot().stdout
    again = moot("delete", "paint", "--yes")
    assert again.exit_code == 1 and "there is no thread 'paint'. Run: moot threads" in again.output


def test_a_forgotten_thread_takes_its_past_runs_along() -> None:
    history = History()
    history.add(PastRun("ask_one", "Which blue?", ("gpt",), (("gpt", "Ultramarine."),), thread="paint")).result(5)
    history.add(PastRun("ask_one", "Which red?", ("gpt",), (("gpt", "Carmine."),))).result(5)
    history.close()
    assert moot("delete", "paint", "--yes").exit_code == 0
    assert [one.question for one in History().latest()] == ["Which red?"]
    assert not [path for path in data_dir().rglob("*") if path.is_file() and b"ltramarine" in path.read_bytes()]


def test_a_thread_that_is_not_there_is_told_in_one_sentence() -> None:
    result = moot("show", "none")
    assert result.exit_code == 2 and "none" in result.output and "Traceback" not in result.output
