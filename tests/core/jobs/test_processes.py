"""Jobs and real processes that die: what is finished is never made again, and every job ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import job_process
import pytest
from call_log import Log

from core.jobs.sqlite import SQLiteJobs

pytestmark = pytest.mark.slow

CALLS, DELAY_S = 2_000, 0.05
KILLS = 20
ROOT = Path(__file__).parents[3]


@contextmanager
def process(log: Path, label: str = "-", count: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, job_process.__file__, str(log), label, str(count), str(DELAY_S)]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def wait_for(log: Log, condition: Callable[[Log], bool], who: subprocess.Popen[str], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition(log.read()):
        assert time.monotonic() < until, f"{dict(log.finished)} after {seconds} s"
        if who.poll() is not None:
            pytest.fail(f"the process ended: {who.stderr.read() if who.stderr else ''}")
        time.sleep(0.01)


async def answers(folder: Path) -> list[int]:
    """How many answers each job came to."""
    engine = SQLiteJobs(folder)
    try:
        jobs = await engine.list_jobs(limit=100)
        assert [(job.state, job.reason) for job in jobs if job.state != "done"] == []
        results = [await engine.result(job.id) for job in jobs]
        return [result.structured["answers"] if result else 0 for result in results]
    finally:
        await engine.aclose()


async def test_a_killed_process_costs_no_finished_call_ever(isolated: Path) -> None:
    log = Log(isolated / "calls.log")
    for round_ in range(KILLS):
        with process(log.path, label := f"r{round_}", CALLS) as started:
            wait_for(log, lambda log, label=label: log.finished[label] >= CALLS // 2, started)  # type: ignore[misc]
            started.send_signal(signal.SIGKILL)
            started.wait()
    with process(log.path) as last:
        assert last.wait(60) == 0
    log.read()
    assert log.made_again() == []
    assert max(log.repeated(f"r{round_}") for round_ in range(KILLS)) <= job_process.WIDTH
    assert await answers(isolated / "home") == [CALLS] * KILLS


async def test_six_processes_share_a_store_and_two_are_killed(isolated: Path) -> None:
    log = Log(isolated / "calls.log")
    calls = 300
    labels = [f"w{number}" for number in range(6)]
    with ExitStack() as stack:
        started = {label: stack.enter_context(process(log.path, label, calls)) for label in labels}
        for label in labels[:2]:
            wait_for(log, lambda log, label=label: log.finished[label] >= calls // 3, started[label])  # type: ignore[misc]
            started[label].send_signal(signal.SIGKILL)
        for label in labels[2:]:
            _, told = started[label].communicate(timeout=60)
            assert started[label].returncode == 0
            assert "locked" not in told
    with process(log.path) as last:  # should one of the two have been so slow that the others had gone before
        assert last.wait(60) == 0
    log.read()
    assert log.made_again() == []
    assert [log.repeated(label) for label in labels[2:]] == [0] * 4
    assert await answers(isolated / "home") == [calls] * 6


async def test_a_process_that_is_told_to_stop_hands_its_job_over(isolated: Path) -> None:
    log = Log(isolated / "calls.log")
    with process(log.path, "x", CALLS) as first:
        wait_for(log, lambda log: log.finished["x"] >= 1, first)
        with process(log.path) as second:
            wait_for(log, lambda log: log.finished["x"] >= CALLS // 4, first)
            first.send_signal(signal.SIGTERM)
            assert first.wait(20) == 0
            assert second.wait(60) == 0
    assert log.read().made_again() == []
    assert log.finished["x"] == CALLS
    assert log.repeated("x") <= job_process.WIDTH
