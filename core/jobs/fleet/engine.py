"""The distributed engine: jobs in the PostgreSQL database that MOOT_STORE names, done by `moot worker` processes.

Procrastinate's queue says whose turn it is, the journal what is paid for and who may go on. A finished call goes to
the local spool first, then into the next commit, and is shown to nobody before that: so what anybody has seen is never
made again, whichever machine is lost. No call starts without a lease on its job that is known to be valid, nor while
the database is away; what is finished meanwhile is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import psycopg

from core.errors import StoreError
from core.jobs import rows
from core.jobs.fleet import rows as pg_rows
from core.jobs.fleet.commits import Commits, looked_at, rescue
from core.jobs.fleet.leases import LEASE_S, Holds
from core.jobs.fleet.parts import ABANDONED, WHOLE, PostgresParts
from core.jobs.fleet.task_queue import Entry, Queue, install
from core.jobs.states import CancelMode, JobState
from core.jobs.values import LOST_SPOOL, UNWRITABLE, Job, JobClaim, JobResult, KeptCall, new_id
from core.stores.owners import Owner
from core.stores.pg_connection import Connection
from core.stores.postgres import PostgresStore
from core.stores.spool import Spool

T = TypeVar("T")

_MOST_UNCOMMITTED = 10_000
_LOOK_AGAIN_S = _FRESH_S = 0.1
"""How soon the database is asked again, and how long ago it may have been heard of last when a call starts."""
_NO_WORKER = "No worker is running. Start one on any machine with this MOOT_STORE: moot worker"


class PostgresJobs:
    """The jobs in the database at *url*, as seen by one process, whose spool is in *folder*.

    Args:
        lease_s: Seconds after which a process that is not heard of has lost its jobs.
    """

    looks_every_s = 3.0
    """New jobs are told of. This is for those whose time comes, and whose owner is gone."""

    def __init__(self, url: str, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self._store = PostgresStore(url, "jobs", also=install)
        self.clock = self._store.clock
        self._queue = Queue(self._store.address, self.clock, lease_s=lease_s)
        self._lease_s = lease_s
        self._owner = Owner(folder / "owners")
        place = hashlib.sha256(str(self._store.address).encode()).hexdigest()[:8]
        self._spools = folder / f"cluster-{place}.d"
        self._spool = Spool(self._spools, self._owner.name)
        self._commits = Commits(self._store, self._spool, self._hear)
        self.holds = Holds(lease_s)
        self._fetched: set[int] = set()
        """Entries that are ours, though what they stand for is not known yet."""
        self._due: set[int] = set()
        """Entries we are done with that the queue has not heard of yet."""
        self._lock, self._renewing, self._freshening = anyio.Lock(), anyio.Lock(), anyio.Lock()
        self._heard_at = float("-inf")
        """When the database was alive for certain."""
        self._keeps: Collection[str] = ()
        self._closed = False
        self.parts = PostgresParts(self)

    def keep(self, kinds: Collection[str]) -> None:
        self._keeps = tuple(kinds)

    @property
    def owner(self) -> str:
        return self._owner.name

    @property
    def problem(self) -> str | None:
        return self._store.problem or self._queue.problem or (LOST_SPOOL if self._spool.failed else None)

    async def submit(
        self, kind: str, arguments: Mapping[str, Any], *, person: str = "", request_key: str | None = None
    ) -> Job:
        job = Job(new_id(), kind, "queued", arguments, creator=self.owner, created=self.clock(), person=person)
        text, kept_s = rows.dump_arguments(arguments), self._kept_s(kind)
        add = partial(pg_rows.submit, job=job, arguments=text, kept_s=kept_s, request_key=request_key)
        return await self.write(add)

    async def get(self, id: str) -> Job:
        job, gone, workers = await self.read(partial(self._around, find=partial(rows.get, id=id)))
        return self._shown(job, gone, workers)

    async def result(self, id: str) -> JobResult | None:
        return await self.read(partial(rows.result, id=id))

    async def list_jobs(
        self, states: Collection[JobState] = (), *, limit: int = 50, person: str | None = None
    ) -> list[Job]:
        find = partial(rows.list_jobs, states=tuple(states), limit=limit, person=person, only=WHOLE)
        found, gone, workers = await self.read(partial(self._around, find=find))
        return [self._shown(job, gone, workers) for job in found]

    async def counts(self) -> dict[str, int]:
        return await self.read(partial(rows.counts, only=WHOLE))

    async def asked(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        return await self.read(partial(rows.asked, ids=tuple(ids))) if ids else {}

    async def calls(self, id: str, *, after: int = 0, limit: int = 100) -> list[KeptCall]:
        return await self.read(partial(rows.calls_after, id=id, after=after, limit=limit))

    async def cancel(self, id: str, mode: CancelMode = "abort") -> Job:
        return await self.write(partial(pg_rows.cancel, id=id, mode=mode, now=self.clock()))

    async def resume(self, id: str) -> Job:
        return await self._requeue(id, also_done=False)

    async def retry(self, id: str) -> Job:
        return await self._requeue(id, also_done=True)

    async def _requeue(self, id: str, *, also_done: bool) -> Job:
        kept_s = self._lease_s if (await self.get(id)).kind in self._keeps else None
        return await self.write(partial(pg_rows.requeue, id=id, me=self.owner, kept_s=kept_s, also_done=also_done))

    def _kept_s(self, kind: str) -> float | None:
        return self._lease_s if kind in self._keeps else None

    async def note(self, job: str, key: str, value: Any) -> bool:
        return await self.write(partial(pg_rows.note, line=(job, key, json.dumps(value), self.clock())))

    async def kept(self, id: str, prefix: str) -> dict[str, Any]:
        return await self.read(partial(rows.kept, id=id, prefix=prefix))

    async def clean(self, *, older_than_s: float, most_bytes: int) -> int:
        before = self.clock() - older_than_s
        return await self.write(partial(rows.clean, before=before, most_bytes=most_bytes, only=ABANDONED))

    async def forget(self, id: str) -> None:
        await self.write(partial(rows.forget, id=id))

    async def forget_words(self) -> int:
        return await self.write(partial(rows.forget_words, only=ABANDONED))

    async def claim(self, kinds: Collection[str]) -> Job | None:
        await self._begin()
        if self._keeps:
            return await self._claim_own(kinds)
        await self._beat()
        while entry := await self._fetch(kinds):
            try:
                taken = await self._take(entry)
            except BaseException:
                self._queue.doubt()
                raise
            finally:
                self._fetched.discard(entry.id)
            if isinstance(taken, Job):
                return taken
            await (self._done_with(entry.id) if taken is None else self._queue.put_off(entry.id, taken.seconds))
        return None

    async def _claim_own(self, kinds: Collection[str]) -> Job | None:
        """What was accepted here comes from the journal: the queue only makes sure that others take it up after us."""
        me, asked, own = self.owner, self.holds.clock(), [kind for kind in kinds if kind in self._keeps]
        take = partial(pg_rows.take_own, me=me, kinds=own, held=[*self.holds], now=self.clock(), lease_s=self._lease_s)
        if (job := await self.write(take)) is not None:
            self.holds.take(job, None, asked)
        return job

    async def _take(self, entry: Entry) -> Job | pg_rows.Busy | None:
        asked, here, fair_in_s = self.holds.clock(), entry.job in self.holds, self._queue.fair_in_s
        take = partial(pg_rows.take, id=entry.job, me=self.owner, now=self.clock(), lease_s=self._lease_s)
        taken = await self.write(partial(take, here=here, fair_in_s=fair_in_s))
        if isinstance(taken, Job):
            self.holds.take(taken, entry.id, asked)
        return taken

    async def _fetch(self, kinds: Collection[str]) -> Entry | None:
        """The next entry, held from the moment it is ours: a heartbeat gives back what nobody holds."""
        async with self._lock:
            entry = await self._queue.fetch(kinds)
            if entry is not None:
                self._fetched.add(entry.id)
            return entry

    async def watch(self, jobs: Sequence[Job]) -> dict[str, JobClaim]:
        if self.holds.due:
            await self._renew()
        claims = await self.read(partial(rows.watch, jobs=jobs))
        return {job: replace(claim, mine=claim.mine and not self.holds.lost(job)) for job, claim in claims.items()}

    async def _renew(self) -> None:
        """Ask for a new lease on all that is held, and learn what is not any more."""
        async with self._renewing:
            asked = self.holds.clock()
            claims = await self.write(partial(pg_rows.renew, jobs=self.holds.valid, lease_s=self._lease_s))
            self.holds.renewed(claims, asked)

    def let_go(self, job: Job) -> None:
        hold = self.holds.let_go(job.id)
        if hold is not None and hold.entry is not None:  # else the queue has been told
            self._queue.doubt()

    async def serve(self, kinds: Collection[str], wake: Callable[[], None]) -> None:
        if self._keeps:
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hearts, wake)
            await self._queue.listen(kinds, wake)

    async def _hearts(self, wake: Callable[[], None]) -> None:
        while True:
            with suppress(StoreError):  # told by whoever asks for a job; what is due is done when the database is back
                await self._begin()
                if await self._beat():
                    wake()
            await anyio.sleep(min(self._queue.beat_every_s, self.looks_every_s))

    async def _begin(self) -> None:
        if self._closed:
            raise StoreError("The store is closed.")
        await anyio.to_thread.run_sync(self._prepare)
        await anyio.to_thread.run_sync(rescue, self._store, self._spools, self._owner)

    async def _beat(self) -> bool:
        """Be a worker: tell that we live, and what we are done with. Whether something was queued again."""
        async with self._lock:
            await self._queue.open()
            again = await self._queue.beat(lambda: self.holds.entries | self._fetched | self._due)
            for entry in [*self._due]:
                await self._queue.finish(entry)
                self._due.discard(entry)
            return again

    def _prepare(self) -> None:
        try:
            if self._owner.register():
                self._store.submit(_nothing).result()  # the tables are there before the queue is asked
            self._spool.open()
        except OSError as error:
            self._owner.close()
            raise StoreError(UNWRITABLE) from error
        except StoreError:
            self._owner.close()
            raise

    async def set_total(self, id: str, total: int) -> None:
        await self.write(partial(pg_rows.set_total, id=id, fence=self.holds.fence(id), total=total))

    async def set_progress(self, id: str, progress: Mapping[str, Any]) -> None:
        await self.write(partial(pg_rows.set_progress, id=id, fence=self.holds.fence(id), progress=progress))

    async def finish(self, job: Job, state: JobState, *, result: JobResult | None = None, reason: str = "") -> None:
        end = partial(pg_rows.finish, job=job, state=state, result=result, reason=reason, now=self.clock())
        await self._end(job, end, patient=True)

    async def release(self, job: Job) -> None:
        await self._end(job, partial(pg_rows.release, job=job))

    async def pass_on(self, job: Job, reason: str) -> None:
        await self._end(job, partial(pg_rows.pass_on, job=job, reason=reason))

    async def _end(self, job: Job, end: Callable[[Connection], None], *, patient: bool = False) -> None:
        """Have the journal say it first: of one who has lost the job, the entry in the queue is not ours any more."""
        try:
            await self.write(end, patient=patient)
        except BaseException:
            self.let_go(job)
            raise
        hold = self.holds.let_go(job.id)
        if hold is not None and hold.entry is not None:
            await self._done_with(hold.entry)

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
        text, at = json.dumps(value), self.clock()
        self._commits.add((job, key, text, at), self._spool.put(job, key, text, at))

    async def settle(self) -> None:
        await self._commits.landed()

    async def ready(self, job: str) -> None:
        while True:
            await self._writable()
            if self.holds.lost(job):
                await anyio.sleep_forever()  # until whoever runs the job here ends it
            if self.holds.enough(job) and self._fresh:
                return
            try:
                await self._freshen()
            except StoreError:
                await anyio.sleep(_LOOK_AGAIN_S)

    async def assured(self, job: str) -> None:
        """Return while the lease on *job* is valid for long enough to change what it alone protects.

        Raises:
            LostJobError: It is lost.
        """
        while not self.holds.enough(job):
            self.holds.fence(job)
            try:
                await self._freshen()
            except StoreError:
                await anyio.sleep(_LOOK_AGAIN_S)

    async def _freshen(self) -> None:
        """Hear of the database, and of what is ours where that is due: once for all who want to know it."""
        async with self._freshening:
            if self.holds.due:
                await self._renew()
            elif not self._fresh:
                await self.read(_nothing)

    @property
    def _fresh(self) -> bool:
        return self.holds.clock() - self._heard_at <= _FRESH_S

    async def _writable(self) -> None:
        while self.problem or self._spool.waiting > _MOST_UNCOMMITTED:
            if not self._spool.waiting:  # nothing is waiting that would show whether writing works again
                self._store.post(_nothing)
            await anyio.sleep(_LOOK_AGAIN_S)

    def _hear(self) -> None:
        self._heard_at = self.holds.clock()

    async def aclose(self) -> None:
        async with self._lock:
            self._closed = True
            if self._owner.registered:  # nothing runs here any more
                self._store.submit(partial(pg_rows.give_back, me=self.owner))
            await self._queue.aclose()
        await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._store.close()
        self._spool.close()
        self._owner.close()

    def _around(self, connection: Connection, find: Callable[[Connection], T]) -> tuple[T, set[str], int]:
        """What *find* finds, which jobs' owners are gone, and how many workers there are."""
        return find(connection), pg_rows.lapsed(connection), pg_rows.workers(connection, self._lease_s)

    def _shown(self, job: Job, gone: Collection[str], workers: int) -> Job:
        if job.state == "running" and not self.holds.lost(job.id):
            problem = self.problem
            return replace(job, state="paused", reason=problem, waits=True) if problem else job
        job = pg_rows.shown(job, gone)
        return replace(job, reason=_NO_WORKER) if job.state == "queued" and not workers else job

    async def write(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T:
        asked = self.holds.clock()
        written = asyncio.wrap_future(self._store.submit(operation, patient=patient))
        written.add_done_callback(looked_at)
        try:
            found = await asyncio.shield(written)  # it is written all the same
        except psycopg.Error as error:
            raise StoreError(self._store.explain(error)) from error
        self._heard_at = max(self._heard_at, asked)
        return found

    async def read(self, operation: Callable[[Connection], T], *, patient: bool = False) -> T:
        while True:
            asked = self.holds.clock()
            try:
                found = await anyio.to_thread.run_sync(self._store.read, operation)
            except StoreError:
                if not patient or self._closed:
                    raise
            else:
                self._heard_at = max(self._heard_at, asked)
                return found
            await self._writable()
            await anyio.sleep(_LOOK_AGAIN_S)


def _nothing(connection: Connection) -> None:
    """A write that writes nothing: it only finds out whether the store can be used."""
