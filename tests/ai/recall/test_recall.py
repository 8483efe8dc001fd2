"""What was said before, recalled for a run and forgotten everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from scripted_ai import ScriptedApp, scripted_app

from ai.client import Embedded
from ai.layers.cache import MIGRATIONS as CACHE
from ai.recall.chosen import index_kind, open_memory
from ai.recall.forgetting import forget
from ai.recall.opening import index_all, recall
from ai.runs.run import Materials
from core.config import Config
from core.errors import ServerError
from core.jobs.values import JobResult
from core.memory.forgetting import Which
from core.memory.scope import Scope
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir
from core.recalling import MemoryConfig
from core.stores.sqlite import Store

BY_AI = Config(memory=MemoryConfig(embedder="a"))


@pytest.fixture
async def materials(isolated: Path) -> AsyncIterator[Materials]:
    threads = Threads(data_dir() / "threads.db")
    yield Materials(threads=threads)
    await anyio.to_thread.run_sync(threads.close)


async def said(materials: Materials, *turns: Turn) -> None:
    await asyncio.wrap_future(materials.threads.add("t", turns))


def by_length(app: ScriptedApp, *, odd: Any = None) -> list[Sequence[str]]:
    """Have the AI `a` make vectors: a text that speaks of a boat lies in one direction, any other in another."""
    asked: list[Sequence[str]] = []

    async def embed(fields: Mapping[str, Any]) -> Embedded:
        from core.values import Usage

        asked.append(fields["input"])
        rows = [[1.0, 0.1] if "boat" in text or "kayak" in text else [0.1, 1.0] for text in fields["input"]]
        data = [{"index": number, "embedding": row} for number, row in enumerate(rows)]
        if isinstance(odd, Exception):
            raise odd
        body = odd if odd is not None else {"data": list(reversed(data))}
        return Embedded(json.dumps(body).encode(), "m", Usage(10, 0))

    app.clients["a"].embed = embed  # type: ignore[method-assign]
    return asked


async def test_an_ai_makes_the_vectors_where_one_is_configured(materials: Materials) -> None:
    await said(materials, Turn(USER, "It rains."), Turn(USER, "We bought a kayak."), Turn("gpt", "Nice."))
    async with scripted_app({"a": []}, materials=materials, config=BY_AI) as app:
        asked = by_length(app)
        async with app.run("ask_one") as run:
            await index_all(run)
            found = await recall(run, Scope.of_thread("t"), "Which boat?")
    assert found.passages[0].text == "We bought a kayak."
    assert found.passages[0].by == ("meaning",)
    assert asked == [["It rains.", "We bought a kayak.", "Nice."], ["Which boat?"]]


@pytest.mark.parametrize(
    "odd", [{"data": []}, {"data": [{"index": 0, "embedding": "x"}]}, {}, ServerError("It is down.")]
)
async def test_an_ai_that_makes_none_is_said_and_words_go_on(materials: Materials, odd: Any) -> None:
    await said(materials, Turn(USER, "We bought a kayak."))
    async with scripted_app({"a": []}, materials=materials, config=BY_AI) as app:
        by_length(app, odd=odd)
        async with app.run("ask_one") as run:
            found = await recall(run, Scope.of_thread("t"), "kayak")
    assert [one.text for one in found.passages] == ["We bought a kayak."]
    assert found.notes[0].startswith("Only words were searched: ")


async def test_what_is_not_installed_is_said_with_the_next_step(materials: Materials) -> None:
    await said(materials, Turn(USER, "We bought a kayak."))
    async with scripted_app({"a": []}, materials=materials) as app, app.run("ask_one") as run:
        found = await recall(run, Scope.of_thread("t"), "kayak")
        nothing = await recall(run, Scope.of_thread("t"), "kayak", tokens=0)
    assert len(found.passages) == 1
    assert found.notes == (
        "Only words were searched. Static vectors for searching by meaning are not installed. Run: moot memory install",
    )
    assert not nothing.passages


def test_damaged_weights_are_said_with_the_next_step(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: isolated / name for name in ("tokenizer.json", "weights.safetensors")}
    for path in files.values():
        path.write_bytes(b"\xff\x00 nothing of the kind")
    monkeypatch.setattr("ai.recall.chosen.find_vectors", lambda model: files)
    threads = Threads(data_dir() / "threads.db")
    memory = open_memory(threads, MemoryConfig(embedder="minilm"))
    assert memory.embedder is None
    assert "cannot be read. Run: moot memory install --minilm" in memory.lacking
    threads.close()


def test_the_index_is_where_it_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert index_kind(MemoryConfig()) == "here"
    monkeypatch.setenv("MOOT_STORE", "postgresql://x")
    assert index_kind(MemoryConfig()) == "postgres"
    monkeypatch.setenv("CHROMA_URL", "nonsense")
    assert index_kind(MemoryConfig()) == "chroma"
    assert index_kind(MemoryConfig(index="here")) == "here"
    threads = Threads(tmp_path / "t.db")
    assert open_memory(threads, MemoryConfig(embedder="none")).lacking.startswith("CHROMA_URL")
    threads.close()


async def test_jobs_and_cached_answers_that_hold_it_are_forgotten_to_the_last_byte(materials: Materials) -> None:
    async with scripted_app({"a": []}, materials=materials) as app, app.run("ask_one") as run:
        engine = await app.jobs.engine()
        for number in range(3):
            await app.jobs.submit("ask_one", {"prompt": f"zebracanary {number}"})
        over = await engine.claim(("ask_one",))
        assert over is not None
        engine.record(over.id, "key", {"text": "the zebracanary answer"})
        await engine.finish(over, "done", result=JobResult("the zebracanary result", {}))
        jobs = [job.id for job in await app.jobs.list_jobs()]
        (kept, *_) = [job for job in jobs if job != over.id]
        await said(
            materials,
            Turn(USER, "zebracanary", message="m", job=over.id),
            Turn(
                "a", "the zebracanary answer", message="m", job=next(job for job in jobs if job not in (over.id, kept))
            ),
        )
        await said(materials, Turn(USER, "another", message="n", job=kept))
        cache = Store(data_dir() / "cache.db", CACHE)
        rows = [("k1", 1e12, json.dumps({"text": "the zebracanary answer"})), ("k2", 1e12, json.dumps({"text": "x"}))]
        insert = "INSERT INTO answers VALUES (?, ?, ?)"
        await asyncio.wrap_future(cache.submit(lambda c: c.executemany(insert, rows)))
        await anyio.to_thread.run_sync(cache.close)

        gone = await forget(run, Scope.of_thread("t"), Which(message="m"))
        assert (gone.turns, len(gone.jobs), gone.notes) == (2, 2, ())
        assert [job.id for job in await app.jobs.list_jobs()] == [kept]
        await forget(run, Scope.of_everything())
        assert await app.jobs.list_jobs() == []
    await anyio.to_thread.run_sync(materials.threads.close)
    files = [path for path in data_dir().rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"jobs.db", "threads.db", "cache.db"}
    assert [path.name for path in files if b"zebracanary" in path.read_bytes()] == []
