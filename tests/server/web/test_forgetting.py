"""Of a conversation that is deleted over HTTP no byte is left in the data folder, whoever's it was."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from scripted_ai import scripted_app
from web_house import open_house, over

from core.paths import data_dir

CANARY = "zebracanary"


def holding() -> list[str]:
    word = CANARY.encode()
    return [path.name for path in data_dir().rglob("*") if path.is_file() and word in path.read_bytes().lower()]


def ask(message: str) -> dict[str, Any]:
    return {"agent_id": "gpt", "message": message, "options": {"thread": "animals"}}


async def test_no_byte_of_a_deleted_conversation_is_left_of_one_persons_answers_and_jobs() -> None:
    answers = [f"I know of the {CANARY} now.", "Otto.", "Red foxes."]
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": answers})) as house, await house.person("ada") as ada:
            await ada.post("/api/chat", json=ask(f"My {CANARY} is called Otto."))
            job = (await ada.post("/api/chat/async", json=ask(f"How is the {CANARY} called?"))).json()
            await over(ada, job["chat_id"])
            await house.owner.post("/api/chat", json=ask("Which animals do you know?"))
            assert {"threads.db", "jobs.db"} <= set(await anyio.to_thread.run_sync(holding))
            assert (await ada.delete("/api/threads/animals")).json() == {"turns": 4, "notes": []}
            assert await anyio.to_thread.run_sync(holding) == []
            assert "Red foxes." in (await house.owner.get("/api/threads/animals")).text
        assert await anyio.to_thread.run_sync(holding) == []
