"""The fleet's queue: Procrastinate hands each job to one worker, and again when that worker's heart has stopped.

An entry of the queue carries a job's id and nothing else, and the id is its lock: of one job no two entries are out at
a time. Procrastinate tells of new entries, keeps the heartbeats, and finds what dead workers held. The journal says
what a job is and how it stands, and whether the lease of whoever had it has run out. Only Procrastinate's job manager
is used, not its worker loop, which ends for good when the database goes away for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
import procrastinate
import psycopg
import psycopg_pool
from procrastinate import exceptions, jobs, manager, schema

from core.errors import StoreError
from core.jobs.fleet.leases import LEASE_S, Clock, since_boot
from core.stores.pg_connection import Address, Connection, explain, schema_of

_BEATS = 4
"""Heartbeats in one lease."""
_PRUNED = 10
"""Leases after which a worker that is not heard of is forgotten."""
_TASK = "moot"
_CONNECT_S = 5.0
_LISTEN_AGAIN_S = 2.0
LAST = -2
"""The priority of an entry that only makes sure that a job is not forgotten: behind every other of the same job."""


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    job: str


def queue_of(kind: str) -> str:
    return f"moot:{kind}"


def defer(connection: Connection, job: str, kind: str, priority: int = 0, *, at: float | None = None) -> None:
    """Queue *job* in the transaction of *connection*, so that it is accepted and queued or neither.

    Args:
        at: When it may be taken up first, by the server's clock.
    """
    entry = jobs.Job(
        queue=queue_of(kind),
        scheduled_at=None if at is None else _moment(at),
        lock=job,
        queueing_lock=None,
        task_name=_TASK,
        priority=priority,
        task_kwargs={"job": job},
    )
    manager.JobManager(procrastinate.SyncPsycopgConnector()).defer_job(entry, connection=connection.raw)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


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
        wall: The server's clock, as far as it is known here.
        lease_s: Seconds without a heartbeat after which others take a worker for dead.
    """

    def __init__(self, address: Address, wall: Callable[[], float] = time.time, *, lease_s: float = LEASE_S) -> None:
        self._address = address
        self._wall = wall
        self._clock: Clock = since_boot
        self._lease_s = lease_s
        self._pool: psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection] | None = None
        self._manager: manager.JobManager | None = None
        self._worker: int | None = None
        self._beat_at = float("-inf")
        self._heard_since: float | None = None
        self._in_doubt = False
        """Whether the server may count an entry as ours that we know nothing of."""
        self.problem: str | None = None

    @property
    def beat_every_s(self) -> float:
        return self._lease_s / _BEATS

    @property
    def fair_in_s(self) -> float:
        """When everybody who lives has had the time to be heard of since the server was away, or we were; 0: now."""
        return self._lease_s if self._heard_since is None else max(self._heard_since + self._lease_s - self._clock(), 0)

    async def open(self) -> None:
        """Be ready to ask the server; connects only when it is asked."""
        if self._manager is not None:
            return
        await anyio.to_thread.run_sync(ZoneInfo, "UTC")  # reads a file the first time; psycopg wants it on the loop
        # what it listens with is made apart from the pool, and set up like a connection of the pool
        connector = procrastinate.PsycopgConnector(configure=_configure)
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
                    await self._again(queue, await self._ours(queue))
                    await queue.unregister_worker(self._worker)
            except StoreError:
                pass  # it is found to be dead when its lease has ended
        if self._pool is not None:
            await self._pool.close()

    async def listen(self, kinds: Collection[str], wake: Callable[[], None]) -> None:
        """Call *wake* for every new entry of *kinds*, until cancelled; also after the server was away."""

        async def told(*, channel: str, notification: jobs.Notification) -> None:
            wake()

        while True:
            await self.open()
            try:
                async with self._asked() as queue:
                    queues = [queue_of(kind) for kind in kinds]
                    await _cut_once(queue.listen_for_jobs(on_notification=told, queues=queues))
            except StoreError:
                await anyio.sleep(_LISTEN_AGAIN_S)
                wake()  # what came meanwhile was told to nobody

    async def beat(self, held: Callable[[], Collection[int]]) -> bool:
        """Tell that we live, when that is due; queue again what dead workers held, and what is not *held* here.

        Returns:
            Whether something was queued again.

        Raises:
            StoreError: The server does not answer.
        """
        if self._clock() - self._beat_at < self.beat_every_s and not self._in_doubt:
            return False
        again: list[jobs.Job] = []
        async with self._asked() as queue:
            if self._worker is None:
                self._worker = await queue.register_worker()
            await queue.update_heartbeat(self._worker)
            now = self._clock()
            if self._heard_since is None or now - self._beat_at > self._lease_s / 2:
                self._heard_since = now  # the server was away, or we were: others may not have been heard either
            self._beat_at = now
            if self._in_doubt:
                self._in_doubt = False
                again += [entry for entry in await self._ours(queue) if entry.id not in held()]
            if not self.fair_in_s:
                again += await queue.get_stalled_jobs(seconds_since_heartbeat=self._lease_s)
                await queue.prune_stalled_workers(self._lease_s * _PRUNED)
            await self._again(queue, again)
        return bool(again)

    async def fetch(self, kinds: Collection[str]) -> Entry | None:
        """The next entry of *kinds*; ours until we `finish` it, put it `off` or die."""
        assert self._worker is not None, "beat() comes first"
        async with self._asked() as queue:
            found = await queue.fetch_job([queue_of(kind) for kind in kinds], self._worker)
        if found is None:
            return None
        assert found.id is not None
        return Entry(found.id, str(found.task_kwargs["job"]))

    def doubt(self) -> None:
        """An entry we fetched got lost on the way: the next heartbeat puts right what the server thinks is ours."""
        self._in_doubt = True

    async def finish(self, entry: int) -> None:
        async with self._asked() as queue, _still_there():
            await queue.finish_job_by_id_async(entry, jobs.Status.SUCCEEDED, delete_job=True)

    async def put_off(self, entry: int, seconds: float) -> None:
        """Offer it again after *seconds*, to anybody."""
        async with self._asked() as queue, _still_there():
            await queue.retry_job_by_id_async(entry, retry_at=_moment(self._wall() + seconds), priority=LAST)

    async def _ours(self, queue: manager.JobManager) -> Iterable[jobs.Job]:
        """What the server thinks is in our hands."""
        return await queue.list_jobs_async(status="doing", worker_id=self._worker)

    async def _again(self, queue: manager.JobManager, entries: Iterable[jobs.Job]) -> None:
        """Queue them for anybody: whoever was to do them is gone."""
        for entry in entries:
            assert entry.id is not None
            async with _still_there():
                await queue.retry_job_by_id_async(entry.id, retry_at=_moment(self._wall()))

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[manager.JobManager]:
        assert self._manager is not None, "open() comes first"
        try:
            yield self._manager
            self.problem = None
        except (psycopg.Error, exceptions.ConnectorException) as error:
            cause = error.__cause__ if isinstance(error, exceptions.ConnectorException) else error
            reason = explain(cause if isinstance(cause, Exception) else error, self._address)
            if isinstance(cause, psycopg.errors.ForeignKeyViolation):
                self._worker = None  # we were away for so long that the server has forgotten us
                self._beat_at = float("-inf")
            elif isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
                self._heard_since, self._in_doubt, self.problem = None, True, reason
            raise StoreError(reason) from error


async def _cut_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Await it, and cancel it once at most: cancelled again while it closes its connection, it leaves that open."""
    task = asyncio.create_task(coroutine)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
        raise


@asynccontextmanager
async def _still_there() -> AsyncIterator[None]:
    """Where an entry that is gone, or that another worker has put right, is as good."""
    try:
        yield
    except exceptions.ConnectorException as error:
        if not isinstance(error.__cause__, psycopg.errors.RaiseException):
            raise


async def _configure(raw: Any) -> None:
    await raw.execute(f"SET search_path TO {schema_of('jobs')}, public; SET TIME ZONE 'UTC'".encode())
    if not raw.autocommit:
        await raw.commit()
