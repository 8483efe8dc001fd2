"""Eight AIs asked at once cost the time of the slowest.

`Caller.call_many`, the path of the ask_many tool, to AIs that answer after 50, 100, ... 400 ms, against the 400 ms one
asked alone on the same path. Bound 1.05: parallel means the slowest alone, and 5 % for seven more requests. The time
of all eight asked one after the other (4.5 times the slowest) is what is saved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from _measure import Figure, fake_provider, figure, main, ratio
from _subjects import moot_config

DELAYS = [n * 0.05 for n in range(1, 9)]
SLOWEST = len(DELAYS) - 1


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:
        together, alone = asyncio.run(_rounds(base_url, rounds))
    return [
        ratio("eight AIs at once / the slowest alone, wall", together, alone, bound=1.05),
        figure("eight AIs at once / 400 ms, wall", [wall / DELAYS[SLOWEST] for wall in together]),
        figure("the slowest alone / 400 ms, wall", [wall / DELAYS[SLOWEST] for wall in alone]),
        figure("eight AIs at once / one after the other, wall", [wall / sum(DELAYS) for wall in together]),
    ]


async def _rounds(base_url: str, rounds: int) -> tuple[list[float], list[float]]:
    from ai.caller import Caller
    from ai.runs.app import open_app
    from core.values import Answer, Request

    async def wall_s(caller: Caller, ais: Sequence[int]) -> float:
        asks = [(f"ai{n}", Request.of("hello")) for n in ais]
        started = time.perf_counter()
        outcomes = await caller.call_many(asks)
        wall = time.perf_counter() - started
        assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
        return wall

    together, alone = [], []
    async with open_app(moot_config(base_url, [f"delay={delay}" for delay in DELAYS])) as app:
        await wall_s(app.caller, range(len(DELAYS)))  # imports the SDK, opens the connections
        for _ in range(rounds):
            together.append(await wall_s(app.caller, range(len(DELAYS))))
            alone.append(await wall_s(app.caller, [SLOWEST]))
    return together, alone


if __name__ == "__main__":
    main(measure, rounds=9)
