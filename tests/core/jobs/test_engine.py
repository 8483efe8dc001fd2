"""The embedded engine by its protocol: two engines are two processes, as far as it can tell."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from core.errors import InvalidInputError, LostJobError, StoreError, UnknownJobError
from core.jobs.engine import JobEngine
from core.jobs.sqlite import SQLiteJobs
from core.jobs.values import MOST_ATTEMPTS, Job, JobResult
from core.stores.spool import Spool

KINDS = ("ask_many",)


class Owners:
    """Opens engines on one folder; `die` ends one as kill -9 does, its lock freed and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = AsyncExitStack()

    def open(self) -> SQLiteJobs:
        engine = SQLiteJobs(self.folder)
        self._stack.push_async_callback(engine.aclose)
        return engine

    def die(self, engine: SQLiteJobs) -> None:
        lock = engine._owner._lock
        assert lock is not None
        lock.close()

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def owners(tmp_path: Path) -> AsyncIterator[Owners]:
    opened = Owners(tmp_path)
    yield opened
    await opened.close()


async def claimed(engine: JobEngine, **arguments: Any) -> Job:
    await engine.submit("ask_many", arguments)
    job = await engine.claim(KINDS)
    assert job is not None
    return job


async def test_a_job_is_accepted_claimed_and_done_with_its_result(owners: Owners) -> None:
    engine = owners.open()
    accepted = await engine.submit("ask_many", {"prompt": "Ümlaut?"})
    assert (await engine.get(accepted.id)).state == "queued"
    job = await engine.claim(KINDS)
    assert job and (job.id, job.state, job.arguments) == (accepted.id, "running", {"prompt": "Ümlaut?"})
    assert await engine.claim(KINDS) is None
    await engine.finish(job, "done", result=JobResult("text", {"replies": [1]}))
    assert (await engine.get(job.id)).state == "done"
    assert await engine.result(job.id) == JobResult("text", {"replies": [1]})
    assert [job.id for job in await engine.list_jobs(("done",))] == [accepted.id]


async def test_nothing_is_on_disk_before_the_first_job(owners: Owners, tmp_path: Path) -> None:
    engine = owners.open()
    assert await engine.list_jobs() == []
    assert await engine.claim(KINDS) is None
    with pytest.raises(UnknownJobError):
        await engine.get("nope")
    assert list(tmp_path.iterdir()) == []


async def test_a_live_owners_jobs_are_never_taken_and_a_dead_ones_at_once(owners: Owners) -> None:
    first, second = owners.open(), owners.open()
    running = await claimed(first)
    queued = await first.submit("ask_many", {})
    assert await second.claim(KINDS) is None
    owners.die(first)
    taken = [await second.claim(KINDS), await second.claim(KINDS)]
    assert {job.id for job in taken if job} == {running.id, queued.id}
    assert {job.owner for job in taken if job} == {second.owner}


async def test_a_job_of_another_kind_is_left_alone(owners: Owners) -> None:
    engine = owners.open()
    await engine.submit("of_a_newer_version", {})
    assert await engine.claim(KINDS) is None


async def test_what_an_earlier_owner_says_of_the_state_is_refused_but_its_answers_are_kept(owners: Owners) -> None:
    first, second = owners.open(), owners.open()
    job = await claimed(first)
    owners.die(first)
    assert await second.claim(KINDS)
    assert (await first.watch([job]))[job.id].mine is False
    first.record(job.id, "late", "paid for")
    with pytest.raises(LostJobError):
        await first.finish(job, "done")
    assert (await second.get(job.id)).state == "running"
    assert await second.memo(job.id, ["late", "other"]) == {"late": "paid for"}


async def test_a_call_is_counted_and_kept_once_and_its_first_value_stays(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    for value in ("first", "second"):
        engine.record(job.id, "key", value)
    await engine.release(job)
    assert (await engine.get(job.id)).calls == 1
    assert [call.value for call in await engine.calls(job.id)] == ["first"]


async def test_what_the_store_does_not_have_yet_is_counted_and_the_rest_can_be_found(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    keys = [f"k{number}" for number in range(700)]
    for key in keys:
        engine.record(job.id, key, "kept")
    assert engine.waiting == 700
    while waiting := engine.waiting:
        await anyio.sleep(0)
        assert len(await engine.memo(job.id, keys[: 700 - waiting])) == 700 - waiting
    await engine.release(job)
    assert (await engine.get(job.id)).calls == 700


async def test_half_an_emoji_is_kept_like_any_text(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    engine.record(job.id, "broken", {"text": "\ud83d"})
    engine.record(job.id, "whole", {"text": "\U0001f600"})
    await engine.release(job)
    kept = await engine.memo(job.id, ["broken", "whole"])
    assert kept["whole"] == {"text": "\U0001f600"}
    assert kept["broken"]["text"] in ("\ud83d", "\ufffd")


async def test_finished_calls_are_read_on_from_a_cursor(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    for number in range(5):
        engine.record(job.id, f"k{number}", number)
    await engine.release(job)
    first = await engine.calls(job.id, limit=2)
    rest = await engine.calls(job.id, after=first[-1].seq)
    assert [call.value for call in [*first, *rest]] == list(range(5))


async def test_answers_that_were_spooled_but_not_committed_reach_the_next_owner(owners: Owners, tmp_path: Path) -> None:
    first, second = owners.open(), owners.open()
    job = await claimed(first)
    spool = Spool(tmp_path / "jobs.d", first.owner)
    await anyio.to_thread.run_sync(spool.open)
    path = spool.put(job.id, "key", json.dumps({"text": "paid for\n"}), 1.0).path
    line = path.read_bytes()
    path.write_bytes(line + line[: len(line) // 2])  # the last write broke off
    owners.die(first)
    taken = await second.claim(KINDS)
    assert taken and taken.calls == 1
    assert await second.memo(job.id, ["key"]) == {"key": {"text": "paid for\n"}}
    assert not path.exists()
    await anyio.to_thread.run_sync(spool.close)


async def test_the_spool_of_one_found_dead_is_merged_whatever_a_second_look_says(
    owners: Owners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = owners.open(), owners.open()
    job = await claimed(first)
    spool = Spool(tmp_path / "jobs.d", first.owner)
    await anyio.to_thread.run_sync(spool.open)
    spool.put(job.id, "key", json.dumps("paid for"), 1.0)
    owners.die(first)
    looks = iter([False])
    monkeypatch.setattr(second._owner, "alive", lambda holder: next(looks, True))
    assert (taken := await second.claim(KINDS)) and taken.calls == 1
    await anyio.to_thread.run_sync(spool.close)


async def test_a_job_that_kills_its_workers_without_progress_is_failed(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    for _ in range(MOST_ATTEMPTS - 1):
        owners.die(engine)
        engine = owners.open()
        assert await engine.claim(KINDS)
    owners.die(engine)
    last = owners.open()
    assert await last.claim(KINDS) is None
    ended = await last.get(job.id)
    assert ended.state == "failed" and "5 times" in ended.reason


async def test_jobs_that_ran_beside_others_share_the_blame_for_the_end_of_their_worker(owners: Owners) -> None:
    engine = owners.open()
    jobs = [await engine.submit("ask_many", {}) for _ in range(4)]
    for _ in range(2 * MOST_ATTEMPTS):
        while await engine.claim(KINDS):
            pass
        owners.die(engine)
        engine = owners.open()
    assert not [job.id for job in jobs if (await engine.get(job.id)).over]
    while await engine.claim(KINDS):
        while await engine.claim(KINDS):
            pass
        owners.die(engine)
        engine = owners.open()
    assert [(await engine.get(job.id)).state for job in jobs] == ["failed"] * 4


async def test_a_job_that_makes_progress_may_lose_any_number_of_workers(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    for number in range(MOST_ATTEMPTS + 3):
        engine.record(job.id, f"k{number}", number)
        await engine.set_total(job.id, 99)  # behind the record in the queue
        owners.die(engine)
        engine = owners.open()
        assert await engine.claim(KINDS)


async def test_a_clean_end_is_no_attempt(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    for _ in range(MOST_ATTEMPTS + 1):
        await engine.release(job)
        again = await engine.claim(KINDS)
        assert again
        job = again
    assert job.attempts == 1


async def test_cancelling_is_at_once_in_the_queue_and_told_to_the_owner_of_a_running_job(owners: Owners) -> None:
    first, second = owners.open(), owners.open()
    running, queued = await claimed(first), await first.submit("ask_many", {})
    assert (await second.cancel(queued.id)).state == "cancelled"
    assert (await second.cancel(running.id, "drain")).state == "running"
    assert (await first.watch([running]))[running.id].cancel == "drain"
    await second.cancel(running.id, "abort")
    assert (await first.watch([running]))[running.id].cancel == "abort"
    await first.finish(running, "cancelled")
    assert (await second.cancel(running.id)).state == "cancelled"


async def test_a_cancelled_job_of_a_dead_owner_is_cancelled_not_run(owners: Owners) -> None:
    first, second = owners.open(), owners.open()
    job = await claimed(first)
    await second.cancel(job.id)
    owners.die(first)
    assert await second.claim(KINDS) is None
    assert (await second.get(job.id)).state == "cancelled"


@pytest.mark.parametrize("state", ["paused", "failed", "cancelled"])
async def test_a_job_that_stopped_short_is_resumed_with_what_it_has(owners: Owners, state: Any) -> None:
    engine = owners.open()
    job = await claimed(engine)
    engine.record(job.id, "key", 1)
    await engine.finish(job, state, reason="A reason.")
    assert (await engine.get(job.id)).reason == "A reason."
    assert (await engine.resume(job.id)).state == "queued"
    again = await engine.claim(KINDS)
    assert again and again.calls == 1 and not again.reason


async def test_a_job_that_is_done_is_retried_not_resumed(owners: Owners) -> None:
    engine = owners.open()
    job = await claimed(engine)
    await engine.finish(job, "done", result=JobResult("text"))
    with pytest.raises(InvalidInputError, match="retry it"):
        await engine.resume(job.id)
    assert (await engine.retry(job.id)).state == "queued"
    assert await engine.result(job.id) is None


async def test_old_jobs_and_too_many_bytes_are_cleaned_and_the_file_shrinks(owners: Owners, tmp_path: Path) -> None:
    engine = owners.open()
    for _ in range(3):
        job = await claimed(engine)
        engine.record(job.id, "key", "x" * 200_000)
        await engine.finish(job, "done")
    open_job = await engine.submit("ask_many", {})
    before = (tmp_path / "jobs.db").stat().st_size
    assert await engine.clean(older_than_s=3600, most_bytes=450_000) == 1
    assert await engine.clean(older_than_s=-1, most_bytes=10**9) == 2
    assert [job.id for job in await engine.list_jobs()] == [open_job.id]
    assert (tmp_path / "jobs.db").stat().st_size < before / 2


async def test_arguments_that_are_too_long_are_refused(owners: Owners) -> None:
    with pytest.raises(InvalidInputError, match="at most 16,000,000"):
        await owners.open().submit("ask_many", {"prompt": "x" * 16_000_001})


async def test_a_store_of_a_newer_version_is_read_and_not_claimed_from(owners: Owners, tmp_path: Path) -> None:
    old = owners.open()
    job = await old.submit("ask_many", {})
    await old.aclose()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    engine = owners.open()
    assert (await engine.get(job.id)).state == "queued"
    with pytest.raises(StoreError, match="newer version"):
        await engine.claim(KINDS)
    with pytest.raises(StoreError, match="newer version"):
        await engine.submit("ask_many", {})


async def test_a_damaged_store_is_one_clear_sentence(owners: Owners, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"garbage" * 1_000)
    engine = owners.open()
    for attempt in (engine.list_jobs(), engine.get("x"), engine.submit("ask_many", {}), engine.claim(KINDS)):
        with pytest.raises(StoreError, match="damaged"):
            await attempt


async def test_a_folder_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    engine = SQLiteJobs(tmp_path / "file")
    with pytest.raises(StoreError, match="MOOT_HOME"):
        await engine.submit("ask_many", {})
    await engine.aclose()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Any:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
async def test_a_full_disk_pauses_the_job_keeps_its_answers_and_it_goes_on_by_itself(tiny_disk: Path) -> None:
    engine = SQLiteJobs(tiny_disk)
    with anyio.fail_after(30):
        job = await claimed(engine)
        ballast = tiny_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 4096)
        for number in range(10):
            engine.record(job.id, f"k{number}", "x" * 10_000)
        while not (shown := await engine.get(job.id)).waits:
            await anyio.sleep(0.05)
        assert shown.state == "paused" and "disk is full" in shown.reason
        assert shown.task_status == "working"
        with anyio.move_on_after(0.3) as waited:
            await engine.ready(job.id)
        assert waited.cancelled_caught, "no call may start while its answer could not be kept"
        ballast.unlink()
        await engine.ready(job.id)
        await engine.finish(job, "done", result=JobResult("text"))
        assert len(await engine.memo(job.id, [f"k{number}" for number in range(10)])) == 10
        assert (await engine.get(job.id)).state == "done"
    await engine.aclose()


async def test_a_job_whose_process_is_gone_is_told_as_waiting_for_another_one(owners: Owners) -> None:
    gone, here = owners.open(), owners.open()
    job = await claimed(gone)
    assert (await here.get(job.id)).state == "running"
    owners.die(gone)
    (listed,) = await here.list_jobs()
    for seen in (await here.get(job.id), listed):
        assert seen.state == "queued" and f"moot jobs watch {job.id}" in seen.reason
    taken = await here.claim(KINDS)
    assert taken is not None and (await here.get(job.id)).state == "running"


async def test_jobs_are_counted_by_state_whoever_they_are_of(owners: Owners) -> None:
    engine = owners.open()
    assert await engine.counts() == {}
    job = await claimed(engine)
    await engine.submit("ask_many", {}, person="ada")
    assert await engine.counts() == {"running": 1, "queued": 1}
    await engine.finish(job, "done", result=JobResult("text", {}))
    assert await owners.open().counts() == {"done": 1, "queued": 1}
