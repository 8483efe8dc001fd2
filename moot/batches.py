"""A batch for a program that waits for it: the job is worked on here, and its result awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import anyio

from ai.runs.app import App
from core.errors import ConfigError, MootError
from core.jobs.jobs import Jobs
from core.jobs.values import Job
from server.jobs.worker import serving_jobs
from tools.batching.spec import BatchReport

if TYPE_CHECKING:
    from server.toolbox import Recipe

T = TypeVar("T")

_LOOK_S = 1.0
_served: WeakSet[Jobs] = WeakSet()
"""Those that a call in this process works on: a second one waits beside it, and takes over when it ends."""


async def run_batch(app: App, recipe: Recipe, arguments: dict[str, Any]) -> BatchReport:
    """Start the batch, work on it until it is over, and give its result.

    Raises:
        ConfigError: It is paused; the message says why. A batch of a file goes on where it was.
        MootError: It failed or was cancelled.
    """
    if app.jobs in _served:
        return await _started(app, recipe, arguments)
    return await _served_meanwhile(app, partial(_started, app, recipe, arguments))


async def _served_meanwhile(app: App, work: Callable[[], Awaitable[T]]) -> T:
    """What *work* gives, while this process works on jobs."""
    result: list[T] = []
    failure: Exception | None = None
    _served.add(app.jobs)
    try:
        async with serving_jobs(app):
            try:
                result.append(await work())
            except Exception as error:  # raised again below: out of here it would come wrapped in a group
                failure = error
    finally:
        _served.discard(app.jobs)
    if failure is not None:
        raise failure
    return result[0]


async def _started(app: App, recipe: Recipe, arguments: dict[str, Any]) -> BatchReport:
    async with app.run(recipe.name) as run:
        report = await recipe.run(run, **arguments)
    assert isinstance(report, BatchReport)
    if report.job is None:
        return report  # a dry run
    try:
        job = await _over(app, report.job)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):  # else an open window would take it up
            await app.jobs.cancel(report.job, "drain")
        raise
    return await _result(app.jobs, job)


async def _over(app: App, id: str) -> Job:
    while True:
        job = await app.jobs.wait(id, _LOOK_S)
        if job.over or (job.state == "paused" and not job.waits):
            return job
        if app.jobs not in _served:
            return await _served_meanwhile(app, partial(_over, app, id))


async def _result(jobs: Jobs, job: Job) -> BatchReport:
    if job.state == "paused":
        raise ConfigError(f"Paused: {job.reason} A batch of a file goes on when the same call is made again.")
    if job.state == "cancelled":
        raise MootError("The batch was cancelled. Of a file, the same call goes on where it was.")
    result = await jobs.result(job.id)
    if job.state == "failed" or result is None:
        raise MootError(job.reason)
    return BatchReport.model_validate(result.structured).but(job=job.id)
