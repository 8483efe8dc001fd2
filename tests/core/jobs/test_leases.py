"""Who may go on in a fleet, and when, on a real PostgreSQL: a process that was stopped is one whose clock jumped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from postgres_server import PostgresServer

from core.errors import LostJobError, StoreError
from core.jobs.fleet.engine import PostgresJobs
from core.jobs.fleet.leases import Lease
from core.jobs.fleet.parts import parts
from core.jobs.values import Job, JobResult

KINDS = ("ask_many", "part")
LEASE_S = 1.0


class Process(PostgresJobs):
    """An engine whose clock can be moved on, as it is for a process that was stopped."""

    def __init__(self, url: str, folder: Path, *, lease_s: float = LEASE_S) -> None:
        super().__init__(url, folder, lease_s=lease_s)
        self.stopped_s = 0.0
        running = self.holds.clock
        self.holds.clock = lambda: running() + self.stopped_s


@pytest.fixture
async def start(fleet_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    async with AsyncExitStack() as stack:
        count = 0

        def started(lease_s: float = LEASE_S) -> Process:
            nonlocal count
            count += 1
            process = Process(fleet_url, tmp_path / str(count), lease_s=lease_s)
            stack.push_async_callback(process.aclose)
            return process

        yield started


Start = Callable[..., Process]


async def claimed(process: Process, **arguments: Any) -> Job:
    await process.submit("ask_many", arguments)
    job = await process.claim(KINDS)
    assert job is not None
    return job


async def taken_over(process: Process) -> Job:
    with anyio.fail_after(20):
        while (job := await process.claim(KINDS)) is None:
            await anyio.sleep(0.02)
    return job


async def holds_back(wait: Callable[[], Awaitable[None]], seconds: float = 0.3) -> bool:
    with anyio.move_on_after(seconds) as scope:
        await wait()
    return scope.cancelled_caught


async def finished_part(holder: Process, job: Job) -> str:
    part = await holder.parts.add(job.id, "part", {})
    assert part is not None
    worker = await holder.claim(("part",))
    assert worker is not None
    holder.record(part, "answer", 1)
    await holder.settle()
    await holder.finish(worker, "done")
    return part


@pytest.mark.parametrize(
    ("after_s", "left", "enough", "due"), [(0, 12, True, False), (2, 10, True, True), (8.5, 3.5, False, True)]
)
def test_a_lease_counts_from_before_it_was_asked_for(after_s: float, left: float, enough: bool, due: bool) -> None:
    lease, now = Lease(100.0, 12.0), 100.0 + after_s
    assert (lease.left(now), lease.enough(now), lease.due(now)) == (left, enough, due)


async def test_no_call_starts_with_a_lease_that_has_run_out_before_it_is_renewed(start: Start) -> None:
    process = start(lease_s=60.0)
    job = await claimed(process)
    await process.ready(job.id)
    fence = process.holds.fence(job.id)
    process.stopped_s = 70.0
    asked: list[float] = []
    renewed = process._renew

    async def renew() -> None:
        asked.append(process.holds.clock())
        await renewed()

    process._renew = renew  # type: ignore[method-assign]
    await process.get(job.id)  # that the database is there says nothing of the lease
    await process.ready(job.id)
    assert asked, "it asks whether the job is still its own"
    assert process.holds.fence(job.id) == fence


async def test_a_process_that_was_stopped_starts_no_call_of_a_job_that_another_took_up_meanwhile(start: Start) -> None:
    stopped, other = start(), start()
    job = await claimed(stopped)
    again = await taken_over(other)
    assert again.id == job.id
    stopped.stopped_s = 25.0
    await stopped.get(job.id)  # the database is there, and says nothing of the lease
    assert await holds_back(lambda: stopped.ready(job.id))
    assert (await stopped.watch([job]))[job.id].mine is False
    await other.ready(job.id)


async def test_with_the_lease_still_valid_nobody_takes_the_job_even_if_the_queue_offers_it(
    start: Start, fleet_url: str, postgres: PostgresServer
) -> None:
    owner, other = start(lease_s=60.0), start(lease_s=60.0)
    job = await claimed(owner)
    offered = (
        "SET search_path TO moot_jobs; UPDATE procrastinate_jobs SET status = 'todo'"  # as if its heart had stopped
    )
    await anyio.to_thread.run_sync(postgres.query, fleet_url, offered)
    assert await other.claim(()) is None
    other._queue._heard_since = float("-inf")  # it has been there for long
    assert await other.claim(KINDS) is None
    await owner.finish(job, "done", result=JobResult("fine"))
    assert (await other.get(job.id)).state == "done"


@pytest.mark.parametrize("change", ["absorb", "add", "of", "assured", "set_progress", "set_total", "finish", "pass_on"])
async def test_who_has_lost_a_job_changes_nothing_of_it(start: Start, change: str) -> None:
    lost, other = start(), start()
    job = await claimed(lost)
    part = await finished_part(lost, job)
    again = await taken_over(other)
    changes: dict[str, Callable[[], Awaitable[Any]]] = {
        "absorb": lambda: lost.parts.absorb(part),
        "add": lambda: lost.parts.add(job.id, "part", {}),
        "of": lambda: lost.parts.of(job.id),
        "assured": lambda: lost.parts.assured(job.id),
        "set_progress": lambda: lost.set_progress(job.id, {"done": 99}),
        "set_total": lambda: lost.set_total(job.id, 99),
        "finish": lambda: lost.finish(job, "done"),
        "pass_on": lambda: lost.pass_on(job, "no"),
    }
    lost.stopped_s = 25.0
    with pytest.raises(LostJobError):
        await changes[change]()
    seen = await other.get(job.id)
    assert (seen.state, seen.total, seen.progress, seen.fence) == ("running", None, {}, again.fence)
    assert [part.id for part in await other.parts.of(job.id)] == [part]
    await other.parts.absorb(part)
    assert await other.memo(job.id, ["answer"]) == {"answer": 1}


async def test_the_late_end_of_one_who_lost_a_job_leaves_it_to_a_third_when_the_second_dies(start: Start) -> None:
    first, second, third = start(), start(), start()
    job = await claimed(first)
    await taken_over(second)
    with pytest.raises(LostJobError):
        await first.finish(job, "done")
    assert (await taken_over(third)).id == job.id


async def test_an_answer_that_comes_after_its_part_was_taken_back_is_the_whole_s(start: Start) -> None:
    holder, worker = start(), start()
    job = await claimed(holder)
    part = await finished_part(holder, job)
    await holder.parts.absorb(part)
    await worker.claim(())  # its spool is open from here on
    worker.record(part, "late", "paid for")
    worker.record("gone.gone", "late", "of nobody")
    await worker.settle()
    assert await holder.memo(job.id, ["late"]) == {"late": "paid for"}
    assert (await holder.get(job.id)).calls == 2
    assert await holder.read(partial(parts, job=job.id)) == []


async def test_a_job_whose_owner_is_gone_is_shown_as_waiting(start: Start) -> None:
    gone, window = start(lease_s=0.3), start(lease_s=0.3)
    job = await claimed(gone)
    assert (await window.get(job.id)).state == "running"
    with anyio.fail_after(10):
        while (shown := await window.get(job.id)).state != "queued":
            await anyio.sleep(0.02)
    assert shown.owner is None
    assert "moot worker" in shown.reason
    assert [job.state for job in await window.list_jobs()] == ["queued"]


async def test_a_batch_whose_holder_is_gone_comes_to_who_asks_for_it_without_any_worker(start: Start) -> None:
    gone, window = start(lease_s=0.3), start()
    for process in (gone, window):
        process.keep(("ask_many",))
    job = await claimed(gone)
    with anyio.fail_after(10):
        while (await window.get(job.id)).state != "queued":
            await anyio.sleep(0.02)
    assert await window.claim(KINDS) is None, "it was not asked for here"
    await window.resume(job.id)
    again = await window.claim(KINDS)
    assert again is not None
    assert (again.id, again.fence) == (job.id, job.fence + 1)


async def test_a_live_holder_loses_nothing_to_the_entry_that_waits_for_its_end(start: Start) -> None:
    window, worker = start(lease_s=0.5), start(lease_s=0.5)
    window.keep(("ask_many",))
    job = await claimed(window)
    with anyio.move_on_after(2.0):
        while True:
            assert (await window.watch([job]))[job.id].mine
            assert await worker.claim(KINDS) is None
            await anyio.sleep(0.05)
    assert (await worker.get(job.id)).owner == window.owner


async def test_a_worker_the_server_has_forgotten_registers_again_and_works(
    start: Start, fleet_url: str, postgres: PostgresServer
) -> None:
    worker = start()
    assert await worker.claim(KINDS) is None
    await anyio.to_thread.run_sync(postgres.query, fleet_url, "DELETE FROM moot_jobs.procrastinate_workers")
    job = await worker.submit("ask_many", {})
    with pytest.raises(StoreError):
        await worker.claim(KINDS)
    again = await worker.claim(KINDS)
    assert again is not None
    assert again.id == job.id


async def test_a_worker_is_told_of_new_jobs_and_of_those_given_back(start: Start) -> None:
    worker, window, other = start(), start(), start()
    woken = anyio.Event()

    def wake() -> None:
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.serve, KINDS, wake)
        with anyio.fail_after(20):
            while not woken.is_set():  # from when on it listens
                job = await window.submit("ask_many", {})
                with anyio.move_on_after(0.2):
                    await woken.wait()
            claimed_job = await other.claim(KINDS)
            assert claimed_job is not None
            woken = anyio.Event()
            await other.release(claimed_job)
            await woken.wait()
        tasks.cancel_scope.cancel()
    assert job


async def test_what_could_not_be_ended_here_is_offered_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, other = start(lease_s=0.5), start(lease_s=0.5)
    job = await claimed(worker)
    worker.let_go(job)  # its run has ended, and the journal was not told
    with anyio.fail_after(10):
        while (again := await other.claim(KINDS)) is None:
            assert await worker.claim(()) is None
            await anyio.sleep(0.05)
    assert again.id == job.id


async def test_what_a_process_takes_while_it_closes_is_offered_again_at_once(start: Start) -> None:
    closing, other = start(lease_s=60.0), start(lease_s=60.0)
    job = await other.submit("ask_many", {})
    asked = closing.write
    taken = anyio.Event()

    async def cut(operation: Callable[..., Any], *, patient: bool = False) -> Any:
        if isinstance(await asked(operation, patient=patient), Job):
            taken.set()
            await anyio.sleep_forever()  # the journal has done it, and the answer is not here yet

    closing.write = cut  # type: ignore[assignment]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken_over, closing)
            await taken.wait()
            tasks.cancel_scope.cancel()
    assert (await other.get(job.id)).owner == closing.owner
    await closing.aclose()
    assert (await taken_over(other)).id == job.id


async def test_text_is_kept_as_it_is_in_a_database_without_an_encoding(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = await anyio.to_thread.run_sync(lambda: postgres.database(ready=False, encoding="SQL_ASCII"))
    process = Process(url, tmp_path)
    words = {"prompt": "Größe 漢字 😀"}
    job = await process.submit("ask_many", words)
    taken = await process.claim(KINDS)
    assert taken is not None
    assert taken.arguments == words
    process.record(job.id, "row:Größe:1", words)
    await process.settle()
    assert await process.memo(job.id, ["row:Größe:1"]) == {"row:Größe:1": words}
    await process.finish(taken, "done", result=JobResult("漢字", words))
    assert await process.result(job.id) == JobResult("漢字", words)
    await process.aclose()
    await anyio.to_thread.run_sync(postgres.drop, url)


async def test_a_database_that_lacks_characters_is_refused_with_a_sentence(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = await anyio.to_thread.run_sync(lambda: postgres.database(ready=False, encoding="LATIN1"))
    process = Process(url, tmp_path)
    with pytest.raises(StoreError, match=r"keeps text as LATIN1.*createdb -T template0 -E UTF8"):
        await process.submit("ask_many", {})
    await process.aclose()
    await anyio.to_thread.run_sync(postgres.drop, url)
