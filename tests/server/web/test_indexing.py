"""While the HTTP door is open, what people say is indexed by meaning beside all else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest
from scripted_ai import ScriptedApp, scripted_app
from web_house import open_house

from ai.client import Embedded
from core.config import Config
from core.recalling import MemoryConfig
from core.values import Usage


async def test_what_is_said_over_http_is_indexed_without_anybody_asking_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.side_tasks.SETTLED_S", 0.0)
    monkeypatch.setattr("ai.recall.keeping_up.EVERY_S", 0.01)
    done = anyio.Event()

    async def embed(fields: Mapping[str, Any]) -> Embedded:
        done.set()
        data = [{"index": number, "embedding": [1.0, 0.0]} for number, _ in enumerate(fields["input"])]
        return Embedded(json.dumps({"data": data}).encode(), "m", Usage(10, 0))

    config = Config(memory=MemoryConfig(embedder="gpt"))
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": ["Blue whales."]}, config=config)) as house:
            assert (await house.owner.get("/health")).is_success
            app = house.house.app
            assert isinstance(app, ScriptedApp)
            app.clients["gpt"].embed = embed  # type: ignore[method-assign]
            asked = {"agent_id": "gpt", "message": "Which?", "options": {"thread": "animals"}}
            assert (await house.owner.post("/api/chat", json=asked)).status_code == 200
            await done.wait()
