"""What is forgotten goes from the jobs of agents that read it by a tool, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest
from scripted_ai import ScriptedApp, scripted_app

from ai.agents.builtin.ground import Ground
from ai.agents.builtin.talks import thread_tools
from ai.recall.forgetting import forget
from ai.runs.run import Materials
from core.errors import StoreError
from core.jobs.values import JobResult
from core.memory.forgetting import Forgotten, Which
from core.memory.history import History, PastRun
from core.memory.memory import Memory
from core.memory.origin import ORIGIN, Origin
from core.memory.scope import Place, Scope
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir
from core.people.person import Person, acting_as

SECRET = "The zebracanary of my aunt lives in a small house near the harbour of Kiel and eats cake."


@pytest.fixture
async def materials(isolated: Path) -> AsyncIterator[Materials]:
    threads = Threads(data_dir() / "threads.db")
    yield Materials(threads=threads)
    await anyio.to_thread.run_sync(threads.close)


async def said(threads: Threads, thread: str, *turns: Turn, place: Place | None = None) -> None:
    await asyncio.wrap_future(threads.add(thread, turns, place=place))


async def agent_job(app: ScriptedApp, task: str, given: Any, *, over: bool = True, **origin: Any) -> str:
    """A job of an agent whose tool gave *given*."""
    engine = await app.jobs.engine()
    await app.jobs.submit("agent", {"task": task, ORIGIN: Origin(**origin).as_json()} if origin else {"task": task})
    job = await engine.claim(("agent",))
    assert job is not None
    engine.record(job.id, "call:tool:0.0:read_thread:0123456789abcdef", {"success": True, "result": given})
    await engine.settle()
    if over:
        await engine.finish(job, "done", result=JobResult("I have read it.", {}))
    return job.id


async def ids(app: ScriptedApp) -> set[str]:
    return {job.id for job in await (await app.jobs.engine()).list_jobs(limit=50)}


def holding(word: bytes) -> list[str]:
    return [path.name for path in data_dir().rglob("*") if path.is_file() and word in path.read_bytes().lower()]


@pytest.mark.parametrize("tool", ["list_threads", "read_thread", "search_threads"])
async def test_what_an_agent_read_by_a_tool_is_gone_to_the_last_byte(materials: Materials, tool: str) -> None:
    await said(materials.threads, "a", Turn(USER, SECRET, message="1"), Turn("gpt", "I see."))
    arguments = {"list_threads": {}, "read_thread": {"name": "a"}, "search_threads": {"words": "harbour"}}[tool]
    given = await thread_tools(Ground(threads=materials.threads)).call(tool, arguments)
    assert given.success and "zebracanary" in given.result.replace("<<", "")
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        reader = await agent_job(app, "What did I say of the harbour?", given.result)
        other = await agent_job(app, "What did I say of the harbour?", "Nothing.")
        assert "jobs.db" in holding(b"zebracanary")
        gone = await forget(run, Scope.of_thread("a"), Which(message="1"))
        assert (gone.turns, gone.notes) == (1, ())
        assert await ids(app) == {other}, reader
    await anyio.to_thread.run_sync(materials.threads.close)
    assert holding(b"zebracanary") == []


async def test_an_agent_that_has_just_read_it_is_cancelled(
    materials: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai.recall.forgetting._END_S", 0.0)
    await said(materials.threads, "a", Turn(USER, SECRET, message="1"))
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        reader = await agent_job(app, "What did I say?", SECRET, over=False)
        gone = await forget(run, Scope.of_thread("a"), Which(message="1"))
        assert f"Job {reader} still holds some of it" in gone.notes[0]
        assert (await (await app.jobs.engine()).get(reader)).cancel


async def test_what_was_begun_and_killed_can_be_forgotten_again(
    materials: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    async def killed(*given: object) -> None:
        raise Killed

    await said(materials.threads, "a", Turn(USER, SECRET))
    history = History(data_dir() / "history.db")
    await asyncio.wrap_future(history.add(PastRun("ask_one", SECRET, ("a",))))
    await anyio.to_thread.run_sync(history.close)
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        await agent_job(app, "What did I say?", SECRET)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr("ai.recall.forgetting.forget_jobs", killed)
            await forget(run, Scope.of_thread("a"))
        assert (await forget(run, Scope.of_thread("a"))).turns == 1
    await anyio.to_thread.run_sync(materials.threads.close)
    assert holding(b"zebracanary") == []


async def test_where_a_copy_cannot_be_deleted_it_can_be_tried_again(materials: Materials) -> None:
    await said(materials.threads, "a", Turn(USER, SECRET))
    (data_dir() / "history.db").write_bytes(b"no database " * 1000)
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        with pytest.raises(StoreError, match=r"history\.db is damaged"):
            await forget(run, Scope.of_thread("a"))
        (data_dir() / "history.db").unlink()
        assert (await forget(run, Scope.of_thread("a"))).turns == 1


async def test_what_an_agent_reads_while_it_is_forgotten_is_gone_too(
    materials: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    await said(materials.threads, "a", Turn(USER, SECRET))
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        deleted = Memory.forget

        def read_meanwhile(memory: Memory, scope: Scope, which: Which | None = None) -> Forgotten:
            anyio.from_thread.run(agent_job, app, "What did I say?", SECRET)
            return deleted(memory, scope, which)

        monkeypatch.setattr(Memory, "forget", read_meanwhile)
        await forget(run, Scope.of_thread("a"))
        assert await ids(app) == set()


async def test_an_ordinary_phrase_in_a_page_ends_no_job_and_one_read_in_a_thread_does(
    materials: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    await said(materials.threads, "a", Turn(USER, "What is the weather?"))
    monkeypatch.setattr("ai.recall.forgetting._END_S", 0.0)
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        engine, jobs = await app.jobs.engine(), list[str]()
        for tool in ("fetch_page", "search_threads"):
            await app.jobs.submit("agent", {"task": "x"})
            job = await engine.claim(("agent",))
            assert job is not None
            engine.record(job.id, f"call:tool:0.0:{tool}:0123456789abcdef", {"result": "What is the weather?"})
            jobs.append(job.id)
        await engine.settle()
        gone = await forget(run, Scope.of_thread("a"))
        assert not (await engine.get(jobs[0])).cancel
        assert jobs[1] in gone.notes[0] and len(gone.notes) == 1


async def test_past_runs_of_another_conversation_stay_though_the_same_was_asked_there(materials: Materials) -> None:
    for name in "ab":
        await said(materials.threads, name, Turn(USER, SECRET))
    history = History(data_dir() / "history.db")
    for name in ("a", "b", None):
        await asyncio.wrap_future(history.add(PastRun("ask_one", SECRET, ("a",), thread=name)))
    await anyio.to_thread.run_sync(history.close)
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        await forget(run, Scope.of_thread("a"))
    history = History(data_dir() / "history.db")
    left = await anyio.to_thread.run_sync(history.latest)
    assert [(await anyio.to_thread.run_sync(history.get, one.name)).thread for one in left] == ["b"]
    await anyio.to_thread.run_sync(history.close)


async def test_jobs_are_given_their_time_to_end_together(materials: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        jobs = [await agent_job(app, SECRET, SECRET, over=False) for _ in range(3)]
        await said(materials.threads, "a", *(Turn(USER, SECRET, job=one) for one in jobs))
        engine, waited = await app.jobs.engine(), list[bool]()

        async def wait(id: str, seconds: float) -> None:
            waited.append(all([(await engine.get(one)).cancel for one in jobs]))

        monkeypatch.setattr(app.jobs, "wait", wait)
        gone = await forget(run, Scope.of_thread("a"))
        assert waited and all(waited), "each was told before one is waited for"
        assert len(gone.notes) == 3


async def test_a_copy_is_found_though_the_clock_was_ahead_when_it_was_said(materials: Materials) -> None:
    await said(materials.threads, "a", Turn(USER, SECRET, at="2999-01-01T00:00:00+00:00"))
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        await agent_job(app, "What did I say?", SECRET)
        await forget(run, Scope.of_thread("a"))
        assert await ids(app) == set()


async def test_a_job_of_what_is_remembered_stays_though_the_same_was_asked_in_it(materials: Materials) -> None:
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        kept = await agent_job(app, SECRET, "Nothing.")
        loose = await agent_job(app, SECRET, "Nothing.")
        await said(materials.threads, "a", Turn(USER, SECRET, message="1"))
        await said(materials.threads, "b", Turn(USER, SECRET, message="2", job=kept))
        await forget(run, Scope.of_thread("a"))
        assert await ids(app) == {kept}, loose


async def test_in_a_shared_conversation_the_jobs_of_all_are_forgotten_and_no_others(isolated: Path) -> None:
    group, place = Person("tg.group.one"), Place("telegram -1001")
    threads = Threads(group.folder() / "threads.db")
    async with scripted_app({"a": []}, materials=Materials(threads=threads)) as app, app.run("forget") as run:
        with acting_as(Person("ada")):
            own = await agent_job(app, "Hello", "Nothing.", place=place, shared=group.name)
            read = await agent_job(app, "What was said?", SECRET, place=place, shared=group.name)
            apart = await agent_job(app, SECRET, SECRET)
        await said(threads, "g", Turn(USER, SECRET, message="1", job=own), place=place)
        gone = await forget(run, Scope.of_chat("telegram -1001"))
        assert (gone.turns, gone.notes) == (1, ())
        assert await ids(app) == {apart}, read
    await anyio.to_thread.run_sync(threads.close)


async def test_what_would_be_kept_after_it_was_forgotten_ends_first_and_nothing_else(materials: Materials) -> None:
    async with scripted_app({"a": []}, materials=materials) as app, app.run("forget") as run:
        place = Place("telegram 4711", "5")
        origin = Origin(place, message="9").as_json()
        waiting = [
            (await app.jobs.submit("ask_one", {"prompt": "x", **more})).id
            for more in ({"thread": "a"}, {"thread": "b"}, {}, {"thread": "c", ORIGIN: origin})
        ]
        none = await forget(run, Scope.of_thread("a"), Which(turn=3))
        assert (none.turns, none.jobs) == (0, ())
        gone = await forget(run, Scope.of_thread("a"))
        assert (gone.turns, gone.jobs, gone.notes) == (0, (waiting[0],), ())
        assert (await forget(run, Scope.of_chat("telegram 4711", "6"))).jobs == ()
        assert (await forget(run, Scope.of_chat("telegram 4711", "5"), Which(message="8"))).jobs == ()
        assert (await forget(run, Scope.of_chat("telegram 4711", "5"), Which(message="9"))).jobs == (waiting[3],)
        assert await ids(app) == {waiting[1], waiting[2]}
        assert (await forget(run, Scope.of_everything())).jobs == (waiting[1],)
        assert await ids(app) == {waiting[2]}
