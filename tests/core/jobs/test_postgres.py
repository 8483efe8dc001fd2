"""The distributed engine by its protocol, on a real PostgreSQL: two engines are two workers, each with its own home."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from postgres_server import PostgresServer

from core.errors import ConfigError, LostJobError, StoreError, UnknownJobError
from core.jobs.engine import JobEngine
from core.jobs.fleet.engine import PostgresJobs
from core.jobs.fleet.health import examine
from core.jobs.fleet.parts import parts
from core.jobs.jobs import Jobs, open_engine
from core.jobs.runner import Runner
from core.jobs.values import MOST_ATTEMPTS, Job, JobResult
from core.stores.choose import open_store, store_url
from core.stores.spool import Spool

KINDS = ("ask_many",)
LEASE_S = 0.4
WORD = "s3cret-word"


class Workers:
    """Opens engines; `lose` ends one as a power cut does: nobody hears of it again."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._stack = AsyncExitStack()
        self._count = 0

    def open(self, *, home: str = "") -> PostgresJobs:
        self._count += 1
        engine = PostgresJobs(self._url, self._folder / (home or str(self._count)), lease_s=LEASE_S)
        self._stack.push_async_callback(engine.aclose)
        return engine

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def workers(fleet_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    opened = Workers(fleet_url, tmp_path)
    yield opened
    await opened.close()


async def claimed(engine: JobEngine, **arguments: Any) -> Job:
    await engine.submit("ask_many", arguments)
    job = await engine.claim(KINDS)
    assert job is not None
    return job


async def parts_of(engine: PostgresJobs, job: Job) -> list[Job]:
    """Also of a job that is over, and nobody's."""
    return await engine.read(partial(parts, job=job.id))


async def taken_over(engine: JobEngine) -> Job:
    with anyio.fail_after(20):
        while (job := await engine.claim(KINDS)) is None:
            await anyio.sleep(0.02)
    return job


async def test_a_job_goes_to_one_worker_and_its_result_to_everybody(workers: Workers) -> None:
    window, first, second = workers.open(), workers.open(), workers.open()
    accepted = await window.submit("ask_many", {"prompt": "Ümlaut?"})
    assert "moot worker" in (await window.get(accepted.id)).reason, "nobody is there to do it"
    job = await first.claim(KINDS)
    assert job and (job.id, job.state, job.arguments) == (accepted.id, "running", {"prompt": "Ümlaut?"})
    assert await second.claim(KINDS) is None
    await first.finish(job, "done", result=JobResult("text\x00", {"replies": [1]}))
    assert await window.result(job.id) == JobResult("text\x00", {"replies": [1]})
    assert [(job.id, job.state) for job in await second.list_jobs()] == [(accepted.id, "done")]
    assert await second.counts() == {"done": 1}
    with pytest.raises(UnknownJobError):
        await window.get("nope")


async def test_a_worker_nobody_hears_of_loses_its_job_but_not_its_answers(workers: Workers) -> None:
    lost, other = workers.open(), workers.open()
    job = await claimed(lost)
    lost.record(job.id, "early", {"n": 1})
    await lost.settle()
    again = await taken_over(other)
    assert (again.id, again.fence) == (job.id, job.fence + 1)
    lost.record(job.id, "late", "paid for")
    await lost.settle()
    with pytest.raises(LostJobError):
        await lost.finish(job, "done")
    assert await other.memo(job.id, ["early", "late", "other"]) == {"early": {"n": 1}, "late": "paid for"}
    assert (await lost.watch([job]))[job.id].mine is False
    assert (await other.get(job.id)).state == "running"


async def test_a_live_worker_keeps_its_job_however_long_it_takes(workers: Workers) -> None:
    first, second = workers.open(), workers.open()
    job = await claimed(first)
    with anyio.move_on_after(LEASE_S * 4):
        while True:
            assert (await first.watch([job]))[job.id].mine
            assert await second.claim(KINDS) is None
            await anyio.sleep(0.05)


async def test_a_call_is_kept_once_and_its_first_value_stays_whatever_is_in_it(workers: Workers) -> None:
    engine = workers.open()
    job = await claimed(engine)
    values = ["nul \x00", "half of a pair \ud800", {"Ü": [None, 1.5, True]}, "x" * 100_000]
    for number, value in enumerate(values):
        engine.record(job.id, f"key {number}", value)
        engine.record(job.id, f"key {number}", "second")
    await engine.settle()
    assert [call.value for call in await engine.calls(job.id)] == values
    assert (await engine.get(job.id)).calls == len(values)


async def test_what_a_dead_process_of_this_machine_had_only_spooled_is_kept(workers: Workers) -> None:
    first = workers.open(home="same")
    job = await claimed(first)
    dead = Spool(first._spools, "00ff00ff00ff00ff")
    await anyio.to_thread.run_sync(dead.open)
    await anyio.to_thread.run_sync(dead.put, job.id, "spooled", '"paid for"', 1.0)
    second = workers.open(home="same")
    assert await second.claim(KINDS) is None
    assert await second.memo(job.id, ["spooled"]) == {"spooled": "paid for"}


async def test_cancelling_is_noticed_and_resuming_queues_it_once(workers: Workers) -> None:
    window, worker = workers.open(), workers.open()
    queued = await window.submit("ask_many", {})
    assert (await window.cancel(queued.id)).state == "cancelled"
    assert (await window.resume(queued.id)).state == "queued"
    job = await worker.claim(KINDS)
    assert job is not None and job.id == queued.id
    assert await worker.claim(KINDS) is None, "the entry from before the cancellation is void"
    await window.cancel(job.id, "drain")
    assert (await worker.watch([job]))[job.id].cancel == "drain"
    await worker.finish(job, "cancelled")
    assert (await window.get(job.id)).state == "cancelled"


async def test_a_job_given_back_is_taken_by_the_next_at_once(workers: Workers) -> None:
    first, second = workers.open(), workers.open()
    job = await claimed(first)
    await first.release(job)
    again = await second.claim(KINDS)
    assert again is not None and (again.id, again.attempts) == (job.id, 1)


async def test_a_job_that_kills_every_worker_fails_in_the_end(workers: Workers) -> None:
    await workers.open().submit("ask_many", {})
    job = None
    for _ in range(MOST_ATTEMPTS):
        job = await taken_over(workers.open())
    last = workers.open()
    assert job is not None
    with anyio.fail_after(20):
        while not (await last.get(job.id)).over:
            assert await last.claim(KINDS) is None
            await anyio.sleep(0.02)
    assert "not tried again" in (await last.get(job.id)).reason


async def test_parts_are_done_by_all_workers_and_then_are_the_job_s_own(workers: Workers) -> None:
    holder, other = workers.open(), workers.open()
    job = await claimed(holder)
    early = await holder.parts.add(job.id, "part", {"n": 0})
    await holder.parts.add(job.id, "part", {"n": 1})
    assert next(part.id for part in await holder.parts.of(job.id)) == early
    assert [job.kind for job in await other.list_jobs()] == ["ask_many"], "parts are nobody's business"
    holder.record(job.id, "both", "the first stays")
    for engine in (other, holder):
        part = await engine.claim(("part",))
        assert part is not None
        engine.record(part.id, f"call {part.arguments['n']}", part.arguments)
        engine.record(part.id, "both", "another")
        await engine.settle()
        await engine.finish(part, "done")
    await holder.settle()
    cursor = (await holder.calls(job.id))[-1].seq
    for part in await holder.parts.of(job.id):
        assert part.state == "done"
        await holder.parts.absorb(part.id)
        await holder.parts.absorb(part.id)
    assert await holder.parts.of(job.id) == []
    assert {call.key: call.value for call in await other.calls(job.id, after=cursor)} == {
        "call 0": {"n": 0},
        "call 1": {"n": 1},
    }
    assert await other.memo(job.id, ["both"]) == {"both": "the first stays"}
    assert (await other.get(job.id)).calls == 3


async def test_cancelling_a_job_cancels_its_parts_and_resuming_brings_them_back(workers: Workers) -> None:
    engine = workers.open()
    job = await claimed(engine)
    for _ in range(2):
        await engine.parts.add(job.id, "part", {})
    running = await engine.claim(("part",))
    assert running is not None
    await engine.cancel(job.id, "drain")
    assert await engine.parts.add(job.id, "part", {}) is None, "no more of them"
    assert [part.state for part in await parts_of(engine, job)] == ["running", "cancelled"]
    assert (await engine.watch([running]))[running.id].cancel == "drain"
    await engine.finish(running, "cancelled")
    await engine.finish(job, "cancelled")
    await engine.resume(job.id)
    assert {part.state for part in await parts_of(engine, job)} == {"queued"}


async def test_only_the_owner_of_a_job_adds_parts_to_it(workers: Workers) -> None:
    lost, other = workers.open(), workers.open()
    job = await claimed(lost)
    await taken_over(other)
    with pytest.raises(LostJobError):
        await lost.parts.add(job.id, "part", {})


async def test_parts_are_not_cleaned_up_while_their_job_may_want_them(workers: Workers) -> None:
    engine = workers.open()
    job = await claimed(engine)
    await engine.parts.add(job.id, "part", {})
    part = await engine.claim(("part",))
    assert part is not None
    await engine.finish(part, "done")
    assert await engine.clean(older_than_s=0, most_bytes=0) == 0
    await engine.finish(job, "done")
    assert await engine.clean(older_than_s=0, most_bytes=0) == 2


async def test_what_a_process_keeps_for_itself_is_everybody_s_once_it_is_gone(workers: Workers) -> None:
    window, worker = workers.open(), workers.open()
    window.keep(("batch",))
    first, second = [(await window.submit("batch", {})).id for _ in range(2)]
    assert await worker.claim(("batch",)) is None, "it is not for others"
    mine = await window.claim(("batch",))
    assert mine is not None
    assert mine.id == first
    with anyio.fail_after(20):
        found = set()
        while len(found) < 2:  # nobody hears of the window any more: what it held, and what it did not come for
            if (job := await worker.claim(("batch",))) is not None:
                found.add(job.id)
            await anyio.sleep(0.02)
    assert found == {first, second}


async def test_a_process_that_only_keeps_its_own_is_no_worker(workers: Workers) -> None:
    window = workers.open()
    window.keep(("batch",))
    assert await window.claim(("batch",)) is None
    assert "moot worker" in (await window.get((await window.submit("ask_many", {})).id)).reason


async def test_a_job_that_is_passed_on_says_why_and_comes_to_another(workers: Workers) -> None:
    first, second = workers.open(), workers.open()
    job = await claimed(first)
    await first.pass_on(job, "Its file is elsewhere.")
    assert (await first.get(job.id)).reason == "Its file is elsewhere."
    assert await first.claim(KINDS) is None, "not at once"
    again = await taken_over(second)
    assert (again.id, again.attempts, again.reason) == (job.id, 1, "")


async def test_a_job_that_waits_for_its_parts_leaves_its_place_to_them(workers: Workers) -> None:
    engine = workers.open()
    materials = Jobs(lambda: engine)

    async def work(job: Job, drain: anyio.Event) -> JobResult | None:
        if job.kind == "part":
            return JobResult("", dict(job.arguments))
        runner.step_aside(job.id)
        for n in range(3):
            await engine.parts.add(job.id, "part", {"n": n})
        while any(not part.over for part in await parts_of(engine, job)):
            await anyio.sleep(0.01)
        return JobResult("")

    runner = Runner(engine, ("whole", "part"), work, most=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run)
        jobs = [await materials.submit("whole", {}) for _ in range(3)]
        over = [await materials.wait(job.id, 20) for job in jobs]
        tasks.cancel_scope.cancel()
    assert [job.state for job in over] == ["done"] * 3


async def test_a_stop_of_the_server_is_told_and_passes(workers: Workers, postgres: PostgresServer) -> None:
    if not postgres.can_be_stopped:
        pytest.skip("the server of MOOT_TEST_POSTGRES is not ours to stop")
    engine = workers.open()
    job = await claimed(engine)
    await anyio.to_thread.run_sync(postgres.stop_hard)
    engine.record(job.id, "k", "paid for")
    with anyio.fail_after(20):
        while engine.problem is None:
            await anyio.sleep(0.02)
    assert "does not answer" in engine.problem
    with anyio.move_on_after(0.3) as held_back:
        await engine.ready(job.id)
    assert held_back.cancelled_caught, "no new call starts"
    await anyio.to_thread.run_sync(postgres.start)
    await engine.settle()
    await engine.ready(job.id)
    assert await engine.memo(job.id, ["k"]) == {"k": "paid for"}
    await engine.finish(job, "done")


async def test_the_doctor_tells_of_the_database_its_tables_and_the_workers(
    workers: Workers, fleet_url: str, empty_url: str, postgres: PostgresServer
) -> None:
    async def told(url: str) -> tuple[str, str]:
        return await anyio.to_thread.run_sync(examine, url)

    assert (await told(empty_url))[1].endswith("its tables are made with the first job or call.")
    assert (await told(fleet_url))[0] == "warn"
    await workers.open().claim(KINDS)
    state, sentence = await told(fleet_url)
    assert state == "ok"
    assert sentence.endswith("1 worker is alive.")
    await anyio.to_thread.run_sync(postgres.query, fleet_url, "UPDATE moot_jobs.version SET number = 99")
    assert "newer Moot (jobs)" in (await told(fleet_url))[1]
    assert (await told(f"postgresql://moot:{WORD}@127.0.0.1:1/moot"))[0] == "fail"


@pytest.fixture
def empty_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.database(ready=False)
    yield url
    postgres.drop(url)


async def test_several_processes_may_make_the_tables_at_once(empty_url: str, tmp_path: Path) -> None:
    engines = [PostgresJobs(empty_url, tmp_path / str(n)) for n in range(4)]
    async with anyio.create_task_group() as tasks:
        for engine in engines:
            tasks.start_soon(engine.submit, "ask_many", {})
    assert len(await engines[0].list_jobs()) == 4
    for engine in engines:
        await engine.aclose()


async def test_a_newer_database_is_not_written(fleet_url: str, postgres: PostgresServer, tmp_path: Path) -> None:
    await anyio.to_thread.run_sync(postgres.query, fleet_url, "UPDATE moot_jobs.version SET number = 99")
    engine = PostgresJobs(fleet_url, tmp_path)
    with pytest.raises(StoreError, match="newer version of Moot"):
        await engine.submit("ask_many", {})
    await engine.aclose()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"postgresql://moot:{WORD}@127.0.0.1:1/moot", "does not answer. Start it, or correct MOOT_STORE"),
        (f"postgresql://moot:{WORD}@127.0.0.1:port/moot", "a port is a number"),
        (f"postgresql://moot:{WORD}@nowhere.invalid/moot", "cannot be found. Correct the host"),
    ],
)
async def test_a_server_that_is_not_there_is_one_sentence_without_the_password(
    url: str, sentence: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = PostgresJobs(url, tmp_path)
    with pytest.raises(StoreError) as caught:
        await engine.submit("ask_many", {})
    assert sentence in str(caught.value)
    assert WORD not in str(caught.value) + caplog.text
    await engine.aclose()


def test_a_store_that_is_no_postgresql_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_STORE", f"mysql://me:{WORD}@host/db")
    with pytest.raises(ConfigError, match=r"must begin with postgresql://"):
        store_url()
    monkeypatch.setenv("MOOT_STORE", f"postgresql://me:{WORD}@host/db?nonsense=1")
    store = open_store("moot", ())
    assert "MOOT_STORE cannot be read" in str(store.problem)
    assert WORD not in str(store.problem)
    with pytest.raises(StoreError, match="MOOT_STORE cannot be read"):
        store.submit(lambda connection: None).result()


def test_without_the_extra_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_STORE", "postgresql://host/db")
    monkeypatch.setattr("core.stores.choose.find_spec", lambda name: None)
    assert "pip install 'moot-mcp[cluster]'" in str(open_store("moot", ()).problem)
    with pytest.raises(ConfigError, match="extra"):
        open_engine()
