"""AIs that follow a script, for the tests of others."""

from __future__ import annotations

import os

import pytest

import moot
from moot.testing import ScriptedAI, scripted


async def test_each_call_takes_a_step_whatever_it_is() -> None:
    steps = ("text", moot.Response("whole", "m-1"), lambda request: request.messages[0].text.upper())
    ai = ScriptedAI(*steps, moot.RefusedError("No. Ask another."))
    with scripted(a=ai):
        async with moot.open():
            assert [await moot.call_ai_async("a", "hi") for _ in range(3)] == ["text", "whole", "HI"]
            with pytest.raises(moot.RefusedError):
                await moot.call_ai_async("a", "hi")
    assert ai.prompts == ["hi"] * 4


async def test_a_call_without_a_step_fails_the_test() -> None:
    with pytest.raises(AssertionError, match=r"no step for these calls: \['surprise'\]"):
        with scripted(a=ScriptedAI()):
            with pytest.raises(moot.AIError):
                await moot.call_ai_async("a", "surprise")


async def test_a_step_without_a_call_fails_the_test() -> None:
    with pytest.raises(AssertionError, match=r"never asked for these steps: \['two'\]"):
        with scripted(a=ScriptedAI("one", "two")):
            await moot.call_ai_async("a", "hi")


async def test_the_users_configuration_and_data_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    before = os.environ["MOOT_HOME"]
    with scripted(a=ScriptedAI("one")):
        assert os.environ["MOOT_HOME"] != before
        async with moot.open() as m:
            assert m.ais == ["a"]
            await m.ask("hi", thread="plans")
    assert os.environ["MOOT_HOME"] == before
    assert not os.path.exists(before)
    monkeypatch.delenv("MOOT_HOME")
    with scripted():
        pass
    assert "MOOT_HOME" not in os.environ


async def test_a_client_of_a_script_is_one_like_any_other() -> None:
    with scripted(a=ScriptedAI("one two", "three")):
        async with await moot.create_async_ai_client("a") as client:
            assert [token async for token in client.stream("hi")] == ["one ", "two "]
            assert await client.generate("hi") == "three"
        with pytest.raises(moot.UnknownAIError, match="There are: a"):
            await moot.create_async_ai_client("b")


def test_an_error_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), scripted(a=ScriptedAI("never")):
        raise ZeroDivisionError
    with scripted(b=ScriptedAI("1")):
        assert moot.sync.call_ai("b", "hi") == "1"
