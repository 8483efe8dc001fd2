"""Processes that are told to end let their calls finish: the next start asks for none of them again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moot_program import ENTRY
from provider_process import provider_process

ROWS = 60

pytestmark = pytest.mark.slow


@pytest.fixture
def url() -> Iterator[str]:
    with provider_process() as url:
        yield url


def tally(url: str) -> int:
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/tally", timeout=5) as reply:
        return int(json.load(reply)["accepted"])


def environment(folder: Path, url: str, **defaults: Any) -> dict[str, str]:
    row = {"provider": "openai_compatible", "base_url": url, "model": "delay=0.4,tokens=1,rpm=1000000"}
    path = folder / "credentials.json"
    path.write_text(json.dumps({"ais": {"a": row}, "defaults": {"detach": False, **defaults}}))
    path.chmod(0o600)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MOOT_HOME": str(folder / "home"),
        "MOOT_CREDENTIALS": str(path),
    }


def batch(folder: Path, url: str, *more: str, **defaults: Any) -> subprocess.Popen[str]:
    (folder / "in.jsonl").write_text("".join(f'"question {number}"\n' for number in range(ROWS)))
    return subprocess.Popen(
        [sys.executable, ENTRY, "batch", "in.jsonl", "-o", "out.jsonl", "-a", "a", *more],
        cwd=folder,
        env=environment(folder, url, **defaults),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], url: str, calls: int) -> None:
    """Return once so many calls have been accepted."""
    while tally(url) < calls:
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_batch_that_is_stopped_pays_for_no_row_twice(tmp_path: Path, url: str, told: signal.Signals) -> None:
    for stop in (10, 25, 40):
        process = batch(tmp_path, url)
        until(process, url, stop)
        process.send_signal(told)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 128 + told and "goes on where it was" in said and "Traceback" not in said
    process = batch(tmp_path, url)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert out.startswith(f"{ROWS} of {ROWS} answered")
    assert tally(url) == ROWS


def test_a_second_signal_cuts_what_is_under_way(tmp_path: Path, url: str) -> None:
    process = batch(tmp_path, url)
    until(process, url, 5)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_budget_that_runs_out_cuts_no_call_that_is_under_way(tmp_path: Path, url: str) -> None:
    budget = {"per_day_tokens": 2_500}
    process = batch(tmp_path, url, "--max-tokens", "400", budget=budget)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "Over budget" in said
    paid = tally(url)
    assert 0 < paid < ROWS
    process = batch(tmp_path, url, "--max-tokens", "400")
    out, said = process.communicate(timeout=60)
    assert out.startswith(f"{ROWS} of {ROWS} answered"), said
    assert tally(url) == ROWS


def test_starts_of_one_batch_at_once_share_its_rows(tmp_path: Path, url: str) -> None:
    started = [batch(tmp_path, url) for _ in range(3)]
    for process in started:
        out, said = process.communicate(timeout=90)
        assert process.returncode == 0 and out.startswith(f"{ROWS} of {ROWS} answered"), said
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == ROWS
    assert tally(url) == ROWS
