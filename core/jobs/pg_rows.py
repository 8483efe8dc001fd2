"""What only the fleet's engine does to its tables; the rest is in `rows`. Each function runs inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from core.errors import UnknownJobError
from core.jobs import rows
from core.jobs.fleet_queue import defer
from core.jobs.pg_parts import cancel_parts, requeue_parts
from core.jobs.states import CancelMode, JobState
from core.jobs.values import Job, JobResult
from core.pg_connection import Connection

Line = tuple[str, str, str, float]
"""Job, key, value and time of a finished call."""


def submit(connection: Connection, job: Job, arguments: str, to: str) -> None:
    """Args:
    to: The one process that shall do it while it lives, or nothing.
    """
    rows.insert_job(connection, job, arguments)
    defer(connection, job.id, job.kind, to=to)


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
    connection.execute("UPDATE jobs SET entry = ?, reason = '' WHERE id = ?", (entry, id))
    taken = rows.take_up(connection, rows.get(connection, id), me, now)
    if taken is None:
        cancel_parts(connection, id, "abort", now)
    return taken


def requeue(connection: Connection, id: str, me: str, to: str, *, also_done: bool) -> Job:
    """Queue it again. With *to*, a process that will do it itself, also where it waits for another one already."""
    before = connection.execute("SELECT state FROM jobs WHERE id = ? FOR UPDATE", (id,)).fetchone()
    job = rows.requeue(connection, id, me, also_done=also_done)
    if job.state == "queued" and before is not None and (before["state"] != "queued" or to):
        defer(connection, id, job.kind, to=to)
    if job.state == "queued":
        requeue_parts(connection, id, me)
    return job


def pass_on(connection: Connection, job: Job, reason: str) -> None:
    rows.release(connection, job)
    connection.execute("UPDATE jobs SET reason = ? WHERE id = ?", (reason, job.id))


def cancel(connection: Connection, id: str, mode: CancelMode, now: float) -> Job:
    """Cancel it and its parts."""
    if connection.execute("SELECT 1 FROM jobs WHERE id = ? FOR UPDATE", (id,)).fetchone() is None:
        raise UnknownJobError(id)
    job = rows.cancel(connection, id, mode, now)
    cancel_parts(connection, id, mode, now)
    return job


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


def workers(connection: Connection, lease_s: float) -> int:
    """How many workers were heard of within *lease_s* seconds."""
    alive = (
        "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => ?) "
        "AND id NOT IN (SELECT worker FROM apart)"
    )
    (count,) = connection.execute(alive, (lease_s,)).fetchone() or (0,)
    return int(count)
