"""The fleet's queue: Procrastinate hands each job to one worker, and again when that worker's heart has stopped.

An entry of the queue carries a job's id and nothing else; the journal says what the job is and how it stands. Only
Procrastinate's job manager is used, not its worker loop, which ends for good when the database goes away for a moment.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import anyio.to_thread
import procrastinate
import psycopg
import psycopg_pool
from procrastinate import exceptions, jobs, manager, schema

from core.errors import StoreError
from core.pg_connection import Address, Connection, explain, schema_of

LEASE_S = 12.0
"""A worker that was not heard of for so long is taken for dead."""
_BEATS = 4
"""Heartbeats in one lease."""
_TASK = "moot"
_CONNECT_S = 5.0
_PASS_ON_S = 2.0
_TO = "@"


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    job: str


def queue_of(kind: str, to: str = "") -> str:
    """Where jobs of *kind* wait: for any worker, or for the process called *to* alone."""
    return f"moot:{kind}{_TO if to else ''}{to}"


def defer(connection: Connection, job: str, kind: str, priority: int = 0, *, to: str = "") -> None:
    """Queue *job* in the transaction of *connection*, so that it is accepted and queued or neither."""
    entry = jobs.Job(
        queue=queue_of(kind, to),
        scheduled_at=datetime.now(UTC) if to else None,
        lock=None,
        queueing_lock=None,
        task_name=_TASK,
        priority=priority,
        task_kwargs={"job": job},
    )
    manager.JobManager(procrastinate.SyncPsycopgConnector()).defer_job(entry, connection=connection.raw)


def install(connection: Connection) -> None:
    """Make Procrastinate's tables in the schema of the jobs, or bring them to the version that is installed here."""
    connection.execute("CREATE TABLE IF NOT EXISTS queue_migrations (name text PRIMARY KEY)")
    done = {row[0] for row in connection.execute("SELECT name FROM queue_migrations").fetchall()}
    scripts = sorted(Path(schema.SchemaManager.get_migrations_path()).glob("*.sql"))
    if not done:
        connection.raw.execute(schema.SchemaManager.get_schema().encode())
    missing = [script for script in scripts if script.name not in done]
    for script in missing:
        if done:
            connection.raw.execute(script.read_bytes())
        connection.execute("INSERT INTO queue_migrations VALUES (?)", (script.name,))


class Queue:
    """This process as a worker of the fleet. `open` comes first.

    Args:
        lease_s: Seconds without a heartbeat after which others take a worker for dead.
    """

    def __init__(self, address: Address, *, lease_s: float = LEASE_S) -> None:
        self._address = address
        self._lease_s = lease_s
        self._pool: psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection] | None = None
        self._manager: manager.JobManager | None = None
        self._worker: int | None = None
        self._beat_at = 0.0
        self._heard_since: float | None = None
        self._in_doubt = False
        """Whether the server may count an entry as ours that we know nothing of."""
        self.problem: str | None = None
        self.apart = False
        """Whether it does no jobs but its own, so that nobody should wait for it."""

    async def open(self) -> None:
        """Be ready to ask the server; connects only when it is asked."""
        if self._manager is not None:
            return
        await anyio.to_thread.run_sync(ZoneInfo, "UTC")  # reads a file the first time; psycopg wants it on the loop
        connector = procrastinate.PsycopgConnector()
        self._pool = psycopg_pool.AsyncConnectionPool(
            self._address.conninfo,
            min_size=0,
            max_size=2,
            timeout=_CONNECT_S,
            configure=_configure,
            check=psycopg_pool.AsyncConnectionPool.check_connection,
            open=False,
        )
        await self._pool.open()
        await connector.open_async(self._pool)
        self._manager = manager.JobManager(connector)

    async def aclose(self) -> None:
        if self._manager is not None and self._worker is not None:
            try:
                async with self._asked() as queue:
                    await queue.unregister_worker(self._worker)
            except StoreError:
                pass  # it is found to be dead when its lease has ended
        if self._pool is not None:
            await self._pool.close()

    async def beat(self, held: Collection[int]) -> None:
        """Tell that we live, when that is due; queue again what dead workers held, and what is not *held* here.

        Raises:
            StoreError: The server does not answer.
        """
        if time.monotonic() - self._beat_at < self._lease_s / _BEATS:
            return
        async with self._asked() as queue:
            if self._worker is None:
                self._worker = await queue.register_worker()
                if self.apart:
                    await self._execute("INSERT INTO apart (worker) VALUES (%s)", self._worker)
            await queue.update_heartbeat(self._worker)
            now = time.monotonic()
            if self._heard_since is None or now - self._beat_at > self._lease_s / 2:
                self._heard_since = now  # the server was away, or we were: others may not have been heard either
            self._beat_at = now
            if self._in_doubt:
                ours = await queue.list_jobs_async(status="doing", worker_id=self._worker)
                await self._again(queue, [entry for entry in ours if entry.id not in held])
                self._in_doubt = False
            if now - self._heard_since > self._lease_s:  # after an outage, all get the time to be heard of again
                await self._again(queue, await queue.get_stalled_jobs(seconds_since_heartbeat=self._lease_s))
                await queue.prune_stalled_workers(self._lease_s * 10)
                await self._execute(_PRUNE)
            await self._execute(_FREE, _TO, self._lease_s)

    async def fetch(self, queues: Collection[str]) -> Entry | None:
        """The next entry of *queues*; ours until we `finish` it, `give_back` it or die."""
        assert self._worker is not None, "beat() comes first"
        async with self._asked() as queue:
            found = await queue.fetch_job(list(queues), self._worker)
        if found is None:
            return None
        assert found.id is not None
        return Entry(found.id, str(found.task_kwargs["job"]))

    def doubt(self) -> None:
        """An entry we fetched got lost on the way: the next heartbeat puts right what the server thinks is ours."""
        self._in_doubt, self._beat_at = True, 0.0

    async def finish(self, entry: int) -> None:
        async with self._asked() as queue, _still_there():
            await queue.finish_job_by_id_async(entry, jobs.Status.SUCCEEDED, delete_job=True)

    async def give_back(self, entry: int, kind: str, *, later: bool = False) -> None:
        """Queue it again, for anybody.

        Args:
            later: Whether to leave time for others, since it would only come back here.
        """
        at = datetime.now(UTC) + timedelta(seconds=_PASS_ON_S if later else 0)
        async with self._asked() as queue, _still_there():
            await queue.retry_job_by_id_async(entry, retry_at=at, queue=queue_of(kind))

    async def _again(self, queue: manager.JobManager, entries: Iterable[jobs.Job]) -> None:
        """Queue them for anybody: whoever was to do them is gone."""
        for entry in entries:
            assert entry.id is not None
            async with _still_there():
                to = entry.queue.partition(_TO)[0]
                await queue.retry_job_by_id_async(entry.id, retry_at=datetime.now(UTC), queue=to)

    async def _execute(self, query: LiteralString, *parameters: Any) -> None:
        assert self._pool is not None, "open() comes first"
        async with self._pool.connection() as raw:
            await raw.execute(query, parameters or None)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[manager.JobManager]:
        assert self._manager is not None, "open() comes first"
        try:
            yield self._manager
            self.problem = None
        except (psycopg.Error, exceptions.ConnectorException) as error:
            cause = error.__cause__ if isinstance(error, exceptions.ConnectorException) else error
            reason = explain(cause if isinstance(cause, Exception) else error, self._address)
            if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
                self._heard_since, self._in_doubt, self.problem = None, True, reason
            raise StoreError(reason) from error


_PRUNE: LiteralString = "DELETE FROM apart WHERE worker NOT IN (SELECT id FROM procrastinate_workers)"
_FREE: LiteralString = (  # what waits for one process, which does not come for it
    "UPDATE procrastinate_jobs SET queue_name = split_part(queue_name, %s, 1) WHERE status = 'todo' "
    "AND queue_name LIKE 'moot:%%@%%' AND scheduled_at < now() - make_interval(secs => %s)"
)


@asynccontextmanager
async def _still_there() -> AsyncIterator[None]:
    """Where an entry that is gone, or that another worker has put right, is as good."""
    try:
        yield
    except exceptions.ConnectorException as error:
        if not isinstance(error.__cause__, psycopg.errors.RaiseException):
            raise


async def _configure(raw: psycopg.AsyncConnection) -> None:
    await raw.execute(f"SET search_path TO {schema_of('jobs')}, public; SET TIME ZONE 'UTC'".encode())
    await raw.commit()
