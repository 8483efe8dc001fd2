"""Finished calls in `jobs.db`: stores of earlier versions are read, nothing doubles, and a small answer stays small."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StoreError
from core.jobs import packed
from core.jobs.schema import MIGRATIONS
from core.jobs.sqlite import SQLiteJobs
from core.jobs.values import new_id

IDS = [new_id() for _ in range(2)]


def earlier_store(folder: Path, version: int) -> Path:
    """A `jobs.db` as that version left it: two jobs that are done, and their calls."""
    folder.mkdir(exist_ok=True)
    path = folder / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        for script in MIGRATIONS[:version]:
            for statement in script.split(";"):
                store.execute(statement)
        for one in IDS:
            store.execute(
                "INSERT INTO jobs (id, kind, state, creator, created, calls) VALUES (?, 'k', 'done', 'c', 1, 3)", (one,)
            )
            store.execute("INSERT INTO texts VALUES (?, '{}', NULL)", (one,))
            for n in range(3):
                value = json.dumps({"ai": "a", "n": n})
                store.execute("INSERT INTO calls (job, key, value, at) VALUES (?, ?, ?, 1)", (one, f"row:a:{n}", value))
        store.execute(f"PRAGMA user_version = {version}")
    return path


@asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[SQLiteJobs]:
    jobs = SQLiteJobs(folder)
    try:
        yield jobs
    finally:
        await jobs.aclose()


@pytest.mark.parametrize("version", [1, 2])
async def test_an_earlier_store_is_read_at_once_with_all_that_is_in_it(version: int, tmp_path: Path) -> None:
    earlier_store(tmp_path, version)
    async with engine(tmp_path) as jobs:
        assert {job.id for job in await jobs.list_jobs()} == set(IDS)
        for one in IDS:
            assert await jobs.memo(one, ["row:a:1", "row:a:9"]) == {"row:a:1": {"ai": "a", "n": 1}}
            calls = await jobs.calls(one, after=0, limit=2)
            assert [call.key for call in calls] == ["row:a:0", "row:a:1"]
            assert [call.key for call in await jobs.calls(one, after=calls[-1].seq)] == ["row:a:2"]
            assert len(await jobs.kept(one, "row:")) == 3
        assert (await jobs.retry(IDS[0])).calls == 3
        await jobs.forget(IDS[1])
        assert await jobs.memo(IDS[1], ["row:a:1"]) == {}
        assert len(await jobs.memo(IDS[0], [f"row:a:{n}" for n in range(3)])) == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="may write everywhere")
async def test_an_earlier_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    earlier_store(tmp_path, 1).chmod(0o400)
    async with engine(tmp_path) as jobs:
        with pytest.raises(StoreError, match="cannot be written"):
            await jobs.list_jobs()


async def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").touch()
    async with engine(tmp_path) as jobs:
        assert await jobs.list_jobs() == []


async def test_what_is_deleted_leaves_no_number(tmp_path: Path) -> None:
    path = earlier_store(tmp_path, 2)
    async with engine(tmp_path) as jobs:
        with closing(sqlite3.connect(path)) as store:
            store.execute("UPDATE jobs SET finished = 1")
            store.commit()
        assert await jobs.clean(older_than_s=0, most_bytes=0) == 2
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT (SELECT count(*) FROM numbers), (SELECT count(*) FROM kept)").fetchone() == (0, 0)


KEYS = st.sampled_from(["", "k", "row:a:0123456789ab", "row:b:0123456789ab", "0123456789ab", "row:a:é", "call:\n"])


@given(st.lists(st.tuples(st.sampled_from(IDS), KEYS, st.integers()), max_size=30), st.integers(1, 5))
def test_the_first_value_of_a_key_stays_however_they_come(calls: list[tuple[str, str, int]], at_once: int) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as store:
        store.row_factory = sqlite3.Row
        for script in MIGRATIONS:
            for statement in script.split(";"):
                store.execute(statement)
        for one in IDS:
            store.execute(
                "INSERT INTO jobs (id, kind, state, creator, created) VALUES (?, 'k', 'done', 'c', 1)", (one,)
            )
        first: dict[tuple[str, str], int] = {}
        for one in IDS:
            own = [(key, json.dumps(value), 1.0) for job, key, value in calls if job == one]
            for start in range(0, len(own), at_once):
                packed.keep_calls(store, one, own[start : start + at_once])
        for job, key, value in calls:
            first.setdefault((job, key), value)
        for one in IDS:
            wanted = {key: value for (job, key), value in first.items() if job == one}
            assert packed.memo(store, one, [key for _, key, _ in calls]) == wanted
            kept = {call.key: call.value for call in packed.calls_after(store, one, 0, 100)}
            assert kept == wanted and list(kept) == list(wanted), "in the order in which they came"
            assert store.execute("SELECT calls FROM jobs WHERE id = ?", (one,)).fetchone()[0] == len(wanted)


def test_a_small_answer_of_a_batch_takes_no_more_than_250_bytes(tmp_path: Path) -> None:
    path, count = tmp_path / "jobs.db", 5_000
    value = {"ai": "a", "i": 0, "model": "fake-1", "text": "tok tok ", "input_tokens": 7, "output_tokens": 2}
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.row_factory = sqlite3.Row
        for script in MIGRATIONS:
            for statement in script.split(";"):
                store.execute(statement)
        store.execute("INSERT INTO jobs (id, kind, state, creator, created) VALUES (?, 'k', 'done', 'c', 1)", IDS[:1])
        for start in range(0, count, 100):
            some = range(start, start + 100)
            lines = [
                (
                    f"row:a:{hashlib.sha1(str(n).encode()).hexdigest()}",
                    json.dumps(value | {"i": n, "latency_s": 1.234}),
                    1e9,
                )
                for n in some
            ]
            packed.keep_calls(store, IDS[0], lines)
    assert path.stat().st_size / count <= 250
