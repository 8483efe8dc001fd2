"""Forgetting everywhere: what was said, its indexes, what was uploaded with it, past runs, jobs, and cached answers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ai.layers.cache import MIGRATIONS as CACHE
from ai.recall.opening import with_memory
from core.errors import UnknownJobError
from core.memory.forgetting import Forgotten, Which, forget_copies
from core.memory.history import TELLING, History
from core.memory.scope import Scope
from core.paths import data_dir
from core.people.person import acting
from core.stores.sqlite import Store

if TYPE_CHECKING:
    from ai.runs.run import Run
    from core.jobs.jobs import Jobs

_END_S = 10.0
"""How long a job that is cancelled may take to end."""


async def forget(run: Run, scope: Scope, which: Which | None = None) -> Forgotten:
    """Delete *which* of *scope* (None: all), and every copy that Moot made of it. `notes` says what could not be.

    What was sent to a provider is with the provider.

    Raises:
        StoreError: The transcript, or a file with copies, cannot be written.
    """
    gone = await with_memory(run, lambda memory: memory.forget(scope, which))
    if not gone.turns:
        return gone
    folder = acting().folder()
    await anyio.to_thread.run_sync(_forget_files, gone, folder)
    notes = await forget_jobs(run.jobs, gone.jobs) if run.jobs is not None and gone.jobs else []
    return replace(gone, notes=(*gone.notes, *notes))


async def forget_jobs(jobs: Jobs, ids: Sequence[str]) -> list[str]:
    """Delete the jobs *ids* with all that was said in them; a sentence for each that does not end."""
    notes = []
    for one in ids:
        try:
            job = await jobs.get(one)
            if not job.over:
                await jobs.cancel(one)
                job = await jobs.wait(one, _END_S)
            await jobs.forget(one)
            await jobs.get(one)
        except UnknownJobError:
            continue
        notes.append(f"Job {one} still holds some of it, since it did not end. Once it has: moot jobs clean --words")
    return notes


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
    for text in gone.texts:
        if written := json.dumps(text.strip())[1:-1]:
            copy = written if len(text.strip()) >= TELLING else f'"{written}"'
            connection.execute("DELETE FROM answers WHERE instr(response, ?)", (copy,))
