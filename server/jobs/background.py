"""A recipe as a job, for doors: to return at once, or to wait for it as long as the host does."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from pydantic import ConfigDict

from ai.runs.app import App
from core.errors import MootError
from core.events import Subscription
from core.memory.origin import ORIGIN, Origin
from core.people.person import acting
from core.untrusted import quoted
from server.jobs.worker import PLACE, read_arguments
from server.leaving import is_leaving
from server.progress import Send, report, watched
from server.toolbox import Recipe
from tools.jobs import FinishedCall, JobView, finished_calls
from tools.recipe.kit import counted
from tools.recipe.result import Result

if TYPE_CHECKING:
    from core.jobs.values import Job, KeptCall

_NAMED = ("ai", "ais", "judge", "judges", "referee")
_CALLS_SHOWN = 20
_CANCEL_S = 2.0


class JobHandle(Result):
    """What a door gives instead of a result that is not there yet."""

    model_config = ConfigDict(defer_build=True)

    summary: str
    job: JobView
    calls: list[FinishedCall] = []
    note: str

    @classmethod
    def of(cls, job: Job, calls: Sequence[KeptCall] = (), *, runs_on: bool) -> JobHandle:
        after = (
            "It goes on when this window closes."
            if runs_on
            else "It pauses when the last window closes, and goes on at the next start of Moot."
        )
        if job.state == "paused" and not job.waits:
            after = "It goes on once what it waits for is there."
        elif job.state == "cancelled":
            after = f"It does not go on, unless you say so: moot jobs resume {job.id}"
        read = f'Read it with jobs(action="get", id="{job.id}", wait_s=50) or `moot jobs show {job.id}`.'
        view = JobView.of(job)
        shown = finished_calls(calls)
        return cls(summary=f"Job {job.id} is {job.state}.", job=view, calls=shown, note=f"{read} {after}")

    def after(self, seconds: float) -> JobHandle:
        """This handle, for a host that waited and would soon give up, or whose job was called off at another door."""
        if self.job.state == "cancelled":
            return self.but(partial=True)
        there = counted(len(self.calls), "call")
        summary = (
            f"PARTIAL: not finished within the {seconds:.0f} s this host waits; {there} finished, "
            "and the rest goes on as a job. What is there is no result of a panel yet."
        )
        return self.but(summary=summary, partial=True)

    def markdown(self) -> str:
        calls = [f"## {call.name}\n{quoted(call.text)}" for call in self.calls]
        return "\n\n".join([self.summary, f"Job {self.job.markdown()}", self.note, *calls])


async def start(app: App, recipe: Recipe, arguments: Mapping[str, Any], *, wait_s: float = 0) -> Result:
    """Run *recipe* as a job; what it returned if that takes at most *wait_s* seconds, else where to find it.

    Raises:
        MootError: The job cannot be accepted, or has already failed; the message says why.
    """
    job = await submit(app, recipe, arguments)
    if wait_s:
        job = await app.jobs.wait(job.id, wait_s)
    return await finished(app, recipe, job)


async def attended(app: App, job: Job, seconds: float, send: Send) -> Job:
    """*job* once it is over or paused, after at most *seconds*; its progress is sent meanwhile.

    Who stops waiting takes the job along: nobody else knows of it yet. Its calls under way may finish where it is this
    process that ends, and not the call that was cancelled.
    """

    async def show(events: Subscription) -> None:
        await report(events, send)

    try:
        async with watched(app.bus, job.id, show):
            job = await app.jobs.wait(job.id, seconds)
    except BaseException:
        with anyio.move_on_after(_CANCEL_S, shield=True):
            await app.jobs.cancel(job.id, "drain" if is_leaving() else "abort")
        raise
    return job


async def submit(
    app: App,
    recipe: Recipe,
    arguments: Mapping[str, Any],
    *,
    request_key: str | None = None,
    origin: Origin | None = None,
) -> Job:
    """Accept *recipe* as a job. Names of AIs are checked first, so that a slip of the pen does not become one.

    Args:
        request_key: A name that whoever asks gave this request: the same one again gives the same job.
        origin: The chat and the message in which it was asked.

    Raises:
        MootError: The job cannot be accepted; the message says why.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    await recipe.load()
    read_arguments(recipe, given)
    _check_names(app, given)
    workspace = (await anyio.to_thread.run_sync(app.materials_of, acting())).workspace
    hidden = {PLACE: workspace.place(), **({ORIGIN: origin.as_json()} if origin else {})}
    return await app.jobs.submit(recipe.name, given | hidden, request_key=request_key)


async def finished(app: App, recipe: Recipe, job: Job) -> Result:
    """What *job* returned, in the recipe's own type; a JobHandle with the calls so far while it is under way.

    Raises:
        MootError: It has failed; the message says why.
    """
    if job.state == "failed":
        raise MootError(job.reason)
    if job.state == "done" and (result := await app.jobs.result(job.id)):
        await recipe.load()
        kind = inspect.signature(recipe.run, eval_str=True).return_annotation
        model: Result = kind.model_validate(result.structured)
        return model
    calls = await app.jobs.calls(job.id, limit=_CALLS_SHOWN) if job.calls else []
    return JobHandle.of(job, calls, runs_on=app.jobs.runs_on)


def _check_names(app: App, arguments: Mapping[str, Any]) -> None:
    for parameter in _NAMED:
        value = arguments.get(parameter)
        for name in app.roster.expand([value] if isinstance(value, str) else value or ()):
            app.roster.seat(name)
