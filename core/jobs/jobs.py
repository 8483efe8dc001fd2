"""The way to jobs for doors and recipes: opens the engine at the first need, and tells the worker of this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from core.errors import InvalidInputError, StoreError, UnknownJobError
from core.jobs.kinds import CALL_OFF
from core.jobs.provider_chunks import REMOTE, open_at_provider
from core.jobs.questions import Questions
from core.paths import data_dir
from core.people.person import acting, for_acting
from core.stores.choose import require_extra, store_url

if TYPE_CHECKING:
    from core.jobs.approvals import Approval
    from core.jobs.engine import JobEngine, Parts
    from core.jobs.states import CancelMode, JobState
    from core.jobs.values import Job, JobResult, KeptCall

_LOOK_S = 0.1
_LOOKED_THROUGH = 1_000
_SHORTEST_BEGINNING = 2
_WAITERS_AT_EASE = 10
"""With more of them, each looks less often: a thousand that look ten times a second leave no time for anything else."""


def open_engine() -> JobEngine:
    """The engine of this installation. Imports it, so not on the event loop.

    Raises:
        ConfigError: MOOT_STORE is wrong.
    """
    if url := store_url():
        require_extra()
        from core.jobs.fleet.engine import PostgresJobs

        return PostgresJobs(url, data_dir())
    from core.jobs.sqlite import SQLiteJobs

    return SQLiteJobs(data_dir())


def may_exist() -> bool:
    """Whether there may be a job to do here: cheap, imports and opens nothing. Blocks for a moment."""
    return done_here() and (data_dir() / "jobs.db").exists()


def done_here() -> bool:
    """Whether the processes that accept jobs also do them. A fleet leaves that to its workers."""
    return not os.environ.get("MOOT_STORE", "").strip()


class LocalWorker(Protocol):
    """What does jobs in this process, as far as `Jobs` tells it of them."""

    def wake(self) -> None:
        """There may be something new to do."""

    def cancel(self, id: str, mode: CancelMode) -> None:
        """The job shall stop."""

    def step_aside(self, id: str) -> None:
        """The job only waits for its parts from now on."""

    async def stop(self, seconds: float) -> None:
        """This process ends; calls under way may take so long."""


class NoWorker:
    """Nobody: other processes do the jobs."""

    def wake(self) -> None:
        pass

    def cancel(self, id: str, mode: CancelMode) -> None:
        pass

    def step_aside(self, id: str) -> None:
        pass

    async def stop(self, seconds: float) -> None:
        pass


class Jobs:
    """The jobs of whoever asks, wherever they run. The methods raise what `JobEngine` says.

    Of somebody else's job nobody hears, not even that there is one.
    """

    def __init__(self, open_engine: Callable[[], JobEngine] = open_engine) -> None:
        self._open_engine = open_engine
        self._engine: JobEngine | None = None
        self._lock = anyio.Lock()
        self._waiters: dict[str, list[anyio.Event]] = {}
        self.questions = Questions()
        """What the jobs that run in this process want to know of the user."""
        self._runs_on = True
        self._keeps: Collection[str] = ()
        self._local: LocalWorker = NoWorker()

    @property
    def runs_on(self) -> bool:
        """Whether a job goes on after this process has ended, without another one being started by hand."""
        return self._runs_on

    @property
    def keeps(self) -> Collection[str]:
        """What this process does itself of the jobs it accepts, even in a fleet."""
        return self._keeps

    def promise(self, *, keeps: Collection[str] | None = None, runs_on: bool | None = None) -> None:
        """Say what becomes of the jobs that are accepted here, before the first one is."""
        self._keeps = self._keeps if keeps is None else keeps
        self._runs_on = self._runs_on if runs_on is None else runs_on

    def attach(self, worker: LocalWorker) -> None:
        """Tell *worker* of jobs from now on, instead of whoever was told before."""
        self._local = worker

    def step_aside(self, id: str) -> None:
        """Tell that the job only waits for its parts from now on."""
        self._local.step_aside(id)

    async def stop(self, seconds: float) -> None:
        """Let the jobs of this process end: their calls under way may take so long."""
        await self._local.stop(seconds)

    @property
    def opened(self) -> bool:
        return self._engine is not None

    async def engine(self) -> JobEngine:
        async with self._lock:
            if self._engine is None:
                self._engine = await anyio.to_thread.run_sync(self._open_engine)
                self._engine.keep(self._keeps)
            return self._engine

    async def submit(self, kind: str, arguments: Mapping[str, Any], *, request_key: str | None = None) -> Job:
        engine, whole = await self.engine(), {**arguments, **for_acting()}
        job = await engine.submit(kind, whole, person=acting().name, request_key=request_key)
        self._local.wake()
        return job

    async def get(self, id: str) -> Job:
        job = await (await self.engine()).get(id)
        if job.person != acting().name:
            raise UnknownJobError(id)
        return job

    async def _own(self, id: str) -> JobEngine:
        """The engine, for something to be done with a job that is known to be of whoever asks."""
        await self.get(id)
        return await self.engine()

    async def named(self, said: str) -> str:
        """The id of the job that *said* is, or is the beginning of.

        Raises:
            UnknownJobError: There is none.
            InvalidInputError: There are several.
        """
        try:
            return (await self.get(said)).id
        except UnknownJobError:
            found = [job.id for job in await self.list_jobs(limit=_LOOKED_THROUGH) if job.id.startswith(said)]
            if not found or len(said) < _SHORTEST_BEGINNING:
                raise
        if len(found) > 1:
            raise InvalidInputError(f"{said!r} could be {', '.join(found[:5])}. Give more letters.")
        return found[0]

    async def result(self, id: str) -> JobResult | None:
        return await (await self._own(id)).result(id)

    async def asked(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """By id, the arguments of jobs that `list_jobs` or `get` told of."""
        return await (await self.engine()).asked(ids)

    async def list_jobs(self, states: Collection[JobState] = (), *, limit: int = 50) -> list[Job]:
        return await (await self.engine()).list_jobs(states, limit=limit, person=acting().name)

    async def calls(self, id: str, *, after: int = 0, limit: int = 100) -> list[KeptCall]:
        return await (await self._own(id)).calls(id, after=after, limit=limit)

    async def cancel(self, id: str, mode: CancelMode = "abort") -> Job:
        """Cancel it; what an aborted one has at a provider is called off there by a job of its own.

        That job is accepted first: however this process ends, nothing goes on at a provider unknown to everybody.
        """
        engine = await self._own(id)
        goes_on = mode == "abort" and open_at_provider(await engine.kept(id, REMOTE))
        if goes_on and (await engine.get(id)).state not in ("done", "failed"):
            await self.submit(CALL_OFF, {"job": id})
        job = await engine.cancel(id, mode)
        self._local.cancel(id, mode)
        return job

    async def resume(self, id: str) -> Job:
        job = await (await self._own(id)).resume(id)
        self._local.wake()
        return job

    async def retry(self, id: str) -> Job:
        job = await (await self._own(id)).retry(id)
        self._local.wake()
        return job

    async def approvals(self, id: str) -> list[Approval]:
        """What a person has to answer before the job goes on."""
        from core.jobs.approvals import open_approvals

        return await open_approvals(await self._own(id), id)

    async def approve(self, id: str, approval: str, *, yes: bool) -> Approval:
        """Answer one of them; when none is left, the job goes on.

        Raises:
            InvalidInputError: No such question stands.
        """
        from core.jobs.approvals import answer_approval, open_approvals

        engine = await self._own(id)
        answered = await answer_approval(engine, id, approval, yes=yes)
        if (await engine.get(id)).state == "paused" and not await open_approvals(engine, id):
            await engine.resume(id)
            self._local.wake()
        return answered

    async def set_progress(self, id: str, total: int, progress: Mapping[str, Any]) -> None:
        engine = await self.engine()
        await engine.set_total(id, total)
        await engine.set_progress(id, progress)

    async def parts(self) -> Parts | None:
        """What hands parts of a job to other machines; None where one machine does it all."""
        return (await self.engine()).parts

    async def clean(self, *, older_than_s: float, most_bytes: int) -> int:
        return await (await self.engine()).clean(older_than_s=older_than_s, most_bytes=most_bytes)

    async def forget(self, id: str) -> None:
        """Delete a job that is over, with its words. It has served its purpose: an error of the store is none here."""
        with suppress(StoreError, UnknownJobError):
            await (await self._own(id)).forget(id)

    async def forget_words(self) -> int:
        return await (await self.engine()).forget_words()

    async def wait(self, id: str, seconds: float, *, after: int | None = None) -> Job:
        """The job once it is over or paused, or has finished calls behind the cursor *after*, or when time is up."""
        until = time.monotonic() + seconds
        while True:
            with self._told(id) as ended:
                job = await self.get(id)
                if job.over or job.state == "paused" or time.monotonic() >= until:
                    return job
                if after is not None and await self.calls(id, after=after, limit=1):
                    return job
                pause = _LOOK_S * max(1.0, len(self._waiters) / _WAITERS_AT_EASE)
                with anyio.move_on_after(min(pause, max(until - time.monotonic(), 0))):
                    await ended.wait()

    def ended(self, id: str) -> None:
        """Tell whoever waits for the job here that it runs no longer, so that nobody has to find out by looking."""
        for waiter in self._waiters.get(id, ()):
            waiter.set()

    @contextmanager
    def _told(self, id: str) -> Iterator[anyio.Event]:
        waiters = self._waiters.setdefault(id, [])
        waiters.append(told := anyio.Event())
        try:
            yield told
        finally:
            waiters.remove(told)
            if not waiters:
                self._waiters.pop(id, None)

    async def aclose(self) -> None:
        """Close the engine, if it was ever opened."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.aclose()
