"""A batch of 100,000 rows against a provider without latency on the same machine.

The whole thing as `moot batch` does it: the input read from a file, a job with every finished call in its journal, all
layers, the ledger, results written in order. Against a bare loop that sends the same prompts through the same client
(what `create_async_ai_client` gives), as many at once, and keeps nothing: the batch may take at most 1.25 times as
long, in slices that take turns. The same loop over the OpenAI SDK stands beside it. Peak memory of the process of the
large one: below 150 MB. MOOT_BENCH_ROWS makes it smaller for a quick look.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from _measure import Figure, exact, fake_provider, figure, fresh, interleaved, main, ratio

ROWS = int(os.environ.get("MOOT_BENCH_ROWS", "100000"))
SLICE = min(ROWS, 5_000)
WIDTH = 50
WARM = 200
MOST_MB = 150


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:
        samples = interleaved(
            rounds,
            {name: partial(fresh, name, base_url=base_url, rows=SLICE) for name in ("moot", "bare", "sdk")},
        )
        large = fresh("moot", base_url=base_url, rows=ROWS)
    walls = {name: [one["wall_s"] for one in found] for name, found in samples.items()}
    return [
        ratio(
            "a batch / a bare loop, wall", walls["moot"], walls["bare"], bound=1.25, note=f"{SLICE:,} rows, 50 at once"
        ),
        ratio("a batch / the SDK's own loop, wall", walls["moot"], walls["sdk"]),
        exact(f"peak memory over {ROWS:,} rows", large["peak_mb"], bound=MOST_MB, unit="MB"),
        exact(f"{ROWS:,} rows, rows a second", ROWS / large["wall_s"], unit="rows/s"),
        figure("a bare loop, rows a second", [SLICE / wall for wall in walls["bare"]], unit="rows/s"),
    ]


async def moot(base_url: str, rows: int) -> dict[str, float]:
    """Wall of the batch, and the most memory this process ever had."""
    from ai.runs.app import open_app
    from core.batch.input import BatchInput
    from server.jobs.worker import serving_jobs
    from tools.batching.spec import prepare
    from tools.batching.start import start_batch

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOOT_HOME"] = folder
        async with open_app(_config(base_url)) as app, serving_jobs(app):

            async def through(name: str, count: int) -> float:
                source, output = Path(folder, f"{name}.jsonl"), Path(folder, f"{name}.out.jsonl")
                with source.open("w") as file:
                    file.writelines(json.dumps({"prompt": _prompt(name, n)}) + "\n" for n in range(count))
                batch = prepare(BatchInput(source), output, ["gpt"], width=WIDTH)
                started = time.time()
                job = await start_batch(app.jobs, batch)
                while not (job := await app.jobs.get(job.id)).over:
                    await asyncio.sleep(0.1)
                assert job.finished is not None
                wall_s = job.finished - started  # when it really ended, not when we looked
                assert job.state == "done", job
                assert (job.progress["done"], job.progress["failed"]) == (count, 0), job
                return wall_s

            await through("warm", WARM)
            wall_s = await through("rows", rows)
    return {"wall_s": wall_s, "peak_mb": _peak_mb()}


async def bare(base_url: str, rows: int) -> dict[str, float]:
    """The same prompts through the same client, and nothing else."""
    from ai.runs.app import open_app

    async with open_app(_config(base_url)) as app:
        seat = app.roster.seat("gpt")
        seat.concurrency.widen(WIDTH)
        return await _looped(seat.generate, rows)


async def sdk(base_url: str, rows: int) -> dict[str, float]:
    """The same prompts through the OpenAI SDK as it comes."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def generate(prompt: str) -> object:
            return await client.chat.completions.create(
                model="tokens=3", messages=[{"role": "user", "content": prompt}]
            )

        return await _looped(generate, rows)


async def _looped(generate: Callable[[str], Awaitable[object]], rows: int) -> dict[str, float]:
    async def through(name: str, count: int) -> float:
        numbers = iter(range(count))

        async def work() -> None:
            for number in numbers:
                await generate(_prompt(name, number))

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(WIDTH)))
        return time.perf_counter() - started

    await through("warm", WARM)
    return {"wall_s": await through("rows", rows), "peak_mb": _peak_mb()}


def _config(base_url: str) -> Any:
    from core.config import AIConfig, Config

    return Config(rows={"gpt": AIConfig(provider="openai_compatible", base_url=base_url, model="tokens=3")})


def _prompt(name: str, number: int) -> str:
    return f"{name} {number}: " + "summarise this article in one sentence. " * 10


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_048_576 if sys.platform == "darwin" else 1_024)


if __name__ == "__main__":
    main(measure, rounds=5, workers=[moot, bare, sdk])
