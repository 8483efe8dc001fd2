"""AIs that follow a script, for the tests of others."""

from __future__ import annotations

import os
from typing import Any

import anyio.to_thread
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


async def test_no_door_of_the_library_leads_past_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    with scripted(openai=ScriptedAI("one", '{"a": 1}', "OK", "four")):
        async with moot.create_async_client("openai", "sk-of-the-user", base_url="http://127.0.0.1:9") as client:
            assert await client.process_articles(["x"], show_progress=False) == ["one"]
            assert await client.analyze_article_async("Title", "Text.", schema={}) == {"a": 1}
        async with moot.create_from_config("nowhere.json") as client:
            assert await client.test_connection_async()
        assert await anyio.to_thread.run_sync(moot.call_ai, "openai", "hi") == "four"
        async with moot.create_async_client("anthropic") as client:
            with pytest.raises(moot.UnknownAIError):
                await client.process_articles(["x"], show_progress=False)


@pytest.mark.parametrize("step", [moot.RefusedError, 3, None, ValueError("x"), ["a"]])
def test_a_step_that_is_none_is_said_where_it_is_written(step: Any) -> None:
    with pytest.raises(TypeError, match="Step 2 of ScriptedAI is .*: give a text"):
        ScriptedAI("one", step)


def test_what_is_no_scripted_ai_is_said_at_once() -> None:
    with pytest.raises(TypeError, match="'gpt' is 'four': give a ScriptedAI"):
        with scripted(gpt="four"):  # type: ignore[arg-type]
            raise AssertionError
    with pytest.raises(moot.InvalidInputError, match=r"'gpt' is no moot.AsyncAIClient but a str"):
        with moot.sync.open(ais={"gpt": "four"}):  # type: ignore[dict-item]
            raise AssertionError


def test_an_assertion_in_a_step_fails_the_test_also_where_the_program_takes_it_for_a_failure() -> None:
    def step(request: moot.Request) -> str:
        assert "weather" in request.messages[0].text, "of the weather"
        return "sunny"

    with pytest.raises(AssertionError, match="AssertionError: of the weather"):
        with scripted(a=ScriptedAI(step)):
            (outcome,) = moot.sync.call_multiple_ais(["a"], "hi")
            assert isinstance(outcome, moot.Failure) and "A function of ScriptedAI failed" in str(outcome.error)
    with pytest.raises(AssertionError, match="it gave None and no text"):
        with scripted(a=ScriptedAI(lambda request: None)):  # type: ignore[arg-type, return-value]
            moot.sync.call_multiple_ais(["a"], "hi")

    def refuses(request: moot.Request) -> str:
        raise moot.RefusedError("No. Ask another.")

    with scripted(a=ScriptedAI(refuses)), pytest.raises(moot.RefusedError):
        moot.sync.call_ai("a", "hi")


def test_a_program_that_ends_for_want_of_a_step_says_so() -> None:
    with pytest.raises(moot.NoAnswerError, match="ScriptedAI has no step for this call: 'hi'. Give it one more"):
        with scripted(a=ScriptedAI()):
            moot.sync.ask("hi", ai="a")
