"""Where a loop runs: who asks AIs for it, what it remembers, whom it can ask for permission, and who is told.

A run of a job remembers everything (`ai/runs/agents.py`); a program that uses agents by itself has `Bare`.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Protocol

from ai.caller import Caller
from core.jobs.approvals import Approval
from core.values import Outcome, Request

Admit = Callable[[], Awaitable[None]]
"""Awaited before a request is really sent, and not before an answer is only given again."""
Approver = Callable[[Approval], Awaitable[bool]]
"""Asks a person, who says yes, which is True, or no."""

place: ContextVar[str] = ContextVar("place")
"""Where in its run the tool's call stands that is being made: for tools that keep what they do inside."""


async def word_from(approve: Approver, approval: Approval) -> bool:
    """What *approve* says. True alone is a yes: a program that hands on what somebody typed has not been told one."""
    said: Any = approve(approval)
    return (await said if inspect.isawaitable(said) else said) is True


class World(Protocol):
    """What a loop needs of the outside."""

    @property
    def caller(self) -> Caller: ...

    async def ask(self, ai: str, request: Request, *, role: str, place: str, admit: Admit) -> Outcome:
        """The outcome of one turn, which stands at *place*. In a resumed run, the kept one."""

    async def kept(self, key: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        """What *fn* gives, as JSON, or gave when this step was first made."""

    async def note(self, key: str, value: Any) -> None:
        """Remember *value* for good, before what comes next."""

    async def noted(self, key: str) -> Any:
        """What was noted; None where nothing was."""

    async def decide(self, approval: Approval) -> bool | None:
        """A person's word; None where nobody can be asked here.

        Raises:
            ApprovalNeededError: The question is parked, and the run pauses for it.
        """

    def tool_started(self, agent: str, tool: str, arguments: str) -> str:
        """Tell of a call; the id by which its end is told."""

    def tool_finished(
        self, call: str, agent: str, tool: str, *, success: bool, note: str, latency_s: float
    ) -> None: ...

    def rng(self, *label: object) -> random.Random:
        """Chance that is the same when the run is resumed."""

    @property
    def local_only(self) -> bool:
        """Whether nothing of this run may leave the machine any more."""

    def stay_local(self) -> None:
        """From now on nothing of this run may leave the machine."""


class Bare:
    """The world of a program's own agent: nothing is kept, and *approve* is asked where the program gives one."""

    def __init__(self, caller: Caller, *, run: str = "", chance: int = 0, approve: Approver | None = None) -> None:
        self.caller = caller
        self._run = run
        self._approve = approve
        self._notes: dict[str, Any] = {}
        self._chance = chance or random.SystemRandom().getrandbits(64)
        self._calls = 0
        self.local_only = False

    async def ask(self, ai: str, request: Request, *, role: str, place: str, admit: Admit) -> Outcome:
        await admit()
        request = replace(request, local_only=True) if self.local_only else request
        return await self.caller.call(ai, request, run=self._run, role=role)

    async def kept(self, key: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        return await fn()

    async def note(self, key: str, value: Any) -> None:
        self._notes[key] = value

    async def noted(self, key: str) -> Any:
        return self._notes.get(key)

    async def decide(self, approval: Approval) -> bool | None:
        return None if self._approve is None else await word_from(self._approve, approval)

    def tool_started(self, agent: str, tool: str, arguments: str) -> str:
        self._calls += 1
        return f"t{self._calls}"

    def tool_finished(self, call: str, agent: str, tool: str, *, success: bool, note: str, latency_s: float) -> None:
        pass

    def rng(self, *label: object) -> random.Random:
        return random.Random(f"{self._chance}:{label}")  # noqa: S311 - fences; nobody else knows the number

    def stay_local(self) -> None:
        self.local_only = True
