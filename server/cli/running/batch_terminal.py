"""Runs a batch for a person at a terminal: looks, asks where there is something to ask, shows how far it is."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import click

from ai.runs.app import App
from core.batch.input import BatchInput
from core.batch.output import Results
from core.batch.template import Template
from core.errors import ConfigError, InvalidInputError, MootError, StoreError
from core.jobs.values import Job
from core.secrecy.names import named_like_a_secret
from core.untrusted import one_line
from server.cli.interrupt import keyboard_interrupts
from server.cli.options import INTERRUPTED, NONE, OK, SOME, TERMINATED, USAGE, code_of, complain, note
from server.cli.running.batch_pace import Pace
from server.jobs.worker import keep_batches, serving_jobs, start_worker
from server.mcp_client.borrowed import open_lending_app
from server.side_tasks import tasks_beside
from server.streams import is_terminal
from tools.batching.mend import damage
from tools.batching.spec import BatchReport, Prepared, check_endpoints, estimated, prepare, report
from tools.batching.start import start_batch
from tools.recipe.kit import Cost

_MANY = 100_000
"""Rows above which a run is only started after a yes."""
_POLL_S = 0.25
_LINE_EVERY_S = 10.0
_SILENT_S = 3.0

Show = Callable[[Job], None]


_STOPPED = "stopped. The same command goes on where it was."


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of the command: what is asked of whom, and how it is to go."""

    source: Path = Path()
    output: Path = Path()
    ais: tuple[str, ...] = ()
    template: str | None = None
    schema: Path | None = None
    concurrency: int | None = None
    send_secrets: bool = False
    skip_bad: bool = False
    retry_failed: bool = False
    yes: bool = False
    dry_run: bool = False
    background: bool = False
    as_json: bool = False
    provider_batch: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What each call is asked with, such as `max_tokens`."""


def run_command(wishes: Wishes) -> int:
    """Run `moot batch`; the exit code says whether all, some or none of the calls were answered."""
    try:
        source = _source(wishes.source, wishes.template, send_secrets=wishes.send_secrets)
        schema = _schema(wishes.schema) if wishes.schema else None
        with keyboard_interrupts(), _terminated_like_interrupted() as terminated:
            try:
                return anyio.run(_run, source, schema, wishes)
            except KeyboardInterrupt:
                note(_STOPPED)
                return TERMINATED if terminated() else INTERRUPTED
    except MootError as error:
        return complain(error, wishes.as_json, code_of(error))


@contextmanager
def _terminated_like_interrupted() -> Iterator[Callable[[], bool]]:
    """Have SIGTERM do what Ctrl-C does: calls under way finish; a second one ends at once. Tells whether it came."""
    told: list[int] = []

    def tell(number: int, frame: object) -> None:
        told.append(number)
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, tell)
    try:
        yield lambda: bool(told)
    finally:
        signal.signal(signal.SIGTERM, before)


async def _run(source: BatchInput, schema: dict[str, Any] | None, wishes: Wishes) -> int:
    async with open_lending_app() as app:
        names = app.roster.expand(wishes.ais) or [app.roster.default().name]
        for name in names:
            app.roster.model(name)
        if wishes.provider_batch:
            check_endpoints(app.roster, names)
        async with _reading(source.path, wishes):
            batch = await anyio.to_thread.run_sync(
                lambda: prepare(
                    source,
                    wishes.output,
                    names,
                    schema=schema,
                    options=wishes.asked,
                    width=wishes.concurrency,
                    provider_batch=wishes.provider_batch,
                )
            )
        if wishes.dry_run:
            return await _told(batch, f"Dry run, nothing was sent: {await estimated(app.roster, batch)}", wishes)
        if not await _agreed(app, batch, wishes):
            return USAGE
        if wishes.background:
            return await _started(app, batch, wishes)
        return await _watched(app, batch, wishes)


@asynccontextmanager
async def _reading(path: Path, wishes: Wishes) -> AsyncIterator[None]:
    """Say what takes so long where there is much to read."""

    async def say() -> None:
        await anyio.sleep(_SILENT_S)
        print(f"moot: reading all of {path.name!r} first; ten million rows take about a minute.", file=sys.stderr)

    async with tasks_beside() as tasks:
        if not wishes.as_json:
            tasks.start_soon(say)
        yield


async def _agreed(app: App, batch: Prepared, wishes: Wishes) -> bool:
    """Whether it may begin; what is in question was printed."""
    looked = batch.survey
    if looked.bad:
        for row in looked.first_bad:
            print(f"moot: {one_line(str(row))}", file=sys.stderr)
        more = looked.bad - sum(row.lines for row in looked.first_bad)
        print(f"moot: ... and {more:,} more." if more else "", end="\n" if more else "", file=sys.stderr)
        question = f"{looked.bad:,} of {looked.bad + looked.total:,} rows cannot be asked. Go on without them?"
        if not wishes.skip_bad and not await _confirmed(question, "--skip-bad", wishes):
            return False
    if (hurt := await damage(app.jobs, app.roster, batch)) is not None:
        print(f"moot: {hurt}", file=sys.stderr)
        if hurt.lost:
            price = await estimated(app.roster, batch, calls=hurt.lost)
            question = f"{hurt.lost:,} answers are gone, and would be paid for again: {price} Ask again?"
            return await _confirmed(question, "--yes", wishes)
    if batch.calls > _MANY and batch.fresh:
        question = f"{await estimated(app.roster, batch)} Begin?"
        return await _confirmed(question, "--yes", wishes)
    return True


async def _confirmed(question: str, flag: str, wishes: Wishes) -> bool:
    if wishes.yes:
        return True
    if wishes.as_json or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise InvalidInputError(f"{question} Nothing was sent. Say yes with {flag}.")
    return await anyio.to_thread.run_sync(lambda: click.confirm(question, err=True))


async def _told(batch: Prepared, text: str, wishes: Wishes) -> int:
    found = batch.survey
    bad = [one_line(str(row)) for row in found.first_bad]
    if wishes.as_json:
        print(json.dumps({"rows": found.total, "calls": batch.calls, "bad": found.bad, "first_bad": bad, "text": text}))
    else:
        print("\n".join([text, *([f"{found.bad:,} rows cannot be asked:", *bad] if bad else [])]))
    return OK


async def _started(app: App, batch: Prepared, wishes: Wishes) -> int:
    job = await start_batch(app.jobs, batch, retry_failed=wishes.retry_failed)
    if app.config.defaults.detach:
        await anyio.to_thread.run_sync(start_worker)
    text = f"Job {job.id} is {job.state}. Follow it with: moot jobs watch {job.id}"
    print(json.dumps({"job": job.id, "state": job.state}) if wishes.as_json else text)
    return OK


async def _watched(app: App, batch: Prepared, wishes: Wishes) -> int:
    """Start the job, work on it in this process unless another has it, and follow it to its end."""
    keep_batches(app)
    job = await start_batch(app.jobs, batch)
    try:
        job = await _worked(app, job, batch, wishes)
        if job.state == "done" and wishes.retry_failed:
            job = await start_batch(app.jobs, batch, retry_failed=True)
            job = await _worked(app, job, batch, wishes)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):  # else an open window would take it up
            await app.jobs.cancel(job.id, "drain")
        raise
    if job.state == "paused":
        raise ConfigError(f"Paused: {job.reason} Start the same command again.")
    if job.state == "failed":
        raise MootError(job.reason)
    if job.state == "cancelled":
        raise MootError("The batch was cancelled. The same command goes on where it was.")
    return _finished(await anyio.to_thread.run_sync(_outcome, batch), wishes)


async def _worked(app: App, job: Job, batch: Prepared, wishes: Wishes) -> Job:
    """The job at its end. Where another process has it, that one does the work."""
    async with serving_jobs(app):
        try:
            job = await _followed(app, job, batch, wishes)
        except anyio.get_cancelled_exc_class():
            print("moot: calls under way may finish; to cut them off, stop it once more.", file=sys.stderr)
            raise
    return job


async def _followed(app: App, job: Job, batch: Prepared, wishes: Wishes) -> Job:
    called = False
    with _progress(batch, wishes) as show:
        while True:
            show(job)
            if job.over or (job.state == "paused" and not job.waits):
                return job
            try:
                if job.state == "queued" and app.jobs.keeps and not called:  # whoever held it is gone: it comes here
                    await app.jobs.resume(job.id)
                called = job.state == "queued"
                await anyio.sleep(_POLL_S)
                job = await app.jobs.get(job.id)
            except StoreError as error:  # a fleet's database comes back, and all goes on by itself
                if not app.jobs.keeps:
                    raise
                job = replace(job, reason=str(error))
                await anyio.sleep(_POLL_S)


def _outcome(batch: Prepared) -> BatchReport:
    return report(batch.spec, Results(Path(batch.spec.output), batch.spec.ais).look().tally)


def _finished(outcome: BatchReport, wishes: Wishes) -> int:
    if wishes.as_json:
        print(outcome.model_dump_json(indent=2))
    else:
        print(outcome.markdown())
        if outcome.failed:
            print("moot: ask the failed rows again with --retry-failed.", file=sys.stderr)
    if outcome.failed == 0 and not outcome.partial:
        return OK
    return NONE if outcome.failed == outcome.total else SOME


def _progress(batch: Prepared, wishes: Wishes) -> AbstractContextManager[Show]:
    if wishes.as_json:
        return nullcontext(lambda job: None)
    return _bar(batch) if is_terminal(sys.stderr) else nullcontext(_lines(batch))


@contextmanager
def _bar(batch: Prepared) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[cost]}"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, pace = progress.add_task("", total=batch.calls, rate="", cost="", left="", note=""), Pace()

        def show(job: Job) -> None:
            pace.saw(job.progress.get("done"))
            left_s = pace.left_s(batch.calls)
            progress.update(
                task,
                completed=job.progress.get("done", 0),
                rate=f"{pace.a_second:,.1f}/s",
                cost=_cost(job),
                left="" if left_s is None else f"{timedelta(seconds=round(left_s))} left",
                note=_note(job),
            )

        yield show


def _lines(batch: Prepared) -> Show:
    """A line now and then, for logs."""
    pace, told, said = Pace(), float("-inf"), ""

    def show(job: Job) -> None:
        nonlocal told, said
        done, now, note = job.progress.get("done", 0), time.monotonic(), _note(job)
        pace.saw(job.progress.get("done"))
        if not job.over and note == said and now - told < _LINE_EVERY_S:
            return
        told, said = now, note
        left_s = pace.left_s(batch.calls)
        left = "" if left_s is None else f", {left_s:,.0f} s left"
        line = f"{done:,} of {batch.calls:,}, {pace.a_second:,.1f}/s, {_cost(job)}{left}{f'. {note}' if note else ''}"
        print(line, file=sys.stderr, flush=True)

    return show


def _cost(job: Job) -> str:
    progress = job.progress
    if not progress.get("done"):
        return "nothing spent yet"
    return str(Cost(known_usd=progress["cost_usd"], complete=progress["cost_complete"]))


def _note(job: Job) -> str:
    failed = job.progress.get("failed", 0)
    return job.reason or job.progress.get("problem", "") or (f"{failed:,} failed" if failed else "")


def _source(path: Path, template: str | None, *, send_secrets: bool) -> BatchInput:
    """The user's own choice of path is not limited; what looks like a secret is left alone all the same."""
    if not send_secrets and (reason := named_like_a_secret(path.absolute())):
        raise InvalidInputError(f"{path.name!r} is not sent: {reason}. Use --send-secrets if it is meant.")
    if template is not None and template.startswith("@"):
        template = _text(Path(template[1:]), "--template")
    wanted = Template(template) if template is not None else None
    return BatchInput(path, wanted, send_secrets=send_secrets)


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(_text(path, "--schema"))
    except ValueError:
        raise InvalidInputError(f"--schema: {path.name!r} is not valid JSON.") from None
    if not isinstance(schema, dict):
        raise InvalidInputError(f"--schema: {path.name!r} is not a JSON Schema: write an object.")
    return schema


def _text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{option}: {path.name!r} cannot be read ({type(error).__name__}).") from None
