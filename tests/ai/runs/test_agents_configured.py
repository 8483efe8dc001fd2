"""What is said of an agent's configuration, before it is asked and while it is: its AI, and tools it has not."""

from __future__ import annotations

import pytest
from agent_tools import Lent, Recorder
from scripted_ai import scripted_app

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.errors import ConfigError
from core.tooling import AgentConfig
from core.values import Request


def configured(**agents: AgentConfig) -> Config:
    return Config(defaults=Defaults(drain_s=0.05), agents=agents)


async def test_an_agent_of_the_default_ai_that_is_itself_the_default_is_said_and_not_looked_for_without_end() -> None:
    config = Config(defaults=Defaults(ai="a", drain_s=0.05), agents={"a": AgentConfig()})
    async with scripted_app({"gpt": []}, config=config) as app:
        with pytest.raises(ConfigError, match="agents.a has no 'ai', and defaults.ai names an agent itself"):
            app.roster.default()
        assert not any("'a', which is not there" in one for one in app.roster.warnings())


async def test_agents_that_name_one_another_are_told_of_before_they_are_asked() -> None:
    config = configured(a=AgentConfig(ai="b"), b=AgentConfig(ai="a"), c=AgentConfig(ai="nobody"))
    async with scripted_app({"gpt": []}, config=config) as app:
        told = [one for one in app.roster.warnings() if "agents." in one]
    assert [one.partition(".ai names ")[2] for one in told] == [
        "'nobody', which is not there. Add it, or correct the name.",
        "'b', an agent itself. Name an AI.",
        "'a', an agent itself. Name an AI.",
    ]


async def test_an_agent_knows_which_of_its_tools_are_held_back() -> None:
    class Fewer(Recorder):
        def notes(self) -> list[str]:
            return ["One tool of 'lent' is held back. Accept it: moot tools accept lent"]

    config = configured(worker=AgentConfig(ai="gpt", system="Be exact.", tools=["lent"]))
    materials = Materials(borrowed=Lent(Fewer()))
    async with (
        scripted_app({"gpt": ["Done."]}, config=config, materials=materials) as app,
        app.run("ask_one") as run,
    ):
        await run.ask_many([("worker", Request.of("Go"))])
        (sent,) = app.clients["gpt"].requests
    assert sent.system and sent.system.startswith("Be exact.\n\nOf your tools:\n- One tool of 'lent' is held back.")
