"""What the embedded engine does to its tables: functions on a connection, each run inside a transaction or a read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.errors import InvalidInputError, LostJobError, UnknownJobError
from core.jobs.states import CancelMode, JobState
from core.jobs.values import MOST_ATTEMPTS, WORN_OUT, Claim, Job, JobResult, KeptCall

_COLUMNS = "id, kind, state, reason, creator, owner, fence, attempts, cancel, calls, total, created, started, finished"
_MOST_VARIABLES = 500
_OPEN = "state IN ('queued', 'running')"
_CANDIDATES = 200
_MOST_PAGES = 50_000


def insert_job(connection: sqlite3.Connection, job: Job, arguments: str) -> None:
    connection.execute(
        "INSERT INTO jobs (id, kind, state, creator, created, bytes) VALUES (?, ?, 'queued', ?, ?, ?)",
        (job.id, job.kind, job.creator, job.created, len(arguments)),
    )
    connection.execute("INSERT INTO texts (job, arguments) VALUES (?, ?)", (job.id, arguments))


def get(connection: sqlite3.Connection, id: str) -> Job:
    row = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone()  # noqa: S608 - ours
    if row is None:
        raise UnknownJobError(id)
    return Job(**row)


def result(connection: sqlite3.Connection, id: str) -> JobResult | None:
    row = connection.execute("SELECT result FROM texts WHERE job = ?", (id,)).fetchone()
    if row is None:
        raise UnknownJobError(id)
    return JobResult(**json.loads(row["result"])) if row["result"] else None


def list_jobs(connection: sqlite3.Connection, states: Collection[JobState], limit: int) -> list[Job]:
    where = f"WHERE state IN ({_marks(states)})" if states else ""
    query = f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY created DESC, id DESC LIMIT ?"  # noqa: S608 - ours
    return [Job(**row) for row in connection.execute(query, (*states, limit))]


def calls_after(connection: sqlite3.Connection, id: str, after: int, limit: int) -> list[KeptCall]:
    get(connection, id)
    rows = connection.execute(
        "SELECT seq, key, value, at FROM calls WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", (id, after, limit)
    )
    return [KeptCall(row["seq"], row["key"], json.loads(row["value"]), row["at"]) for row in rows]


def memo(connection: sqlite3.Connection, id: str, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(keys), _MOST_VARIABLES):
        some = keys[start : start + _MOST_VARIABLES]
        query = f"SELECT key, value FROM calls WHERE job = ? AND key IN ({_marks(some)})"  # noqa: S608 - ours
        found |= {row["key"]: json.loads(row["value"]) for row in connection.execute(query, (id, *some))}
    return found


def keep_call(connection: sqlite3.Connection, job: str, key: str, value: str, at: float) -> None:
    """Keep the first value of *key*, unless the job was deleted meanwhile."""
    kept = connection.execute(
        "INSERT OR IGNORE INTO calls (job, key, value, at) "
        "SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?)",
        (job, key, value, at, job),
    )
    if kept.rowcount > 0:
        connection.execute(
            "UPDATE jobs SET calls = calls + 1, bytes = bytes + ? WHERE id = ?", (len(key) + len(value), job)
        )


def holders(connection: sqlite3.Connection, me: str) -> set[str]:
    """On whom the open jobs depend: their owners, or who created them."""
    query = f"SELECT DISTINCT COALESCE(owner, creator) AS holder FROM jobs WHERE {_OPEN} AND owner IS NOT ?"  # noqa: S608
    return {row["holder"] for row in connection.execute(query, (me,))}


def take(
    connection: sqlite3.Connection, me: str, gone: Collection[str], kinds: Collection[str], now: float
) -> Job | None:
    """Take up a job of this process, or one that hangs on somebody who is *gone*."""
    for job in _free(connection, me, gone, kinds):
        progressed = connection.execute("SELECT calls > calls_at_claim FROM jobs WHERE id = ?", (job.id,)).fetchone()[0]
        attempts = 0 if progressed else job.attempts
        if job.cancel is not None:
            _end(connection, job.id, "cancelled", "", now)
        elif attempts >= MOST_ATTEMPTS:
            _end(connection, job.id, "failed", WORN_OUT, now)
        else:
            connection.execute(
                "UPDATE jobs SET state = 'running', owner = ?, fence = fence + 1, attempts = ?, "
                "calls_at_claim = calls, started = COALESCE(started, ?) WHERE id = ?",
                (me, attempts + 1, now, job.id),
            )
            arguments = connection.execute("SELECT arguments FROM texts WHERE job = ?", (job.id,)).fetchone()[0]
            return replace(get(connection, job.id), arguments=json.loads(arguments))
    return None


def _free(connection: sqlite3.Connection, me: str, gone: Collection[str], kinds: Collection[str]) -> Iterator[Job]:
    query = (
        f"SELECT {_COLUMNS} FROM jobs WHERE {_OPEN} AND owner IS NOT ? AND kind IN ({_marks(kinds)}) "  # noqa: S608
        f"AND (COALESCE(owner, creator) = ? OR COALESCE(owner, creator) IN ({_marks(gone)})) "
        "ORDER BY creator = ? DESC, created LIMIT ?"
    )
    rows = connection.execute(query, (me, *kinds, me, *gone, me, _CANDIDATES)).fetchall()
    return (Job(**row) for row in rows)


def watch(connection: sqlite3.Connection, jobs: Sequence[Job]) -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for job in jobs:
        row = connection.execute("SELECT state, fence, cancel FROM jobs WHERE id = ?", (job.id,)).fetchone()
        mine = row is not None and row["state"] == "running" and row["fence"] == job.fence
        claims[job.id] = Claim(mine, row["cancel"] if mine else None)
    return claims


def finish(
    connection: sqlite3.Connection, job: Job, state: JobState, result: JobResult | None, reason: str, now: float
) -> None:
    _own(connection, job)
    _end(connection, job.id, state, reason, now if state != "paused" else None)
    if result is not None:
        text = json.dumps({"markdown": result.markdown, "structured": result.structured}, ensure_ascii=False)
        connection.execute("UPDATE texts SET result = ? WHERE job = ?", (text, job.id))
        connection.execute("UPDATE jobs SET bytes = bytes + ? WHERE id = ?", (len(text), job.id))


def release(connection: sqlite3.Connection, job: Job) -> None:
    """Back into the queue; a clean end does not count as an attempt."""
    _own(connection, job)
    connection.execute(
        "UPDATE jobs SET state = 'queued', owner = NULL, attempts = MAX(attempts - 1, 0) WHERE id = ?", (job.id,)
    )


def cancel(connection: sqlite3.Connection, id: str, mode: CancelMode, now: float) -> Job:
    job = get(connection, id)
    if job.state in ("queued", "paused"):
        _end(connection, id, "cancelled", "", now)
    elif job.state == "running" and job.cancel != "abort":
        connection.execute("UPDATE jobs SET cancel = ? WHERE id = ?", (mode, id))
    return get(connection, id)


def requeue(connection: sqlite3.Connection, id: str, me: str, *, also_done: bool) -> Job:
    """Queue a job that is not under way again, for this process first."""
    job = get(connection, id)
    if job.state == "done" and not also_done:
        raise InvalidInputError(f"Job {id} is done. To make the calls that failed again, retry it.")
    if job.cancel is not None and job.state == "running":
        raise InvalidInputError(f"Job {id} is still being cancelled. Resume it in a moment.")
    if job.state in ("paused", "failed", "cancelled", "done"):
        connection.execute(
            "UPDATE jobs SET state = 'queued', reason = '', cancel = NULL, owner = NULL, creator = ?, attempts = 0, "
            "finished = NULL WHERE id = ?",
            (me, id),
        )
        connection.execute("UPDATE texts SET result = NULL WHERE job = ?", (id,))
    return get(connection, id)


def set_total(connection: sqlite3.Connection, id: str, total: int) -> None:
    connection.execute("UPDATE jobs SET total = ? WHERE id = ?", (total, id))


def clean(connection: sqlite3.Connection, before: float, most_bytes: int) -> int:
    """Delete what ended *before*, then the oldest of what is over until the rest has *most_bytes*."""
    over = connection.execute(
        "SELECT id, bytes, finished FROM jobs WHERE state IN ('done', 'failed', 'cancelled') ORDER BY finished"
    ).fetchall()
    kept = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM jobs").fetchone()[0]
    deleted = 0
    for row in over:
        if row["finished"] >= before and kept <= most_bytes:
            break
        connection.execute("DELETE FROM calls WHERE job = ?", (row["id"],))
        connection.execute("DELETE FROM texts WHERE job = ?", (row["id"],))
        connection.execute("DELETE FROM jobs WHERE id = ?", (row["id"],))
        kept -= row["bytes"]
        deleted += 1
    if deleted:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        for _ in range(min(free, _MOST_PAGES)):  # Python's driver stops after the first page of each
            connection.execute("PRAGMA incremental_vacuum")
    return deleted


def _own(connection: sqlite3.Connection, job: Job) -> None:
    row = connection.execute("SELECT state, fence FROM jobs WHERE id = ?", (job.id,)).fetchone()
    if row is None or row["state"] != "running" or row["fence"] != job.fence:
        raise LostJobError(f"Job {job.id} belongs to another process by now.")


def _end(connection: sqlite3.Connection, id: str, state: JobState, reason: str, finished: float | None) -> None:
    connection.execute(
        "UPDATE jobs SET state = ?, reason = ?, owner = NULL, finished = ? WHERE id = ?", (state, reason, finished, id)
    )


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def dump_arguments(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)
