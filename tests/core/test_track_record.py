from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.track_record import TrackRecord

PRIOR = {frozenset(("gpt", "claude")): 0.44, frozenset(("gpt",)): 0.6}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[TrackRecord]:
    opened = TrackRecord(tmp_path / "track.db")
    yield opened
    opened.close()


def told(record: TrackRecord, *families: str) -> dict[frozenset[str], float]:
    return record.correlations(families, PRIOR)


def test_before_anything_was_measured_nothing_is_known_and_no_file_is_made(record: TrackRecord, tmp_path: Path) -> None:
    assert told(record, "gpt", "claude") == {}
    assert not (tmp_path / "track.db").exists()


@pytest.mark.parametrize(("shared", "low", "high"), [(0.0, -0.05, 0.15), (1.0, 0.9, 1.0)])
def test_families_that_dissent_together_are_found_to_be_correlated(
    record: TrackRecord, shared: float, low: float, high: float
) -> None:
    rng = random.Random(1)
    for _ in range(600):
        first = rng.random() < 0.4
        second = first if rng.random() < shared else rng.random() < 0.4
        record.add([("gpt", first), ("claude", second), ("gemini", not first)]).result(5)
    assert low <= told(record, "gpt", "claude")[frozenset(("gpt", "claude"))] <= high


def test_little_evidence_hardly_moves_what_is_assumed(record: TrackRecord) -> None:
    for left in (True, False):
        record.add([("gpt", left), ("claude", not left)]).result(5)
    assert 0.3 < told(record, "gpt", "claude")[frozenset(("gpt", "claude"))] < 0.44


def test_questions_on_which_all_agreed_say_nothing(record: TrackRecord) -> None:
    record.add([("gpt", False), ("claude", False)]).result(5)
    assert told(record, "gpt", "claude") == {}


def test_two_seats_of_one_family_are_a_pair_too(record: TrackRecord) -> None:
    record.add([("gpt", True), ("gpt", False)]).result(5)
    assert set(told(record, "gpt", "claude")) == {frozenset(("gpt",))}
