"""A thousand calls at once against a provider that enforces 600 requests and 60,000 tokens per minute.

The provider keeps its own buckets, tells their state in its headers and answers 429 beyond them; a call takes 100 of
its tokens, so that both limits bind. Nothing is configured on our side: the limits are learned from the first response.
Bounds: no 429 at all, and at least 95% of what the provider would have let through in the same time (its full buckets
plus what flows in), with one process and with four that share the key. Nothing is scaled; it takes the 42 s it must.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from _measure import Figure, exact, fake_provider, figure, fresh, main

CALLS = 1_000
RPM = 600
TPM = 60_000
TOKENS = 100
_PROMPT_TOKENS = 7
_PROCESSES = (1, 4)


def measure(rounds: int) -> list[Figure]:
    samples: dict[int, list[dict[str, Any]]] = {count: [] for count in _PROCESSES}
    for _ in range(rounds):
        with ThreadPoolExecutor() as pool:  # side by side: both only wait
            for count, sample in zip(_PROCESSES, pool.map(share, _PROCESSES), strict=True):
                samples[count].append(sample)
    return [line for count in _PROCESSES for line in _figures(count, samples[count])]


def _figures(processes: int, samples: list[dict[str, Any]]) -> list[Figure]:
    who = f"{CALLS:,} calls from {processes} {'process' if processes == 1 else 'processes'}"
    took = f"{samples[0]['span_s']:.1f} s"
    return [
        exact(f"{who}, answered 429", max(s["refused"] for s in samples), bound=0, unit="calls"),
        exact(f"{who}, failed", max(s["failed"] for s in samples), bound=0, unit="calls"),
        figure(f"{who}, allowed / done", [1 / s["share"] for s in samples], bound=1 / 0.95, note=took),
    ]


def share(processes: int) -> dict[str, Any]:
    """What a provider of its own says after *processes* have made all the calls between them."""
    with fake_provider() as base_url, tempfile.TemporaryDirectory() as home, ThreadPoolExecutor() as pool:

        def one(number: int) -> int:
            return int(fresh("burst", base_url=base_url, home=home, calls=CALLS // processes))

        failed = sum(pool.map(one, range(processes)))
        with urllib.request.urlopen(f"{base_url}/tally") as reply:
            tally = json.load(reply)
    span_s = tally["span_s"]
    allowed = min(RPM + RPM / 60 * span_s, (TPM + TPM / 60 * span_s) / TOKENS)
    return {"failed": failed, "share": tally["accepted"] / allowed, **tally}


async def burst(base_url: str, home: str, calls: int) -> int:
    """How many of *calls* at once failed."""
    import os

    os.environ["MOOT_HOME"] = home
    from ai.client import ignore
    from ai.roster.roster import Roster
    from core.config import AIConfig, Config
    from core.values import Request

    model = f"tokens={TOKENS - _PROMPT_TOKENS},rpm={RPM},tpm={TPM}"
    row = AIConfig.model_validate(
        {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-1234567", "model": model}
    )
    roster = Roster.open(Config({"gpt": row}))
    seat = roster.seat("gpt")
    replies = await asyncio.gather(
        *(seat.complete(Request.of("What is seven?"), ignore) for _ in range(calls)), return_exceptions=True
    )
    await roster.aclose()
    return sum(isinstance(reply, BaseException) for reply in replies)


if __name__ == "__main__":
    main(measure, rounds=1, workers=[burst])
