"""`moot jobs` and `moot worker`: the commands for runs in the background. Imports click alone until one is run."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt
from server.cli.complete import complete_jobs

_DAY_S = 86_400
_CALL_OFF_S = 30.0

_ID = click.argument("id", shell_complete=complete_jobs)


@click.group(invoke_without_command=True)
@click.pass_context
@opt.JSON
def jobs(context: click.Context, as_json: bool) -> None:
    """List, read and steer runs in the background."""
    if context.invoked_subcommand is None:
        context.invoke(list_jobs, as_json=as_json)


@jobs.command("list")
@opt.JSON
def list_jobs(as_json: bool = False) -> None:
    """Show all jobs, newest first: what was asked, of whom, how far it is, and how old."""
    if as_json:
        _recipe({"action": "list"}, as_json)
    from server.cli.showing.job_list import show_jobs

    sys.exit(opt.reporting(show_jobs))


@jobs.command()
@_ID
@opt.JSON
def show(id: str, as_json: bool) -> None:
    """Show a job: its result when it is done, else what has finished so far."""
    _recipe({"action": "get", "id": id}, as_json)


@jobs.command()
@_ID
@opt.JSON
def watch(id: str, as_json: bool) -> None:
    """Follow a job until it is over; then print what `show` prints. Ctrl-C leaves it running."""
    import anyio

    from core.errors import MootError, UnknownJobError

    try:
        id = anyio.run(_watch, id)  # noqa: A001
    except UnknownJobError:
        pass  # said below, as by every other command
    except MootError as error:
        sys.exit(opt.complain(error, as_json, opt.NONE))
    _recipe({"action": "get", "id": id}, as_json)


@jobs.command()
@_ID
@click.option("--drain", is_flag=True, help="Start no new call, and keep the answers of those under way.")
@opt.JSON
def cancel(id: str, drain: bool, as_json: bool) -> None:
    """Cancel a job. Its finished calls stay: it can be resumed."""
    import anyio

    code = _run({"action": "cancel", "id": id, "mode": "drain" if drain else "abort"}, as_json)
    if code == 0 and not drain:
        anyio.run(_call_off)
    sys.exit(code)


@jobs.command()
@_ID
@opt.JSON
def resume(id: str, as_json: bool) -> None:
    """Go on with a paused, failed or cancelled job. Finished calls are not made again."""
    _requeue("resume", id, as_json)


@jobs.command()
@_ID
@opt.JSON
def retry(id: str, as_json: bool) -> None:
    """Make only the failed calls of a job again, also of one that is done."""
    _requeue("retry", id, as_json)


@jobs.command()
@_ID
@click.option("--yes/--no", "word", default=None, help="What to answer; without it you are asked.")
@click.option("--question", metavar="QID", help="Which one, where several are asked.")
@opt.JSON
def answer(id: str, word: bool | None, question: str | None, as_json: bool) -> None:
    """Say whether the tools may be called for which a job waits. Then it goes on."""
    from server.cli.running.approving import answer_job

    sys.exit(opt.reporting(lambda: answer_job(id, word, question, as_json=as_json), as_json))


@jobs.command()
@click.option("--older-than", type=click.FloatRange(0), default=30, show_default=True, metavar="DAYS")
@click.option("--words", is_flag=True, help="Of all jobs that are over, delete prompts, files and answers alone.")
def clean(older_than: float, words: bool) -> None:
    """Delete jobs that were over so long ago, or (--words) what was said in all that are over."""
    import anyio

    gone = opt.reporting(lambda: anyio.run(_forget_words) if words else anyio.run(_clean, older_than * _DAY_S))
    what = f"{gone} {'job' if gone == 1 else 'jobs'}"
    print(f"The words of {what} deleted." if words else f"{what} deleted.")


@click.command()
@click.option("--idle-exit", type=click.FloatRange(0), metavar="SECONDS", help="End when there was no job for so long.")
@click.option("--concurrency", type=click.IntRange(1, 1_000), metavar="N", help="Jobs at once; 4 if not given.")
def worker(idle_exit: float | None, concurrency: int | None) -> None:
    """Work on jobs that no window owns; in a fleet (MOOT_STORE) on all, until it is stopped.

    Without --idle-exit a worker of a fleet stays; any other ends when there was no job for a minute.
    """
    from functools import partial

    import anyio

    from core.errors import MootError
    from server.cli.interrupt import keyboard_interrupts
    from server.jobs.worker import work

    try:
        with keyboard_interrupts():
            anyio.run(partial(work, idle_exit, at_once=concurrency))
    except MootError as error:
        sys.exit(opt.complain(error, False, opt.NONE))
    except KeyboardInterrupt:
        sys.exit(opt.INTERRUPTED)


def submit(recipe: str, arguments: dict[str, Any], as_json: bool, *, send_secrets: bool = False) -> None:
    """Start *recipe* as a job, with a worker that does it, and print its id."""
    import anyio

    handle = opt.reporting(lambda: anyio.run(_submit, recipe, arguments, send_secrets), as_json)
    opt.reporting(_start_worker, as_json)
    if as_json:
        print(handle.model_dump_json(indent=2))
        return
    print(handle.job.id)
    opt.note(f"the job goes on by itself. To follow it: moot jobs watch {handle.job.id}")


async def _submit(recipe: str, arguments: dict[str, Any], send_secrets: bool) -> Any:
    from ai.runs.app import open_app
    from server.jobs.background import start
    from server.toolbox import KINDS

    async with open_app(by_hand=True, send_secrets=send_secrets) as app:
        return await start(app, KINDS[recipe], arguments)


async def _call_off() -> None:
    """Tell providers here and now what was called off by this command; a fleet's workers do that."""
    import anyio

    from ai.runs.app import open_app
    from core.jobs.jobs import done_here
    from core.jobs.kinds import CALL_OFF
    from server.jobs.worker import open_runner

    if not done_here():
        return
    async with open_app() as app:
        if any(job.kind == CALL_OFF for job in await app.jobs.list_jobs(["queued"])):
            with anyio.move_on_after(_CALL_OFF_S):  # then the next process that works on jobs goes on with it
                await (await open_runner(app, kinds=(CALL_OFF,))).run(idle_exit_s=0)


def _help(id: str) -> str:
    """Have somebody work on a job that nobody works on; what was done, or what the user can do. Blocks for a moment."""
    from core.config import load_config
    from core.jobs.jobs import done_here
    from core.paths import credentials_path

    if not done_here():
        return f"moot: job {id} waits for a worker of the fleet."
    if not load_config(credentials_path()).defaults.detach:
        return f"moot: no process works on job {id}. Start one: moot worker"
    _start_worker()
    return f"moot: no process worked on job {id}; one has been started."


async def _watch(said: str) -> str:
    """The id of the job that *said* is the beginning of, once it is over or paused."""
    import anyio.to_thread

    from core.jobs.jobs import Jobs

    held, cursor, helped = Jobs(), 0, False
    try:
        id = await held.named(said)  # noqa: A001
        while True:
            job = await held.wait(id, 10, after=cursor)
            for call in await held.calls(id, after=cursor):
                cursor = call.seq
                who = call.value.get("ai", "") if isinstance(call.value, dict) else ""
                print(f"{who or 'call'} {call.key.partition(':')[0]} finished".replace("  ", " "), file=sys.stderr)
            if job.over or job.state == "paused":
                return id
            if job.state == "queued" and not helped:
                helped = True
                print(await anyio.to_thread.run_sync(_help, id), file=sys.stderr)
    finally:
        await held.aclose()


async def _clean(older_than_s: float) -> int:
    from core.jobs.jobs import Jobs
    from core.jobs.runner import KEPT_BYTES

    held = Jobs()
    try:
        return await held.clean(older_than_s=older_than_s, most_bytes=KEPT_BYTES)
    finally:
        await held.aclose()


async def _forget_words() -> int:
    from core.jobs.jobs import Jobs

    held = Jobs()
    try:
        return await held.forget_words()
    finally:
        await held.aclose()


def _requeue(action: str, id: str, as_json: bool) -> None:
    code = _run({"action": action, "id": id}, as_json)
    if code == 0:
        _start_worker()
    sys.exit(code)


def _start_worker() -> None:
    from server.cli.running.workers import start_worker_here

    start_worker_here()


def _recipe(arguments: dict[str, Any], as_json: bool) -> None:
    sys.exit(_run(arguments, as_json))


def _run(arguments: dict[str, Any], as_json: bool) -> int:
    from server.cli.running.terminal import run_recipe
    from server.cli.showing.printing import Shown

    return run_recipe("jobs", arguments, Shown(as_json=as_json))
