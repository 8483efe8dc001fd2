"""What was said in a job can be deleted, by either engine, and is gone then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidInputError, UnknownJobError
from core.jobs.engine import JobEngine
from core.jobs.fleet.engine import PostgresJobs
from core.jobs.sqlite import SQLiteJobs
from core.jobs.values import Job, JobResult


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path, fleet_url: str) -> AsyncIterator[JobEngine]:
    if request.param == "sqlite":
        opened: JobEngine = SQLiteJobs(tmp_path)
    else:
        opened = PostgresJobs(fleet_url, tmp_path)
    yield opened
    await opened.aclose()


async def claimed(engine: JobEngine, prompt: str) -> Job:
    await engine.submit("ask_many", {"prompt": prompt})
    job = await engine.claim(("ask_many",))
    assert job is not None
    return job


async def finished(engine: JobEngine) -> str:
    job = await claimed(engine, "the question")
    engine.record(job.id, "key", {"text": "the answer"})
    await engine.finish(job, "done", result=JobResult("the result", {}))
    return job.id


async def test_a_job_that_is_over_is_forgotten_and_one_under_way_is_not(engine: JobEngine) -> None:
    over, under_way = await finished(engine), await claimed(engine, "another")
    for job in (over, under_way.id, "nobody"):
        await engine.forget(job)
    with pytest.raises(UnknownJobError):
        await engine.get(over)
    assert (await engine.get(under_way.id)).state == "running"


async def test_the_words_of_all_that_is_over_are_forgotten_and_the_jobs_stay(engine: JobEngine) -> None:
    over, under_way = await finished(engine), await claimed(engine, "another")
    assert await engine.forget_words() == 1
    assert await engine.forget_words() == 0
    assert {job.id for job in await engine.list_jobs()} == {over, under_way.id}
    assert (await engine.result(over), await engine.calls(over)) == (None, [])
    with pytest.raises(InvalidInputError, match="were deleted"):
        await engine.retry(over)


async def test_deleted_words_are_not_on_the_disk_any_more(tmp_path: Path) -> None:
    engine = SQLiteJobs(tmp_path)
    await engine.forget(await finished(engine))
    await finished(engine)
    await engine.forget_words()
    await engine.aclose()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for words in (b"the question", b"the answer", b"the result"):
        assert words not in left
