"""Starts a recipe as a job for a door: to return at once, or to wait for it as long as the host does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from core.errors import MootError
from core.lifecycle import App
from server.toolbox import Recipe
from server.worker import read_arguments
from tools.jobs import JobView

if TYPE_CHECKING:
    from core.jobs.values import Job, JobResult

_NAMED = ("ai", "ais", "judge")


class JobHandle(BaseModel):
    """What a door gives instead of a result that is not there yet."""

    model_config = ConfigDict(defer_build=True)

    job: JobView
    note: str

    @classmethod
    def of(cls, job: Job, *, runs_on: bool) -> JobHandle:
        after = (
            "It goes on when this window closes."
            if runs_on
            else "It pauses when the last window closes, and goes on at the next start of Moot."
        )
        read = f'Read it with jobs(action="get", id="{job.id}", wait_s=50) or `moot jobs show {job.id}`.'
        return cls(job=JobView.of(job), note=f"{read} {after}")

    def markdown(self) -> str:
        return f"Job {self.job.markdown()}\n\n{self.note}"


async def start(app: App, recipe: Recipe, arguments: Mapping[str, Any], *, wait_s: float = 0) -> JobResult | JobHandle:
    """Run *recipe* as a job; what it returned if that takes at most *wait_s* seconds, else where to find it.

    The job goes on in either case. Names of AIs are checked first, so that a slip of the pen does not become a job.

    Raises:
        MootError: The job cannot be accepted, or has already failed; the message says why.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    read_arguments(recipe, given)
    _check_names(app, given)
    job = await app.jobs.submit(recipe.name, given)
    if wait_s:
        job = await app.jobs.wait(job.id, wait_s)
    if job.state == "failed":
        raise MootError(job.reason)
    if job.state == "done" and (result := await app.jobs.result(job.id)):
        return result
    return JobHandle.of(job, runs_on=app.jobs.runs_on)


def _check_names(app: App, arguments: Mapping[str, Any]) -> None:
    for parameter in _NAMED:
        value = arguments.get(parameter)
        for name in [value] if isinstance(value, str) else value or ():
            app.roster.seat(name)
