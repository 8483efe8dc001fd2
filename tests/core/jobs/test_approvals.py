"""A person's word about a call of a tool: parked with the job, given once, by whatever process, on either engine."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidInputError
from core.jobs.approvals import ANSWERED, ASKED, Approval, answer_approval, open_approvals, word_of
from core.jobs.engine import JobEngine
from core.jobs.fleet.engine import PostgresJobs
from core.jobs.jobs import Jobs
from core.jobs.sqlite import SQLiteJobs
from core.jobs.values import Job

Opener = Callable[[], JobEngine]


@pytest.fixture(params=["sqlite", "postgres"])
async def opener(request: pytest.FixtureRequest, tmp_path: Path, fleet_url: str) -> AsyncIterator[Opener]:
    """Opens an engine as one more process would."""
    opened: list[JobEngine] = []

    def make() -> JobEngine:
        engine: JobEngine = SQLiteJobs(tmp_path)
        if request.param == "postgres":
            engine = PostgresJobs(fleet_url, tmp_path)
        opened.append(engine)
        return engine

    yield make
    for engine in opened:
        await engine.aclose()


def question(**changes: object) -> Approval:
    return replace(Approval("write", '{"x":1}', "worker", "here/1.0").now(), **changes)  # type: ignore[arg-type]


async def paused(engine: JobEngine, *asked: Approval) -> Job:
    await engine.submit("agent", {"task": "Go"})
    job = await engine.claim(("agent",))
    assert job is not None
    for one in asked:
        engine.record(job.id, f"{ASKED}{one.id}", one.to_json())
    await engine.finish(job, "paused", reason="It waits for your word.")
    return job


async def test_a_process_that_runs_nothing_answers_and_the_job_goes_on(opener: Opener) -> None:
    job = await paused(opener(), question())
    jobs = Jobs(opener)
    (standing,) = await jobs.approvals(job.id)
    assert standing == question(asked_at=standing.asked_at)
    await jobs.approve(job.id, standing.id, yes=True)
    assert (await jobs.get(job.id)).state == "queued" and await jobs.approvals(job.id) == []
    engine = await jobs.engine()
    assert word_of((await engine.kept(job.id, ANSWERED))[f"{ANSWERED}{standing.id}"]) is True


async def test_a_job_goes_on_when_its_last_question_is_answered(opener: Opener) -> None:
    job = await paused(opener(), question(), question(arguments='{"x":2}'))
    jobs = Jobs(opener)
    first, second = await jobs.approvals(job.id)
    await jobs.approve(job.id, first.id, yes=True)
    assert (await jobs.get(job.id)).state == "paused"
    await jobs.approve(job.id, second.id, yes=False)
    assert (await jobs.get(job.id)).state == "queued"


async def test_two_answers_to_one_question_are_one_and_the_second_is_told(opener: Opener) -> None:
    engine, other = opener(), opener()
    job = await paused(engine, question())
    (standing,) = await open_approvals(engine, job.id)
    await answer_approval(other, job.id, standing.id, yes=False)
    with pytest.raises(InvalidInputError, match="does not wait for an answer"):
        await answer_approval(engine, job.id, standing.id, yes=True)
    assert await engine.note(job.id, f"{ANSWERED}{standing.id}", {"yes": True}) is False
    assert (await engine.kept(job.id, ANSWERED))[f"{ANSWERED}{standing.id}"]["yes"] is False


@pytest.mark.parametrize("id_", ["", "0000000000000000", "x" * 500])
async def test_an_answer_to_what_was_never_asked_is_refused(opener: Opener, id_: str) -> None:
    engine = opener()
    job = await paused(engine, question())
    with pytest.raises(InvalidInputError, match="does not wait"):
        await answer_approval(engine, job.id, id_, yes=True)


async def test_a_question_of_yesterday_is_asked_no_more(opener: Opener) -> None:
    engine = opener()
    old = question(asked_at=time.time() - 90_000)
    job = await paused(engine, old)
    assert await open_approvals(engine, job.id) == []
    with pytest.raises(InvalidInputError):
        await answer_approval(engine, job.id, old.id, yes=True)


def test_an_id_is_for_one_call_with_its_exact_arguments() -> None:
    one = question()
    others = [
        question(arguments='{"x":2}'),
        question(tool="erase"),
        question(place="here/1.1"),
        question(agent="other"),
        question(why="unknown"),
        one.again(),
    ]
    assert len({one.id, *(other.id for other in others)}) == 7


def test_a_yes_goes_stale_and_a_no_does_not() -> None:
    assert word_of(None) is None
    assert word_of({"yes": True, "at": time.time()}) is True
    assert word_of({"yes": True, "at": time.time() - 90_000}) is None
    assert word_of({"yes": False, "at": time.time() - 90_000}) is False
