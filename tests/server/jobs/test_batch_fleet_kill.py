"""A batch on a fleet of real processes: a worker killed in its slice, and the holder of the batch, cost no answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from fake_provider import FakeProvider
from moot_program import ENTRY

pytestmark = pytest.mark.slow

ROWS, TWICE, WIDTH, WORKERS = 1_500, 40, 20, 3
QUESTIONS = [f"question {number % (ROWS - TWICE)}" for number in range(ROWS)]


class Machines:
    """Processes that share nothing but the database, each with a home of its own."""

    def __init__(self, folder: Path, provider: FakeProvider, url: str) -> None:
        self.folder = folder
        row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "delay=0.1,tokens=2"}
        credentials = folder / "credentials.json"
        credentials.write_text(json.dumps({"ais": {"a": row}}))
        credentials.chmod(0o600)
        self._shared = {"PATH": os.environ["PATH"], "HOME": str(folder), "MOOT_STORE": url}
        self._shared["MOOT_CREDENTIALS"] = str(credentials)
        self._count = 0

    @asynccontextmanager
    async def start(self, *arguments: str) -> AsyncIterator[anyio.abc.Process]:
        self._count += 1
        environment = self._shared | {"MOOT_HOME": str(self.folder / f"machine{self._count}")}
        command = [sys.executable, ENTRY, *arguments]
        place = self.folder / f"cwd{self._count}" if arguments[0] == "worker" else self.folder
        place.mkdir(exist_ok=True)
        async with await anyio.open_process(
            command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()


async def test_kills_of_a_worker_and_of_the_holder_cost_no_finished_call(
    isolated: Path, provider: FakeProvider, fleet_url: str
) -> None:
    machines = Machines(isolated, provider, fleet_url)
    (isolated / "in.jsonl").write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    command = ("batch", "in.jsonl", "-o", "out.jsonl", "-a", "a", "--concurrency", str(WIDTH))
    with anyio.fail_after(150):
        async with machines.start("worker") as first, machines.start("worker"), machines.start("worker"):
            async with machines.start(*command) as holder:
                await provider.until(lambda fake: len(fake.requests) >= ROWS // 3)
                first.send_signal(signal.SIGKILL)
                await provider.until(lambda fake: len(fake.requests) >= 2 * ROWS // 3)
                holder.send_signal(signal.SIGKILL)
                await holder.wait()
            async with machines.start(*command) as again:
                assert await again.wait() == 0
    asked = Counter(request["messages"][-1]["content"] for request in provider.requests)
    assert set(asked) == set(QUESTIONS)
    assert sum(asked.values()) - len(asked) <= WIDTH, "only what was in flight at the worker's end is asked twice"
    assert WIDTH - 2 <= provider.most_in_flight <= WIDTH, "the ceiling is one for the whole fleet"
    records = [json.loads(line) for line in (isolated / "out.jsonl").read_text().splitlines()]
    assert [(record["index"], record["status"]) for record in records] == [(number, "ok") for number in range(ROWS)]
    assert sum(record["duplicate_of"] is not None for record in records) == TWICE
