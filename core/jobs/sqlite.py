"""The embedded engine: `jobs.db` in the data folder, shared by every Moot process of the user, nothing to install.

A job belongs to whoever holds an operating system's lock, which the system frees when the process dies: a killed
owner's jobs can be taken over at once, and a live one's never. A finished call goes to the spool first, then into
the next commit of the one writer thread; while the store is locked or full it stays in the spool and in memory.
Nothing is opened before the first use.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from core.errors import StoreError, UnknownJobError
from core.jobs import packed, rows
from core.jobs.schema import MIGRATIONS
from core.jobs.states import CancelMode, JobState
from core.jobs.values import LOST_SPOOL, UNWRITABLE, Job, JobClaim, JobResult, KeptCall, new_id
from core.paths import network_folder
from core.stores.owners import Owner
from core.stores.spool import Segment, Spool, left_behind, read_spool
from core.stores.sqlite import Store, now

log = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_UNCOMMITTED = 10_000
_SPACING_S = 0.25
"""The spool has every finished call at once; the table may have it a moment later."""
_LOOK_AGAIN_S = 0.1
_MERGED_AT_ONCE = 500


_dumped = json.JSONEncoder(separators=(",", ":")).encode
_ORPHANED = "The process that ran it is gone; it waits for another one. Go on with: moot jobs watch {id}"


class SQLiteJobs:
    """The jobs in *folder*, as seen by one owner."""

    looks_every_s = 0.75

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobs.db"
        self._spools = folder / "jobs.d"
        self._store = Store(self._path, MIGRATIONS, spacing_s=_SPACING_S, shrinks=True)
        self._owner = Owner(folder / "owners")
        self._spool = Spool(self._spools, self._owner.name)
        self._held: set[str] = set()
        self._gathering = threading.Lock()
        self._bundle: _Bundle | None = None

    @property
    def owner(self) -> str:
        return self._owner.name

    @property
    def problem(self) -> str | None:
        return self._store.problem or (LOST_SPOOL if self._spool.failed else None)

    def exists(self) -> bool:
        return self._path.exists()

    async def submit(
        self, kind: str, arguments: Mapping[str, Any], *, person: str = "", request_key: str | None = None
    ) -> Job:
        text = rows.dump_arguments(arguments)
        await anyio.to_thread.run_sync(self._register)
        job = Job(new_id(), kind, "queued", arguments, creator=self.owner, created=now(), person=person)
        return await self._write(partial(rows.insert_job, job=job, arguments=text, request_key=request_key))

    async def get(self, id: str) -> Job:
        return await self._read(lambda connection: self._shown(rows.get(connection, id)), UnknownJobError(id))

    async def result(self, id: str) -> JobResult | None:
        return await self._read(partial(rows.result, id=id), UnknownJobError(id))

    async def list_jobs(
        self, states: Collection[JobState] = (), *, limit: int = 50, person: str | None = None
    ) -> list[Job]:
        if not await anyio.to_thread.run_sync(self.exists):
            return []
        return await self._read(
            lambda connection: [
                self._shown(job) for job in rows.list_jobs(connection, states=tuple(states), limit=limit, person=person)
            ]
        )

    async def counts(self) -> dict[str, int]:
        return await self._read(rows.counts) if await anyio.to_thread.run_sync(self.exists) else {}

    async def asked(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        return await self._read(partial(rows.asked, ids=tuple(ids))) if ids else {}

    async def calls(self, id: str, *, after: int = 0, limit: int = 100) -> list[KeptCall]:
        return await self._read(partial(packed.calls_after, id=id, after=after, limit=limit), UnknownJobError(id))

    async def cancel(self, id: str, mode: CancelMode = "abort") -> Job:
        await self.get(id)
        return await self._write(partial(rows.cancel, id=id, mode=mode, now=now()))

    async def resume(self, id: str) -> Job:
        return await self._requeue(id, also_done=False)

    async def retry(self, id: str) -> Job:
        return await self._requeue(id, also_done=True)

    async def _requeue(self, id: str, *, also_done: bool) -> Job:
        await self.get(id)
        return await self._write(partial(rows.requeue, id=id, me=self.owner, also_done=also_done))

    async def note(self, job: str, key: str, value: Any) -> bool:
        return await self._write(partial(packed.note, job=job, key=key, value=_dumped(value), at=now()))

    async def kept(self, id: str, prefix: str) -> dict[str, Any]:
        if not await anyio.to_thread.run_sync(self.exists):
            return {}
        return await self._read(partial(packed.kept, id=id, prefix=prefix))

    @property
    def parts(self) -> None:
        """One machine does a job as a whole."""

    def keep(self, kinds: Collection[str]) -> None:
        """What is accepted here is done here anyway."""

    async def clean(self, *, older_than_s: float, most_bytes: int) -> int:
        if not await anyio.to_thread.run_sync(self.exists):
            return 0
        before = now() - older_than_s
        deleted = await self._write(
            partial(rows.clean, before=before, most_bytes=most_bytes, forget_calls=packed.FORGET)
        )
        if deleted:
            await self._write(packed.sweep)
            await self._write(rows.vacuum)
        return deleted

    async def forget(self, id: str) -> None:
        await self._write(partial(rows.forget, id=id, forget_calls=packed.FORGET))

    async def forget_words(self) -> int:
        if not await anyio.to_thread.run_sync(self.exists):
            return 0
        forgotten = await self._write(partial(rows.forget_words, forget_calls=packed.FORGET))
        await self._write(rows.vacuum)
        return forgotten

    async def claim(self, kinds: Collection[str]) -> Job | None:
        try:
            job = await anyio.to_thread.run_sync(self._claim, tuple(kinds))
        except (OSError, sqlite3.Error) as error:
            raise StoreError(UNWRITABLE) from error
        if job is not None:
            self._held.add(job.id)
        return job

    def _claim(self, kinds: Sequence[str]) -> Job | None:
        if not self.exists() or not (holders := self._read_now(partial(rows.holders, me=self.owner))):
            return None
        gone = [holder for holder in holders if not self._owner.alive(holder)]
        if not gone and self.owner not in holders:
            return None
        self._register()
        for holder, paths in left_behind(self._spools).items():
            # before the jobs are taken, so that whoever takes one sees all of it
            if holder in gone or not self._owner.alive(holder):
                self._merge(holder, paths)
        for holder in gone:
            self._owner.bury(holder)
        gone = gone[:_MERGED_AT_ONCE]
        return self._submit_now(partial(rows.take, me=self.owner, gone=gone, kinds=kinds, now=now()))

    def _merge(self, holder: str, paths: Sequence[Path]) -> None:
        """Put what a dead owner had finished but not committed into the store."""
        for path in paths:
            lines = list(read_spool(path)) if path.exists() else []
            for start in range(0, len(lines), _MERGED_AT_ONCE):
                self._submit_now(partial(_keep_all, lines=lines[start : start + _MERGED_AT_ONCE]))
            path.unlink(missing_ok=True)
        self._owner.bury(holder)

    async def watch(self, jobs: Sequence[Job]) -> dict[str, JobClaim]:
        return await self._read(partial(rows.watch, jobs=jobs))

    async def set_total(self, id: str, total: int) -> None:
        await self._write(partial(rows.set_total, id=id, total=total))

    async def set_progress(self, id: str, progress: Mapping[str, Any]) -> None:
        await self._write(partial(rows.set_progress, id=id, progress=progress))

    async def finish(self, job: Job, state: JobState, *, result: JobResult | None = None, reason: str = "") -> None:
        write = partial(rows.finish, job=job, state=state, result=result, reason=reason, now=now())
        try:
            await self._write(write, patient=True)
        finally:
            self._held.discard(job.id)

    async def serve(self, kinds: Collection[str], wake: Callable[[], None]) -> None:
        """Others see by its lock that this process lives."""

    def let_go(self, job: Job) -> None:
        self._held.discard(job.id)

    async def release(self, job: Job) -> None:
        self._held.discard(job.id)
        await self._write(partial(rows.release, job=job))

    async def pass_on(self, job: Job, reason: str) -> None:
        await self.finish(job, "paused", reason=reason)

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        return await self._read(partial(packed.memo, id=job, keys=tuple(keys)))

    @property
    def waiting(self) -> int:
        return self._spool.waiting

    def record(self, job: str, key: str, value: Any) -> None:
        text, at = _dumped(value), now()
        segment = self._spool.put(job, key, text, at)
        with self._gathering:
            bundle, fresh = self._bundle, self._bundle is None
            if bundle is None:
                bundle = self._bundle = _Bundle()
            bundle.lines.append((job, key, text, at))
            bundle.segments.append(segment)
        if fresh:
            written = self._store.submit(partial(self._keep, bundle), patient=True, hurried=False)
            written.add_done_callback(partial(self._recorded, bundle))

    def _keep(self, bundle: _Bundle, connection: sqlite3.Connection) -> None:
        with self._gathering:
            if self._bundle is bundle:  # whoever comes now joins the next one
                self._bundle = None
        _keep_all(connection, bundle.lines)

    def _recorded(self, bundle: _Bundle, written: Future[None]) -> None:
        if written.exception() is None:
            for segment, lines in Counter(bundle.segments).items():
                self._spool.done(segment, lines)

    async def settle(self) -> None:
        """The spool has it, and whoever takes over reads that."""

    async def ready(self, job: str) -> None:
        while self.problem or self._spool.waiting > _MOST_UNCOMMITTED:
            if not self._spool.waiting:  # nothing is waiting that would show whether writing works again
                self._store.post(_nothing)
            await anyio.sleep(_LOOK_AGAIN_S)

    async def aclose(self) -> None:
        await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._store.close()
        self._spool.close()
        self._owner.close()

    def _register(self) -> None:
        try:
            if self._owner.register() and (kind := network_folder(self._path.parent)):
                log.warning(
                    "Moot's data folder is on a network file system (%s), where jobs may be lost or run twice. "
                    "Set MOOT_HOME to a local folder.",
                    kind,
                )
            self._spool.open()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(UNWRITABLE) from error

    def _shown(self, job: Job) -> Job:
        """*job* as it stands: one of ours whose calls cannot be kept at the moment is paused, though nothing can say
        so in the store."""
        if job.id in self._held and job.state == "running" and (problem := self.problem):
            return replace(job, state="paused", reason=problem, waits=True)
        if job.state == "running" and job.owner and not self._owner.alive(job.owner):
            return replace(job, state="queued", reason=_ORPHANED.format(id=job.id))
        return job

    async def _write(self, operation: Callable[[sqlite3.Connection], T], *, patient: bool = False) -> T:
        written = self._store.submit(operation, patient=patient)
        try:
            return await asyncio.shield(asyncio.wrap_future(written))  # it is written all the same
        except sqlite3.Error as error:
            raise StoreError(self._store.explain(error)) from error

    def _submit_now(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._store.submit(operation).result()
        except sqlite3.Error as error:
            raise StoreError(self._store.explain(error)) from error

    async def _read(self, operation: Callable[[sqlite3.Connection], T], nothing: Exception | None = None) -> T:
        """Read in a thread; *nothing* is raised where there is no store yet."""
        return await anyio.to_thread.run_sync(self._read_now, operation, nothing)

    def _read_now(self, operation: Callable[[sqlite3.Connection], T], nothing: Exception | None = None) -> T:
        if nothing is not None and not self.exists():
            raise nothing
        return self._store.read(operation)


class _Bundle:
    """Finished calls on their way into the store together: one operation costs as much as ten inserts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, float]] = []
        self.segments: list[Segment] = []


def _keep_all(connection: sqlite3.Connection, lines: Sequence[tuple[str, str, str, float]]) -> None:
    by_job: dict[str, list[tuple[str, str, float]]] = {}
    for job, key, value, at in lines:
        by_job.setdefault(job, []).append((key, value, at))
    for job, calls in by_job.items():
        packed.keep_calls(connection, job, calls)


def _nothing(connection: sqlite3.Connection) -> None:
    """A write that writes nothing: it only finds out whether the store can be used."""
