"""What the usage ledger and the metrics cost, and rate limits and a budget on top of them.

CPU of a call with all of them, and with ledger and metrics alone (whole process, the stores' writer threads included)
against the bare SDK's plain call, bound 1.25, and against the same call without any sink. And how long ledger and
metrics hold up an answer: the time that all sinks together take inline for the events of one call, while the writer
thread commits; bound 5 ms at the 99th percentile. Nobody exports, as it is for almost everybody. The provider answers
at once, so this is the most commits there can be.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from _measure import Figure, fake_provider, figure, fresh, interleaved, main, ratio
from _subjects import PROMPT, moot_config, sdk

if TYPE_CHECKING:
    from core.config import Config

SUBJECTS = ("everything", "on", "off", "sdk")
CALLS, WARM_UP, AT_ONCE = 600, 30, 10
MODEL = "tokens=5"


def measure(rounds: int) -> list[Figure]:
    with fake_provider() as base_url:
        subjects = {name: partial(fresh, "calls", base_url=base_url, subject=name) for name in SUBJECTS}
        samples = interleaved(rounds, subjects)
    cpu = {name: [sample["cpu_s"] for sample in found] for name, found in samples.items()}
    delays = [sample["delay_p99_ms"] for sample in samples["on"]]
    note = f"{CALLS} calls, {AT_ONCE} at a time"
    return [
        ratio(
            "a call with limits, budget, ledger and metrics / SDK's plain call, CPU",
            cpu["everything"],
            cpu["sdk"],
            bound=1.25,
        ),
        ratio("a call with ledger and metrics / SDK's plain call, CPU", cpu["on"], cpu["sdk"], bound=1.25, note=note),
        ratio("a call with ledger and metrics / without, CPU", cpu["on"], cpu["off"]),
        figure("an answer is held up by ledger and metrics, 99th percentile", delays, bound=5.0, unit="ms"),
    ]


async def calls(base_url: str, subject: str) -> dict[str, float]:
    """CPU seconds of a call, and what its events cost inline."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOOT_HOME"] = home
        if subject == "sdk":
            async with sdk(base_url, [MODEL]) as ask:
                return {"cpu_s": await _cpu_s(partial(ask, MODEL)), "delay_p99_ms": 0.0}
        found = await _moot(base_url, recorded=subject != "off", limited=subject == "everything")
        assert (Path(home) / "moot.db").exists() is (subject != "off")
        assert (Path(home) / "budget.db").exists() is (subject == "everything")
        return found


async def _moot(base_url: str, *, recorded: bool, limited: bool) -> dict[str, float]:
    import opentelemetry.metrics
    import opentelemetry.trace  # noqa: F401 - as in the server, where mcp imports it: the metrics are live

    from ai.runs.app import open_app
    from core.values import Answer, Request

    config = moot_config(base_url, [MODEL])
    async with open_app(_limited(config) if limited else config) as app:
        sinks = _Sinks(list(app.bus._sinks))
        app.bus._sinks[:] = [sinks] if recorded else []

        async def ask() -> None:
            assert isinstance(await app.caller.call("ai0", Request.of(PROMPT)), Answer)

        cpu_s = await _cpu_s(ask)
        p99_s = quantiles(list(sinks.spent_s.values())[WARM_UP:], n=100)[98] if recorded else 0.0
    return {"cpu_s": cpu_s, "delay_p99_ms": p99_s * 1_000}


def _limited(config: Config) -> Config:
    """The same with rate limits and a budget, both so wide that nothing ever waits."""
    from core.config import BudgetLimits, Defaults

    wide = {"rpm": 10_000_000, "tpm": 100_000_000_000}
    rows = {name: row.model_copy(update=wide) for name, row in config.rows.items()}
    budget = BudgetLimits(per_day_usd=1_000_000, per_day_tokens=1_000_000_000_000, unknown_price="allow")
    return replace(config, rows=rows, defaults=Defaults(budget=budget))


class _Sinks:
    """All sinks as one, which adds up what they take for each call."""

    def __init__(self, sinks: list[Callable[[Any], None]]) -> None:
        self._sinks = sinks
        self.spent_s: dict[str, float] = {}

    def __call__(self, event: Any) -> None:
        started = time.perf_counter()
        for sink in self._sinks:
            sink(event)
        call = getattr(event, "call", "")
        self.spent_s[call] = self.spent_s.get(call, 0.0) + time.perf_counter() - started


async def _cpu_s(ask: Callable[[], Awaitable[Any]]) -> float:
    async def in_turn(times: int) -> None:
        for _ in range(times):
            await ask()

    await in_turn(WARM_UP)
    started = time.process_time()
    await asyncio.gather(*(in_turn(CALLS // AT_ONCE) for _ in range(AT_ONCE)))
    return (time.process_time() - started) / CALLS


if __name__ == "__main__":
    main(measure, rounds=7, workers=[calls])
