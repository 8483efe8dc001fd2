"""What a job costs against the same run without one.

Wall of 2,000 calls of 50 ms, 100 at a time, as a job and in the foreground, bound 1.07; of calls of one second, bound
1.02. Both go through `Run.ask_many`, all layers, ledger included, to an AI in the same process that only waits. While
the job runs: how late the event loop is, 99th percentile. And the engine alone: accepting a job, reading its status,
loading 10,000 finished calls, recording 2,000. And what a server without jobs pays when it starts.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from _measure import Figure, figure, fresh, interleaved, main, ratio

if TYPE_CHECKING:
    from ai.runs.app import App
    from core.jobs.values import Job

AT_ONCE = 100
FAST = {"count": 2_000, "delay_s": 0.05}
SLOW = {"count": 300, "delay_s": 1.0}
LOADED = 10_000
PROBES = 50


def measure(rounds: int) -> list[Figure]:
    fast = interleaved(rounds, {on: partial(fresh, "calls", as_job=on == "on", **FAST) for on in ("on", "off")})
    slow = interleaved(
        max(rounds // 2, 1), {on: partial(fresh, "calls", as_job=on == "on", **SLOW) for on in ("on", "off")}
    )
    alone = [fresh("engine") for _ in range(max(rounds // 2, 1))]
    idle = [fresh("start") for _ in range(rounds)]

    def walls(samples: list[Any]) -> list[float]:
        return [sample["wall_s"] for sample in samples]

    note = f"{FAST['count']} calls of 50 ms, {AT_ONCE} at once: ideally 2,000 a second"
    late, ms = "event loop late, p99,", partial(figure, unit="ms")
    return [
        ratio(
            "a job / in the foreground, fast calls, wall", walls(fast["on"]), walls(fast["off"]), bound=1.07, note=note
        ),
        ratio("a job / in the foreground, one-second calls, wall", walls(slow["on"]), walls(slow["off"]), bound=1.02),
        ms(f"{late} job with 100 one-second calls", [s["lag_p99_ms"] for s in slow["on"]], bound=20),
        ms(f"{late} job at full speed", [s["lag_p99_ms"] for s in fast["on"]]),
        ms(f"{late} the same in the foreground", [s["lag_p99_ms"] for s in fast["off"]]),
        ms("accept a job, p50", [s["accept_ms"] for s in alone], bound=10),
        ms("read a job's status, p50", [s["status_ms"] for s in alone], bound=1),
        ms("load 10,000 finished calls", [s["load_ms"] for s in alone], bound=500),
        ms("record 2,000 calls until all are committed", [s["record_ms"] for s in alone], bound=1_000),
        ms("jobs at the start of a server that has none, CPU", [s["ms"] for s in idle], bound=5),
        ms("the tool `jobs`, like any other tool, CPU", [s["tool_ms"] for s in idle]),
    ]


async def calls(as_job: bool, count: int, delay_s: float) -> dict[str, float]:
    """Wall of *count* calls, and how late the loop was meanwhile."""
    async with _app(delay_s) as app:
        await _run(app, 200, as_job=as_job)  # everything is imported and open
        late: list[float] = []
        watching = asyncio.create_task(_watch(late))
        started = time.perf_counter()
        await _run(app, count, as_job=as_job)
        wall_s = time.perf_counter() - started
        watching.cancel()
    return {"wall_s": wall_s, "lag_p99_ms": quantiles(late, n=100)[98] * 1_000}


async def engine() -> dict[str, float]:
    from core.jobs.sqlite import SQLiteJobs

    with tempfile.TemporaryDirectory() as folder:
        jobs = SQLiteJobs(Path(folder))
        await jobs.submit("count", {"prompt": "x" * 1_000})
        accept_s = await _median_s(lambda: jobs.submit("count", {"prompt": "x" * 1_000}))
        job = await jobs.claim(("count",))
        assert job is not None
        status_s = await _median_s(lambda: jobs.get(job.id))
        record_s = await _recorded(jobs, job, 2_000)
        await _recorded(jobs, job, LOADED)
        keys = [f"{LOADED}:{n}" for n in range(LOADED)]
        started = time.perf_counter()
        assert len(await jobs.memo(job.id, keys)) == LOADED
        load_s = time.perf_counter() - started
        await jobs.aclose()
    return {
        "accept_ms": accept_s * 1e3,
        "status_ms": status_s * 1e3,
        "load_ms": load_s * 1e3,
        "record_ms": record_s * 1e3,
    }


async def start() -> dict[str, float]:
    """CPU that jobs add to a server which has none: their modules, the tool, and the worker that waits."""

    import server.progress
    import tools.ask_one
    import tools.status

    started = time.process_time()
    import tools.jobs  # noqa: F401

    ms = (time.process_time() - started) * 1e3
    import ai.runs.app
    import server.mcp_server.adapter
    import server.mcp_server.app
    import server.mcp_server.reply
    import server.toolbox
    from core.config import Config

    for name in ("server.jobs.worker", "server.jobs.background"):
        ms += _import_ms(name)
    async with ai.runs.app.open_app(Config()) as app:
        started = time.process_time()
        recipe = next(recipe for recipe in server.toolbox.RECIPES if recipe.name == "jobs")
        server.mcp_server.adapter.as_tool(recipe, server.mcp_server.reply.LongResults())
        tool_ms = (time.process_time() - started) * 1e3
        started = time.process_time()
        async with server.jobs.worker.serving_jobs(app):
            await asyncio.sleep(0)
            ms += (time.process_time() - started) * 1e3
    return {"ms": ms, "tool_ms": tool_ms}


def _import_ms(name: str) -> float:
    """CPU of running the module's own code once more; what it imports is there."""
    started = time.process_time()
    importlib.reload(sys.modules[name])
    return (time.process_time() - started) * 1e3


@asynccontextmanager
async def _app(delay_s: float) -> AsyncIterator[App]:
    from pydantic import BaseModel

    from ai.client import AsyncAIClient, Emit
    from ai.providers.catalog import PROVIDERS
    from ai.roster.build import build_ai
    from ai.roster.key_lane import Key
    from ai.runs.app import open_app
    from core.config import AIConfig, Config, Defaults
    from core.values import Request, Response
    from server.jobs.worker import serving_jobs
    from server.toolbox import KINDS, Recipe

    class Waiting(AsyncAIClient):
        async def complete(self, request: Request, emit: Emit) -> Response:
            await asyncio.sleep(delay_s)
            return Response("an answer of some length " * 10, "waiting-1")

    class Count(BaseModel):
        n: int

        def markdown(self) -> str:
            return str(self.n)

    async def count(run: Any, n: int) -> Any:
        await run.ask_many([("a", Request.of(f"question {number}")) for number in range(n)])
        return Count(n=n)

    KINDS["count"] = Recipe(count, "Count", background=True)
    row = AIConfig(concurrency=AT_ONCE)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOOT_HOME"] = home
        async with open_app(Config()) as app:
            client: Any = Waiting()
            app.roster.seats["a"] = build_ai(
                "a",
                row,
                PROVIDERS["openai"],
                [Key("", "a", client, client)],
                defaults=Defaults(),
                find=lambda name: None,  # type: ignore[arg-type,return-value]
                buckets=app.roster.buckets,
            )
            client.close = lambda: None
            async with serving_jobs(app):
                yield app


async def _run(app: App, n: int, *, as_job: bool) -> None:
    from server.toolbox import KINDS

    if as_job:
        job = await app.jobs.submit("count", {"n": n})
        while not (job := await app.jobs.get(job.id)).over:
            await asyncio.sleep(0.01)
        assert (job.state, job.calls) == ("done", n), job
    else:
        async with app.run("count") as run:
            await KINDS["count"].run(run, n)


async def _watch(late: list[float]) -> None:
    """How much later than asked a sleep of 5 ms ends."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - started - 0.005)


async def _median_s(action: Callable[[], Awaitable[Any]]) -> float:
    taken = []
    for _ in range(PROBES):
        started = time.perf_counter()
        await action()
        taken.append(time.perf_counter() - started)
    return median(taken)


async def _recorded(jobs: Any, job: Job, count: int) -> float:
    """Seconds until the store has *count* further calls."""
    before = (await jobs.get(job.id)).calls
    started = time.perf_counter()
    for number in range(count):
        jobs.record(job.id, f"{count}:{number}", {"ai": "a", "text": "an answer of some length " * 10})
    while (await jobs.get(job.id)).calls < before + count:
        await asyncio.sleep(0.005)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure, rounds=5, workers=[calls, engine, start])
