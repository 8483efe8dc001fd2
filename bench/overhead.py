"""What Moot costs on top of the SDK, in CPU time of the client's process.

The whole stack (Caller.call, all layers, events to one subscriber) against the bare SDK on a provider without latency.
A call: bound 1.10 times the SDK's plain, not streaming call, though Moot always streams. A streamed token: bound 0.5
times the SDK's own streaming, since that builds a model object per token where Moot reads the JSON. The cost per token
is the difference between long and one-token answers, so the call itself is not in it. Every sample is a process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from _measure import Figure, fake_provider, fresh, interleaved, main, ratio
from _subjects import SUBJECTS, Ask

CALLS, ANSWERS, TOKENS = 300, 20, 2_000
STREAMS, PIECES = 8, 250
SHORT, LONG = "tokens=1", f"tokens={TOKENS}"
SINGLY, SINGLY_SHORT = f"tokens={PIECES},gap=0.004", "tokens=1,gap=0.004"


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:

        def samples(worker: str, *subjects: str) -> dict[str, list[float]]:
            return interleaved(rounds, {s: partial(fresh, worker, base_url=base_url, subject=s) for s in subjects})

        call = samples("call", "moot", "sdk", "sdk_stream")
        burst = samples("burst_token", "moot", "sdk_stream")
        single = samples("single_token", "moot", "sdk_stream")
    return [
        ratio("a call / SDK's plain call, CPU", call["moot"], call["sdk"], bound=1.10),
        ratio("a call / SDK's streaming call, CPU", call["moot"], call["sdk_stream"]),
        ratio("a token of a burst / SDK's streaming, CPU", burst["moot"], burst["sdk_stream"], bound=0.5),
        ratio("a token arriving singly / SDK's streaming, CPU", single["moot"], single["sdk_stream"], bound=0.5),
    ]


async def call(base_url: str, subject: str) -> float:
    """CPU seconds of one call."""
    async with SUBJECTS[subject](base_url, [SHORT]) as ask:
        return await _cpu_s(partial(_in_turn, ask, SHORT, CALLS), warm_up=partial(_in_turn, ask, SHORT, 20)) / CALLS


async def burst_token(base_url: str, subject: str) -> float:
    """CPU seconds of one token, when the whole answer arrives at once."""
    async with SUBJECTS[subject](base_url, [SHORT, LONG]) as ask:
        long = await _cpu_s(partial(_in_turn, ask, LONG, ANSWERS), warm_up=partial(_in_turn, ask, LONG, 3))
        short = await _cpu_s(partial(_in_turn, ask, SHORT, ANSWERS), warm_up=partial(_in_turn, ask, SHORT, 3))
    return (long - short) / (ANSWERS * (TOKENS - 1))


async def single_token(base_url: str, subject: str) -> float:
    """CPU seconds of one token, when each arrives by itself on one of several streams."""
    async with SUBJECTS[subject](base_url, [SINGLY, SINGLY_SHORT]) as ask:
        short = await _cpu_s(partial(_at_once, ask, SINGLY_SHORT), warm_up=partial(_at_once, ask, SINGLY_SHORT))
        long = await _cpu_s(partial(_at_once, ask, SINGLY), warm_up=partial(_at_once, ask, SINGLY_SHORT))
    return (long - short) / (STREAMS * (PIECES - 1))


async def _cpu_s(work: Callable[[], Awaitable[None]], *, warm_up: Callable[[], Awaitable[None]]) -> float:
    await warm_up()
    started = time.process_time()
    await work()
    return time.process_time() - started


async def _in_turn(ask: Ask, model: str, times: int) -> None:
    for _ in range(times):
        assert await ask(model)


async def _at_once(ask: Ask, model: str) -> None:
    assert all(await asyncio.gather(*(ask(model) for _ in range(STREAMS))))


if __name__ == "__main__":
    main(measure, rounds=9, workers=[call, burst_token, single_token])
