"""What becomes of vectors when the embedder or the index is another, or away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from other_indexes import Away, Elsewhere, Lengths

from core.errors import StoreError
from core.memory.forgetting import Which
from core.memory.memory import Memory
from core.memory.scope import Scope
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import USER, Threads, Turn


def test_vectors_for_an_index_that_is_away_are_not_paid_for(tmp_path: Path) -> None:
    class Paid(Lengths):
        def embed(self, texts: Sequence[str]) -> Any:
            raise AssertionError("paid for nothing")

    threads = Threads(tmp_path / "t.db")
    threads.add("a", [Turn(USER, "one")]).result(5)
    with pytest.raises(StoreError, match="It is away"):
        Memory(threads, index=Away(), embedder=Paid()).catch_up()
    threads.close()


def test_an_index_that_is_no_longer_used_is_emptied_once_the_new_one_is_whole(tmp_path: Path) -> None:
    threads, old = Threads(tmp_path / "t.db"), Elsewhere()
    threads.add("a", [Turn(USER, "one"), Turn(USER, "two")]).result(5)
    Memory(threads, index=old, embedder=Lengths()).catch_up()
    assert len(old.parts) == 2
    moved = Memory(threads, embedder=Lengths(), elsewhere=lambda backend: old)
    moved.clear()
    assert len(old.parts) == 2  # it answers until the new one is whole
    moved.catch_up()
    moved.clear()
    assert (old.parts, moved.status().others) == (set(), ())
    threads.close()


def test_an_index_that_is_not_configured_any_more_is_told_of_when_something_is_forgotten(tmp_path: Path) -> None:
    threads, old = Threads(tmp_path / "t.db"), Elsewhere()
    threads.add("a", [Turn(USER, "one"), Turn(USER, "two")]).result(5)
    Memory(threads, index=old, embedder=Lengths()).catch_up()
    moved = Memory(threads, index=SqliteIndex(threads), embedder=Lengths())
    moved.catch_up()
    gone = moved.forget(Scope.of_thread("a"), Which(turn=1))
    assert "elsewhere is not configured any more" in gone.notes[0]
    assert (moved.status().others, moved.status().unforgotten) == (("elsewhere/lengths",), 1)
    again = Memory(threads, embedder=Lengths(), elsewhere=lambda backend: old)
    assert again.forget(Scope.of_thread("a"), Which(turn=2)).notes == ()
    assert old.parts == set()
    threads.close()


def test_the_index_of_before_answers_while_the_one_of_now_is_away_and_nothing_is_owed_to_it(tmp_path: Path) -> None:
    class AtHand(Lengths):
        at_hand = True

    threads = Threads(tmp_path / "t.db")
    threads.add("a", [Turn(USER, "one"), Turn(USER, "three")]).result(5)
    here, there = Memory(threads, embedder=AtHand()), Away()
    here.catch_up()
    renamed = AtHand()
    renamed.name = "longer"
    away = Memory(threads, index=there, embedder=renamed, older=lambda name: AtHand())
    found = away.search(Scope.of_thread("a"), "three")
    assert found.notes == ("The index of before was searched: It is away.",)
    assert "meaning" in found.passages[0].by
    assert away.forget(Scope.of_thread("a"), Which(turn=1)).notes == ()
    assert (away.status().unforgotten, away.status().answering) == (0, "sqlite/lengths")
    threads.close()


def test_a_search_says_that_much_is_not_indexed_yet(tmp_path: Path) -> None:
    threads = Threads(tmp_path / "t.db")
    threads.add("a", [Turn(USER, f"number {number}") for number in range(300)]).result(5)
    memory = Memory(threads, embedder=Lengths())
    memory.catch_up(most=50)
    assert (
        memory.search(Scope.of_thread("a"), "number").notes[0].startswith("By meaning 250 turns are not indexed yet.")
    )
    memory.catch_up(most=150)
    assert memory.search(Scope.of_thread("a"), "number").notes == ()
    threads.close()
