"""Two machines over one PostgreSQL: whichever answers, a chat is followed, read and cancelled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from moot_program import ENTRY
from web_house import client, configured, web_program

from core.people.person import Person
from core.people.tokens import Tokens

pytestmark = pytest.mark.slow


@contextmanager
def worker(home: Path) -> Iterator[None]:
    environment = os.environ | {"MOOT_HOME": str(home)}
    with subprocess.Popen([sys.executable, ENTRY, "worker"], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


async def over(at: httpx2.AsyncClient, chat: str) -> tuple[str, list[str]]:
    """How a chat ended, by the event stream alone, and the types of events on the way."""
    types = []
    async with at.stream("GET", "/api/events", params={"chat": chat}) as events:
        async for line in events.aiter_lines():
            told = json.loads(line[6:]) if line.startswith("data: ") else {}
            types.append(told.get("type", ""))
            if told.get("type") == "job" and told["job"]["state"] in ("done", "failed", "cancelled"):
                return told["job"]["state"], types
    raise AssertionError("the stream ended")


async def test_whichever_machine_answers(
    tmp_path: Path, fleet_url: str, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    homes = [tmp_path / name for name in ("one", "two", "worker")]
    for home in homes:
        configured(home, {"gpt": f"{base_url} tokens=5", "slow": f"{base_url} tokens=200,gap=0.2"})

    def made() -> str:
        tokens = Tokens()
        token = tokens.add(Person("ada"))
        tokens.close()
        return token

    bearer = f"Bearer {await anyio.to_thread.run_sync(made)}"
    with worker(homes[2]), web_program(homes[0]) as one, web_program(homes[1]) as two, anyio.fail_after(90):
        async with client(one.url, authorization=bearer) as first, client(two.url, authorization=bearer) as second:
            chat = (await first.post("/api/chat/async", json={"agent_id": "gpt", "message": "Hello?"})).json()[
                "chat_id"
            ]
            state, types = await over(second, chat)
            assert (state, "call_finished" in types) == ("done", True)
            status = (await second.get(f"/api/chat/async/{chat}/status")).json()
            assert status["status"] == "completed"
            slow = (await first.post("/api/chat/async", json={"agent_id": "slow", "message": "Hello?"})).json()[
                "chat_id"
            ]
            assert (await second.post(f"/api/jobs/{slow}/cancel", json={})).status_code == 200
            assert (await over(first, slow))[0] == "cancelled"
