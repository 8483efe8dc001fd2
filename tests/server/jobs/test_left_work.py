"""A window that is opened goes on with the jobs of processes that are gone, and leaves all others alone."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from core.jobs.sqlite import SQLiteJobs
from core.paths import data_dir
from server.jobs.left_work import work_waits

ROOT = Path(__file__).parents[3]


async def waits() -> bool:
    return await anyio.to_thread.run_sync(work_waits)


@pytest.fixture
async def engine() -> AsyncIterator[SQLiteJobs]:
    jobs = SQLiteJobs(data_dir())
    yield jobs
    await jobs.aclose()


async def test_where_there_was_never_a_job_nothing_waits_and_nothing_is_made(isolated: Path) -> None:
    assert not await waits()
    assert not data_dir().exists()


async def test_a_job_waits_once_whoever_has_it_is_gone(engine: SQLiteJobs) -> None:
    job = await engine.submit("k", {})
    assert not await waits(), "its creator lives"
    await engine.claim(("k",))
    assert not await waits(), "its owner lives"
    await engine.aclose()
    assert await waits()
    other = SQLiteJobs(data_dir())
    taken = await other.claim(("k",))
    assert taken is not None and taken.id == job.id
    assert not await waits()
    await other.finish(taken, "done")
    await other.aclose()
    assert not await waits()


async def test_a_process_is_seen_to_be_gone_without_opening_anything(engine: SQLiteJobs) -> None:
    await engine.submit("k", {})
    folder = data_dir() / "owners"
    assert [path.name for path in folder.iterdir() if "-" not in path.name] == [engine.owner]
    look = (
        "import sys; before = set(sys.modules); from server.stdio.orphans import _gone; "
        "print(_gone(sys.argv[1]), 'sqlite3' in set(sys.modules) - before)"
    )
    other = [sys.executable, "-c", look, str(folder)]
    assert (await anyio.run_process(other, cwd=ROOT)).stdout == b"set() False\n"
    (folder / "dead").touch()
    assert (await anyio.run_process(other, cwd=ROOT)).stdout == b"{'dead'} False\n"


async def test_a_job_waits_also_where_its_process_was_killed_within_a_commit(engine: SQLiteJobs) -> None:
    await engine.submit("k", {"text": "x" * 100_000})
    await engine.aclose()
    killed = """
import os, signal, sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA journal_mode = TRUNCATE")
store.execute("PRAGMA cache_size = 2")
store.execute("BEGIN IMMEDIATE")
store.execute("UPDATE texts SET arguments = arguments || 'y'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = data_dir() / "jobs.db"
    await anyio.run_process([sys.executable, "-c", killed, str(path)], check=False)
    assert path.with_name("jobs.db-journal").stat().st_size, "what was begun is still to be undone"
    assert await waits()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
async def test_a_store_that_cannot_be_read_is_no_work(content: bytes) -> None:
    data_dir().mkdir(parents=True)
    (data_dir() / "jobs.db").write_bytes(content)
    assert not await waits()


async def test_a_store_of_a_newer_version_without_such_a_table_is_no_work() -> None:
    data_dir().mkdir(parents=True)
    with closing(sqlite3.connect(data_dir() / "jobs.db")) as store:
        store.execute("PRAGMA user_version = 99")
    assert not await waits()
