"""Tells of jobs: when one changes its state, and what finishes in those that other processes run.

The store knows everything and is looked at once a second while a job is under way, or at once when something happened
here. So a page sees the rest of a job whose server was killed, whoever goes on with it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from core.errors import MootError, UnknownJobError
from core.jobs.jobs import done_here, may_exist
from core.jobs.values import is_job
from server.web.stream.hub import LOOK, Hub
from tools.jobs import FinishedCall, JobView, is_told

if TYPE_CHECKING:
    from ai.runs.app import App
    from core.jobs.engine import JobEngine
    from core.jobs.values import Job

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_REST_S = 5.0
_MOST = 1_000
_CALLS_AT_ONCE = 50


@dataclass(slots=True)
class _Seen:
    """A job as it was last told of."""

    told: dict[str, Any]
    cursor: int = 0


class JobWatch:
    """Watches the jobs of *app*, and tells *hub*."""

    def __init__(self, app: App, hub: Hub) -> None:
        self._app = app
        self._hub = hub
        self._seen: dict[str, _Seen] = {}
        self._told_by_itself: set[str] = set()
        """The jobs that a process of this server runs, whose events come of themselves."""
        self._poke = anyio.Event()

    def heard(self, type: str, run: str) -> None:
        """Something happened here: look soon, also where it is over by then."""
        if type not in ("run_started", "run_finished", LOOK) or not is_job(run):
            return
        if type != LOOK:
            self._told_by_itself.add(run)
        self._seen.setdefault(run, _Seen({}))
        self._poke.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._poke = anyio.Event()
            try:
                await self._look()
            except MootError as error:  # the store is away; it is looked at again
                log.debug("jobs cannot be looked at: %s", error.kind)
            with anyio.move_on_after(_LOOK_S if self._seen or (self._hub.watching and not done_here()) else _REST_S):
                await self._poke.wait()

    async def _look(self) -> None:
        if not self._app.jobs.opened and not self._seen and not await anyio.to_thread.run_sync(_may_exist):
            return
        engine = await self._app.jobs.engine()
        found = {job.id: job for job in await engine.list_jobs(("queued", "running", "paused"), limit=_MOST)}
        for job in found.values():
            await self._tell(engine, job)
        for gone in [job for job in self._seen if job not in found]:
            await self._tell_last(engine, gone)

    async def _tell_last(self, engine: JobEngine, id: str) -> None:
        """Tell how a job ended; one that began while we looked is no such job, and is looked at again."""
        try:
            job = await engine.get(id)
        except UnknownJobError:
            self._seen.pop(id, None)
            return
        await self._tell(engine, job)
        if job.over:
            self._seen.pop(id, None)
            self._told_by_itself.discard(id)

    async def _tell(self, engine: JobEngine, job: Job) -> None:
        seen = self._seen.get(job.id)
        if seen is None:
            seen = self._seen[job.id] = _Seen({})
        if job.calls and job.owner != engine.owner and job.id not in self._told_by_itself:
            await self._tell_calls(engine, job, seen)
        view = JobView.of(job).model_dump()
        if view != seen.told:
            seen.told = view
            self._hub.publish("job", job.id, {"job": view}, person=job.person)

    async def _tell_calls(self, engine: JobEngine, job: Job, seen: _Seen) -> None:
        """The calls that another process finished, each as one event."""
        if len(seen.told) and seen.told.get("calls") == job.calls:
            return
        for call in await engine.calls(job.id, after=seen.cursor, limit=_CALLS_AT_ONCE):
            seen.cursor = call.seq
            if not is_told(call):
                continue
            shown = FinishedCall.of(call)
            fields = {"call": f"kept-{call.seq}", "ai": shown.name, "text": shown.text, "kept": True}
            self._hub.publish("call_finished", job.id, fields, person=job.person)


def _may_exist() -> bool:
    """Whether there may be a job: in a fleet any other machine may have accepted one."""
    return may_exist() or not done_here()
