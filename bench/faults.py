"""1,000 calls to a provider that fails 30 of 100 of them, in every way a provider can.

429 with Retry-After, 503, a connection reset before and after the headers, a stream that breaks off, silence. Bounds:
every call ends as an answer or as one error of ours; no request that the provider may have accepted arrives twice;
at most 1.2 times the requests of the same calls without faults.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field

from _measure import Figure, exact, main

CALLS = 1_000
CONCURRENCY = 50
FIRST_TOKEN_S = 1.0
KINDS = {"429": 8, "503": 6, "reset": 4, "reset after headers": 4, "cut": 4, "hang": 4}
"""Of 100 calls. The first two refuse a request, the others may have accepted it."""
REFUSALS = ("429", "503")


@dataclass
class FaultyProvider:
    """Fails the first request of a call as its plan says, and counts what arrived and what was accepted."""

    plan: dict[str, str]
    arrived: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                call = json.loads(await reader.readexactly(length))["messages"][-1]["content"]
                self.arrived[call] += 1
                fault = self.plan.get(call) if self.arrived[call] == 1 else None
                if fault not in REFUSALS:
                    self.accepted[call] += 1
                if not await _answer(fault, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def _answer(fault: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer or fail; False when the connection is over."""
    token = b'data: {"model": "m", "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": null}]}\n\n'
    stop = b'data: {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    match fault:
        case "429" | "503":
            wait = b"retry-after: 0.05\r\n" if fault == "429" else b""
            writer.write(b"HTTP/1.1 " + fault.encode() + b" X\r\n" + wait + b"content-length: 2\r\n\r\n{}")
        case "reset":
            writer.transport.abort()
            return False
        case "hang":
            await reader.read()  # until the client gives up
            return False
        case _:
            whole = token + stop
            size = len(whole) + (100 if fault == "reset after headers" else -len(stop) if fault == "cut" else 0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % size)
            writer.write(token if fault else whole)
            await writer.drain()
            if fault == "reset after headers":
                writer.transport.abort()
                return False
    await writer.drain()
    return True


async def wave(plan: dict[str, str]) -> tuple[FaultyProvider, Counter[str]]:
    """All calls against a provider that follows *plan*, and how each of them ended."""
    from ai.runs.app import open_app
    from core.config import AIConfig, Config, Defaults
    from core.values import Failure, Request

    provider = FaultyProvider(plan)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    row = AIConfig(
        provider="openai_compatible", base_url=f"http://127.0.0.1:{port}/v1", model="m", concurrency=CONCURRENCY
    )
    config = Config(rows={"gpt": row}, defaults=Defaults(first_token_timeout=FIRST_TOKEN_S))
    async with open_app(config) as app:
        asks = [("gpt", Request.of(call)) for call in calls()]
        outcomes = await app.caller.call_many(asks)
    server.close()
    return provider, Counter(o.error.kind if isinstance(o, Failure) else "answer" for o in outcomes)


def calls() -> list[str]:
    return [f"call-{number}" for number in range(CALLS)]


def measure(rounds: int) -> list[Figure]:
    chance = random.Random(7)
    faults = [kind for kind, share in KINDS.items() for _ in range(share * CALLS // 100)]
    plan = dict(zip(chance.sample(calls(), len(faults)), faults, strict=True))
    smooth, _ = asyncio.run(wave({}))
    rough, ended = asyncio.run(wave(plan))
    requests = rough.arrived.total() / smooth.arrived.total()
    twice = sum(count > 1 for count in rough.accepted.values())
    retried = sum(rough.arrived[call] > 1 for call, fault in plan.items() if fault in REFUSALS)
    return [
        exact("calls that ended as an answer or one error", ended.total(), bound=None, unit="calls"),
        exact("calls that did not end", CALLS - ended.total(), bound=0, unit="calls"),
        exact("requests accepted twice", twice, bound=0, unit="calls"),
        exact("requests / requests without faults", requests, bound=1.2, unit="x"),
        exact("answers", ended["answer"], unit="calls"),
        exact("refusals that were tried again", retried, unit="calls"),
        *[exact(f"ended as {kind}", count, unit="calls") for kind, count in ended.most_common() if kind != "answer"],
    ]


if __name__ == "__main__":
    main(measure, rounds=1)
