"""A batch on a fleet of real processes, to which everything happens: kill -9, SIGSTOP and SIGCONT, in any order.

    uv run pytest -m slow tests/core/jobs/test_mishaps.py

MOOT_TEST_MISHAPS says how many there are in a mix (6 if it says nothing), MOOT_TEST_SEED which ones; a mix that fails
prints its own. Leases are short, so a stop of 5 s is as one of half a minute.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import holder_process
import job_process
import pytest
from call_log import Log
from postgres_server import PostgresServer, postgres_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")]

ROOT = Path(__file__).parents[3]
LEASE_S, WIDTH, DELAY_S, WORKERS = 2.0, 8, 0.05, 3
MISHAPS = int(os.environ.get("MOOT_TEST_MISHAPS", "6"))
SEED = os.environ.get("MOOT_TEST_SEED", secrets.token_hex(4))
STOPS_S = (0.5, 5.0, 5.0, 20.0)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        if not started.can_be_stopped:
            pytest.skip("the server of MOOT_TEST_POSTGRES is not ours to stop")
        yield started


class Mix:
    """A batch under way, its holder and its workers. Whoever is killed is started again."""

    def __init__(self, server: PostgresServer, folder: Path, stack: ExitStack, rows: int) -> None:
        self.server = server
        self.url = server.database()
        self.folder = folder
        self.rows = rows
        self.log = Log(folder / "calls.log")
        self._stack = stack
        self._timers: list[threading.Timer] = []
        (folder / "in.jsonl").write_text("".join(f'"row {n}"\n' for n in range(rows)))
        self.holder = self._start(holder_process.__file__, str(folder))
        self._wait_for(lambda: bool(server.query(self.url, "SELECT 1 FROM moot_jobs.jobs WHERE kind = 'batch'")))
        self.workers = [self.worker() for _ in range(WORKERS)]

    def worker(self) -> subprocess.Popen[bytes]:
        return self._start(job_process.__file__, "-", "0", str(DELAY_S))

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
        home = self.folder / f"machine-{time.monotonic_ns()}"
        environment = {
            "PYTHONPATH": paths,
            "MOOT_HOME": str(home),
            "MOOT_STORE": self.url,
            "JOB_PROCESS_LEASE_S": str(LEASE_S),
            "JOB_PROCESS_WIDTH": str(WIDTH),
        }
        command = [sys.executable, program, str(self.log.path), *arguments]
        told = (self.folder / "told.log").open("ab")
        self._stack.callback(told.close)
        process = subprocess.Popen(command, stdout=told, stderr=told, env=os.environ | environment)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def kill_holder(self) -> None:
        self._kill(self.holder)
        self.holder = self._start(holder_process.__file__, str(self.folder))

    def kill_worker(self, n: int = 0) -> None:
        self._kill(self.workers[n])
        self.workers[n] = self.worker()

    def kill_server(self, away_s: float = 1.0) -> None:
        self.server.stop_hard()
        time.sleep(away_s)
        self.server.start()

    def stop(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """SIGSTOP it, and let it go on after *seconds*, while other things happen."""
        os.kill(process.pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, _go_on, [process])
        timer.start()
        self._timers.append(timer)
        self._stack.callback(timer.cancel)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def answered(self) -> int:
        self.log.read()
        return len({line for line in self.log.lines if line.startswith("f ")})

    def started(self) -> int:
        return sum(line.startswith("s ") for line in self.log.read().lines)

    def wait_until_answered(self, count: int) -> None:
        self._wait_for(lambda: self.answered() >= min(count, self.rows))

    def wait_for_the_end(self) -> None:
        self._wait_for(self._over)
        for timer in self._timers:
            timer.join()
        self._wait_for(lambda: self.holder.poll() is not None)
        assert self.holder.returncode == 0, self._told()

    def _over(self) -> bool:
        done = self.server.query(self.url, "SELECT state FROM moot_jobs.jobs WHERE kind = 'batch'")
        assert done, self._told()
        assert done[0][0] not in ("failed", "paused", "cancelled"), self._told()
        return bool(done[0][0] == "done")

    def _wait_for(self, met: Callable[[], bool], seconds: float = 120.0) -> None:
        until = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < until, f"{self.answered()} of {self.rows} answered. {self._told()}"
            time.sleep(0.05)

    def _told(self) -> str:
        return (self.folder / "told.log").read_text(errors="replace")[-6_000:]

    def check(self, *, killed: int) -> None:
        """Nothing that was finished was asked again, nothing is lost or doubled.

        Args:
            killed: How often a process may have lost what it had under way.
        """
        self.log.read()
        assert self.log.made_again() == []
        records = [json.loads(line) for line in (self.folder / "out.jsonl").read_text().splitlines()]
        assert [(one["index"], one["text"]) for one in records] == [(n, f"row {n}") for n in range(self.rows)]
        asked = [line for line in self.log.lines if line.startswith("s ")]
        assert len(set(asked)) == self.rows
        assert len(asked) - self.rows <= killed * WIDTH


def _go_on(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)


@pytest.fixture
def mix(server: PostgresServer, isolated: Path) -> Iterator[Callable[..., Mix]]:
    with ExitStack() as stack:
        yield lambda rows=1_500: Mix(server, isolated, stack, rows)


Start = Callable[..., Mix]


@pytest.mark.parametrize("stopped_s", [5.0, 20.0])
def test_a_holder_that_was_stopped_and_goes_on_costs_nothing_and_the_batch_ends(mix: Start, stopped_s: float) -> None:
    running = mix()
    running.wait_until_answered(300)
    running.stop(running.holder, stopped_s)
    running.wait_for_the_end()
    running.check(killed=0)


@pytest.mark.parametrize("stopped_s", [5.0, 20.0])
def test_a_worker_that_was_stopped_pays_for_nothing_that_others_finished(mix: Start, stopped_s: float) -> None:
    running = mix()
    running.wait_until_answered(300)
    running.stop(running.workers[0], stopped_s)
    running.wait_until_answered(600)
    running.stop(running.workers[1], stopped_s)
    running.wait_for_the_end()
    running.check(killed=2)


def test_a_worker_the_holder_and_the_server_are_killed_and_nothing_finished_is_asked_again(mix: Start) -> None:
    running = mix()
    for answered, kill in ((200, running.kill_worker), (500, running.kill_holder), (800, running.kill_server)):
        running.wait_until_answered(answered)
        kill()
    running.wait_for_the_end()
    running.check(killed=2)


def test_while_the_server_is_away_no_call_starts_and_then_all_goes_on_by_itself(mix: Start) -> None:
    running = mix()
    running.wait_until_answered(300)
    running.server.stop_hard()
    time.sleep(0.3)  # a call may start a tenth of a second after the server was heard of last
    started = running.started()
    time.sleep(2.0)
    assert running.started() == started
    running.server.start()
    running.wait_for_the_end()
    running.check(killed=0)


def test_whatever_happens_in_whatever_order_nothing_is_lost_doubled_or_asked_again(mix: Start) -> None:
    chance = random.Random(SEED)
    print(f"MOOT_TEST_SEED={SEED}")
    running = mix(rows=400 * (MISHAPS + 1))
    for number in range(MISHAPS):
        running.wait_until_answered(300 * (number + 1))
        n, stop_s = chance.randrange(WORKERS), chance.choice(STOPS_S)
        happens = chance.choice(("kill worker", "kill holder", "kill server", "stop worker", "stop holder"))
        print(f"{running.answered()} answered: {happens} {n} {stop_s}")
        match happens:
            case "kill worker":
                running.kill_worker(n)
            case "kill holder":
                running.kill_holder()
            case "kill server":
                running.kill_server(chance.choice((0.5, 1.0, 4.0)))
            case "stop worker":
                running.stop(running.workers[n], stop_s)
            case _:
                running.stop(running.holder, stop_s)
    running.wait_for_the_end()
    running.check(killed=2 * MISHAPS)
