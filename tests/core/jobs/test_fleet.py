"""A fleet of real workers on a real PostgreSQL: whatever is killed, what is finished is never made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import job_process
import pytest
from call_log import Log
from postgres_server import PostgresServer, postgres_server

from core.jobs.fleet.engine import PostgresJobs

pytestmark = pytest.mark.slow

CALLS, DELAY_S = 2_000, 0.05
KILLS = 20
WORKERS = 3
ROOT = Path(__file__).parents[3]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database()


class Fleet:
    """Workers that share nothing but the database: each has a home of its own, as on a machine of its own."""

    def __init__(self, url: str, log: Path, stack: ExitStack) -> None:
        self.url = url
        self.log = Log(log)
        self._stack = stack
        self.workers: dict[int, subprocess.Popen[str]] = {}

    def start(self) -> None:
        home = self.log.path.parent / f"machine{len(self.workers)}-{time.monotonic_ns()}"
        command = [sys.executable, job_process.__file__, str(self.log.path), "-", "0", str(DELAY_S)]
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
        environment = {"PYTHONPATH": paths, "MOOT_HOME": str(home), "MOOT_STORE": self.url}
        worker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)
        self._stack.callback(worker.communicate)
        self._stack.callback(worker.kill)
        self.workers[worker.pid] = worker

    def kill_the_worker_of(self, label: str) -> None:
        worker = self.workers.pop(self.log.taken_up_by[label])
        worker.kill()
        worker.wait()

    def wait_for_half(self, label: str) -> None:
        until = time.monotonic() + 120
        while self.log.read().finished[label] < CALLS // 2:
            assert time.monotonic() < until, f"{dict(self.log.finished)}"
            for worker in self.workers.values():
                assert worker.poll() is None, worker.stderr and worker.stderr.read()
            time.sleep(0.01)

    def wait(self) -> None:
        for worker in self.workers.values():
            _, told = worker.communicate(timeout=120)
            assert worker.returncode == 0, told
        self.log.read()


@contextmanager
def fleet(url: str, log: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        started = Fleet(url, log, stack)
        for _ in range(WORKERS):
            started.start()
        yield started


async def submitted(url: str, home: Path, labels: list[str]) -> PostgresJobs:
    engine = PostgresJobs(url, home)
    for label in labels:
        await engine.submit("count_up", {"label": label, "count": CALLS})
    return engine


async def answers(engine: PostgresJobs) -> list[int]:
    results = [await engine.result(job.id) for job in await engine.list_jobs(limit=100)]
    return [result.structured["answers"] if result else 0 for result in results]


async def test_a_worker_that_is_killed_costs_no_finished_call_ever(isolated: Path, url: str) -> None:
    labels = [f"r{number}" for number in range(KILLS)]
    engine = await submitted(url, isolated / "submitter", labels)
    with fleet(url, isolated / "calls.log") as running:
        for label in labels:
            running.wait_for_half(label)
            if running.log.read().finished[label] < CALLS:
                running.kill_the_worker_of(label)
                running.start()
        running.wait()
    assert running.log.made_again() == []
    assert max(running.log.repeated(label) for label in labels) <= job_process.WIDTH
    assert await answers(engine) == [CALLS] * KILLS
    await engine.aclose()


async def test_a_database_that_goes_away_and_comes_back_stops_nothing(
    isolated: Path, server: PostgresServer, url: str
) -> None:
    if not server.can_be_stopped:
        pytest.skip("the server of MOOT_TEST_POSTGRES is not ours to stop")
    labels = ["a", "b", "c"]
    engine = await submitted(url, isolated / "submitter", labels)
    with fleet(url, isolated / "calls.log") as running:
        running.wait_for_half("a")
        server.stop_hard()
        time.sleep(3)
        server.start()
        running.wait()
    assert running.log.made_again() == []
    assert [running.log.repeated(label) for label in labels] == [0, 0, 0]
    assert await answers(engine) == [CALLS] * 3
    await engine.aclose()


async def test_a_worker_that_is_told_to_stop_hands_its_job_over_at_once(isolated: Path, url: str) -> None:
    engine = await submitted(url, isolated / "submitter", ["a"])
    with fleet(url, isolated / "calls.log") as running:
        running.wait_for_half("a")
        first = running.workers.pop(running.log.taken_up_by["a"])
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
        running.wait()
    assert running.log.made_again() == []
    assert running.log.repeated("a") <= job_process.WIDTH
    assert await answers(engine) == [CALLS]
    await engine.aclose()
