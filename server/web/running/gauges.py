"""How things stand in this process, read off every few seconds and whenever somebody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread

from core.errors import StoreError
from server.monitoring import system
from server.monitoring.recorder import Recorder, Vitals
from server.side_tasks import tasks_beside
from server.web.house import House
from server.web.running.metrics import Metrics

_EVERY_S = 2.0
_QUANTILES = (0.5, 0.99, 1.0)


class Gauges:
    """Figures of *house* that nobody tells of; they are kept in *metrics*."""

    def __init__(self, house: House, metrics: Metrics) -> None:
        self._house = house
        self._metrics = metrics
        self._cpu_s = 0.0
        gauge = metrics.gauge
        self._limit = gauge("moot_ai_concurrency", "Calls that an AI is sent at once now, at most.", ("ai",))
        self._ceiling = gauge("moot_ai_concurrency_ceiling", "Calls that an AI may be sent at once.", ("ai",))
        self._waiting = gauge("moot_calls_waiting", "Calls that wait: for a slot, their turn, or to be tried again.")
        self._streams = gauge("moot_event_streams", "Event streams that are open.")
        self._processes = gauge("moot_processes", "Processes that serve.")
        self._lag = gauge(
            "moot_loop_lag_seconds",
            "How late the event loop was in the last minute; of several, the latest.",
            ("quantile",),
            "livemax",
        )
        self._memory = gauge("process_resident_memory_bytes", "Memory of the server's processes.")
        self._files = gauge("process_open_fds", "Open files and connections of the server's processes.")
        self._started = gauge(
            "process_start_time_seconds", "When the oldest of the server's processes began.", (), "livemin"
        )

    @asynccontextmanager
    async def open(self, house: House) -> AsyncIterator[None]:
        """Read them off while the block runs."""
        seats = house.app.roster.seats
        self._metrics.expect(seats, [seat.model for seat in seats.values()])
        self._started.set(system.STARTED)
        self._processes.set(1)
        await self.read()
        async with tasks_beside() as tasks:
            tasks.start_soon(self._keep_reading)
            yield

    async def read(self) -> None:
        """Read them off now."""
        roster = self._house.app.roster
        for name in [name for name in roster.seats if name not in roster.unlisted]:
            concurrency = roster.seats[name].concurrency
            self._limit.labels(name).set(concurrency.limit)
            self._ceiling.labels(name).set(concurrency.ceiling)
        sent = sum(seat.concurrency.in_flight for seat in roster.seats.values())
        self._waiting.set(max(0, self._metrics.under_way - sent))
        self._streams.set(self._house.hub.watching)
        for share in _QUANTILES:
            if (late := self._house.lag.quantile(share)) is not None:
                self._lag.labels(f"{share:g}").set(late)
        memory, files, used = await anyio.to_thread.run_sync(_of_this_process)
        self._memory.set(memory or 0)
        self._files.set(files or 0)
        self._metrics.cpu.inc(max(0.0, used - self._cpu_s))
        self._cpu_s = used

    async def _keep_reading(self) -> None:
        while True:
            await anyio.sleep(_EVERY_S)
            await self.read()


def _of_this_process() -> tuple[int | None, int | None, float]:
    return system.memory_bytes(), system.open_files(), system.cpu_s()


async def of_the_store(house: House) -> Any:
    """A registry with what is the same for all processes: the jobs and calls of everybody, and the machine.

    Raises:
        StoreError: It cannot be read.
    """
    from prometheus_client import CollectorRegistry

    vitals = await Recorder(house.app, house.lag).look()
    if vitals.problem:
        raise StoreError(vitals.problem)
    registry = CollectorRegistry()
    registry.register(_Read(vitals))
    return registry


class _Read:
    """Figures as they were read."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        jobs = GaugeMetricFamily("moot_jobs", "Jobs of everybody.", labels=("state",))
        for state, count in self._vitals.jobs.items():
            jobs.add_metric((state,), count)
        yield jobs
        for name, about, value in (
            ("moot_calls_last_hour", "Calls of everybody in the last hour.", self._vitals.calls),
            ("moot_errors_last_hour", "Those of them that failed.", sum(self._vitals.errors.values())),
            ("moot_disk_free_bytes", "What is free where the data folder is.", self._vitals.disk_free_bytes),
            ("moot_machine_cpu_ratio", "Share of all processors in use.", self._vitals.cpu),
            ("moot_machine_memory_ratio", "Share of the memory in use.", self._vitals.memory),
            ("moot_machine_disk_ratio", "Share of the disk in use where the data folder is.", self._vitals.disk),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, about, value=value)
