"""100 articles of 2,000 words, one after the other and ten at a time.

Five seconds a call, scaled 1:100. The table of the idea this came from gives 8.3 times for ten at a time; the bound is
9.5 times, so the wall time may be at most 1 / 9.5 of the sequential one. Connections are opened before the clock
starts: they take as long whatever a call takes, and would weigh a hundred times too much here (with them: some 9.4).
"""

from __future__ import annotations

import asyncio
import time

from _measure import Figure, fake_provider, figure, interleaved, main, ratio

ARTICLES = 100
WORDS = 2_000
AT_ONCE = 10
CALL_S = 0.05
SPEED_UP = 9.5


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:
        samples = interleaved(
            rounds,
            {
                "one by one": lambda: asyncio.run(_work_through(base_url, 1)),
                "ten at a time": lambda: asyncio.run(_work_through(base_url, AT_ONCE)),
            },
        )
    ten, one = samples["ten at a time"], samples["one by one"]
    return [
        ratio("ten at a time / one by one, wall", ten, one, bound=1 / SPEED_UP),
        figure("speed-up", [slow / fast for slow, fast in zip(one, ten, strict=True)]),
        figure("ten at a time / the calls alone", [wall / (ARTICLES * CALL_S / AT_ONCE) for wall in ten]),
    ]


async def _work_through(base_url: str, at_once: int) -> float:
    """Seconds for all articles with *at_once* calls under way."""
    from ai.runs.app import open_app
    from core.config import AIConfig, Config
    from core.values import Answer, Request

    row = AIConfig(
        provider="openai_compatible", base_url=base_url, model=f"delay={CALL_S},tokens=50", concurrency=at_once
    )
    article = " ".join(f"word{number}" for number in range(WORDS))
    asks = [("gpt", Request.of(f"Article {number}: {article}")) for number in range(ARTICLES)]
    async with open_app(Config(rows={"gpt": row})) as app:
        await app.caller.call_many(asks[:at_once])  # imports and connections, which are not scaled, are on neither bill
        started = time.perf_counter()
        outcomes = await app.caller.call_many(asks)
        wall = time.perf_counter() - started
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    return wall


if __name__ == "__main__":
    main(measure, rounds=7)
