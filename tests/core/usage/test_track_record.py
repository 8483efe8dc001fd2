from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.usage.track_record import MIGRATIONS, Together, TrackRecord


@pytest.fixture
def record(tmp_path: Path) -> Iterator[TrackRecord]:
    opened = TrackRecord(tmp_path / "track.db")
    yield opened
    opened.close()


def test_before_anything_was_kept_nothing_is_known_and_no_file_is_made(record: TrackRecord, tmp_path: Path) -> None:
    assert record.together(["a", "b"]) == [] and not (tmp_path / "track.db").exists()


def test_every_question_counts_and_unanimous_ones_too(record: TrackRecord) -> None:
    for _ in range(3):
        record.add({"a": 0, "b": 0}).result(5)
    record.add({"b": 7, "a": 4}, 4).result(5)
    assert sorted(record.together(["a", "b"]), key=lambda one: one.choices) == [
        Together({"a": 0, "b": 0}, 0, 3),
        Together({"a": 0, "b": 1}, 4, 1),
    ]


def test_a_smaller_panel_is_told_of_what_its_seats_answered_in_larger_ones(record: TrackRecord) -> None:
    record.add({"a": 0, "b": 1, "c": 1}).result(5)
    record.add({"a": 0, "b": 1, "d": 0}).result(5)
    record.add({"a": 0, "d": 0}).result(5)
    assert record.together(["a", "b"]) == [Together({"a": 0, "b": 1}, 0, 2)]


def test_no_question_and_no_answer_is_kept(record: TrackRecord, tmp_path: Path) -> None:
    record.add({"a": 0, "b": 1}, 2).result(5)
    with sqlite3.connect(tmp_path / "track.db") as connection:
        rows = connection.execute("SELECT * FROM answers").fetchall()
    connection.close()
    assert rows == [(2, '[["a", 0], ["b", 1]]', 1)]


def test_the_record_of_an_earlier_moot_is_replaced(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "track.db") as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    record = TrackRecord(tmp_path / "track.db")
    record.add({"a": 0, "b": 0}).result(5)
    assert record.together(["a", "b"]) == [Together({"a": 0, "b": 0}, 0, 1)]
    record.close()
