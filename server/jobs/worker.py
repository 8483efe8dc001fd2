"""Runs jobs: recipes by name, inside any serving process, or in a worker process of its own.

A serving process works on its own jobs, and on those of processes that are gone; in a fleet, only on the batches it
accepted. It opens nothing before there is a job. When it stops with jobs unfinished, it starts a worker that outlives
it; a fleet has its own.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from pydantic import TypeAdapter, ValidationError

from ai.lazy import load
from ai.runs.app import App
from core.errors import InvalidInputError, StoreError
from core.files.atomic import private_folder
from core.jobs.jobs import NoWorker, done_here, may_exist
from core.jobs.kinds import BATCH, CALL_OFF, SLICE
from core.memory.origin import ORIGIN, Origin
from core.paths import data_dir
from core.people.person import OWNER, PERSON, Person, acting_as
from server.entry import own_command
from server.mcp_client.borrowed import open_lending_app
from server.side_tasks import tasks_beside
from server.toolbox import KINDS, Recipe, parameters_of

if TYPE_CHECKING:
    from ai.runs.memo import Memo
    from ai.runs.run import Materials
    from core.jobs.runner import Runner, Work
    from core.jobs.values import Job, JobResult

PLACE = "_place"
"""Where a job was accepted, among its arguments: the name of no parameter."""
_LOOK_S = 1.0
_IDLE_EXIT_S = 10
_IDLE_S = 60.0


@asynccontextmanager
async def serving_jobs(
    app: App, *, detach: Callable[[], None] | None = None, at_once: int | None = None
) -> AsyncIterator[None]:
    """Work on jobs while the block runs, at most *at_once* of them, or as many as is usual.

    *detach* starts a worker that carries on when unfinished ones are left.
    """
    keep_batches(app)
    if not app.config.defaults.detach or not done_here():
        detach = None
    app.jobs.promise(runs_on=detach is not None or not done_here())
    async with tasks_beside() as tasks:
        tasks.start_soon(_serve, app, at_once)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                if detach is not None:
                    await _hand_over(app, detach)
                await app.jobs.stop(app.config.defaults.drain_s)


def keep_batches(app: App) -> None:
    """In a fleet this process holds the batches it accepts, whose files are here; their rows are asked by workers."""
    if not done_here():
        app.jobs.promise(keeps=(BATCH,))


def keep_chats(app: App) -> None:
    """In a fleet this process does all jobs it accepts: what is said in them belongs into transcripts that are here."""
    if not done_here():
        app.jobs.promise(keeps=[kind for kind in KINDS if kind not in (SLICE, CALL_OFF)])


async def work(idle_s: float | None, *, at_once: int | None = None) -> None:
    """A worker process: work on all jobs nobody else owns, until SIGTERM, or until there was none for *idle_s* seconds.

    Without *idle_s* a worker of a fleet stays, and any other waits for a minute.
    """
    if idle_s is None:
        idle_s = _IDLE_S if done_here() else math.inf
    async with open_lending_app() as app, anyio.create_task_group() as tasks:
        runner = await open_runner(app, at_once=at_once)
        tasks.start_soon(_stop_on_sigterm, runner, app.config.defaults.drain_s, tasks.cancel_scope)
        await runner.run(idle_exit_s=idle_s)
        tasks.cancel_scope.cancel()


async def _stop_on_sigterm(runner: Runner, drain_s: float, scope: anyio.CancelScope) -> None:
    """When this process is told to end, give its jobs back once their calls have finished; told twice, at once."""
    async with anyio.create_task_group() as tasks:

        async def stop() -> None:
            await runner.stop(drain_s)
            scope.cancel()

        async for number in told_to_end():
            if number == 1:
                tasks.start_soon(stop)
            else:
                scope.cancel()


async def told_to_end() -> AsyncIterator[int]:
    """How often this process has been told to end by a signal, each time it is; never where there are no signals."""
    if sys.platform == "win32":
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        number = 0
        async for _ in signals:
            number += 1
            yield number


async def open_runner(app: App, *, at_once: int | None = None, kinds: Collection[str] = ()) -> Runner:
    """A runner for the jobs of *app*'s engine, of those *kinds* or what it keeps for itself; not yet started."""
    engine = await app.jobs.engine()
    module = await load("core.jobs.runner")
    await load("ai.runs.memo")
    runner: Runner = module.Runner(
        engine,
        kinds or app.jobs.keeps or KINDS,
        _work(app),
        most=at_once or module.MOST_AT_ONCE,
        ended=app.jobs.ended,
    )
    app.jobs.attach(runner)
    return runner


def start_worker() -> None:
    """Start `moot worker` so that it outlives this process, its terminal and its host; a fleet has its own workers.

    Blocks for a moment.
    """
    if not done_here():
        return
    home = data_dir()
    if not home.exists():
        private_folder(home)
    flags = 0x00000008 if sys.platform == "win32" else 0  # DETACHED_PROCESS
    with open(home / "worker.log", "wb", opener=lambda path, mode: os.open(path, mode, 0o600)) as log:
        subprocess.Popen(
            own_command("worker", "--idle-exit", str(_IDLE_EXIT_S)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=home,
            start_new_session=True,
            creationflags=flags,
        )


class _Waiting(NoWorker):
    """Nobody yet, but somebody will be there once there is a job."""

    def __init__(self, told: anyio.Event) -> None:
        self._told = told

    def wake(self) -> None:
        self._told.set()


async def _serve(app: App, at_once: int | None) -> None:
    told = anyio.Event()
    app.jobs.attach(_Waiting(told))
    while not told.is_set() and not app.jobs.opened and not await anyio.to_thread.run_sync(may_exist):
        with anyio.move_on_after(_LOOK_S):
            await told.wait()
    await (await open_runner(app, at_once=at_once)).run()


async def _hand_over(app: App, detach: Callable[[], None]) -> None:
    """Start the worker first, then stop: hosts do not give much time."""
    if not await anyio.to_thread.run_sync(may_exist):
        return
    try:
        engine = await app.jobs.engine()
        left = await engine.list_jobs(("queued", "running"))
    except StoreError:
        return
    if any(engine.owner in (job.owner, job.creator) for job in left):
        await anyio.to_thread.run_sync(detach)


def _work(app: App) -> Work:
    async def work(job: Job, drain: anyio.Event) -> JobResult | None:
        from ai.runs.memo import Memo

        memo = Memo(await app.jobs.engine(), job.id, fresh=job.calls == 0)
        return await _drainable(app, job, memo, drain)

    return work


async def _drainable(app: App, job: Job, memo: Memo, drain: anyio.Event) -> JobResult | None:
    """Run the job's recipe, or None when it was drained."""
    result: JobResult | None = None
    async with tasks_beside() as tasks:

        async def drained() -> None:
            await drain.wait()
            await memo.drain()
            tasks.cancel_scope.cancel()

        tasks.start_soon(drained)
        result = await _recipe(app, job, memo)
    return result  # noqa: RET504 - None where the block was cancelled


async def _recipe(app: App, job: Job, memo: Memo) -> JobResult:
    recipe = KINDS[job.kind]
    await recipe.load()
    given = dict(job.arguments)
    person = _person(job, given.pop(PERSON, None))
    with acting_as(person):
        return await _recipe_for(person, app, job, memo, recipe, given)


def _person(job: Job, told: Mapping[str, Any] | None) -> Person:
    """Whom *job* is for, with what they may.

    Raises:
        InvalidInputError: That cannot be told.
    """
    person = OWNER if told is None else Person.of_json(told)
    if person.name != job.person:
        raise InvalidInputError("It cannot be told for whom this job is. Start it anew.")
    return person


async def _recipe_for(
    person: Person, app: App, job: Job, memo: Memo, recipe: Recipe, given: dict[str, Any]
) -> JobResult:
    from core.jobs.values import JobResult
    from tools.recipe.result import document

    materials = await anyio.to_thread.run_sync(app.materials_of, person)
    materials = _at(materials, given.pop(PLACE, None))
    if (asked_at := given.pop(ORIGIN, None)) is not None:
        materials = await _from(app, materials, Origin.of_json(asked_at))
    arguments = read_arguments(recipe, given)
    async with app.run(job.kind.partition("/")[0], run_id=job.id, memo=memo, materials=materials) as run:
        if job.calls:
            run.step(f"resumed with {job.calls} finished calls")
        result: Any = await recipe.run(run, **arguments)
    return JobResult(document(result), result.model_dump(mode="json"))


async def _from(app: App, materials: Materials, origin: Origin) -> Materials:
    """What the job works with where it was asked in a chat; a thread that several people share is in a folder apart."""
    threads = materials.threads
    if origin.shared:
        threads = (await anyio.to_thread.run_sync(app.materials_of, Person(origin.shared))).threads
    return replace(materials, origin=origin, threads=threads)


def _at(materials: Materials, place: Mapping[str, Any] | None) -> Materials:
    """What the job works with: files are looked for where it was accepted, unless that was on another machine."""
    if place is None or not done_here():
        return materials
    return replace(materials, workspace=materials.workspace.at(place))


def read_arguments(recipe: Recipe, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """*arguments* out of JSON, as the recipe's parameters want them.

    Raises:
        InvalidInputError: One is unknown or of the wrong kind; the message names it.
    """
    readers = _readers(recipe)
    read: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in readers:
            raise InvalidInputError(f"{name!r} is not an argument of {recipe.name}. Correct it and start a new job.")
        try:
            read[name] = readers[name].validate_python(value)
        except ValidationError as error:
            raise InvalidInputError(f"{name!r} of {recipe.name}: {error.errors()[0]['msg']}.") from error
    return read


@cache
def _readers(recipe: Recipe) -> dict[str, TypeAdapter[Any]]:
    return {name: TypeAdapter(kind) for name, kind in parameters_of(recipe).items()}
