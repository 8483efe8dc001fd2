"""/ready says what is so: the store, the folder, the disk and the event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr
from scripted_ai import scripted_app
from web_house import Opened, client, open_house

from ai.runs.app import open_app
from core.config import AIConfig, Config, FilesConfig
from core.paths import data_dir
from server.web.running.readiness import LEAST_FREE, Readiness, folder_problem


@asynccontextmanager
async def served() -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": []})) as house:
            await house.owner.get("/health")  # it has started then
            yield house


def locked(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(data_dir() / name, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


async def test_a_locked_store_is_not_ready_and_is_again_when_it_is_free(base_url: str) -> None:
    row = AIConfig(provider="openai", base_url=base_url, model="tokens=2", api_key=SecretStr("k"))
    config = Config(rows={"gpt": row}, files=FilesConfig(roots=[]))
    with anyio.fail_after(60):
        async with open_house(partial(open_app, config)) as house, client(house.url) as probe:
            await house.owner.post("/api/chat", json={"agent_id": "gpt", "message": "Hello?"})
            await anyio.to_thread.run_sync(house.house.app.ledger.flush)
            assert (await probe.get("/ready")).json() == {"status": "ready", "problem": None}
            with closing(await anyio.to_thread.run_sync(locked, "moot.db")):
                while (reply := await probe.get("/ready")).status_code == 200:
                    pass
                assert reply.status_code == 503
                assert reply.json()["status"] == "not ready" and reply.json()["problem"]
                assert str(data_dir()) not in reply.text
            while (await probe.get("/ready")).status_code != 200:
                pass


async def test_a_folder_that_cannot_be_written_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    async with served() as house:
        monkeypatch.setenv("MOOT_HOME", str(tmp_path / "file" / "home"))
        problem = await Readiness(house.house).problem()
    assert problem is not None and "data folder cannot be written" in problem and "MOOT_HOME" in problem
    assert str(tmp_path) not in problem


async def test_a_full_disk_and_a_late_loop_are_not_ready() -> None:
    async with served() as house:
        full = await Readiness(house.house, free=lambda: LEAST_FREE - 1).problem()
        assert full is not None and full.startswith("The disk is full: 33 MB are left")
        assert await Readiness(house.house, free=lambda: LEAST_FREE).problem() is None
        house.house.lag.forget()
        house.house.lag._late.extend([5.0] * 1_200)
        late = await Readiness(house.house).problem()
        assert late is not None and late.startswith("This process is 5.0 s behind")


async def test_many_who_ask_in_a_moment_cost_one_look() -> None:
    looks = []

    def free() -> int:
        looks.append(1)
        return LEAST_FREE

    now = [0.0]
    async with served() as house:
        readiness = Readiness(house.house, clock=lambda: now[0], free=free)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(readiness.problem)
        assert len(looks) == 1
        now[0] = 2.0
        await readiness.problem()
        assert len(looks) == 2


def test_a_folder_that_is_not_there_yet_is_made() -> None:
    assert folder_problem() is None
    assert data_dir().is_dir() and not list(data_dir().iterdir())
