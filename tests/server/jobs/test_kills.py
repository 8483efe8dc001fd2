"""Kills and stops of everything, a few of each; `python bench/kills.py` does twenty.

MOOT_TEST_KILLS says how many there are, MOOT_TEST_SEED which ones; a scenario that fails prints its own.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_scenarios import EMBEDDED, FLEET, play
from postgres_server import PostgresServer, postgres_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")]

TIMES = int(os.environ.get("MOOT_TEST_KILLS", "3"))
SEED = os.environ.get("MOOT_TEST_SEED", secrets.token_hex(4))
STOPS_S = (0.5, 5.0)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        if not started.can_be_stopped:
            pytest.skip("the server of MOOT_TEST_POSTGRES is not ours to kill")
        yield started


@pytest.mark.parametrize("name", EMBEDDED)
def test_on_one_machine_nothing_is_paid_twice_lost_or_missing_in_the_ledger(name: str, tmp_path: Path) -> None:
    print(f"MOOT_TEST_SEED={SEED}")
    assert play(name, tmp_path / "play", times=TIMES, seed=SEED, stops_s=STOPS_S).wrong == []


@pytest.mark.parametrize("name", FLEET)
def test_in_a_fleet_nothing_is_paid_twice_lost_or_missing_in_the_ledger(
    name: str, tmp_path: Path, server: PostgresServer
) -> None:
    print(f"MOOT_TEST_SEED={SEED}")
    assert play(name, tmp_path / "play", times=TIMES, seed=SEED, server=server, stops_s=STOPS_S).wrong == []
