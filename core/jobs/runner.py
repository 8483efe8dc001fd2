"""Claims jobs and runs them, a few at a time, with whatever work it is given.

A job ends here in one of six ways: done, failed, paused (what it lacks is outside of it: a budget, an AI that is not
configured, a person's word), cancelled, drained, or given back because this process stops.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import anyio
import anyio.abc

from core.errors import (
    ApprovalNeededError,
    BudgetExceededError,
    ConfigError,
    ElsewhereError,
    LostJobError,
    MootError,
    StoreError,
)
from core.jobs.approvals import open_approvals
from core.jobs.engine import JobEngine
from core.jobs.states import KEPT_S, CancelMode, JobState
from core.jobs.values import CRASHED, Job, JobResult

log = logging.getLogger(__name__)

Work = Callable[[Job, anyio.Event], Awaitable[JobResult | None]]
"""Runs a job. When the event is set it should drain: start nothing new, keep what is under way, and return None."""

MOST_AT_ONCE = 16
"""Jobs of one process: hosts ask many things at once, and each AI has a limit of its own."""
_WATCH_S = 0.25
_CLEAN_EVERY_S = 3600.0
_RELEASE_S = 3.0
KEPT_BYTES = 500_000_000


@dataclass
class _Running:
    job: Job
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    drain: anyio.Event = field(default_factory=anyio.Event)
    cancelled: bool = False
    lost: bool = False
    aside: bool = False
    """Whether it only waits for its parts."""
    asks: bool = False
    """Whether it stopped for a person's word."""
    returned: bool = False
    """Whether it is given back once its calls under way have finished."""


class Runner:
    """A worker: `run` it in a task group; cancelling that gives its jobs back.

    Args:
        kinds: The jobs it can do.
        ended: Called with every job that does not run here any more.
    """

    def __init__(
        self,
        engine: JobEngine,
        kinds: Collection[str],
        work: Work,
        *,
        most: int = MOST_AT_ONCE,
        ended: Callable[[str], None] = lambda job: None,
    ) -> None:
        self._ended = ended
        self._engine = engine
        self._kinds = kinds
        self._work = work
        self._most = most
        self._running: dict[str, _Running] = {}
        self._wake = anyio.Event()
        self._busy_at = time.monotonic()
        self._stopping = False
        self._idle = anyio.Event()

    @property
    def running(self) -> list[Job]:
        return [one.job for one in self._running.values()]

    def wake(self) -> None:
        """Look at the jobs now, not at the next poll."""
        self._wake.set()

    def step_aside(self, id: str) -> None:
        """A job that runs here waits for its parts from now on, and leaves its place to them."""
        if one := self._running.get(id):
            one.aside = True
            self.wake()

    def cancel(self, id: str, mode: CancelMode) -> None:
        """Stop a job that runs here now, not when the store is looked at next."""
        if one := self._running.get(id):
            self._heed(one, mine=True, cancel=mode)

    async def stop(self, seconds: float) -> None:
        """Take up no further job and start no further call, let those under way finish, and give the jobs back.

        Over after *seconds*, whatever still runs: cancelling `run` ends that.
        """
        self._stopping = True
        for one in self._running.values():
            one.returned = not one.drain.is_set()  # one that is being drained is cancelled, and stays so
            if one.aside:  # its parts are with others, who go on
                one.scope.cancel()
            else:
                one.drain.set()
        with anyio.move_on_after(seconds):
            while self._running:
                self._idle = anyio.Event()
                await self._idle.wait()

    async def run(self, *, idle_exit_s: float = math.inf) -> None:
        """Work until cancelled, or until there was nothing to do for so long."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            tasks.start_soon(self._clean)
            tasks.start_soon(self._engine.serve, self._kinds, self.wake)
            while True:
                await self._claim(tasks)
                if self._running:
                    self._busy_at = time.monotonic()
                elif time.monotonic() - self._busy_at >= idle_exit_s:
                    tasks.cancel_scope.cancel()
                    return
                with anyio.move_on_after(self._engine.looks_every_s * random.uniform(0.8, 1.2)):  # noqa: S311 - spreads
                    await self._wake.wait()
                self._wake = anyio.Event()

    async def _claim(self, tasks: anyio.abc.TaskGroup) -> None:
        try:
            while (kinds := self._wanted) and (job := await self._engine.claim(kinds)):
                self._running[job.id] = one = _Running(job)
                tasks.start_soon(self._one, one)
        except StoreError as error:  # told by whoever asks for a job; a worker waits for better times
            log.debug("No job can be claimed: %s", error)

    @property
    def _wanted(self) -> Collection[str]:
        """What may be taken up now: of jobs that wait for their parts no more than of jobs that work."""
        if self._stopping:
            return ()
        aside = [one.job.kind for one in self._running.values() if one.aside]
        if len(self._running) - len(aside) >= self._most:
            return ()
        return self._kinds if len(aside) < self._most else [kind for kind in self._kinds if kind not in aside]

    async def _one(self, one: _Running) -> None:
        try:
            state: JobState = "cancelled"
            result, reason = None, ""
            with one.scope:
                state, result, reason = await self._work_on(one)
            if one.lost:
                return
            if one.returned and not one.cancelled and state == "cancelled":
                await self._release(one.job)
                return
            if one.cancelled:
                state, result, reason = "cancelled", None, ""
            await self._engine.finish(one.job, state, result=result, reason=reason)
            if one.asks and not await open_approvals(self._engine, one.job.id):  # answered while it still ran
                await self._engine.resume(one.job.id)
        except ElsewhereError as error:
            await self._pass_on(one.job, str(error))
        except LostJobError:
            log.info("Job %s belongs to another process by now", one.job.id)
        except StoreError as error:
            log.warning("Job %s could not be ended: %s", one.job.id, error)
        except Exception:  # a worker, and the server it runs in, outlives whatever a job does
            log.exception("Job %s could not be ended", one.job.id)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_RELEASE_S, shield=True):
                await self._release(one.job)
            raise
        finally:
            del self._running[one.job.id]
            self._engine.let_go(one.job)
            self._busy_at = time.monotonic()
            self.wake()
            self._idle.set()
            self._ended(one.job.id)

    async def _work_on(self, one: _Running) -> tuple[JobState, JobResult | None, str]:
        try:
            result = await self._work(one.job, one.drain)
        except (ElsewhereError, LostJobError):
            raise
        except (ApprovalNeededError, BudgetExceededError, ConfigError) as error:
            one.asks = isinstance(error, ApprovalNeededError)
            return "paused", None, str(error)
        except MootError as error:
            return "failed", None, str(error)
        except Exception:
            log.exception("Job %s failed", one.job.id)
            return "failed", None, CRASHED
        return ("done", result, "") if result is not None else ("cancelled", None, "")

    async def _pass_on(self, job: Job, reason: str) -> None:
        try:
            await self._engine.pass_on(job, reason)
        except MootError as error:  # whoever finds this owner gone takes the job up
            log.debug("Job %s was not passed on: %s", job.id, error)

    async def _release(self, job: Job) -> None:
        try:
            await self._engine.release(job)
        except MootError as error:  # whoever finds this owner gone takes the job up
            log.debug("Job %s was not given back: %s", job.id, error)

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(_WATCH_S)
            if not self._running:
                continue
            try:
                claims = await self._engine.watch(self.running)
            except StoreError:
                continue
            for job_id, claim in claims.items():
                if one := self._running.get(job_id):
                    self._heed(one, mine=claim.mine, cancel=claim.cancel)

    def _heed(self, one: _Running, *, mine: bool, cancel: CancelMode | None) -> None:
        if not mine:
            one.lost = True
            one.scope.cancel()
        elif cancel == "abort":
            one.cancelled = True
            one.scope.cancel()
        elif cancel == "drain":
            one.drain.set()

    async def _clean(self) -> None:
        while True:
            try:
                await self._engine.clean(older_than_s=KEPT_S, most_bytes=KEPT_BYTES)
            except StoreError as error:
                log.debug("Old jobs were not cleaned up: %s", error)
            await anyio.sleep(_CLEAN_EVERY_S)
