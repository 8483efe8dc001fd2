"""What only the fleet's engine does to its tables; the rest is in `rows`. Each function runs inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import LostJobError, UnknownJobError
from core.jobs import rows
from core.jobs.fleet_queue import defer
from core.jobs.states import CancelMode, JobState
from core.jobs.values import Job, JobResult
from core.pg_connection import Connection

Line = tuple[str, str, str, float]
"""Job, key, value and time of a finished call."""

_PART_PRIORITY = -1
"""The parts of a big job come after everything that somebody may be waiting for."""


def submit(connection: Connection, job: Job, arguments: str) -> None:
    rows.insert_job(connection, job, arguments)
    defer(connection, job.id, job.kind)


def keep_calls(connection: Connection, lines: Sequence[Line]) -> None:
    """Keep the first value of each key, of jobs that still exist. Their rows are locked, so that the numbers of a
    job's calls become visible in order, and no cursor skips one."""
    names = ("job", "key", "value", "at")
    texts = json.dumps([dict(zip(names, line, strict=True)) for line in lines])
    connection.execute(
        "WITH fresh AS (SELECT * FROM json_to_recordset(?::json) AS f(job text, key text, value text, at float8)), "
        "locked AS (SELECT id FROM jobs WHERE id IN (SELECT job FROM fresh) ORDER BY id FOR UPDATE), "
        "kept AS (INSERT INTO calls (job, key, value, at) SELECT f.job, f.key, f.value, f.at FROM fresh f "
        "JOIN locked ON locked.id = f.job ON CONFLICT DO NOTHING RETURNING job, length(key) + length(value) AS size), "
        "sums AS (SELECT job, count(*) AS n, sum(size) AS size FROM kept GROUP BY job) "
        "UPDATE jobs SET calls = calls + sums.n, bytes = bytes + sums.size FROM sums WHERE jobs.id = sums.job",
        (texts,),
    )


def take(connection: Connection, id: str, entry: int, me: str, now: float) -> Job | None:
    """Take up the job of a queue *entry*; None where there is nothing to do for it any more."""
    found = connection.execute("SELECT state, entry FROM jobs WHERE id = ? FOR UPDATE", (id,)).fetchone()
    if found is None or found["state"] not in ("queued", "running"):
        return None
    if found["state"] == "running" and found["entry"] != entry:  # queued twice: cancelled and resumed in between
        return None
    connection.execute("UPDATE jobs SET entry = ? WHERE id = ?", (entry, id))
    taken = rows.take_up(connection, rows.get(connection, id), me, now)
    if taken is None:
        wake_parent(connection, id)
    return taken


def requeue(connection: Connection, id: str, me: str, *, also_done: bool) -> Job:
    before = connection.execute("SELECT state FROM jobs WHERE id = ? FOR UPDATE", (id,)).fetchone()
    job = rows.requeue(connection, id, me, also_done=also_done)
    if job.state == "queued" and before is not None and before["state"] != "queued":
        defer(connection, id, job.kind)
    for part in parts(connection, id):
        if part.state in ("paused", "failed", "cancelled") or (also_done and part.state == "done"):
            rows.requeue(connection, part.id, me, also_done=also_done)
            defer(connection, part.id, part.kind, _PART_PRIORITY)
    return job


def cancel(connection: Connection, id: str, mode: CancelMode, now: float) -> Job:
    """Cancel it and its parts; at once where it waits for them, since nobody runs it then."""
    found = connection.execute("SELECT state, owner FROM jobs WHERE id = ? FOR UPDATE", (id,)).fetchone()
    if found is None:
        raise UnknownJobError(id)
    if found["state"] == "running" and found["owner"] is None:
        rows.end(connection, id, "cancelled", "", now)
    job = rows.cancel(connection, id, mode, now)
    cancel_parts(connection, id, mode, now)
    wake_parent(connection, id)
    return job


def cancel_parts(connection: Connection, id: str, mode: CancelMode, now: float) -> None:
    open_parts = connection.execute(f"SELECT id FROM jobs WHERE parent = ? AND {rows.OPEN}", (id,))  # noqa: S608 - ours
    for row in open_parts.fetchall():
        rows.cancel(connection, row["id"], mode, now)


def spread(connection: Connection, id: str, kind: str, parts: Mapping[str, Any], me: str, now: float) -> None:
    """Queue *parts* of the job *id*, by their ids."""
    if connection.execute("SELECT 1 FROM jobs WHERE id = ? AND owner = ? FOR UPDATE", (id, me)).fetchone() is None:
        raise LostJobError(f"Job {id} belongs to another process by now.")
    for name, arguments in parts.items():
        rows.insert_job(connection, Job(name, kind, "queued", creator=me, created=now), rows.dump_arguments(arguments))
        connection.execute("UPDATE jobs SET parent = ? WHERE id = ?", (id, name))
        defer(connection, name, kind, _PART_PRIORITY)


def finish(
    connection: Connection, job: Job, state: JobState, result: JobResult | None, reason: str, now: float
) -> None:
    """End *job*. A second time, after a commit whose answer got lost, changes nothing."""
    found = connection.execute("SELECT state, fence FROM jobs WHERE id = ? FOR UPDATE", (job.id,)).fetchone()
    if found is not None and found["fence"] == job.fence and found["state"] == state:
        return
    rows.finish(connection, job, state, result, reason, now)
    if state in ("cancelled", "failed"):
        cancel_parts(connection, job.id, "abort", now)
    wake_parent(connection, job.id)


def workers(connection: Connection, lease_s: float) -> int:
    """How many workers were heard of within *lease_s* seconds."""
    alive = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => ?)"
    (count,) = connection.execute(alive, (lease_s,)).fetchone() or (0,)
    return int(count)


def parts(connection: Connection, id: str) -> list[Job]:
    return rows.jobs_where(connection, "parent = ?", (id,))


def park(connection: Connection, job: Job) -> None:
    """Let *job* wait without a worker until its parts are over."""
    rows.own(connection, job)
    connection.execute(
        "UPDATE jobs SET owner = NULL, entry = NULL, attempts = 0 WHERE id = ?",
        (job.id,),
    )
    _wake(connection, job.id)


def wake_parent(connection: Connection, id: str) -> None:
    """Queue the job that waits for the part *id*, when all of its parts are over."""
    row = connection.execute(
        "SELECT id FROM jobs WHERE id = (SELECT parent FROM jobs WHERE id = ?) FOR UPDATE", (id,)
    ).fetchone()
    if row is not None:
        _wake(connection, row["id"])


def _wake(connection: Connection, id: str) -> None:
    waits = "state = 'running' AND owner IS NULL"
    over = f"NOT EXISTS (SELECT 1 FROM jobs WHERE parent = ? AND state NOT IN {_SETTLED})"  # noqa: S608 - ours
    woken = connection.execute(
        f"UPDATE jobs SET state = 'queued' WHERE id = ? AND {waits} AND {over} RETURNING kind",  # noqa: S608 - ours
        (id, id),
    ).fetchone()
    if woken is not None:
        defer(connection, id, woken["kind"])


_SETTLED = "('done', 'failed', 'cancelled', 'paused')"
"""A part that is paused does not hold up its job, which then tells of it."""
