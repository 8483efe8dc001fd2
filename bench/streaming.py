"""How fast the first token gets through, and how much memory an answer takes.

Delay: from the moment the transport hands over the first bytes of an answer to the moment a subscriber of the bus has
its token, with one call at a time and beside 50 streams of 20 tokens a second. Bound 5 ms: a reader sees nothing below
20 ms, and a tool is not the only thing between the AI and the eye. The SDK's own streaming over the same transport is
the comparison.
Memory: the peak of traced allocations during a 2,000-token answer, less that of a one-token answer (asyncio takes a
buffer of 256 KiB for every read, however little arrives), over the answer's size in bytes. Bound 20 when the tokens
arrive singly: a piece of 4 letters is an object of 53 bytes, and it is held as pieces and as text. A burst has no
bound: its wire form alone is 37 times its text.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from _measure import Figure, fake_provider, figure, fresh, interleaved, main, ratio
from _subjects import PROMPT, SUBJECTS, Ask, moot_config

if TYPE_CHECKING:
    from core.events import Subscription

PROBES = 200
LOADED_STREAMS = 50
PROBE, LOAD = "tokens=3,gap=0.002", "tokens=1000000,gap=0.05"
TOKENS = 2_000
BURST, SINGLY = f"tokens={TOKENS}", f"tokens={TOKENS},gap=0.0005"
_WARM_UP = 5
_MEMORY_ROUNDS = 3
"""Allocations hardly vary."""
BOUND_MS, BOUND_SIZES = 5.0, 20.0


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:

        def delays(streams: int) -> dict[str, list[dict[str, float]]]:
            return interleaved(
                rounds, {s: partial(fresh, "first_token", base_url=base_url, subject=s, streams=streams) for s in _WHO}
            )

        def peaks(model: str, short: str) -> dict[str, list[dict[str, float]]]:
            asked = {"base_url": base_url, "model": model, "short": short}
            return interleaved(_MEMORY_ROUNDS, {s: partial(fresh, "memory", subject=s, **asked) for s in _WHO})

        idle, loaded = delays(0), delays(LOADED_STREAMS)
        burst, singly = peaks(BURST, "tokens=1"), peaks(SINGLY, "tokens=1,gap=0.0005")
    return [
        *_delay_figures("one call", idle, bound_p99=BOUND_MS),
        *_delay_figures(f"beside {LOADED_STREAMS} streams", loaded, bound_p99=None),
        *_memory_figures("2,000 tokens arriving singly", singly, bound=BOUND_SIZES),
        *_memory_figures("a burst of 2,000 tokens", burst, bound=None),
    ]


_WHO = ("moot", "sdk_stream")


def _delay_figures(
    where: str, samples: dict[str, list[dict[str, float]]], *, bound_p99: float | None
) -> Iterator[Figure]:
    ours, sdks = samples["moot"], samples["sdk_stream"]
    name = f"first token, {where}"
    yield figure(f"{name}, p50", [one["p50"] for one in ours], bound=BOUND_MS, unit="ms")
    yield figure(f"{name}, p99", [one["p99"] for one in ours], bound=bound_p99, unit="ms")
    yield ratio(f"{name}, p50 / SDK's streaming", [one["p50"] for one in ours], [one["p50"] for one in sdks])


def _memory_figures(what: str, samples: dict[str, list[dict[str, float]]], *, bound: float | None) -> Iterator[Figure]:
    ours, sdks = ([one["grown"] for one in samples[who]] for who in _WHO)
    yield figure(f"memory of {what} / their size", ours, bound=bound)
    yield ratio(f"memory of {what} / SDK's streaming", ours, sdks)
    yield figure(f"memory of {what}, with the fixed cost of a call", [one["peak"] for one in samples["moot"]])


class StampingTransport(httpx2.AsyncBaseTransport):
    """The product's transport, noting when each body of a probe hands over its first bytes."""

    def __init__(self) -> None:
        from ai.wire.transport import AiohttpTransport

        self._inner = AiohttpTransport()
        self.first_bytes: list[float] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = await self._inner.handle_async_request(request)
        if PROBE.encode() in request.content:
            assert isinstance(reply.stream, httpx2.AsyncByteStream)
            reply.stream = _StampedBody(reply.stream, self.first_bytes)
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()


class _StampedBody(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, stamps: list[float]) -> None:
        self._inner = inner
        self._stamps = stamps

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stamped = False
        async for chunk in self._inner:
            if not stamped:
                stamped = True
                self._stamps.append(time.perf_counter())
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def first_token(base_url: str, subject: str, streams: int) -> dict[str, float]:
    """Milliseconds from the first bytes to the first token in the reader's hands."""
    transport = StampingTransport()
    received: list[float] = []
    async with _PROBED[subject](base_url, transport, received) as ask:
        others = [asyncio.create_task(ask(LOAD)) for _ in range(streams)]
        await asyncio.sleep(1.0 if streams else 0.0)
        for _ in range(PROBES + _WARM_UP):
            await ask(PROBE)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    pairs = list(zip(transport.first_bytes, received, strict=True))[_WARM_UP:]
    delays = [(after - before) * 1000 for before, after in pairs]
    return {"p50": median(delays), "p99": quantiles(delays, n=100)[98]}


@asynccontextmanager
async def _probed_moot(base_url: str, transport: StampingTransport, received: list[float]) -> AsyncIterator[Ask]:
    from ai.runs.app import open_app
    from ai.wire.transport import SharedHTTP
    from core.values import Request

    names = {PROBE: "ai0", LOAD: "ai1"}
    async with open_app(moot_config(base_url, list(names)), http=SharedHTTP(transport)) as app:

        async def ask(model: str) -> str:
            return repr(await app.caller.call(names[model], Request.of(PROMPT)))

        with app.bus.subscribe() as events:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_note_first_tokens, events, names[PROBE], received)
                yield ask
                events.close()


async def _note_first_tokens(events: Subscription, ai: str, received: list[float]) -> None:
    """Be a view: read everything, and note the time of the first token of each call to *ai*."""
    from core.events import CallStarted, Token

    waiting = ""
    async for event in events:
        if isinstance(event, CallStarted) and event.ai == ai:
            waiting = event.call
        elif isinstance(event, Token) and event.call == waiting:
            received.append(time.perf_counter())
            waiting = ""


@asynccontextmanager
async def _probed_sdk(base_url: str, transport: StampingTransport, received: list[float]) -> AsyncIterator[Ask]:
    import openai

    http = httpx2.AsyncClient(transport=transport, timeout=None)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", http_client=http) as client:

        async def ask(model: str) -> str:
            messages: list[Any] = [{"role": "user", "content": PROMPT}]
            first = model == PROBE
            async for _ in await client.chat.completions.create(model=model, messages=messages, stream=True):
                if first:
                    received.append(time.perf_counter())
                    first = False
            return ""

        yield ask


_PROBED = {"moot": _probed_moot, "sdk_stream": _probed_sdk}


async def memory(base_url: str, subject: str, model: str, short: str) -> dict[str, float]:
    """The peak of traced memory during an answer, over its size: as it is, and beyond that of a one-token answer."""
    tracemalloc.start()
    async with SUBJECTS[subject](base_url, [model, short]) as ask:
        size = len((await ask(model)).encode())
        await ask(short)
        whole, fixed = [median([await _peak(ask, which) for _ in range(3)]) for which in (model, short)]
    return {"grown": (whole - fixed) / size, "peak": whole / size}


async def _peak(ask: Ask, model: str) -> int:
    gc.collect()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    await ask(model)
    _, peak = tracemalloc.get_traced_memory()
    return peak - before


if __name__ == "__main__":
    main(measure, rounds=7, workers=[first_token, memory])
