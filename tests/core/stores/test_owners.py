"""Who is alive, told by a lock: what several hear who ask at the same time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from core.stores.owners import Owner


def test_one_who_holds_the_lock_is_alive_until_it_lets_go(tmp_path: Path) -> None:
    holder, other = Owner(tmp_path), Owner(tmp_path)
    holder.register()
    assert other.alive(holder.name)
    holder.close()
    assert not other.alive(holder.name)


def test_a_dead_owner_is_dead_also_while_another_asks(tmp_path: Path) -> None:
    dead = tmp_path / "0123456789abcdef"
    dead.touch()
    with closing(sqlite3.connect(dead, isolation_level=None)) as asking:
        asking.execute("BEGIN")
        asking.execute("SELECT 1 FROM sqlite_master").fetchall()
        assert not Owner(tmp_path).alive(dead.name)


def test_asking_takes_no_lock_that_another_who_asks_would_meet(tmp_path: Path) -> None:
    dead = tmp_path / "0123456789abcdef"
    dead.touch()
    with closing(sqlite3.connect(dead, isolation_level=None)) as asking:
        asking.execute("BEGIN IMMEDIATE")  # it would refuse another writer, and no reader
        assert not Owner(tmp_path).alive(dead.name)


def test_asking_for_one_that_was_never_there_makes_nothing(tmp_path: Path) -> None:
    assert not Owner(tmp_path).alive("0123456789abcdef")
    assert list(tmp_path.iterdir()) == []
