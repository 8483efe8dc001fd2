"""Other AIs as a tool: an agent hands a part of its task to one of them, within what it may still spend."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ai.agents.allowance import Allowance, SpentError
from ai.agents.function_tools import FunctionTools, tool
from ai.agents.loop import Ended
from ai.agents.offered import ToolExecutionResult
from ai.agents.world import place
from core.values import Failure

ASK = "ask"
_LONGEST_TASK = 200_000
_ABOUT = (
    "Have another AI do a part of the task, or get its opinion. It sees nothing but what you write, so write all of "
    "it. Its answer may be wrong."
)

Run = Callable[[str, str, Allowance, str], Awaitable[Ended]]
"""Runs the AI or agent of a name on a task, within an allowance, at a place."""


class SubAgents(FunctionTools):
    """The tool `ask`.

    Args:
        names: Who may be asked.
        run: Asks one of them; what it does inside is kept step by step.
        allowance: What the agent itself has, of which each of them takes its part.
    """

    keeps_itself = True

    def __init__(self, names: Sequence[str], run: Run, allowance: Allowance) -> None:
        async def ask(ai: str, task: str) -> ToolExecutionResult:
            try:
                ended = await run(ai, task, allowance, place.get())
            except SpentError as error:
                return ToolExecutionResult.failed(str(error))
            return _told(ai, ended)

        ask.__annotations__ = {
            "ai": Annotated[Literal[tuple(names)], Field(description="Whom to ask.")],
            "task": Annotated[str, Field(min_length=1, max_length=_LONGEST_TASK)],
        }
        super().__init__([tool(name=ASK, description=_ABOUT, read_only=True, timeout_s=math.inf)(ask)])


def _told(ai: str, ended: Ended) -> ToolExecutionResult:
    outcome = ended.outcome
    if isinstance(outcome, Failure):
        return ToolExecutionResult.failed(f"{ai} gave no answer: {outcome.error}")
    note = f"\n[{ai} stopped early: {outcome.stopped}]" if outcome.stopped else ""
    return ToolExecutionResult.of(f"{outcome.text}{note}")
