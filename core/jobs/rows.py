"""What engines do to their tables: functions on a connection, each run inside a transaction or a read.

All but `holders`, `take` and `vacuum`, which are the embedded engine's, run on PostgreSQL as well. Of finished calls
`jobs.db` has a table of its own, see `packed.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from core.errors import ForgottenJobError, InvalidInputError, LostJobError, UnknownJobError
from core.jobs.states import CancelMode, JobState
from core.jobs.values import MOST_ATTEMPTS, WORN_OUT, Job, JobClaim, JobResult, KeptCall

_COLUMNS = (
    "id, kind, state, reason, creator, owner, fence, attempts, cancel, calls, total, progress, created, started, "
    "finished, person"
)
_FORGET_CALLS = "DELETE FROM calls WHERE job = ?"
FORGOTTEN = "null"
"""What stands in place of a job's arguments once its words are deleted."""
_MOST_VARIABLES = 500
OPEN = "state IN ('queued', 'running')"
_CANDIDATES = 200
_MOST_PAGES = 50_000
_LONGEST_ARGUMENTS = 16_000_000


class SQL(Protocol):
    """A connection of either kind, with question marks in its queries and rows that are read by name."""

    def execute(self, query: str, parameters: Any = ..., /) -> Any: ...


def insert_job(connection: SQL, job: Job, arguments: str, request_key: str | None = None) -> Job:
    """Add *job*, and give it; where its person has made the same request before, the job that began with it."""
    added = connection.execute(
        "INSERT INTO jobs (id, kind, state, creator, created, bytes, person, request_key) "
        "VALUES (?, ?, 'queued', ?, ?, ?, ?, ?) ON CONFLICT (person, request_key) DO NOTHING",
        (job.id, job.kind, job.creator, job.created, len(arguments), job.person, request_key),
    )
    if added.rowcount:
        connection.execute("INSERT INTO texts (job, arguments) VALUES (?, ?)", (job.id, arguments))
        return job
    (began,) = jobs_where(connection, "person = ? AND request_key = ?", (job.person, request_key))
    return began


def get(connection: SQL, id: str) -> Job:
    row = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone()  # noqa: S608 - ours
    if row is None:
        raise UnknownJobError(id)
    return _job(row)


def result(connection: SQL, id: str) -> JobResult | None:
    row = connection.execute("SELECT result FROM texts WHERE job = ?", (id,)).fetchone()
    if row is None:
        raise UnknownJobError(id)
    return JobResult(**json.loads(row["result"])) if row["result"] else None


def counts(connection: SQL, *, only: str = "TRUE") -> dict[str, int]:
    """How many jobs are in each state, of those that meet *only*, a condition of ours."""
    query = f"SELECT state, COUNT(*) AS jobs FROM jobs WHERE {only} GROUP BY state"  # noqa: S608 - ours
    return {str(row["state"]): int(row["jobs"]) for row in connection.execute(query).fetchall()}


def list_jobs(
    connection: SQL, states: Collection[JobState], limit: int, *, person: str | None = None, only: str = "TRUE"
) -> list[Job]:
    """The newest jobs of *states* and of *person*, or of all, that also meet *only*, a condition of ours."""
    where, values = [only], list[Any]()
    if states:
        where.append(f"state IN ({_marks(states)})")
        values += states
    if person is not None:
        where.append("person = ?")
        values.append(person)
    query = f"SELECT {_COLUMNS} FROM jobs WHERE {' AND '.join(where)} ORDER BY created DESC, id DESC LIMIT ?"  # noqa: S608
    return [_job(row) for row in connection.execute(query, (*values, limit))]


def asked(connection: SQL, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    query = f"SELECT job, arguments FROM texts WHERE job IN ({_marks(ids)})"  # noqa: S608 - ours
    return {
        row["job"]: json.loads(row["arguments"])
        for row in connection.execute(query, tuple(ids))
        if row["arguments"] != FORGOTTEN
    }


def jobs_where(connection: SQL, condition: str, parameters: Sequence[Any]) -> list[Job]:
    """The jobs that meet a *condition* of ours, by their ids."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE {condition} ORDER BY id"  # noqa: S608 - ours
    return [_job(row) for row in connection.execute(query, parameters)]


def calls_after(connection: SQL, id: str, after: int, limit: int) -> list[KeptCall]:
    get(connection, id)
    rows = connection.execute(
        "SELECT seq, key, value, at FROM calls WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", (id, after, limit)
    )
    return [KeptCall(row["seq"], row["key"], json.loads(row["value"]), row["at"]) for row in rows]


def memo(connection: SQL, id: str, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(keys), _MOST_VARIABLES):
        some = keys[start : start + _MOST_VARIABLES]
        query = f"SELECT key, value FROM calls WHERE job = ? AND key IN ({_marks(some)})"  # noqa: S608 - ours
        found |= {row["key"]: json.loads(row["value"]) for row in connection.execute(query, (id, *some))}
    return found


def kept(connection: SQL, id: str, prefix: str) -> dict[str, Any]:
    """The values of the keys that begin with *prefix*."""
    query = "SELECT key, value FROM calls WHERE job = ? AND substr(key, 1, ?) = ?"
    rows = connection.execute(query, (id, len(prefix), prefix))
    return {row["key"]: json.loads(row["value"]) for row in rows}


def holders(connection: SQL, me: str) -> set[str]:
    """On whom the open jobs depend: their owners, or who created them."""
    query = f"SELECT DISTINCT COALESCE(owner, creator) AS holder FROM jobs WHERE {OPEN} AND owner IS NOT ?"  # noqa: S608
    return {row["holder"] for row in connection.execute(query, (me,))}


def take(connection: SQL, me: str, gone: Collection[str], kinds: Collection[str], now: float) -> Job | None:
    """Take up a job of this process, or one that hangs on somebody who is *gone*."""
    for job in _free(connection, me, gone, kinds):
        if taken := take_up(connection, job, me, now):
            return taken
    return None


def take_up(connection: SQL, job: Job, me: str, now: float) -> Job | None:
    """Make *job* run here; None where it ends instead, cancelled or tried too often."""
    query = "SELECT calls > calls_at_claim AS progressed, blame FROM jobs WHERE id = ?"
    row = connection.execute(query, (job.id,)).fetchone()
    attempts, blame = (0, 0.0) if row["progressed"] else (job.attempts, row["blame"])
    if job.state == "running" and job.owner not in (None, me):
        blame += _share(connection, str(job.owner))
    if job.cancel is not None:
        end(connection, job.id, "cancelled", "", now)
        return None
    if blame > MOST_ATTEMPTS - 0.5:
        end(connection, job.id, "failed", WORN_OUT, now)
        return None
    connection.execute(
        "UPDATE jobs SET state = 'running', owner = ?, fence = fence + 1, attempts = ?, blame = ?, "
        "calls_at_claim = calls, started = COALESCE(started, ?) WHERE id = ?",
        (me, attempts + 1, blame, now, job.id),
    )
    arguments = connection.execute("SELECT arguments FROM texts WHERE job = ?", (job.id,)).fetchone()[0]
    return replace(get(connection, job.id), arguments=json.loads(arguments))


def _share(connection: SQL, gone: str) -> float:
    """How much of the end of the process called *gone* one of its jobs is to blame for: it may have been any."""
    connection.execute(
        "INSERT INTO deaths (owner, jobs) "
        "VALUES (?, (SELECT COUNT(*) FROM jobs WHERE owner = ? AND state = 'running')) ON CONFLICT (owner) DO NOTHING",
        (gone, gone),
    )
    (jobs,) = connection.execute("SELECT jobs FROM deaths WHERE owner = ?", (gone,)).fetchone()
    return 1.0 / max(1, int(jobs))


def _free(connection: SQL, me: str, gone: Collection[str], kinds: Collection[str]) -> Iterator[Job]:
    query = (
        f"SELECT {_COLUMNS} FROM jobs WHERE {OPEN} AND owner IS NOT ? AND kind IN ({_marks(kinds)}) "  # noqa: S608
        f"AND (COALESCE(owner, creator) = ? OR COALESCE(owner, creator) IN ({_marks(gone)})) "
        "ORDER BY creator = ? DESC, created LIMIT ?"
    )
    rows = connection.execute(query, (me, *kinds, me, *gone, me, _CANDIDATES)).fetchall()
    return (_job(row) for row in rows)


def watch(connection: SQL, jobs: Sequence[Job]) -> dict[str, JobClaim]:
    claims: dict[str, JobClaim] = {}
    for job in jobs:
        row = connection.execute("SELECT state, fence, cancel FROM jobs WHERE id = ?", (job.id,)).fetchone()
        mine = row is not None and row["state"] == "running" and row["fence"] == job.fence
        claims[job.id] = JobClaim(mine, row["cancel"] if mine else None)
    return claims


def finish(connection: SQL, job: Job, state: JobState, result: JobResult | None, reason: str, now: float) -> None:
    own(connection, job)
    end(connection, job.id, state, reason, now if state != "paused" else None)
    if result is not None:
        text = json.dumps({"markdown": result.markdown, "structured": result.structured}, ensure_ascii=False)
        connection.execute("UPDATE texts SET result = ? WHERE job = ?", (text, job.id))
        connection.execute("UPDATE jobs SET bytes = bytes + ? WHERE id = ?", (len(text), job.id))


def release(connection: SQL, job: Job) -> None:
    """Back into the queue; a clean end does not count as an attempt."""
    own(connection, job)
    connection.execute(
        "UPDATE jobs SET state = 'queued', owner = NULL, "
        "attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END WHERE id = ?",
        (job.id,),
    )


def cancel(connection: SQL, id: str, mode: CancelMode, now: float) -> Job:
    job = get(connection, id)
    if job.state in ("queued", "paused"):
        end(connection, id, "cancelled", "", now)
    elif job.state == "running" and job.cancel != "abort":
        connection.execute("UPDATE jobs SET cancel = ? WHERE id = ?", (mode, id))
    return get(connection, id)


def requeue(connection: SQL, id: str, me: str, *, also_done: bool) -> Job:
    """Queue a job that is not under way again, for this process first."""
    job = get(connection, id)
    if job.state == "done" and not also_done:
        raise InvalidInputError(f"Job {id} is done. To make the calls that failed again, retry it.")
    if connection.execute("SELECT 1 FROM texts WHERE job = ? AND arguments = ?", (id, FORGOTTEN)).fetchone():
        raise ForgottenJobError(f"The words of job {id} were deleted, so it cannot run again. Start a new one.")
    if job.cancel is not None and job.state == "running":
        raise InvalidInputError(f"Job {id} is still being cancelled. Resume it in a moment.")
    if job.state in ("paused", "failed", "cancelled", "done"):
        connection.execute(
            "UPDATE jobs SET state = 'queued', reason = '', cancel = NULL, owner = NULL, creator = ?, "
            "attempts = 0, blame = 0, finished = NULL WHERE id = ?",
            (me, id),
        )
        connection.execute("UPDATE texts SET result = NULL WHERE job = ?", (id,))
    return get(connection, id)


def set_total(connection: SQL, id: str, total: int) -> None:
    connection.execute("UPDATE jobs SET total = ? WHERE id = ?", (total, id))


def set_progress(connection: SQL, id: str, progress: Mapping[str, Any]) -> None:
    connection.execute("UPDATE jobs SET progress = ? WHERE id = ?", (json.dumps(progress, ensure_ascii=False), id))


def clean(
    connection: SQL, before: float, most_bytes: int, *, only: str = "TRUE", forget_calls: str = _FORGET_CALLS
) -> int:
    """Delete what ended *before*, then the oldest of what is over until the rest has *most_bytes*."""
    ended = f"state IN ('done', 'failed', 'cancelled') AND {only}"
    query = f"SELECT id, bytes, finished FROM jobs WHERE {ended} ORDER BY finished"  # noqa: S608 - ours
    over = connection.execute(query).fetchall()
    kept = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM jobs").fetchone()[0]
    deleted = 0
    for row in over:
        if row["finished"] >= before and kept <= most_bytes:
            break
        connection.execute(forget_calls, (row["id"],))
        connection.execute("DELETE FROM texts WHERE job = ?", (row["id"],))
        connection.execute("DELETE FROM jobs WHERE id = ?", (row["id"],))
        kept -= row["bytes"]
        deleted += 1
    connection.execute("DELETE FROM deaths WHERE owner NOT IN (SELECT owner FROM jobs WHERE owner IS NOT NULL)")
    return deleted


def forget(connection: SQL, id: str, *, forget_calls: str = _FORGET_CALLS) -> None:
    """Delete a job that is over, with all that was said in it; one that is under way again stays."""
    over = connection.execute(
        "SELECT 1 FROM jobs WHERE id = ? AND state IN ('done', 'failed', 'cancelled')", (id,)
    ).fetchone()
    if over is not None:
        connection.execute(forget_calls, (id,))
        for table, column in (("texts", "job"), ("jobs", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (id,))  # noqa: S608 - ours


def forget_words(connection: SQL, *, only: str = "TRUE", forget_calls: str = _FORGET_CALLS) -> int:
    """Delete what was asked, sent and answered in all jobs that are over; that there were such jobs stays."""
    ended = f"state IN ('done', 'failed', 'cancelled') AND {only}"
    told = connection.execute(f"SELECT id FROM jobs WHERE {ended} AND bytes > 0").fetchall()  # noqa: S608 - ours
    for row in told:
        connection.execute(forget_calls, (row["id"],))
        connection.execute("UPDATE texts SET arguments = ?, result = NULL WHERE job = ?", (FORGOTTEN, row["id"]))
        connection.execute("UPDATE jobs SET bytes = 0, reason = '' WHERE id = ?", (row["id"],))
    return len(told)


def _job(row: Any) -> Job:
    return Job(**{**row, "progress": json.loads(row["progress"] or "{}")})


def vacuum(connection: SQL) -> None:
    """Give the space of what was deleted back to the disk."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, _MOST_PAGES)):  # Python's driver stops after the first page of each
        connection.execute("PRAGMA incremental_vacuum")


def own(connection: SQL, job: Job) -> None:
    row = connection.execute("SELECT state, fence FROM jobs WHERE id = ?", (job.id,)).fetchone()
    if row is None or row["state"] != "running" or row["fence"] != job.fence:
        raise LostJobError(f"Job {job.id} belongs to another process by now.")


def end(connection: SQL, id: str, state: JobState, reason: str, finished: float | None) -> None:
    connection.execute(
        "UPDATE jobs SET state = ?, reason = ?, owner = NULL, finished = ? WHERE id = ?", (state, reason, finished, id)
    )


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def dump_arguments(arguments: Mapping[str, Any]) -> str:
    """*arguments* as they are kept.

    Raises:
        InvalidInputError: They are too long.
    """
    text = json.dumps(arguments, ensure_ascii=False)
    if len(text) > _LONGEST_ARGUMENTS:
        raise InvalidInputError(
            f"The arguments have {len(text):,} characters; a job takes at most {_LONGEST_ARGUMENTS:,}."
        )
    return text
