"""What only the fleet's engine does to its tables; the rest is in `rows`. Each function runs inside a transaction.

`leased` is until when, by the server's clock, a running job belongs to its owner, and nobody else can take it up.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import LostJobError, UnknownJobError
from core.jobs import rows
from core.jobs.fleet.parts import cancel_parts, requeue_parts
from core.jobs.fleet.task_queue import LAST, defer
from core.jobs.states import CancelMode, JobState
from core.jobs.values import Job, JobClaim, JobResult
from core.stores.pg_connection import Connection

Line = tuple[str, str, str, float]
"""Job, key, value and time of a finished call."""
NOW = "extract(epoch FROM clock_timestamp())::float8"
_PASS_ON_S = 2.0


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody has the job, and may keep it for so many seconds."""

    seconds: float


def submit(
    connection: Connection, job: Job, arguments: str, kept_s: float | None, request_key: str | None = None
) -> Job:
    """Add *job*, or give the one that its person began with the same request.

    Args:
        kept_s: For how long its creator is to take it up itself, before it is for anybody; None: it is from the start.
    """
    accepted = rows.insert_job(connection, job, arguments, request_key)
    if accepted is job:
        _queue(connection, job, kept_s)
    return accepted


def _queue(connection: Connection, job: Job, kept_s: float | None) -> None:
    if kept_s is None:
        defer(connection, job.id, job.kind)
    else:
        defer(connection, job.id, job.kind, LAST, at=_now(connection) + kept_s)


def _now(connection: Connection) -> float:
    (now,) = connection.execute(f"SELECT {NOW}").fetchone() or (0.0,)
    return float(now)


def keep_calls(connection: Connection, lines: Sequence[Line]) -> None:
    """Keep the first value of each key, of jobs that still exist; what comes too late for a part, with its whole."""
    gone = _keep(connection, lines)
    if late := [(line[0].partition(".")[0], *line[1:]) for line in lines if line[0] in gone and "." in line[0]]:
        _keep(connection, late)


def note(connection: Connection, line: Line) -> bool:
    """Keep one value; False where there is one already. Only one of two that come at once is the first."""
    job, key, _, at = line
    keep_calls(connection, [line])
    found = connection.execute("SELECT at FROM calls WHERE job = ? AND key = ?", (job, key)).fetchone()
    return found is not None and float(found["at"]) == at


def _keep(connection: Connection, lines: Sequence[Line]) -> set[str]:
    """Which jobs there are not. The others' rows are locked, so that the numbers of a job's calls become visible in
    order, and no cursor skips one."""
    names = ("job", "key", "value", "at")
    # values are ASCII; what else there is stays as it is, for a database in SQL_ASCII knows no escapes
    texts = json.dumps([dict(zip(names, line, strict=True)) for line in lines], ensure_ascii=False)
    texts = texts.encode(errors="replace").decode()  # half of a pair in a name spoils nobody else's calls
    gone = connection.execute(
        "WITH fresh AS (SELECT * FROM json_to_recordset(?::json) AS f(job text, key text, value text, at float8)), "
        "locked AS (SELECT id FROM jobs WHERE id IN (SELECT job FROM fresh) ORDER BY id FOR UPDATE), "
        "kept AS (INSERT INTO calls (job, key, value, at) SELECT f.job, f.key, f.value, f.at FROM fresh f "
        "JOIN locked ON locked.id = f.job ON CONFLICT DO NOTHING RETURNING job, length(key) + length(value) AS size), "
        "sums AS (SELECT job, count(*) AS n, sum(size) AS size FROM kept GROUP BY job), "
        "counted AS (UPDATE jobs SET calls = calls + sums.n, bytes = bytes + sums.size FROM sums "
        "WHERE jobs.id = sums.job) "
        "SELECT DISTINCT job FROM fresh WHERE job NOT IN (SELECT id FROM locked)",
        (texts,),
    )
    return {row["job"] for row in gone}


def take(
    connection: Connection, id: str, me: str, now: float, lease_s: float, *, here: bool = False, fair_in_s: float = 0.0
) -> Job | Busy | None:
    """Take up a job that the queue has handed out; None where there is nothing to do for it any more.

    Args:
        here: Whether it runs in this process already.
        fair_in_s: When everybody has had the time to renew their leases; until then nobody loses a job.
    """
    query = f"SELECT state, owner, leased - {NOW} AS remains FROM jobs WHERE id = ? FOR UPDATE"  # noqa: S608 - ours
    found = connection.execute(query, (id,)).fetchone()
    if found is None or found["state"] not in ("queued", "running"):
        return None
    forgotten = found["owner"] == me and not here  # its commit arrived, and the answer to it did not
    if found["state"] == "running" and not forgotten:
        if found["remains"] > 0:
            return Busy(found["remains"])
        if here or fair_in_s:
            return Busy(lease_s if here else fair_in_s)
    return _taken(connection, id, me, now, lease_s)


def _taken(connection: Connection, id: str, me: str, now: float, lease_s: float) -> Job | None:
    connection.execute(f"UPDATE jobs SET reason = '', leased = {NOW} + ? WHERE id = ?", (lease_s, id))  # noqa: S608 - ours
    taken = rows.take_up(connection, rows.get(connection, id), me, now)
    if taken is None:
        cancel_parts(connection, id, "abort", now)
    return taken


def take_own(
    connection: Connection, me: str, kinds: Collection[str], held: Collection[str], now: float, lease_s: float
) -> Job | None:
    """Take up a job that was accepted here, or asked for here, and that nobody else has."""
    query = (
        "SELECT id FROM jobs WHERE kind = ANY(?) AND id <> ALL(?) AND ((state = 'queued' AND creator = ?) "
        "OR (state = 'running' AND owner = ?)) ORDER BY created FOR UPDATE SKIP LOCKED"
    )
    for row in connection.execute(query, ([*kinds], [*held], me, me)).fetchall():
        if taken := _taken(connection, row["id"], me, now, lease_s):
            return taken
    return None


def renew(connection: Connection, jobs: Sequence[Job], lease_s: float) -> dict[str, JobClaim]:
    """Renew the leases on *jobs*; who lost one meanwhile is told so, and renews nothing."""
    claims: dict[str, JobClaim] = {}
    for job in sorted(jobs, key=lambda job: job.id):
        query = f"UPDATE jobs SET leased = {NOW} + ? WHERE id = ? AND fence = ? AND state = 'running' RETURNING cancel"  # noqa: S608 - ours
        row = connection.execute(query, (lease_s, job.id, job.fence)).fetchone()
        claims[job.id] = JobClaim(row is not None, row["cancel"] if row is not None else None)
    return claims


def lapsed(connection: Connection) -> set[str]:
    """The jobs that are called running, though whoever had them is gone."""
    found = connection.execute(f"SELECT id FROM jobs WHERE state = 'running' AND leased < {NOW}")  # noqa: S608 - ours
    return {row["id"] for row in found}


def requeue(connection: Connection, id: str, me: str, kept_s: float | None, *, also_done: bool) -> Job:
    """Queue it again. With *kept_s*, for this process itself, also where it waits for somebody else already."""
    query = f"SELECT state, leased < {NOW} AS lapsed FROM jobs WHERE id = ? FOR UPDATE"  # noqa: S608 - ours
    before = connection.execute(query, (id,)).fetchone()
    job = rows.requeue(connection, id, me, also_done=also_done)
    if before is None:
        return job
    waits = before["state"] == "queued" or (before["state"] == "running" and before["lapsed"])
    if kept_s is not None and waits:
        query = "UPDATE jobs SET state = 'queued', owner = NULL, leased = 0, reason = '', creator = ? WHERE id = ?"
        connection.execute(query, (me, id))
    elif job.state == "queued" and not waits:
        _queue(connection, job, kept_s)
    job = rows.get(connection, id)
    if job.state == "queued":
        requeue_parts(connection, id, me)
    return job


def release(connection: Connection, job: Job) -> None:
    """Back into the queue, whose listeners are told at once."""
    rows.release(connection, job)
    connection.execute("UPDATE jobs SET leased = 0 WHERE id = ?", (job.id,))
    defer(connection, job.id, job.kind)


def give_back(connection: Connection, me: str) -> None:
    """Back into the queue with all that is still ours: also what this process took and was never told of."""
    for job in rows.jobs_where(connection, "state = 'running' AND owner = ?", (me,)):
        release(connection, job)


def pass_on(connection: Connection, job: Job, reason: str) -> None:
    """Back into the queue after a moment, for others, since it would only come back here."""
    rows.release(connection, job)
    connection.execute("UPDATE jobs SET leased = 0, creator = '', reason = ? WHERE id = ?", (reason, job.id))
    defer(connection, job.id, job.kind, at=_now(connection) + _PASS_ON_S)


def set_total(connection: Connection, id: str, fence: int, total: int) -> None:
    _own_update(connection, id, fence, "total = ?", total)


def set_progress(connection: Connection, id: str, fence: int, progress: Mapping[str, Any]) -> None:
    _own_update(connection, id, fence, "progress = ?", json.dumps(progress, ensure_ascii=False))


def _own_update(connection: Connection, id: str, fence: int, change: str, value: object) -> None:
    query = f"UPDATE jobs SET {change} WHERE id = ? AND fence = ? AND state = 'running' RETURNING id"  # noqa: S608 - ours
    if connection.execute(query, (value, id, fence)).fetchone() is None:
        raise LostJobError(f"Job {id} belongs to another process by now.")


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


def shown(job: Job, gone: Collection[str]) -> Job:
    """*job* as others see it: one whose owner is gone waits for the next."""
    return replace(job, state="queued", owner=None) if job.id in gone else job


def workers(connection: Connection, lease_s: float) -> int:
    """How many workers were heard of within *lease_s* seconds."""
    alive = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => ?)"
    (count,) = connection.execute(alive, (lease_s,)).fetchone() or (0,)
    return int(count)
