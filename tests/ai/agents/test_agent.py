"""An agent of a program: a conversation that can be awaited or iterated, once each, and what it took."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from agent_tools import Recorder, calling
from scripted_ai import Hold, ScriptedClient, Step

from ai.agents.agent import Agent
from ai.agents.function_tools import tool
from core.errors import InvalidInputError, RefusedError
from core.jobs.approvals import Approval
from core.values import ToolCall, ToolResult


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent(*steps: Step, **options: Any) -> tuple[Agent, ScriptedClient]:
    client = ScriptedClient(*steps)
    return Agent(client, tools=options.pop("tools", [add]), name="adder", **options), client


SUM = calling(("add", {"a": 2, "b": 3}), text="Let me add.")


async def test_awaited_it_is_the_answer() -> None:
    one, client = agent(SUM, "It is 5.")
    assert await one.chat("2 + 3?") == "It is 5."
    client.check()


async def test_iterated_it_is_every_token_also_of_the_call_after_the_tools() -> None:
    one, _ = agent(SUM, "It is 5.")
    tokens = [token async for token in one.chat("2 + 3?")]
    assert "".join(tokens) == "Let me add.\n\nIt is 5. "
    assert len(tokens) > 3


async def test_it_is_iterated_the_same_inside_its_own_block() -> None:
    one, _ = agent(SUM, "It is 5.")
    async with one:
        assert "".join([token async for token in one.chat("2 + 3?")]) == "Let me add.\n\nIt is 5. "


async def test_a_chat_can_be_used_once() -> None:
    one, _ = agent("Hello.")
    chat = one.chat("Hi")
    await chat
    with pytest.raises(InvalidInputError, match="already used"):
        await chat
    with pytest.raises(InvalidInputError, match="already used"):
        chat.__aiter__()


async def test_a_conversation_goes_on_with_its_calls_and_results() -> None:
    one, client = agent(SUM, "It is 5.", "You asked for 2 + 3.")
    await one.chat("2 + 3?")
    assert [message.role for message in one.history] == ["user", "assistant", "user", "assistant"]
    kinds = {type(part) for message in one.history for part in message.parts}
    assert {ToolCall, ToolResult} <= kinds
    assert await one.chat("What did I ask?") == "You asked for 2 + 3."
    assert len(client.requests[2].messages) == 5 and client.requests[2].system == client.requests[0].system


async def test_a_chat_that_fails_is_no_part_of_the_conversation() -> None:
    one, _ = agent(RefusedError("no"), "Back.")
    with pytest.raises(RefusedError):
        await one.chat("Hi")
    assert one.history == ()
    assert await one.chat("Hi?") == "Back." and len(one.history) == 2


async def test_two_chats_at_once_are_refused_with_a_sentence() -> None:
    hold = Hold("First.")
    one, _ = agent(hold)
    async with anyio.create_task_group() as tasks:

        async def first() -> None:
            assert await one.chat("a") == "First."

        tasks.start_soon(first)
        await hold.reached.wait()
        with pytest.raises(InvalidInputError, match="still answers"):
            await one.chat("b")
        hold.gate.set()


async def test_leaving_a_stream_early_cancels_the_request() -> None:
    hold = Hold("never said")
    one, client = agent(SUM, hold)
    async with one, one.chat("2 + 3?") as stream:
        async for _ in stream:
            await hold.reached.wait()
            break
    assert client.cancelled == 1


async def test_its_figures_are_json_and_text_for_prometheus() -> None:
    one, _ = agent(calling(("add", {"a": "x"}), ("add", {"a": 1, "b": 1})), "2")
    await one.chat("?")
    figures = one.metrics().to_json()
    assert figures["chats"] == 1 and figures["tool_calls"] == {"add": 2} and figures["tool_errors"] == {"add": 1}
    assert figures["input_tokens"] == 20 and figures["first_token_s"] is not None
    text = one.metrics().prometheus()
    assert 'moot_agent_tool_calls_total{agent="adder",model="scripted-1",tool="add"} 2' in text
    assert text.count("# TYPE") == len({line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")})


async def test_what_has_to_be_asked_is_asked_of_the_program() -> None:
    asked: list[Approval] = []

    async def approve(approval: Approval) -> bool:
        asked.append(approval)
        return approval.tool == "write"

    recorder = Recorder()
    one, _ = agent(calling(("write", {"x": 1})), "Done.", tools=[recorder], approve=approve)
    await one.chat("Write.")
    assert recorder.calls == [("write", {"x": 1})] and asked[0].agent == "adder"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_turns": 0}, "'max_turns' is 0"),
        ({"budget_usd": -1}, "'budget_usd' is -1"),
        ({"timeout_s": 0}, "'timeout_s' is 0"),
        ({"tools": ["flying"]}, "no built-in tools 'flying'"),
        ({"tools": [add, add]}, "Two tools are called 'add'"),
    ],
)
def test_what_cannot_be_used_is_said_when_it_is_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        agent(**options)


async def test_built_in_tools_are_named() -> None:
    one, _ = agent(calling(("calculate", {"expression": "6*7"})), "42", tools=["arithmetic", "clock"])
    assert await one.chat("6 * 7?") == "42"


async def test_it_can_stand_where_a_client_does() -> None:
    one, _ = agent(SUM, "It is 5.")
    async with one:
        assert await one.generate("2 + 3?") == "It is 5." and one.history == ()
