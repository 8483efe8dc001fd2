"""What a person is told of an agent's run, and what a panel makes of an agent that came to no answer."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from agent_tools import Lent, Recorder, calling
from scripted_ai import ScriptedApp, Step, scripted_app

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.errors import AIError, MootError
from core.tooling import AgentConfig
from tools.agent import agent
from tools.ask_many import ask_many
from tools.consensus import consensus

HELD = "One tool of 'lent' held back, not being as it was taken. Accept it: moot tools accept lent"
LOOKS = calling(("read", {"x": 1}), text="Let me look. The answer may be 5.")


class Fewer(Recorder):
    def notes(self) -> list[str]:
        return [HELD]


def house(
    worker: list[Step], *, max_turns: int = 25, tools: Recorder | None = None, **others: list[Step]
) -> AbstractAsyncContextManager[ScriptedApp]:
    config = Config(
        defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="a", tools=["lent"], max_turns=max_turns)}
    )
    return scripted_app({"a": worker, **others}, config=config, materials=Materials(borrowed=Lent(tools or Fewer())))


async def test_a_person_is_told_which_tools_an_agent_had_not() -> None:
    async with house(["Done."]) as app, app.run("agent") as run:
        reply = await agent(run, "Go", ai="worker")
    assert reply.note == HELD and HELD in reply.markdown()


async def test_so_is_whoever_asked_it_among_others() -> None:
    async with house(["Done."], b=["Yes."]) as app, app.run("ask_many") as run:
        result = await ask_many(run, "Go", ais=["worker", "b"])
    assert result.markdown().count(HELD) == 1


@pytest.mark.parametrize("first", [[], [LOOKS]], ids=["at once", "after a call"])
async def test_and_whoever_got_no_answer(first: list[Step]) -> None:
    async with house([*first, AIError("it is down")]) as app, app.run("agent") as run:
        try:
            told = (await agent(run, "Go", ai="worker")).markdown()
        except MootError as error:
            told = str(error)
    assert "it is down" in told and HELD in told


async def vote(app: ScriptedApp) -> str:
    async with app.run("consensus") as run:
        return (await consensus(run, "How many?", ais=["worker", "b", "c"])).markdown()


async def test_words_beside_calls_are_no_vote_of_an_agent_whose_turns_are_used_up() -> None:
    said = "It is 4.\nFINAL ANSWER: 4"
    looks = calling(("read", {"x": 2}), text="And more.")
    async with house([LOOKS, looks], max_turns=2, tools=Recorder(), b=[said], c=[said]) as app:
        told = await vote(app)
    assert "Missing: worker" in told and "- worker: ai: 'worker' stopped before it had an answer" in told
    assert "“4”: b, c, 100% of the weight" in told and "And more" not in told.partition("## Not heard")[0]


async def test_what_an_agent_says_once_its_tools_are_closed_is_its_vote() -> None:
    said = "It is 4.\nFINAL ANSWER: 4"
    async with house([LOOKS, said], max_turns=2, tools=Recorder(), b=[said], c=[said]) as app:
        told = await vote(app)
    assert "Missing" not in told and "worker, b, c" in told


async def test_an_agent_that_was_stopped_is_not_said_to_be_cut_off_for_its_length() -> None:
    looks = calling(("read", {"x": 2}), text="Some words.")
    async with house([LOOKS, looks], max_turns=2, tools=Recorder(), b=["Yes."]) as app, app.run("ask_many") as run:
        result = await ask_many(run, "Go", ais=["worker", "b"])
    assert result.partial and "1 stopped before the end" in result.summary and "length limit" not in result.summary
