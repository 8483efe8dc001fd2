"""What the journal of a job keeps of what was recalled for it: where it stands, never the words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from scripted_ai import scripted_app

from ai.recall.forgetting import forget
from ai.recall.opening import recall
from ai.runs.memo import Memo
from ai.runs.run import Materials
from core.memory.forgetting import Which
from core.memory.scope import Scope
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir


class Kept:
    """A journal in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        return {key: json.loads(self.kept[key]) for key in keys if key in self.kept}

    @property
    def waiting(self) -> int:
        return 0

    def record(self, job: str, key: str, value: Any) -> None:
        self.kept.setdefault(key, json.dumps(value))

    async def settle(self) -> None: ...

    async def ready(self, job: str) -> None: ...


@pytest.fixture
async def materials(isolated: Path) -> AsyncIterator[Materials]:
    threads = Threads(data_dir() / "threads.db")
    yield Materials(threads=threads)
    await anyio.to_thread.run_sync(threads.close)


async def test_a_journal_holds_no_word_of_other_turns_and_recalls_them_again(materials: Materials) -> None:
    long = "Filler about nothing. " * 100 + "  The zebracanary boat is blue. " + "More of nothing. " * 100
    turns = [Turn(USER, long, message="1"), Turn(USER, "A boat, too.", message="2")]
    await asyncio.wrap_future(materials.threads.add("t", turns))
    scope, journal = Scope.of_thread("t"), Kept()
    async with scripted_app({"a": []}, materials=materials) as app:

        async def recalled() -> Any:
            async with app.run("ask_one", run_id="j1", memo=Memo(journal, "j1")) as run:
                return await recall(run, scope, "Which zebracanary boat?")

        first = await recalled()
        assert "zebracanary" in first.passages[0].text
        assert "zebracanary" not in str(journal.kept)
        assert "boat" not in str(journal.kept)
        assert await recalled() == first

        async with app.run("memory") as run:
            await forget(run, scope, Which(message="1"))
        assert [one.text for one in (await recalled()).passages] == ["A boat, too."]
