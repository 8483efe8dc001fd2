"""A fleet of worker processes on one PostgreSQL, started for the measurement, with commits that reach the disk.

Four workers against a provider that allows 40 requests a second: the most requests in any one second (bound 50), and
the allowed over the done (bound 1 / 0.95), from the moments at which the requests left. And a batch of 20,000 rows of
50 ms, from its input file to its output, on two workers that share 100 slots, against plain asyncio 100 wide: bound
1.6. MOOT_BENCH_ROWS makes the batch smaller.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _measure import ROOT, Figure, exact, figure, fresh, main, ratio

if TYPE_CHECKING:
    from ai.runs.app import App

sys.path.insert(0, str(ROOT / "tests" / "support"))

ROWS = int(os.environ.get("MOOT_BENCH_ROWS", "20000"))
DELAY_S = 0.05
WIDTH = 100
PER_SECOND, MOST_IN_A_SECOND = 40, 50
WORKERS, CALLS = 4, 250


def measure(rounds: int) -> list[Figure]:
    limits, walls, plain = [], [], []
    for _ in range(rounds):
        with _database() as url:
            limits.append(_limited(url))
        plain.append(fresh("alone")["wall_s"])
        with _database() as url:
            walls.append(_batch(url))
    who = f"{WORKERS} workers, {PER_SECOND} requests a second allowed"
    return [
        exact(f"{who}, most in any second", max(one["most"] for one in limits), bound=MOST_IN_A_SECOND, unit="calls"),
        figure(f"{who}, allowed / done", [one["allowed"] for one in limits], bound=1 / 0.95),
        ratio(
            f"a batch of {ROWS:,} rows on two workers / plain asyncio, wall",
            walls,
            plain,
            bound=1.6,
            note=f"{walls[0]:.1f} s against {plain[0]:.1f} s",
        ),
    ]


def _limited(url: str) -> dict[str, float]:
    """What the provider saw of all workers together."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/sent"
        fresh("submit", url=url, kind="count", jobs=[{"first": n * CALLS, "count": CALLS} for n in range(WORKERS)])
        _fleet(WORKERS, url=url, folder=folder, log=log, rps=PER_SECOND, delay_s=0.01, width=WIDTH, at_once=1)
        sent = sorted(map(float, Path(log).read_text().split()))
    assert len(sent) == WORKERS * CALLS, f"{len(sent)} calls"
    most = max(sum(at <= later < at + 1 for later in sent[n : n + 200]) for n, at in enumerate(sent))
    return {"most": most, "allowed": PER_SECOND * (sent[-1] - sent[0]) / (len(sent) - 1)}


def _batch(url: str) -> float:
    """Wall from the first worker that takes the job up to its end, by the database's clock."""
    with tempfile.TemporaryDirectory() as folder:
        fresh("start", url=url, folder=folder)
        _fleet(2, url=url, folder=folder, log="", rps=None, delay_s=DELAY_S, width=WIDTH, at_once=4)
        lines = Path(folder, "out.jsonl").read_text().splitlines()
        assert [json.loads(line)["index"] for line in lines] == list(range(ROWS)), f"{len(lines)} lines"
        return float(fresh("took", url=url))


def _fleet(count: int, *, folder: str, **options: Any) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(fresh, "work", home=f"{folder}/{number}", **options) for number in range(count)]
        for run in runs:
            run.result()


@contextmanager
def _database() -> Iterator[str]:
    from postgres_server import postgres_server

    with postgres_server(safe=True) as server:
        yield server.database()


async def alone() -> dict[str, float]:
    """Plain asyncio, as wide: what nobody can beat."""
    slots = asyncio.Semaphore(WIDTH)

    async def one() -> str:
        async with slots:
            await asyncio.sleep(DELAY_S)
            return "an answer of some length " * 10

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(ROWS)))
    return {"wall_s": time.perf_counter() - started}


async def submit(url: str, kind: str, jobs: list[dict[str, Any]]) -> None:
    from core.jobs.fleet.engine import PostgresJobs

    with tempfile.TemporaryDirectory() as folder:
        engine = PostgresJobs(url, Path(folder))
        for arguments in jobs:
            await engine.submit(kind, arguments)
        await engine.aclose()


async def start(url: str, folder: str) -> None:
    """Accept the batch, as `moot batch --background` does."""
    os.environ |= {"MOOT_STORE": url, "MOOT_HOME": f"{folder}/window"}
    from core.batch.input import BatchInput
    from core.jobs.jobs import Jobs
    from tools.batching.spec import prepare
    from tools.batching.start import start_batch

    source = Path(folder, "in.jsonl")
    source.write_text("".join(f'"question {number}"\n' for number in range(ROWS)))
    jobs = Jobs()
    await start_batch(jobs, prepare(BatchInput(source), Path(folder, "out.jsonl"), ["a"]))
    await jobs.aclose()


async def took(url: str) -> float:
    from core.jobs.fleet.engine import PostgresJobs

    with tempfile.TemporaryDirectory() as folder:
        engine = PostgresJobs(url, Path(folder))
        (job,) = [job for job in await engine.list_jobs(limit=500) if job.kind == "batch"]
        result = await engine.result(job.id)
        await engine.aclose()
    assert result is not None
    assert (result.structured["done"], result.structured["failed"]) == (ROWS, 0), result
    return (job.finished or 0) - (job.started or 0)


async def work(url: str, home: str, log: str, rps: float | None, delay_s: float, width: int, at_once: int) -> None:
    """A worker of the fleet, until no job is left."""
    os.environ |= {"MOOT_STORE": url, "MOOT_HOME": home}
    from server.jobs.worker import open_runner

    async with _app(log, rps, delay_s, width) as app, asyncio.TaskGroup() as tasks:
        running = tasks.create_task((await open_runner(app, at_once=at_once)).run())
        while await app.jobs.list_jobs(("queued", "running"), limit=1):
            await asyncio.sleep(0.1)
        running.cancel()


@asynccontextmanager
async def _app(log: str, rps: float | None, delay_s: float, width: int) -> AsyncIterator[App]:
    from pydantic import BaseModel

    from ai.client import AsyncAIClient, Emit
    from ai.providers.catalog import PROVIDERS
    from ai.roster.build import build_ai
    from ai.roster.key_lane import Key
    from ai.runs.app import open_app
    from core.config import AIConfig, Config, Defaults
    from core.values import Request, Response
    from server.toolbox import KINDS, Recipe

    sent = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if log else None

    class Waiting(AsyncAIClient):
        async def complete(self, request: Request, emit: Emit) -> Response:
            if sent is not None:
                os.write(sent, f"{time.time()}\n".encode())
            await asyncio.sleep(delay_s)
            return Response("an answer of some length " * 10, "waiting-1")

    class Count(BaseModel):
        n: int

        def markdown(self) -> str:
            return str(self.n)

    async def count(run: Any, first: int, count: int) -> Any:
        outcomes = await run.ask_many([("a", Request.of(f"question {first + n}")) for n in range(count)])
        return Count(n=sum(hasattr(outcome, "text") for outcome in outcomes))

    KINDS["count"] = Recipe(count, "Count", background=True)
    async with open_app(Config()) as app:
        client: Any = Waiting()
        client.close = lambda: None
        app.roster.seats["a"] = build_ai(
            "a",
            AIConfig(concurrency=width, rps=rps),
            PROVIDERS["openai"],
            [Key("", "a", client, client)],
            defaults=Defaults(),
            find=lambda name: None,  # type: ignore[arg-type,return-value]
            buckets=app.roster.buckets,
        )
        yield app


if __name__ == "__main__":
    main(measure, rounds=1, workers=[alone, submit, start, took, work])
