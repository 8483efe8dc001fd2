from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from other_indexes import Elsewhere

from core.errors import InvalidInputError, StoreError
from core.memory.forgetting import Which, forget_copies
from core.memory.history import History, PastRun
from core.memory.memory import Memory
from core.memory.scope import Place, Scope
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import USER, Threads, Turn

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)


class Lengths:
    """An embedder for which a text is as long as it is."""

    name = "lengths"
    at_hand = True
    floor = 0.0

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np

        rows = np.array([[len(text), *range(1, 64)] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    yield opened
    opened.close()


def holds(folder: Path, *words: str) -> list[str]:
    """The files below *folder* in which one of *words* stands, however it is written."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes().lower()
            found += [path.name for word in words for form in _forms(word) if form in data]
    return found


def _forms(word: str) -> list[bytes]:
    return [word.lower().encode(), json.dumps(word)[1:-1].lower().encode(), word.lower().encode("utf-16-le")]


def fill(threads: Threads, word: str = "zebracanary") -> None:
    """A hundred turns, one of them with *word*, long enough for pages of their own, and common ones around it."""
    for number in range(100):
        threads.add("a", [Turn(USER, f"Message {number} of the sailing club. " * 5)]).result(5)
    text = f"The {word} lives at {word}ville. 秘密の{word}言葉 " + "and it is long. " * 400
    threads.add("a", [Turn(USER, text, message="m7", job="j1", files=("uploads/x.txt",))]).result(5)
    for number in range(100):
        threads.add("a", [Turn("gpt", f"Answer {number} on the sailing club. " * 5)]).result(5)


def test_of_a_forgotten_message_no_byte_is_left(tmp_path: Path, threads: Threads) -> None:
    fill(threads)
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "x.txt").write_text("zebracanary")
    memory = Memory(threads, embedder=Lengths())
    memory.catch_up()
    history = History(tmp_path / "history.db")
    (long,) = [turn.text for turn in threads.history("a") if turn.message]
    history.add(PastRun("ask_one", long, ("gpt",), (("gpt", "Yes."),), thread="a")).result(5)
    history.add(PastRun("ask_one", "Another question", ("gpt",), (("gpt", "Yes."),))).result(5)
    assert set(holds(tmp_path, "zebracanary")) >= {"threads.db", "history.db", "x.txt"}
    vectors = memory.index.count("lengths")

    gone = memory.forget(Scope.of_thread("a"), Which(message="m7"))
    assert (gone.turns, gone.jobs, gone.files, gone.threads, gone.notes) == (1, ("j1",), ("uploads/x.txt",), (), ())
    forget_copies(gone, tmp_path, history)
    history.close()
    threads.close()

    assert holds(tmp_path, "zebracanary", "秘密", "canaryville") == []
    again = Threads(tmp_path / "threads.db")
    assert len(again.history("a")) == 200
    assert Memory(again, embedder=Lengths()).index.count("lengths") < vectors
    assert [one.question for one in History(tmp_path / "history.db").latest()] == ["Another question"]
    assert Memory(again).search(Scope.of_thread("a"), "sailing club message 5").passages
    for table in ("words", "grams"):
        with sqlite3.connect(tmp_path / "threads.db") as connection:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    again.close()


def test_all_of_a_chat_is_forgotten_and_what_others_said_stays(tmp_path: Path, threads: Threads) -> None:
    threads.add("one", [Turn(USER, "zebracanary one")], place=Place("tg 1")).result(5)
    threads.add("two", [Turn(USER, "zebracanary two")], place=Place("tg 1", "5")).result(5)
    gone = Memory(threads).forget(Scope.of_chat("tg 1"))
    assert (gone.turns, gone.threads, gone.whole) == (1, ("one",), False)
    assert [one.name for one in threads.all()] == ["two"]
    assert Memory(threads).forget(Scope.of_everything()).whole
    threads.close()
    assert holds(tmp_path, "zebracanary") == []


def test_several_messages_are_forgotten_at_once_and_none_is_not_all(threads: Threads) -> None:
    for number in range(4):
        threads.add("a", [Turn(USER, f"{number} said", message=f"m{number}"), Turn("gpt", "Yes.")]).result(5)
    memory = Memory(threads)
    assert memory.forget(Scope.of_thread("a"), Which(messages=())).turns == 0
    assert memory.forget(Scope.of_thread("a"), Which(messages=("m1", "m3", "m9"))).turns == 2
    assert [turn.message for turn in threads.history("a") if turn.author == USER] == ["m0", "m2"]


def test_a_span_of_time_is_forgotten(threads: Threads) -> None:
    for days in (1, 5, 9):
        moment = (NOW - timedelta(days=days)).isoformat(timespec="seconds")
        threads.add("a", [Turn(USER, f"{days} days", at=moment)]).result(5)
    which = Which(since=NOW - timedelta(days=6), until=NOW - timedelta(days=2))
    assert Memory(threads).forget(Scope.of_thread("a"), which).turns == 1
    assert [turn.text for turn in threads.history("a")] == ["1 days", "9 days"]
    with pytest.raises(InvalidInputError, match="time zone"):
        Which(since=datetime(2026, 1, 1))


def test_nothing_outside_of_the_scope_is_forgotten(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "x", message="m1")]).result(5)
    threads.add("b", [Turn(USER, "y", message="m1")]).result(5)
    assert Memory(threads).forget(Scope.of_thread("c"), Which(message="m1")).turns == 0
    assert Memory(threads).forget(Scope.of_thread("a"), Which(turn=2)).turns == 0
    assert Memory(threads).forget(Scope.of_thread("a"), Which(message="m1")).turns == 1
    assert [turn.text for turn in threads.history("b")] == ["y"]


def test_the_number_of_a_forgotten_turn_is_not_given_out_again(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "x"), Turn(USER, "y")]).result(5)
    memory = Memory(threads, embedder=Lengths())
    memory.catch_up()
    memory.forget(Scope.of_thread("a"), Which(turn=2))
    threads.add("a", [Turn(USER, "z")]).result(5)
    assert [turn.id for turn in threads.history("a")] == [1, 3]
    assert memory.status().waiting == 1
    memory.catch_up()
    assert memory.index.count("lengths") == 2


def test_an_index_that_is_away_forgets_as_soon_as_it_is_back(threads: Threads) -> None:
    class Leaving(Elsewhere):
        away = False

        def forget(self, turns: Sequence[int]) -> None:
            if self.away:
                raise StoreError("It does not answer.")
            super().forget(turns)

    index = Leaving()
    threads.add("a", [Turn(USER, "x"), Turn(USER, "y")]).result(5)
    memory = Memory(threads, index=index, embedder=Lengths())
    memory.catch_up()
    index.away = True
    gone = memory.forget(Scope.of_thread("a"), Which(turn=1))
    assert gone.turns == 1 and "It does not answer." in gone.notes[0]
    assert memory.status().unforgotten == 1
    index.away = False
    memory.catch_up()
    assert {part.turn for part in index.parts} == {2}
    assert memory.status().unforgotten == 0


def test_a_file_outside_of_the_folder_is_left_alone(tmp_path: Path, threads: Threads) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    threads.add("a", [Turn(USER, "x", files=("../outside.txt",))]).result(5)
    home = tmp_path / "home"
    home.mkdir()
    forget_copies(Memory(threads).forget(Scope.of_thread("a")), home)
    assert outside.exists()


def test_lines_typed_in_the_chat_are_forgotten_with_what_was_said(tmp_path: Path, threads: Threads) -> None:
    (tmp_path / "chat_lines").write_text("hello\nmy secret\n")
    threads.add("a", [Turn(USER, "my secret")]).result(5)
    forget_copies(Memory(threads).forget(Scope.of_thread("a")), tmp_path)
    assert (tmp_path / "chat_lines").read_text() == "hello\n"


def test_a_short_word_that_is_forgotten_takes_no_other_run_along(tmp_path: Path, threads: Threads) -> None:
    threads.add("a", [Turn(USER, "ok", message="1")]).result(5)
    history = History(tmp_path / "history.db")
    history.add(PastRun("ask_one", "Look for a book, ok?", ("gpt",), (("gpt", "Took a look."),))).result(5)
    history.add(PastRun("ask_one", "ok", ("gpt",), (("gpt", "Fine."),))).result(5)
    history.add(PastRun("ask_one", "Fine?", ("gpt",), (("gpt", "ok\n"),))).result(5)
    forget_copies(Memory(threads).forget(Scope.of_thread("a"), Which(message="1")), tmp_path, history)
    assert [one.question for one in history.latest()] == ["Look for a book, ok?"]
    history.close()


def test_a_past_run_is_known_by_its_question_though_files_went_along(tmp_path: Path, threads: Threads) -> None:
    turns = [Turn(USER, "zebracanary?\n\n[sent along: plan.txt, x.png]", message="1"), Turn(USER, "More.", message="2")]
    threads.add("a", turns).result(5)
    history = History(tmp_path / "history.db")
    history.add(PastRun("ask_one", "zebracanary?\x07", ("gpt",), (("gpt", "Yes."),), thread="a")).result(5)
    history.add(PastRun("ask_one", "More.", ("gpt",), (("gpt", "Yes."),), thread="a")).result(5)
    forget_copies(Memory(threads).forget(Scope.of_thread("a"), Which(message="1")), tmp_path, history)
    assert [one.question for one in history.latest()] == ["More."]
    history.close()
    threads.close()
    assert holds(tmp_path, "zebracanary") == []


def test_an_index_elsewhere_forgets_what_a_deleted_thread_had(threads: Threads) -> None:
    class Elsewhere(SqliteIndex):
        name = "elsewhere"
        told: list[int] = []

        def forget(self, turns: Sequence[int]) -> None:
            self.told.extend(turns)

    threads.add("a", [Turn(USER, "one"), Turn(USER, "two")]).result(5)
    threads.add("b", [Turn(USER, "three")]).result(5)
    memory = Memory(threads, index=Elsewhere(threads), embedder=Lengths())
    memory.catch_up()
    assert threads.delete("a")
    assert memory.status().unforgotten == 2
    memory.catch_up()
    assert (sorted(Elsewhere.told), memory.status().unforgotten) == ([1, 2], 0)
