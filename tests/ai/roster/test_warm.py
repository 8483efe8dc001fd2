"""What is imported while nothing is to be done."""

from __future__ import annotations

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from ai.roster import warm as warm_module
from ai.roster.roster import Roster
from ai.roster.warm import wanted, warm
from core.config import AIConfig, Config

ROWS = {
    "a": AIConfig.model_validate({"provider": "openai", "api_key": "x"}),
    "b": AIConfig.model_validate({"provider": "xai", "api_key": "x"}),
    "c": AIConfig.model_validate({"provider": "command", "command": ["true"]}),
}


async def test_the_sdks_of_configured_ais_are_wanted_once_and_no_others() -> None:
    roster = Roster.open(Config(rows=ROWS))
    assert wanted(roster).count("openai") == 1
    assert not {"anthropic", "google.genai"} & set(wanted(roster))
    assert wanted(Roster.open(Config(rows={"c": ROWS["c"]}))) == []
    roster.close()


async def test_nothing_is_imported_while_a_call_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    roster = Roster.open(Config(rows=ROWS))
    loaded: list[str] = []
    looked = anyio.Event()

    async def load(name: str) -> None:
        loaded.append(name)

    class Watched:
        under_way = 1

        @property
        def in_flight(self) -> int:
            looked.set()
            return self.under_way

    monkeypatch.setattr(warm_module, "load", load)
    roster.seats["a"] = replace(roster.seats["a"], concurrency=Watched())  # type: ignore[arg-type]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(warm, roster, 0.0)
            await looked.wait()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert loaded == []
            Watched.under_way = 0
    assert loaded == wanted(roster)
    roster.close()
