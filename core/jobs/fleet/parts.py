"""The parts of a job, in the database of a fleet: queued a few at a time, done by any worker, then taken back.

A part is a job of its own, with its own journal, until it is absorbed: its finished calls are the whole's from then
on, and nothing else is left of it. All of it waits while the database is away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from core.errors import LostJobError
from core.jobs import rows
from core.jobs.fleet.leases import Holds
from core.jobs.fleet.task_queue import defer
from core.jobs.states import CancelMode
from core.jobs.values import Job, part_id
from core.stores.pg_connection import Connection

T = TypeVar("T")

PRIORITY = -1
"""The parts of a big job come after everything that somebody may be waiting for."""

WHOLE = "parent IS NULL"
ABANDONED = (
    "NOT EXISTS (SELECT 1 FROM jobs whole WHERE whole.id = jobs.parent "
    "AND whole.state IN ('queued', 'running', 'paused'))"
)
"""Anything but a part that may still be absorbed."""


class Engine(Protocol):
    """What this needs of the engine it belongs to."""

    @property
    def owner(self) -> str: ...
    @property
    def holds(self) -> Holds: ...
    async def assured(self, job: str) -> None: ...
    async def read(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T: ...
    async def write(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T: ...
    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]: ...
    def clock(self) -> float: ...


class PostgresParts:
    """See `core.jobs.engine.Parts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, job: str, kind: str, arguments: Mapping[str, Any]) -> str | None:
        me, now, fence = self._engine.owner, self._engine.clock(), self._engine.holds.fence(job)
        part = Job(part_id(job), kind, "queued", creator=me, created=now)
        add = partial(_add, job=job, fence=fence, part=part, arguments=rows.dump_arguments(arguments))
        return part.id if await self._engine.write(add, patient=True) else None

    async def of(self, job: str) -> list[Job]:
        return await self._engine.read(partial(_own_parts, job=job, fence=self._engine.holds.fence(job)), patient=True)

    async def assured(self, job: str) -> None:
        await self._engine.assured(job)

    async def arguments(self, part: str) -> Mapping[str, Any]:
        return await self._engine.read(partial(_arguments, part=part), patient=True)

    async def values(self, part: str, keys: Collection[str]) -> dict[str, Any]:
        return await self._engine.memo(part, keys)

    async def absorb(self, part: str) -> None:
        job = part.rpartition(".")[0]
        absorb = partial(_absorb, job=job, fence=self._engine.holds.fence(job), part=part)
        await self._engine.write(absorb, patient=True)


def parts(connection: Connection, job: str) -> list[Job]:
    return rows.jobs_where(connection, "parent = ?", (job,))


def cancel_parts(connection: Connection, job: str, mode: CancelMode, now: float) -> None:
    """Cancel what is open of *job*. Locked: one that a worker takes up at this moment runs by then."""
    query = f"SELECT id FROM jobs WHERE parent = ? AND {rows.OPEN} ORDER BY id FOR UPDATE"  # noqa: S608 - ours
    for row in connection.execute(query, (job,)).fetchall():
        rows.cancel(connection, row["id"], mode, now)


def requeue_parts(connection: Connection, job: str, me: str) -> None:
    for part in parts(connection, job):
        if part.state in ("paused", "failed", "cancelled"):
            rows.requeue(connection, part.id, me, also_done=False)
            defer(connection, part.id, part.kind, PRIORITY)


def _own(connection: Connection, job: str, fence: int, *, lock: bool = True) -> Any:
    """The row of a job that is held with *fence*, locked.

    Raises:
        LostJobError: Another process owns the job by now.
    """
    mine = "SELECT cancel FROM jobs WHERE id = ? AND state = 'running' AND fence = ?"
    whole = connection.execute(f"{mine}{' FOR UPDATE' if lock else ''}", (job, fence)).fetchone()
    if whole is None:
        raise LostJobError(f"Job {job} belongs to another process by now.")
    return whole


def _own_parts(connection: Connection, job: str, fence: int) -> list[Job]:
    _own(connection, job, fence, lock=False)
    return parts(connection, job)


def _add(connection: Connection, job: str, fence: int, part: Job, arguments: str) -> bool:
    if _own(connection, job, fence)["cancel"] is not None:
        return False
    if connection.execute("SELECT 1 FROM jobs WHERE id = ?", (part.id,)).fetchone() is not None:
        return True  # the answer to its commit got lost
    rows.insert_job(connection, part, arguments)
    whose = "(SELECT person FROM jobs WHERE id = ?)"
    connection.execute(f"UPDATE jobs SET parent = ?, person = {whose} WHERE id = ?", (job, job, part.id))  # noqa: S608
    defer(connection, part.id, part.kind, PRIORITY)
    return True


def _arguments(connection: Connection, part: str) -> Mapping[str, Any]:
    row = connection.execute("SELECT arguments FROM texts WHERE job = ?", (part,)).fetchone()
    found: Mapping[str, Any] = json.loads(row["arguments"]) if row else {}
    return found


def _absorb(connection: Connection, job: str, fence: int, part: str) -> None:
    """The calls get new numbers, under the lock of the whole, so that no cursor of its readers skips one."""
    _own(connection, job, fence)
    connection.execute("SELECT 1 FROM jobs WHERE id = ? FOR UPDATE", (part,))  # no call of it is kept meanwhile
    connection.execute(
        "WITH kept AS (INSERT INTO calls (job, key, value, at) SELECT ?, key, value, at FROM calls "
        "WHERE job = ? ORDER BY seq ON CONFLICT DO NOTHING RETURNING length(key) + length(value) AS size), "
        "sums AS (SELECT count(*) AS n, COALESCE(sum(size), 0) AS size FROM kept) "
        "UPDATE jobs SET calls = calls + sums.n, bytes = bytes + sums.size FROM sums WHERE jobs.id = ?",
        (job, part, job),
    )
    for table, column in (("calls", "job"), ("texts", "job"), ("jobs", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (part,))  # noqa: S608 - ours
