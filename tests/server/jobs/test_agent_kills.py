"""`kill -9` of the worker under agents' runs; forty times it is `bench/agent_kills.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_kills import play


@pytest.mark.slow
def test_nothing_is_paid_for_or_done_twice_and_all_runs_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOOT_STORE", raising=False)
    monkeypatch.setenv("MOOT_HOME", str(tmp_path / "home"))  # `play` looks into the same store
    found = play(tmp_path, runs=4, times=8, seed="agents")
    assert not found.wrong, found.wrong
    assert found.effects == 4 * 13, found
