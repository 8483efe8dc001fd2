"""A process that works on jobs, for tests that kill it. Its AI answers after a delay; a log tells what really happened.

    python job_process.py LOG LABEL COUNT DELAY_S       submit a job of so many calls, and work until all jobs are over
    python job_process.py LOG - 0 DELAY_S               only work

With MOOT_STORE set it is a worker of a fleet, with one job at once, and is taken for dead after JOB_PROCESS_LEASE_S;
JOB_PROCESS_WIDTH says how many calls it makes at once.

The log has a line `w LABEL PID` when a process takes a job up, `s LABEL:N` for each call that reached the AI, and
`f LABEL:N` for each whose answer somebody could see. Lines are appended by one write each, so they are there whatever
happens to the process. SIGTERM ends it cleanly.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import anyio
from pydantic import BaseModel
from scripted_ai import scripted_seat

from ai.caller import Caller
from ai.client import AsyncAIClient, Emit
from ai.roster.roster import Roster
from ai.runs.app import App
from ai.runs.run import Run
from core.config import Config
from core.errors import StoreError
from core.events import CallFinished, Event, EventBus
from core.jobs.engine import JobEngine
from core.jobs.jobs import Jobs, done_here, open_engine
from core.paths import data_dir
from core.values import Answer, Request, Response
from server.jobs.worker import open_runner
from server.toolbox import KINDS, Recipe

WIDTH = int(os.environ.get("JOB_PROCESS_WIDTH", "100"))
LEASE_S = float(os.environ.get("JOB_PROCESS_LEASE_S", "2"))


class Counted(BaseModel):
    answers: int

    def markdown(self) -> str:
        return f"{self.answers} answers"


class LoggingClient(AsyncAIClient):
    def __init__(self, log: int, delay_s: float) -> None:
        self._log = log
        self._delay_s = delay_s

    async def complete(self, request: Request, emit: Emit) -> Response:
        text = request.messages[-1].text
        os.write(self._log, f"s {text}\n".encode())
        await anyio.sleep(self._delay_s)
        return Response(text, "counting-1")


def make_app(log: int, delay_s: float) -> App:
    async def count_up(run: Run, label: str, count: int) -> Counted:
        os.write(log, f"w {label} {os.getpid()}\n".encode())
        outcomes = await run.ask_many([("a", Request.of(f"{label}:{n}")) for n in range(count)])
        return Counted(answers=sum(isinstance(outcome, Answer) for outcome in outcomes))

    KINDS["count_up"] = Recipe(count_up, "Count up", background=True)
    roster, bus = Roster(Config()), EventBus()
    roster.seats["a"] = scripted_seat("a", LoggingClient(log, delay_s), concurrency=WIDTH)

    def finished(event: Event) -> None:
        if isinstance(event, CallFinished):
            os.write(log, f"f {event.answer.text}\n".encode())

    bus.add_sink(finished)
    return App(Config(), roster, bus, Caller(roster, bus), jobs=Jobs(_open_engine))


def _open_engine() -> JobEngine:
    if not (url := os.environ.get("MOOT_STORE")):
        return open_engine()
    from core.jobs.fleet.engine import PostgresJobs

    return PostgresJobs(url, data_dir(), lease_s=LEASE_S)


async def main(log_path: str, label: str, count: int, delay_s: float) -> None:
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    app = make_app(log, delay_s)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_sigterm, tasks.cancel_scope)
            tasks.start_soon((await open_runner(app, at_once=None if done_here() else 1)).run)
            await until_all_are_over(app)
            if count:
                await app.jobs.submit("count_up", {"label": label, "count": count})
                os.write(log, f"j {label}\n".encode())
                await until_all_are_over(app)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await app.jobs.aclose()
            await app.roster.aclose()


async def until_all_are_over(app: App) -> None:
    left = True
    while left:
        with suppress(StoreError):  # PostgreSQL may be away
            left = bool(await app.jobs.list_jobs(("queued", "running")))
        await anyio.sleep(0.02)


async def stop_on_sigterm(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
