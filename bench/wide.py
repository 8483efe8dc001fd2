"""Many calls in flight through one AI.

256 calls of 200 ms against the bare SDK with its defaults, wall time. Bound 1.0: with its layers, events and streamed
answers Moot must not be slower than the SDK alone.
1,000 calls of 2 s: bound 1.6 times those 2 s, and every one must be answered. The SDK's own pool needs about 6 s here,
and on a loaded machine loses most of them to its connect timeout.
Every sample is a process of its own; both sides have answered one call before the clock starts.
"""

from __future__ import annotations

import asyncio
import resource
import time
from functools import partial
from typing import Any

from _measure import Figure, exact, fake_provider, figure, fresh, interleaved, main, ratio
from _subjects import SUBJECTS

MODERATE = {"calls": 256, "delay": 0.2}
HUGE = {"calls": 1_000, "delay": 2.0}
_WHO = ("moot", "sdk")


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:

        def waves(size: dict[str, float]) -> dict[str, list[Any]]:
            return interleaved(rounds, {s: partial(fresh, "wave", base_url=base_url, subject=s, **size) for s in _WHO})

        moderate, huge = waves(MODERATE), waves(HUGE)
    return [
        ratio("256 calls of 200 ms, wall / SDK", *_both(moderate, "wall"), bound=1.0),
        ratio("256 calls of 200 ms, CPU / SDK", *_both(moderate, "cpu")),
        figure("256 calls of 200 ms, wall / 200 ms", [one["wall"] / 0.2 for one in moderate["moot"]]),
        figure("1,000 calls of 2 s, wall / 2 s", [one["wall"] / 2.0 for one in huge["moot"]], bound=1.6),
        figure("1,000 calls of 2 s, the SDK's wall / 2 s", [one["wall"] / 2.0 for one in huge["sdk"]]),
        _failed("1,000 calls of 2 s, failed", huge["moot"], bound=0),
        _failed("1,000 calls of 2 s, failed in the SDK", huge["sdk"], bound=None),
        ratio("1,000 calls of 2 s, CPU / SDK", *_both(huge, "cpu")),
    ]


def _both(samples: dict[str, list[Any]], what: str) -> tuple[list[float], list[float]]:
    return [one[what] for one in samples["moot"]], [one[what] for one in samples["sdk"]]


def _failed(name: str, samples: list[Any], *, bound: float | None) -> Figure:
    """The worst round counts, not the median."""
    return exact(name, max(one["failed"] for one in samples), bound=bound, unit="calls")


async def wave(base_url: str, subject: str, calls: int, delay: float) -> dict[str, float]:
    """Seconds on the clock and on the CPU for *calls* at once, and how many of them failed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    model = f"delay={delay},tokens=5"
    async with SUBJECTS[subject](base_url, [model, "tokens=1"]) as ask:
        await ask("tokens=1")
        cpu, started = time.process_time(), time.perf_counter()
        replies = await asyncio.gather(*(ask(model) for _ in range(calls)), return_exceptions=True)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "failed": sum(reply != "tok " * 5 for reply in replies)}


if __name__ == "__main__":
    main(measure, rounds=7, workers=[wave])
