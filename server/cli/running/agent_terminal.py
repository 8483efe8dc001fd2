"""`moot agent` at work: a job of this process that tells of its tools as they run, and asks before it changes things.

The answer goes to stdout, all else to stderr. Whatever ends this process, the job stays: it goes on with the next one,
and no turn is paid for twice.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import anyio
import anyio.to_thread

from ai.runs.app import App
from core.errors import InvalidInputError, MootError
from core.events import Subscription, Token, ToolFinished, ToolStarted
from core.jobs.values import Job
from core.view import RunView
from server.cli.interrupt import interruptible
from server.cli.options import INTERRUPTED, NONE, OK, SOME, code_of, complain, note
from server.cli.running.approving import asked, can_ask
from server.cli.showing.printing import Shown, print_result
from server.jobs.background import JobHandle, finished, submit
from server.jobs.worker import serving_jobs, start_worker
from server.mcp_client.borrowed import open_lending_app
from server.progress import line_of, watched
from server.toolbox import KINDS
from tools.recipe.result import Result


def run_agent(arguments: dict[str, Any], shown: Shown, *, send_secrets: bool = False) -> int:
    """Run the recipe `agent` as a job, to its end or to a question that nobody here can answer; the exit code."""
    going = _Going()
    try:
        result = anyio.run(_run, arguments, shown, send_secrets, going)
    except MootError as error:
        return complain(error, shown.as_json, code_of(error))
    if result is None:
        note(f"stopped. It is kept: moot jobs resume {going.job}")
        return INTERRUPTED
    print_result(result, shown)
    if isinstance(result, JobHandle):
        return NONE
    return SOME if result.partial else OK


class _Going:
    """The job, once there is one, and what is told of it meanwhile."""

    def __init__(self) -> None:
        self.job = ""
        self._view = RunView()

    async def show(self, events: Subscription) -> None:
        async for event in events:
            self._view.apply(event)
            if isinstance(event, Token) or (line := line_of(event, self._view)) is None:
                continue
            inside = isinstance(event, ToolStarted | ToolFinished)
            print(f"  {line}" if inside else line, file=sys.stderr, flush=True)


async def _run(arguments: dict[str, Any], shown: Shown, send_secrets: bool, going: _Going) -> Result | None:
    result: Result | None = None
    async with (
        interruptible() as interruption,
        open_lending_app(by_hand=True, send_secrets=send_secrets) as app,
        serving_jobs(app, detach=start_worker),
    ):
        with anyio.CancelScope() as scope:
            interruption.reach(scope)
            result = await _attended(app, arguments, shown, going)
        if interruption.told and going.job:
            with anyio.CancelScope(shield=True):
                await app.jobs.cancel(going.job, "drain")
    return result


async def _attended(app: App, arguments: dict[str, Any], shown: Shown, going: _Going) -> Result:
    recipe = KINDS["agent"]
    if arguments.get("dry_run"):
        await recipe.load()
        async with app.run(recipe.name) as run:
            return await recipe.run(run, **arguments)
    job = await submit(app, recipe, arguments)
    going.job = job.id
    async with watched(app.bus, job.id, _silent if shown.as_json else going.show):
        while True:
            job = await app.jobs.wait(job.id, math.inf)
            if not await _answered(app, job):
                break
    return await finished(app, recipe, job)


async def _answered(app: App, job: Job) -> bool:
    """Whether a paused job goes on, since a person here has answered what it asked."""
    if job.state != "paused" or job.waits or not can_ask():
        return False
    approvals = await app.jobs.approvals(job.id)
    for one in approvals:
        word = await asked(one)
        try:
            await app.jobs.approve(job.id, one.id, yes=word)
        except InvalidInputError as error:  # somebody was faster at another door, and their word stands
            note(str(error))
    return bool(approvals)


async def _silent(events: Subscription) -> None:
    async for _ in events:
        pass
