"""What people say is indexed by meaning beside everything else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from other_indexes import Lengths
from scripted_ai import ScriptedApp, scripted_app

from ai.client import Embedded
from ai.recall import keeping_up, opening
from ai.recall.keeping_up import keep_indexed
from ai.runs.run import Materials
from core.config import Config
from core.errors import (
    AIError,
    BadResponseError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    ServerError,
    StoreError,
)
from core.memory.memory import Memory
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir
from core.people.person import Person
from core.recalling import MemoryConfig
from core.values import Usage


class Rounds:
    """What `keep_indexed` sleeps by: a round is done when it sleeps, and the next begins when it is let."""

    def __init__(self) -> None:
        self._asleep = anyio.Event()
        self._go = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        self._asleep.set()
        await self._go.wait()
        self._go = anyio.Event()

    async def done(self) -> None:
        with anyio.fail_after(20):
            await self._asleep.wait()

    async def next(self, count: int = 1) -> None:
        for _ in range(count):
            self._asleep = anyio.Event()
            self._go.set()
            await self.done()


class Vectors:
    """The AI `a` makes vectors: of what it is asked, and until when it fails."""

    def __init__(self, app: ScriptedApp) -> None:
        self.asked: list[str] = []
        self.fails: Exception | None = None
        self.held: anyio.Event | None = None
        self.reached = anyio.Event()
        self.cancelled = False
        app.clients["a"].embed = self.embed  # type: ignore[method-assign]

    async def embed(self, fields: Mapping[str, Any]) -> Embedded:
        self.asked += fields["input"]
        self.reached.set()
        if self.held is not None:
            try:
                await self.held.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled = True
                raise
        if self.fails is not None:
            raise self.fails
        data = [{"index": n, "embedding": [1.0, float(len(text))]} for n, text in enumerate(fields["input"])]
        return Embedded(json.dumps({"data": data}).encode(), "m", Usage(10, 0))


@asynccontextmanager
async def kept(embedder: str = "a") -> AsyncIterator[tuple[ScriptedApp, Vectors, Rounds]]:
    threads = Threads(data_dir() / "threads.db")
    config = Config(memory=MemoryConfig(embedder=embedder))
    try:
        async with scripted_app({"a": []}, materials=Materials(threads=threads), config=config) as app:
            vectors, rounds = Vectors(app), Rounds()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: keep_indexed(app, sleep=rounds.sleep))
                yield app, vectors, rounds
                tasks.cancel_scope.cancel()
    finally:
        await anyio.to_thread.run_sync(threads.close)


async def say(folder: Path, *texts: str) -> None:
    threads = Threads(folder / "threads.db")
    await asyncio.wrap_future(threads.add("t", [Turn(USER, text) for text in texts]))
    await anyio.to_thread.run_sync(threads.close)


async def column(app: ScriptedApp, query: str) -> list[Any]:
    """The first column of *query* in the owner's transcript."""

    def read() -> list[Any]:
        return app.materials.threads.store.read(lambda c: [row[0] for row in c.execute(query)])

    return await anyio.to_thread.run_sync(read)


@pytest.fixture(autouse=True)
def home(isolated: Path) -> None:
    data_dir().mkdir(parents=True, exist_ok=True)


async def test_what_the_owner_and_others_say_is_indexed_while_they_go_on() -> None:
    await say(data_dir(), "one")
    await say(Person("ada").folder(), "two")
    async with kept() as (_, vectors, rounds):
        await rounds.done()
        assert sorted(vectors.asked) == ["one", "two"]
        await say(data_dir(), "three")
        await rounds.next()
        assert vectors.asked[2:] == ["three"]
        await rounds.next(3)
        assert len(vectors.asked) == 3


async def test_a_provider_that_is_away_is_said_once_and_asked_ever_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await say(data_dir(), "one")
    async with kept() as (app, vectors, rounds):
        vectors.fails = ServerError("It is down.")
        await rounds.done()
        tries = [len(vectors.asked)]
        for _ in range(7):
            await rounds.next()
            tries.append(len(vectors.asked))
        assert tries == [1, 1, 1, 2, 2, 2, 2, 2]
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("Not all that was said is indexed by meaning, which is tried again: ")
        assert "one" not in line
        vectors.fails = None
        await rounds.next()
        assert len(vectors.asked) == 3
        assert len(await column(app, "SELECT turn FROM vectors")) == 1


@pytest.mark.parametrize("kind", [BadResponseError, RequestRejectedError, RefusedError, RateLimitedError, AIError])
async def test_what_a_provider_says_is_never_in_the_log(kind: type[AIError], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await say(data_dir(), "zebracanary")
    async with kept() as (_, vectors, rounds):
        for number in range(2):  # one that quotes and one that counts is told of once
            vectors.fails = kind(f"No. {number}: I cannot take 'zebracanary'.", ai="a", status=418)
            await rounds.next(4) if number else await rounds.done()
        assert len(vectors.asked) == 2
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1 and "a failed (" in told[0] and "418" in told[0]
    assert "zebracanary" not in caplog.text


async def test_a_request_under_way_is_cut_off_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    await say(data_dir(), "one")
    with anyio.fail_after(20):
        async with kept() as (_, vectors, _rounds):
            vectors.held = anyio.Event()
            await vectors.reached.wait()
    assert vectors.cancelled
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_damaged_transcript_leaves_the_others_indexed(caplog: pytest.LogCaptureFixture) -> None:
    Person("a").folder().mkdir(parents=True)
    (Person("a").folder() / "threads.db").write_bytes(b"no database" * 1000)
    await say(Person("b").folder(), "two")
    async with kept() as (_, vectors, rounds):
        await rounds.done()
        assert vectors.asked == ["two"]
    assert "threads.db is damaged" in caplog.text


async def test_what_nobody_foresaw_ends_nothing_and_is_told_without_words(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret of one's own")

    monkeypatch.setattr(keeping_up, "index_all", broken)
    await say(data_dir(), "one")
    async with kept() as (_, _vectors, rounds):
        await rounds.done()
        await rounds.next()
    assert "ZeroDivisionError at " in caplog.text
    assert "a secret" not in caplog.text


async def test_one_process_alone_indexes() -> None:
    await say(data_dir(), "one")
    async with kept() as (_, first, rounds):
        await rounds.done()
        await say(data_dir(), "two")
        async with kept() as (_, second, others):
            await others.done()
            await others.next(2)
            assert second.asked == []
            await rounds.next()
        assert first.asked == ["one", "two"]


async def test_who_indexes_at_once_beside_it_pays_for_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    await say(data_dir(), "one")
    waits = anyio.Event()

    async def wait(seconds: float) -> None:
        waits.set()
        await anyio.lowlevel.checkpoint()

    with anyio.fail_after(20):
        async with kept() as (app, vectors, rounds):
            vectors.held = anyio.Event()
            await vectors.reached.wait()
            monkeypatch.setattr(opening, "_pause", wait)
            async with app.run("memory") as run, anyio.create_task_group() as tasks:
                tasks.start_soon(opening.index_all, run)
                await waits.wait()
                vectors.held.set()
            await rounds.done()
            assert vectors.asked == ["one"]
            assert len(await column(app, "SELECT turn FROM vectors")) == 1


async def test_vectors_that_could_not_be_kept_are_not_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    await say(data_dir(), "one")
    async with kept() as (app, vectors, rounds):
        await rounds.done()
        await say(data_dir(), "two")
        store, full = app.materials.threads.store, Future[None]()
        full.set_exception(StoreError("The disk is full."))
        with monkeypatch.context() as patched:
            patched.setattr(store, "submit", lambda operation: full)
            await rounds.next(5)
            assert vectors.asked == ["one"]
        await rounds.next(5)
        assert vectors.asked == ["one", "two"]


async def test_a_folder_without_room_for_the_lock_is_said_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await say(data_dir(), "one")
    (data_dir() / "run").mkdir()
    (data_dir() / "run" / "indexing.lock").mkdir()
    async with kept() as (_, vectors, rounds):
        await rounds.done()
        await rounds.next(2)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "indexing.lock cannot be written" in line
        await anyio.to_thread.run_sync((data_dir() / "run" / "indexing.lock").rmdir)
        await rounds.next()
        assert vectors.asked == ["one"]


async def test_static_vectors_are_not_loaded_for_a_few_turns_that_a_search_indexes() -> None:
    await say(data_dir(), "one")
    async with kept("static") as (_, _vectors, rounds):
        await rounds.done()  # they are not installed: loading them would be told of
        await rounds.next()


async def test_the_vectors_of_the_embedder_before_go_once_the_new_ones_are_whole() -> None:
    await say(data_dir(), "one", "two")
    threads = Threads(data_dir() / "threads.db")
    await anyio.to_thread.run_sync(_indexed_by_lengths, threads)
    await anyio.to_thread.run_sync(threads.close)
    async with kept() as (app, _, rounds):
        await rounds.done()
        rows = await column(app, "SELECT DISTINCT embedder FROM vectors")
        names = await column(app, "SELECT name FROM indexed")
    assert len(rows) == 1 and rows != ["lengths"]
    assert names == [f"sqlite/{rows[0]}"]


def _indexed_by_lengths(threads: Threads) -> None:
    memory = Memory(threads, embedder=Lengths())
    while memory.catch_up():
        pass
