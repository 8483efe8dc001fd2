"""One look at everything: the machine, this process, its jobs, its AIs, and what went wrong in the last hour."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread

from ai.runs.app import App
from core.errors import StoreError
from core.jobs.jobs import done_here, may_exist
from server.monitoring import system
from server.monitoring.lag import LoopLag

STATES = ("queued", "running", "paused", "done", "failed", "cancelled")
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class AIVitals:
    """One AI: calls under way of so many that are allowed now, and why it rests, where it does."""

    name: str
    in_flight: int
    limit: int
    resting: str = ""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look. Shares from 0 to 1, seconds, bytes; None: that cannot be told."""

    at: float
    uptime_s: float
    cpu: float | None
    memory: float | None
    disk: float | None
    disk_free_bytes: int | None
    process_memory_bytes: int | None
    loop_lag_s: float | None
    """How late the event loop was in the last minute, at the 99th percentile."""
    jobs: Mapping[str, int] = field(default_factory=dict)
    """Of everybody, by state."""
    ais: tuple[AIVitals, ...] = ()
    calls: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    """Calls of the last hour, and those that failed, by kind."""
    problem: str | None = None
    """Why some of it could not be read."""

    @property
    def failed_share(self) -> float:
        """Of the calls of the last hour."""
        return sum(self.errors.values()) / self.calls if self.calls else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The figures for a reader, without anybody's words."""
        free = "" if self.disk_free_bytes is None else f", {self.disk_free_bytes / _MEGABYTE:,.0f} MB free"
        held = (
            "" if self.process_memory_bytes is None else f"; Moot holds {self.process_memory_bytes / _MEGABYTE:,.0f} MB"
        )
        late = "not measured here" if self.loop_lag_s is None else f"{self.loop_lag_s * 1_000:.0f} ms late (p99)"
        waiting = ", ".join(f"{count} {state}" for state, count in self.jobs.items() if count) or "none"
        busy = ", ".join(_told(one) for one in self.ais) or "none"
        wrong = ", ".join(f"{count} {kind}" for kind, count in self.errors.items()) or "none"
        lines = [
            f"Processor: {_percent(self.cpu)}",
            f"Memory: {_percent(self.memory)}{held}",
            f"Disk: {_percent(self.disk)}{free}",
            f"Event loop: {late}",
            f"Jobs: {waiting}",
            f"AIs: {busy}",
            f"Calls of the last hour: {self.calls}; errors: {wrong}",
        ]
        return [*lines, f"Not read: {self.problem}"] if self.problem else lines


class Recorder:
    """Looks at *app*. *lag* is where the event loop is measured, if it is."""

    def __init__(self, app: App, lag: LoopLag | None = None) -> None:
        self._app = app
        self._lag = lag

    async def look(self) -> Vitals:
        """How things stand now; what cannot be read is said, and the rest is there."""
        machine, memory = await anyio.to_thread.run_sync(lambda: (system.machine(), system.memory_bytes()))
        jobs, calls, errors, problem = dict.fromkeys(STATES, 0), 0, Counter[str](), None
        try:
            jobs = await jobs_by_state(self._app)
            calls, errors = await anyio.to_thread.run_sync(self._last_hour)
        except StoreError as error:
            problem = str(error)
        return Vitals(
            at=time.time(),
            uptime_s=round(time.time() - system.STARTED, 1),
            cpu=machine.cpu,
            memory=machine.memory,
            disk=machine.disk,
            disk_free_bytes=machine.disk_free_bytes,
            process_memory_bytes=memory,
            loop_lag_s=self._lag.quantile(0.99) if self._lag else None,
            jobs=jobs,
            ais=tuple(self._ais()),
            calls=calls,
            errors=errors,
            problem=problem,
        )

    def _last_hour(self) -> tuple[int, Counter[str]]:
        outcomes = self._app.ledger.outcomes(datetime.now(UTC) - timedelta(hours=1))
        failed = {kind: count for kind, count in outcomes.items() if kind not in ("ok", "cancelled")}
        return sum(outcomes.values()), Counter(failed)

    def _ais(self) -> list[AIVitals]:
        roster = self._app.roster
        return [_vitals(name, roster.seats[name]) for name in roster.seats if name not in roster.unlisted]


def _vitals(name: str, seat: Any) -> AIVitals:
    pause_s = min(lane.rate_limit.resting_s for lane in seat.lanes)
    resting = f"its provider asked for {pause_s:,.0f} s" if pause_s >= 1 else ""
    if not resting and seat.breaker.state != "closed":
        resting = "it failed repeatedly"
    return AIVitals(name, seat.concurrency.in_flight, seat.concurrency.limit, resting)


async def jobs_by_state(app: App) -> dict[str, int]:
    """How many jobs there are, of everybody, by their states.

    Raises:
        StoreError: They cannot be counted.
    """
    states = dict.fromkeys(STATES, 0)
    if not app.jobs.opened and done_here() and not await anyio.to_thread.run_sync(may_exist):
        return states
    return states | await (await app.jobs.engine()).counts()


def _told(one: AIVitals) -> str:
    rest = f", rests: {one.resting}" if one.resting else ""
    return f"{one.name} {one.in_flight}/{one.limit}{rest}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"
