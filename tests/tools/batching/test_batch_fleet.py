"""A batch on a fleet: several apps on one database, each as a process of its own; whoever started it holds it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from postgres_server import PostgresServer
from scripted_ai import NoSync

from ai.client import AsyncAIClient, Emit
from ai.providers.catalog import PROVIDERS
from ai.roster.build import build_ai
from ai.roster.key_lane import Key
from ai.runs.app import App, open_app
from core.batch.input import BatchInput
from core.config import AIConfig, Config, Defaults, FilesConfig
from core.errors import BadResponseError, StoreError
from core.jobs.fleet.engine import PostgresJobs
from core.jobs.fleet.parts import parts
from core.jobs.values import Job
from core.values import Request, Response
from server.jobs.worker import keep_batches, open_runner, serving_jobs
from tools.batching.spec import Prepared, prepare
from tools.batching.start import start_batch

Behave = Callable[[str], Awaitable[str]]


@pytest.fixture(autouse=True)
def store(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    monkeypatch.setattr("tools.batching.run._TELL_S", 0.0)
    monkeypatch.setattr("core.jobs.fleet.rows._PASS_ON_S", 0.1)
    monkeypatch.setattr("core.jobs.fleet.engine.PostgresJobs.looks_every_s", 0.05)
    return fleet_url


class Answering(AsyncAIClient):
    def __init__(self, asked: list[str], behave: Behave) -> None:
        self._asked = asked
        self._behave = behave

    async def complete(self, request: Request, emit: Emit) -> Response:
        prompt = request.messages[-1].text
        self._asked.append(prompt)
        return Response(await self._behave(prompt), "answering-1")


async def at_once(prompt: str) -> str:
    await anyio.sleep(0.002)
    return f"re {prompt}"


@asynccontextmanager
async def opened(
    behave: Behave = at_once, ai: str = "a", *, local: tuple[str, ...] = ()
) -> AsyncIterator[tuple[App, list[str]]]:
    """An app with one AI, and what that is asked; what is called *local* goes to AIs on this machine alone."""
    asked: list[str] = []
    async with open_app(Config(files=FilesConfig(local_only=list(local)))) as app:
        app.roster.seats.clear()
        app.roster.seats[ai] = build_ai(
            ai,
            AIConfig(concurrency=100, local=bool(local)),
            PROVIDERS["openai"],
            [Key("", ai, Answering(asked, behave), NoSync())],
            defaults=Defaults(attempts=1),
            find=lambda name: pytest.fail(f"no fallback to {name}"),
            buckets=app.roster.buckets,
        )
        yield app, asked


@asynccontextmanager
async def worker(behave: Behave = at_once, ai: str = "a") -> AsyncIterator[list[str]]:
    """A worker of the fleet, and what its AI is asked."""
    async with opened(behave, ai) as (app, asked), anyio.create_task_group() as tasks:
        tasks.start_soon((await open_runner(app)).run)
        yield asked
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def window() -> AsyncIterator[App]:
    """A process that accepts batches and holds them; it asks nothing itself."""
    async with opened(lambda prompt: pytest.fail("the rows are for the workers")) as (app, _):
        keep_batches(app)
        with anyio.fail_after(30):
            async with serving_jobs(app):
                yield app


async def prepared(folder: Path, prompts: list[str]) -> Prepared:
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    return await anyio.to_thread.run_sync(lambda: prepare(BatchInput(source), folder / "out.jsonl", ["a"]))


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


async def reached(app: App, id: str, met: Callable[[Job], bool]) -> Job:
    while True:
        with suppress(StoreError):  # PostgreSQL may be away
            if met(job := await app.jobs.get(id)):
                return job
        await anyio.sleep(0.01)


async def slices_of(app: App, job: Job) -> list[Job]:
    """Also of a batch that is over, and nobody's."""
    engine = await app.jobs.engine()
    assert isinstance(engine, PostgresJobs)
    return await engine.read(partial(parts, job=job.id))


PROMPTS = [f"question {number}" for number in range(120)]


async def test_all_workers_ask_the_rows_and_one_process_writes_them_in_order(tmp_path: Path) -> None:
    prompts = [*PROMPTS, PROMPTS[3], *PROMPTS[:2]]
    busy = [anyio.Event(), anyio.Event()]

    def beside(me: int) -> Behave:
        async def answer(prompt: str) -> str:
            busy[me].set()
            await busy[1 - me].wait()
            return await at_once(prompt)

        return answer

    async with worker(beside(0)) as first, worker(beside(1)) as second, window() as app:
        job = await start_batch(app.jobs, await prepared(tmp_path, prompts))
        assert (await app.jobs.wait(job.id, 20)).state == "done"
        assert await slices_of(app, job) == [], "nothing is left of the slices"
        over = await app.jobs.get(job.id)
        assert (over.progress["done"], over.total, over.calls) == (123, 123, 120)
    assert sorted(first + second) == sorted(PROMPTS), "each once, duplicates too"
    assert first
    assert second
    assert [(one["index"], one["text"]) for one in written(tmp_path)] == [
        (number, f"re {prompt}") for number, prompt in enumerate(prompts)
    ]
    assert [one["duplicate_of"] for one in written(tmp_path)][-3:] == [3, 0, 1]


async def test_what_is_finished_is_told_before_it_can_be_written(tmp_path: Path) -> None:
    gate = anyio.Event()

    async def first_is_slow(prompt: str) -> str:
        if prompt == PROMPTS[0]:
            await gate.wait()
        return prompt

    async with worker(first_is_slow), window() as app:
        job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
        await reached(app, job.id, lambda job: job.progress.get("done") == len(PROMPTS) - 1)
        assert written(tmp_path) == []
        gate.set()
        assert (await app.jobs.wait(job.id, 20)).state == "done"


async def test_a_failed_row_blocks_no_other_and_a_retry_asks_it_alone(tmp_path: Path) -> None:
    broken = {PROMPTS[7], PROMPTS[77]}

    async def some_fail(prompt: str) -> str:
        if prompt in broken:
            raise BadResponseError("nonsense", ai="a")
        return prompt

    async with worker(some_fail) as asked, window() as app:
        batch = await prepared(tmp_path, PROMPTS)
        job = await start_batch(app.jobs, batch)
        assert (await app.jobs.wait(job.id, 20)).progress["failed"] == 2
        assert [one["index"] for one in written(tmp_path) if one["status"] == "error"] == [7, 77]
        broken.clear()
        asked.clear()
        await start_batch(app.jobs, batch, retry_failed=True)
        await reached(app, job.id, lambda job: job.state == "done")
    assert sorted(asked) == sorted([PROMPTS[7], PROMPTS[77]])
    assert [one["text"] for one in written(tmp_path)] == PROMPTS


async def test_an_abort_ends_the_slices_and_a_resume_asks_only_what_is_missing(tmp_path: Path) -> None:
    gate, ended = anyio.Event(), []

    async def some_wait(prompt: str) -> str:
        if prompt in (PROMPTS[9], PROMPTS[19], PROMPTS[29]) and not gate.is_set():
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(prompt)
        return prompt

    async with worker(some_wait) as asked, window() as app:
        job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
        await reached(app, job.id, lambda job: job.progress.get("done") == len(PROMPTS) - 3)
        await app.jobs.cancel(job.id)
        await reached(app, job.id, lambda job: job.state == "cancelled")
        while any(not part.over for part in await slices_of(app, job)):
            await anyio.sleep(0.01)
        assert set(ended) == {PROMPTS[9], PROMPTS[19], PROMPTS[29]}, "nothing is left running"
        gate.set()
        await app.jobs.resume(job.id)
        assert (await app.jobs.wait(job.id, 20)).state == "done"
    assert {prompt for prompt in asked if asked.count(prompt) > 1} == set(ended)
    assert [one["text"] for one in written(tmp_path)] == PROMPTS


async def test_a_drain_keeps_what_is_under_way_in_the_slices(tmp_path: Path) -> None:
    gate = anyio.Event()

    async def wait(prompt: str) -> str:
        await gate.wait()
        return prompt

    async with worker(wait) as asked, window() as app:
        job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
        while len(asked) < 4:
            await anyio.sleep(0.01)
        await app.jobs.cancel(job.id, "drain")
        while any(part.over for part in await slices_of(app, job)):  # until the holder has taken back what nobody did
            await anyio.sleep(0.01)
        with anyio.move_on_after(0.6):
            while True:
                assert (await app.jobs.get(job.id)).state == "running", "it waits for the slices at work"
        gate.set()
        await reached(app, job.id, lambda job: job.state == "cancelled")
        assert len(asked) < len(PROMPTS)
        await app.jobs.resume(job.id)
        assert (await app.jobs.wait(job.id, 20)).state == "done"
    assert sorted(asked) == sorted(PROMPTS), "each once"


async def test_what_a_worker_lacks_pauses_the_whole_and_another_goes_on_with_it(tmp_path: Path) -> None:
    async with window() as app:
        async with worker(ai="another") as asked:
            job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
            paused = await reached(app, job.id, lambda job: job.state == "paused")
            assert "No AI named 'a'" in paused.reason
        async with worker() as asked:
            await app.jobs.resume(job.id)
            assert (await app.jobs.wait(job.id, 20)).state == "done"
    assert sorted(asked) == sorted(PROMPTS)


async def test_when_the_window_closes_a_worker_with_the_files_holds_the_batch(tmp_path: Path) -> None:
    gate = anyio.Event()

    async def later_ones_wait(prompt: str) -> str:
        if prompt > PROMPTS[60]:
            await gate.wait()
        return prompt

    async with worker(later_ones_wait) as asked:
        async with window() as app:
            job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
            await reached(app, job.id, lambda job: job.progress.get("done", 0) > 10)
        async with opened() as (app, _):
            gate.set()
            assert (await app.jobs.wait(job.id, 20)).state == "done"
    assert sorted(asked) == sorted(PROMPTS), "the slices of the first holder are the second's"
    assert [one["text"] for one in written(tmp_path)] == PROMPTS


@pytest.mark.slow
async def test_a_database_that_goes_away_and_comes_back_holds_the_batch_up_and_costs_nothing(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.postgres._READ_S", 0.1)  # who reads is told soon
    if not postgres.can_be_stopped:
        pytest.skip("the server of MOOT_TEST_POSTGRES is not ours to stop")
    gate = anyio.Event()

    async def later_ones_wait(prompt: str) -> str:
        if prompt in PROMPTS[50:]:
            await gate.wait()
        return prompt

    async with worker(later_ones_wait) as asked, window() as app:
        job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
        while len(asked) < 70:
            await anyio.sleep(0.01)
        engine = await app.jobs.engine()
        await anyio.to_thread.run_sync(postgres.stop_hard)
        gate.set()
        with pytest.raises(StoreError):
            while True:
                await app.jobs.get(job.id)
        while engine.problem is None:
            await anyio.sleep(0.01)
        await anyio.to_thread.run_sync(postgres.start)
        over = await reached(app, job.id, lambda job: job.over)
    assert over.state == "done", over.reason
    assert sorted(asked) == sorted(PROMPTS)
    assert [one["text"] for one in written(tmp_path)] == PROMPTS


async def test_rows_that_may_not_leave_the_machine_are_asked_by_the_process_that_reads_them(tmp_path: Path) -> None:
    async with worker() as others, opened(local=("in.jsonl",)) as (app, asked):
        keep_batches(app)
        async with serving_jobs(app):
            job = await start_batch(app.jobs, await prepared(tmp_path, PROMPTS))
            assert (await app.jobs.wait(job.id, 20)).state == "done"
    assert sorted(asked) == sorted(PROMPTS)
    assert others == []


async def test_a_batch_whose_input_is_elsewhere_waits_for_a_process_that_has_it(tmp_path: Path) -> None:
    async with worker(), opened() as (app, _):
        batch = await prepared(tmp_path, PROMPTS)
        moved = Path(batch.spec.path).rename(tmp_path / "elsewhere")
        job = await start_batch(app.jobs, batch)
        with anyio.fail_after(20):
            waiting = await reached(app, job.id, lambda job: "not on this machine" in job.reason)
        assert waiting.state == "queued"
        moved.rename(batch.spec.path)
        assert (await app.jobs.wait(job.id, 20)).state == "done"
