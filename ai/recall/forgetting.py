"""Forgetting everywhere: what was said, its indexes, what was uploaded with it, past runs, jobs, and cached answers."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ai.layers.cache import MIGRATIONS as CACHE
from ai.recall.copied_jobs import jobs_under_way, jobs_with_copies
from ai.recall.opening import with_memory
from core.errors import UnknownJobError
from core.jobs.jobs import done_here, may_exist
from core.memory.copies import TELLING, Copies
from core.memory.forgetting import Forgotten, Which, forget_copies
from core.memory.history import History
from core.memory.scope import Scope
from core.paths import data_dir
from core.people.person import Person, acting, acting_as
from core.stores.sqlite import Store

if TYPE_CHECKING:
    from ai.runs.run import Run
    from core.jobs.engine import JobEngine
    from core.jobs.jobs import Jobs
    from core.jobs.values import Job

_FEW = 2_000
"""Texts that are looked for as they are; of more the words are compared alone."""
_END_S = 10.0
"""How long jobs that are cancelled may take to end."""
_STILL = "Job {} still holds some of it, since it did not end. Once it has: moot jobs clean --words"


async def forget(run: Run, scope: Scope, which: Which | None = None) -> Forgotten:
    """Delete *which* of *scope* (None: all), and every copy that Moot made of it. `notes` says what could not be.

    What was sent to a provider is with the provider.

    Raises:
        StoreError: The transcript, or a file with copies, cannot be written.
    """
    which, began = which or Which(), time.time()
    ended, left = await _end_what_adds(run, scope, which)
    # Copies are found by what was said: they go first, so that whoever is killed in between can forget it again.
    meant = await with_memory(run, lambda memory: memory.meant(scope, which))
    if not meant.turns:
        return replace(meant, jobs=ended, notes=left)
    folder = acting().folder()
    await anyio.to_thread.run_sync(_forget_files, meant, folder)
    await _forget_jobs_of(run, meant)
    gone = await with_memory(run, lambda memory: memory.forget(scope, which))
    if gone.said != meant.said:
        began = 0.0
        await anyio.to_thread.run_sync(_forget_files, gone, folder)
    notes = await _forget_jobs_of(run, gone, since=began)  # an agent may have read it until now
    return replace(gone, jobs=(*gone.jobs, *ended), notes=(*gone.notes, *left, *notes))


async def _end_what_adds(run: Run, scope: Scope, which: Which) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """End and delete the jobs under way whose answers would be kept after all was forgotten; and what stays of them."""
    if run.jobs is None or not await anyio.to_thread.run_sync(_may_have_jobs, run.jobs):
        return (), ()
    engine = await run.jobs.engine()
    open_ones = await jobs_under_way(engine, scope, which, person=acting().name, shared=_shared(run))
    return tuple(open_ones), tuple(await forget_jobs(run.jobs, open_ones))


async def _forget_jobs_of(run: Run, gone: Forgotten, *, since: float = 0.0) -> list[str]:
    """Delete the jobs in which it was said, and those that hold copies; a sentence for each that stays.

    Args:
        since: Of jobs with copies only those that were still going on at that moment.
    """
    if run.jobs is None or not await anyio.to_thread.run_sync(_may_have_jobs, run.jobs):
        return []
    engine, shared = await run.jobs.engine(), _shared(run)
    copied = await jobs_with_copies(
        engine, gone, person=acting().name, shared=shared, known=gone.kept_jobs, since=since
    )
    return await forget_jobs(run.jobs, list(dict.fromkeys([*gone.jobs, *copied])))


def _shared(run: Run) -> str:
    """Whose folder the transcript of *run* is in, where several people share it."""
    home = run.threads.store.path.parent
    return "" if home == acting().folder() else home.name


async def forget_jobs(jobs: Jobs, ids: Sequence[str]) -> list[str]:
    """Delete the jobs *ids*, whoever's they are, with all that was said in them; a sentence for each that does not end.

    They come out of a transcript that whoever asks may delete: in a shared conversation several people's.
    """
    engine = await jobs.engine()
    notes, until = list[str](), anyio.current_time() + _END_S
    open_ones = [job for one in ids if (job := await _found(engine, one)) and not job.over]
    for job in open_ones:  # all of them at once: each may take its time to end
        with acting_as(Person(job.person)), suppress(UnknownJobError):
            await jobs.cancel(job.id)
    for job in open_ones:
        with acting_as(Person(job.person)), suppress(UnknownJobError):
            await jobs.wait(job.id, max(0.0, until - anyio.current_time()))
    for one in ids:
        with suppress(UnknownJobError):
            await engine.forget(one)
        if await _found(engine, one):
            notes.append(
                f"Job {one} still holds some of it, since it did not end. Once it has: moot jobs clean --words"
            )
    return notes


async def _found(engine: JobEngine, id: str) -> Job | None:
    try:
        return await engine.get(id)
    except UnknownJobError:
        return None


def _may_have_jobs(jobs: Jobs) -> bool:
    return jobs.opened or not done_here() or may_exist()


def _forget_files(gone: Forgotten, folder: Path) -> None:
    history = History(folder / "history.db")
    try:
        forget_copies(gone, folder, history)
    finally:
        history.close()
    store = Store(data_dir() / "cache.db", CACHE)
    if store.exists():
        try:
            store.submit(lambda connection: _uncache(connection, gone)).result()
        finally:
            store.close()


def _uncache(connection: sqlite3.Connection, gone: Forgotten) -> None:
    """Delete the cached answers that hold some of it: nothing is lost with one but a second question."""
    written = [(text.strip(), json.dumps(text.strip())[1:-1]) for text in gone.texts if text.strip()]
    whole = [copy if len(text) >= TELLING else f'"{copy}"' for text, copy in written[:_FEW]]
    copies = Copies(gone.said)
    for key, response in connection.execute("SELECT key, response FROM answers").fetchall():
        if any(copy in response for copy in whole) or copies.in_value(json.loads(response)):
            connection.execute("DELETE FROM answers WHERE key = ?", (key,))
