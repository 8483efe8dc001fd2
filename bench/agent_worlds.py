"""Agents in worlds of somebody else's: a scripted model plays what is right, and the world has to end as it should.

tau2's 114 retail tasks on a borrowed server, and the 800 conversations of BFCL v4 whose methods are function tools of a
library `Agent`: the model calls one or two at once, as the answer key says, and answers when a turn is through. A world
ends right when its state is that of the same calls made straight on it. Of BFCL it is also counted how many results
reached the model other than they were given: cleaned, cut, or with a line withheld that looks like a secret.

Four keys give a text where their own function takes a number, which is refused as it would be of any model; their
conversations cannot be driven, and are counted apart. In the turns for which BFCL leaves a function or a value out no
call is right, and none is made; the function is offered all the same, since the tools of an `Agent` stay.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from _measure import Figure, exact, main
from _retail import Shop
from _worlds import Conversation, World, all_conversations
from bfcl import Call
from pydantic import ValidationError

from ai.agents.agent import Agent
from ai.agents.function_tools import FunctionTool, tool
from ai.client import AsyncAIClient, Emit
from core.values import Message, Request, Response, ToolCall, ToolResult, Usage

_TURNS = 100
"""More than any of them needs."""


class Player(AsyncAIClient):
    """A model that makes the calls of a plan, one or two at once, and then answers."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._left: list[Call] = []
        self._made = 0

    def plan(self, calls: Sequence[Call]) -> None:
        self._left = list(calls)

    async def complete(self, request: Request, emit: Emit) -> Response:
        if not self._left:
            emit("Done.")
            return Response("Done.", "player-1", usage=Usage(1, 1))
        now = [self._left.pop(0) for _ in range(min(self._chance.randint(1, 2), len(self._left)))]
        calls = []
        for name, arguments in now:
            self._made += 1
            calls.append(ToolCall(f"call{self._made}", name, arguments))
        return Response("", "player-1", "tool_calls", Usage(1, 1), tool_calls=tuple(calls))


def measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["MOOT_HOME"] = place  # where the pins go
        return [anyio.run(_retail, Shop(Path(place))), *anyio.run(_conversations)]


async def _retail(shop: Shop) -> Figure:
    from core.config import Config
    from core.tooling import McpServerConfig
    from server.mcp_client.borrowed import borrowing

    tasks = await anyio.to_thread.run_sync(shop.tasks)
    row = McpServerConfig.model_validate(shop.row() | {"approvals": {"*": "allow"}})
    wrong = []
    async with borrowing(Config(mcp_servers={"retail": row})) as lent:
        tools = await lent.tools(["retail"])
        for task in tasks:
            player = Player(task.id)
            player.plan([(f"retail__{name}", {**given, "state_key": task.key}) for name, given in task.calls])
            agent = Agent(player, tools=[tools], max_turns=_TURNS)
            said = await agent.chat(task.wish)
            if said != "Done." or not await anyio.to_thread.run_sync(shop.check, task):
                wrong.append(f"retail {task.id}: {said!r}")
    print(*wrong[:5], sep="\n", end="\n" if wrong else "", file=sys.stderr)
    note = f"{len(tasks)} tasks, {sum(not one.untouched for one in tasks)} of which change the database"
    return exact("tau2 retail tasks that end wrong", len(wrong), bound=0, unit="tasks", note=note)


@dataclass
class _Tally:
    """What was counted of the conversations; `odd`: a key whose call does not fit its function."""

    played: int = 0
    calls: int = 0
    otherwise: int = 0
    odd: int = 0
    wrong: list[str] = field(default_factory=list)


async def _conversations() -> list[Figure]:
    tally = _Tally()
    for conversation in all_conversations():
        tally.played += 1
        if why := await _play(conversation, tally):
            tally.wrong.append(f"{conversation.id}: {why}")
    print(*tally.wrong[:5], sep="\n", end="\n" if tally.wrong else "", file=sys.stderr)
    note = f"{tally.played} played, {tally.odd} more cannot be: their keys do not fit their own functions"
    return [
        exact("BFCL conversations that end wrong", len(tally.wrong), bound=0, unit="of them", note=note),
        exact("results that a model reads otherwise", tally.otherwise, unit="results", note=f"of {tally.calls:,}"),
    ]


async def _play(conversation: Conversation, tally: _Tally) -> str:
    """Why it ends wrong; empty: it ends right."""
    driven, direct = World(conversation), World(conversation)
    tools = {name: tool(one) for name, one in driven.methods.items()}
    if not all(_fits(tools[name], given) for _, calls in conversation.turns for name, given in calls):
        tally.odd, tally.played = tally.odd + 1, tally.played - 1
        return ""
    player = Player(conversation.id)
    agent = Agent(player, tools=tools.values(), max_turns=_TURNS)
    given: list[str] = []
    for said, calls in conversation.turns:
        player.plan(calls)
        given += [json.dumps(direct.call(name, arguments), default=_plain) for name, arguments in calls]
        answer = await agent.chat(said)
        if answer != "Done.":
            return f"a turn ended with {answer!r}"
    told = list(_told(agent.history))
    if len(told) != len(given):
        return f"{len(told)} results of {len(given)} calls"
    tally.calls += len(told)
    tally.otherwise += sum(not _same(one, json.loads(value)) for one, value in zip(told, given, strict=True))
    return "" if driven.same_state(direct) else "its state is another"


def _plain(value: Any) -> Any:
    return float(value) if hasattr(value, "__float__") else repr(value)


def _fits(one: FunctionTool, arguments: Mapping[str, Any]) -> bool:
    try:
        one.check(arguments)
    except ValidationError:
        return False
    return True


def _told(history: Sequence[Message]) -> Iterator[ToolResult]:
    for message in history:
        yield from (part for part in message.parts if isinstance(part, ToolResult))


def _same(told: ToolResult, value: Any) -> bool:
    """Whether what stands in the fence is *value*."""
    inside = told.content.split("\n", 1)[1].rpartition("\n")[0]
    if isinstance(value, str):
        return inside == value or (told.is_error and value.partition(": ")[2] in inside)
    if value is None:
        return inside == "(it returned nothing)"
    try:
        return bool(json.loads(inside) == value)
    except ValueError:
        return False


if __name__ == "__main__":
    main(measure, rounds=1)
