"""The distributed engine: jobs in the PostgreSQL database that MOOT_STORE names, done by `moot worker` processes.

Procrastinate's queue says whose turn it is, the journal what is paid for. A finished call goes to the local spool
first, then into the next commit, and is shown to nobody before that: so what anybody has seen is never made again,
whichever machine is lost. While the database is away answers are kept, and no new call starts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import psycopg

from core.errors import InvalidInputError, StoreError
from core.jobs import pg_rows, rows
from core.jobs.fleet_queue import LEASE_S, Entry, Queue, install, queue_of
from core.jobs.pg_parts import ABANDONED, WHOLE, PostgresParts
from core.jobs.pg_rows import Line
from core.jobs.spool import Segment, Spool, left_behind, read_spool
from core.jobs.states import CancelMode, JobState
from core.jobs.values import Claim, Job, JobResult, KeptCall, new_id
from core.owners import Owner
from core.pg_connection import Connection
from core.postgres import PostgresStore

log = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_ARGUMENTS = 16_000_000
_MOST_UNCOMMITTED = 10_000
_LOOK_AGAIN_S = 0.1
_MERGED_AT_ONCE = 500
_UNWRITABLE = "Jobs need a data folder that can be written. Free some space, check its permissions, or set MOOT_HOME."
_LOST_SPOOL = "The disk is full, so finished calls cannot be kept. Free some space; the job then goes on by itself."
_NO_WORKER = "No worker is running. Start one on any machine with this MOOT_STORE: moot worker"


class PostgresJobs:
    """The jobs in the database at *url*, as seen by one process, whose spool is in *folder*.

    Args:
        lease_s: Seconds without a heartbeat after which a worker is taken for dead.
    """

    def __init__(self, url: str, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self._store = PostgresStore(url, "jobs", also=install)
        self._queue = Queue(self._store.address, lease_s=lease_s)
        self._lease_s = lease_s
        self._owner = Owner(folder / "owners")
        place = hashlib.sha256(str(self._store.address).encode()).hexdigest()[:8]
        self._spools = folder / f"cluster-{place}.d"
        self._spool = Spool(self._spools, self._owner.name)
        self._batches = _Batches(self._store, self._spool)
        self._held: dict[str, int] = {}
        """The entries of the queue that are ours, by their jobs."""
        self._fetched: set[int] = set()
        """Entries that are ours, though what they stand for is not known yet."""
        self._due: set[int] = set()
        """Entries we are done with that the queue has not heard of yet."""
        self._lock = anyio.Lock()
        self._keeps: Collection[str] = ()
        self.clock = self._store.clock
        self.parts = PostgresParts(self)

    def keep(self, kinds: Collection[str]) -> None:
        self._keeps = tuple(kinds)
        self._queue.apart = bool(kinds)

    @property
    def owner(self) -> str:
        return self._owner.name

    @property
    def problem(self) -> str | None:
        return self._store.problem or self._queue.problem or (_LOST_SPOOL if self._spool.failed else None)

    def exists(self) -> bool:
        return True

    async def submit(self, kind: str, arguments: Mapping[str, Any]) -> Job:
        text = rows.dump_arguments(arguments)
        if len(text) > _LONGEST_ARGUMENTS:
            raise InvalidInputError(
                f"The arguments have {len(text):,} characters; a job takes at most {_LONGEST_ARGUMENTS:,}."
            )
        job = Job(new_id(), kind, "queued", arguments, creator=self.owner, created=self._store.clock())
        await self.write(partial(pg_rows.submit, job=job, arguments=text, to=self._to(kind)))
        return job

    async def get(self, id: str) -> Job:
        return self._shown(*await self.read(partial(self._with_workers, find=partial(rows.get, id=id))))

    async def result(self, id: str) -> JobResult | None:
        return await self.read(partial(rows.result, id=id))

    async def list_jobs(self, states: Collection[JobState] = (), *, limit: int = 50) -> list[Job]:
        find = partial(rows.list_jobs, states=tuple(states), limit=limit, only=WHOLE)
        found, workers = await self.read(partial(self._with_workers, find=find))
        return [self._shown(job, workers) for job in found]

    async def calls(self, id: str, *, after: int = 0, limit: int = 100) -> list[KeptCall]:
        return await self.read(partial(rows.calls_after, id=id, after=after, limit=limit))

    async def cancel(self, id: str, mode: CancelMode = "abort") -> Job:
        return await self.write(partial(pg_rows.cancel, id=id, mode=mode, now=self._store.clock()))

    async def resume(self, id: str) -> Job:
        return await self._requeue(id, also_done=False)

    async def retry(self, id: str) -> Job:
        return await self._requeue(id, also_done=True)

    async def _requeue(self, id: str, *, also_done: bool) -> Job:
        to = self._to((await self.get(id)).kind)
        return await self.write(partial(pg_rows.requeue, id=id, me=self.owner, to=to, also_done=also_done))

    def _to(self, kind: str) -> str:
        return self.owner if kind in self._keeps else ""

    async def kept(self, id: str, prefix: str) -> dict[str, Any]:
        return await self.read(partial(rows.kept, id=id, prefix=prefix))

    async def clean(self, *, older_than_s: float, most_bytes: int) -> int:
        before = self._store.clock() - older_than_s
        return await self.write(partial(rows.clean, before=before, most_bytes=most_bytes, only=ABANDONED))

    async def forget(self, id: str) -> None:
        await self.write(partial(rows.forget, id=id))

    async def forget_words(self) -> int:
        return await self.write(partial(rows.forget_words, only=ABANDONED))

    async def claim(self, kinds: Collection[str]) -> Job | None:
        await self._attend()
        await anyio.to_thread.run_sync(self._take_over)
        while entry := await self._fetch(kinds):
            try:
                take = partial(pg_rows.take, id=entry.job, entry=entry.id, me=self.owner, now=self._store.clock())
                job = await self.write(take)
            except BaseException:
                self._queue.doubt()
                raise
            finally:
                self._fetched.discard(entry.id)
            if job is not None:
                self._held[job.id] = entry.id
                return job
            await self._done_with(entry.id)
        return None

    async def _fetch(self, kinds: Collection[str]) -> Entry | None:
        """The next entry, held from the moment it is ours: a heartbeat gives back what nobody holds."""
        async with self._lock:
            entry = await self._queue.fetch([queue_of(kind, self._to(kind)) for kind in kinds])
            if entry is not None:
                self._fetched.add(entry.id)
            return entry

    async def watch(self, jobs: Sequence[Job]) -> dict[str, Claim]:
        await self._attend()
        return await self.read(partial(rows.watch, jobs=jobs))

    async def _attend(self) -> None:
        """Be a worker: tell that we live, and what we are done with."""
        async with self._lock:
            if self._batches.closed:
                raise StoreError("The store is closed.")
            await anyio.to_thread.run_sync(self._prepare)
            await self._queue.open()
            await self._queue.beat({*self._held.values(), *self._fetched, *self._due})
            for entry in [*self._due]:
                await self._queue.finish(entry)
                self._due.discard(entry)

    def _prepare(self) -> None:
        try:
            if self._owner.register():
                self._store.submit(_nothing).result()  # the tables are there before the queue is asked
            self._spool.open()
        except OSError as error:
            self._owner.close()
            raise StoreError(_UNWRITABLE) from error
        except StoreError:
            self._owner.close()
            raise

    def _take_over(self) -> None:
        """Bring what dead processes of this machine had finished but not committed into the store."""
        for holder, paths in left_behind(self._spools).items():
            if not self._owner.alive(holder):
                for path in paths:
                    lines = list(read_spool(path)) if path.exists() else []
                    for start in range(0, len(lines), _MERGED_AT_ONCE):
                        merge = partial(pg_rows.keep_calls, lines=lines[start : start + _MERGED_AT_ONCE])
                        self._store.submit(merge).result()
                    path.unlink(missing_ok=True)
                self._owner.bury(holder)

    async def set_total(self, id: str, total: int) -> None:
        await self.write(partial(rows.set_total, id=id, total=total))

    async def set_progress(self, id: str, progress: Mapping[str, Any]) -> None:
        await self.write(partial(rows.set_progress, id=id, progress=progress))

    async def finish(self, job: Job, state: JobState, *, result: JobResult | None = None, reason: str = "") -> None:
        end = partial(pg_rows.finish, job=job, state=state, result=result, reason=reason, now=self._store.clock())
        try:
            await self.write(end, patient=True)
        finally:
            if entry := self._held.pop(job.id, None):
                await self._done_with(entry)

    async def release(self, job: Job) -> None:
        entry = self._held.pop(job.id, None)
        await self.write(partial(rows.release, job=job))
        if entry is not None:
            await self._queue.give_back(entry, job.kind)

    async def pass_on(self, job: Job, reason: str) -> None:
        entry = self._held.pop(job.id, None)
        await self.write(partial(pg_rows.pass_on, job=job, reason=reason))
        if entry is not None:
            await self._queue.give_back(entry, job.kind, later=True)

    async def _done_with(self, entry: int) -> None:
        try:
            await self._queue.finish(entry)
        except StoreError:
            self._due.add(entry)

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        return await self.read(partial(rows.memo, id=job, keys=tuple(keys)), patient=True)

    @property
    def waiting(self) -> int:
        return self._spool.waiting

    def record(self, job: str, key: str, value: Any) -> None:
        text, at = json.dumps(value), self._store.clock()
        self._batches.add((job, key, text, at), self._spool.put(job, key, text, at))

    async def settle(self) -> None:
        await self._batches.landed()

    async def ready(self) -> None:
        while self.problem or self._spool.waiting > _MOST_UNCOMMITTED:
            if not self._spool.waiting:  # nothing is waiting that would show whether writing works again
                self._store.post(_nothing)
            await anyio.sleep(_LOOK_AGAIN_S)

    async def aclose(self) -> None:
        async with self._lock:
            self._batches.closed = True
            await self._queue.aclose()
        await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._store.close()
        self._spool.close()
        self._owner.close()

    def _with_workers(self, connection: Connection, find: Callable[[Connection], T]) -> tuple[T, int]:
        return find(connection), pg_rows.workers(connection, self._lease_s)

    def _shown(self, job: Job, workers: int) -> Job:
        if job.id in self._held and job.state == "running" and (problem := self.problem):
            return replace(job, state="paused", reason=problem, waits=True)
        if job.state == "queued" and not workers:
            return replace(job, reason=_NO_WORKER)
        return job

    async def write(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T:
        written = self._store.submit(operation, patient=patient)
        try:
            return await asyncio.shield(asyncio.wrap_future(written))  # it is written all the same
        except psycopg.Error as error:
            raise StoreError(self._store.explain(error)) from error

    async def read(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T:
        while True:
            try:
                return await anyio.to_thread.run_sync(self._store.read, operation)
            except StoreError:
                if not patient or self._batches.closed:
                    raise
            await self.ready()
            await anyio.sleep(_LOOK_AGAIN_S)


class _Batches:
    """Finished calls on their way into the store: those of one moment go as one statement."""

    def __init__(self, store: PostgresStore, spool: Spool) -> None:
        self._store = store
        self._spool = spool
        self._lock = threading.Lock()
        self._lines: list[tuple[Line, Segment]] = []
        self._landed: asyncio.Future[None] | None = None
        self.closed = False

    def add(self, line: Line, segment: Segment) -> None:
        with self._lock:
            self._lines.append((line, segment))
            if len(self._lines) > 1:
                return
            self._landed = asyncio.get_running_loop().create_future()
        _Batch(self._take, self._landed, self._resend).send(self._store, self._spool)

    async def landed(self) -> None:
        if self._landed is not None:
            await asyncio.shield(self._landed)

    def _take(self) -> list[tuple[Line, Segment]]:
        with self._lock:
            lines, self._lines = self._lines, []
            return lines

    def _resend(self, line: tuple[Line, Segment]) -> None:
        """One call alone: something in its batch could not be written."""
        _Batch(lambda: [line], None, None).send(self._store, self._spool)


class _Batch:
    """Some finished calls, taken together at the moment they are first written, so that late ones may still join."""

    def __init__(
        self,
        take: Callable[[], list[tuple[Line, Segment]]],
        landed: asyncio.Future[None] | None,
        resend: Callable[[tuple[Line, Segment]], None] | None,
    ) -> None:
        self._take = take
        self._landed = landed
        self._resend = resend
        self._lines: list[tuple[Line, Segment]] | None = None

    def send(self, store: PostgresStore, spool: Spool) -> None:
        written: Future[None] = store.submit(self._write, patient=True, hurried=False)
        written.add_done_callback(partial(self._written, spool))

    def _write(self, connection: Connection) -> None:
        if self._lines is None:
            self._lines = self._take()
        pg_rows.keep_calls(connection, [line for line, _ in self._lines])

    def _written(self, spool: Spool, written: Future[None]) -> None:
        failure = written.exception()
        if failure is None:
            for _, segment in self._lines or ():
                spool.done(segment)
        elif not isinstance(failure, StoreError):  # closed with the store away: the spool has them
            log.error("Finished calls could not be recorded together: %s", type(failure).__name__)
            for line in self._lines or () if self._resend else ():
                self._resend(line)  # type: ignore[misc]
        if self._landed is not None:
            with_loop = self._landed.get_loop()
            if not with_loop.is_closed():
                with_loop.call_soon_threadsafe(_set, self._landed)


def _set(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)


def _nothing(connection: Connection) -> None:
    """A write that writes nothing: it only finds out whether the store can be used."""
