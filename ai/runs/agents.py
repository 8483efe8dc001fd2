"""Agents in a run: an AI with tools wherever an AI may be asked, kept turn by turn where the run is a job.

What an agent may use is named in credentials.json, or by the recipe for all who are asked: built-in tools, servers of
`mcp_servers`, skills, and `ask`, by which it asks others, who share what it may spend.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from ai.agents.allowance import Allowance, Limits
from ai.agents.builtin.ground import Ground
from ai.agents.builtin.lookups import HINT
from ai.agents.builtin.named import BUILT_IN, builtin
from ai.agents.executor import ToolExecutor
from ai.agents.loop import Brief, Ended, run_agent
from ai.agents.offered import Tools
from ai.agents.sub_agents import ASK, SubAgents
from ai.caller import Caller
from ai.request import request_key
from ai.runs.run import Run
from core.errors import ApprovalNeededError, InvalidInputError
from core.jobs.approvals import ANSWERED, ASKED, Approval, word_of
from core.tooling import AgentConfig
from core.values import Outcome, Request

_SHARED = ("workspace", "git", "threads")
_CALL = "call:"
_WAITS = "It waits for your word, which you give with: moot jobs answer {job}"


async def ask_with_tools(
    run: Run, asks: Sequence[tuple[str, Request]], *, tools: Sequence[str] = (), role: str = ""
) -> list[Outcome]:
    """What `Run.ask_many` gives where there are agents among those who are asked, or all of them get *tools*."""
    ended = await run_agents(run, [Wanted(ai, request, tools=tuple(tools)) for ai, request in asks], role=role)
    return [one.outcome for one in ended]


@dataclass(frozen=True)
class Wanted:
    """Who is asked what, with what beside the tools and limits of the agent that it may be.

    Attributes:
        tools, skills: By name.
        limits: Above those of its configuration; what is None there stays.
    """

    ai: str
    request: Request
    tools: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    limits: Limits | None = None
    max_turns: int | None = None


async def run_agents(run: Run, wanted: Sequence[Wanted], *, role: str = "") -> list[Ended]:
    """What came of each, in order; all at once. A plain AI without tools is asked once.

    Raises:
        ApprovalNeededError: One of them waits for a person; the others have finished, and are kept.
        InvalidInputError, ConfigError: A tool, a skill or an AI that is named is not there.
    """
    house = _House.of(run)
    made = [await house.prepared(one, role) for one in wanted]
    ended: dict[int, Ended] = {}
    waiting: list[ApprovalNeededError] = []

    async def one(number: int, start: Callable[[], Awaitable[Ended]]) -> None:
        try:
            ended[number] = await start()
        except ApprovalNeededError as error:  # the others go on first: what they did is paid for
            waiting.append(error)

    async with anyio.create_task_group() as tasks:
        for number, start in enumerate(made):
            tasks.start_soon(one, number, start)
    if waiting:
        raise waiting[0]
    return [ended[number] for number in range(len(made))]


async def named_tools(run: Run, wanted: Wanted) -> list[str]:
    """The names of the tools that *wanted* would be offered.

    Raises:
        InvalidInputError, ConfigError: A tool, a skill or an AI that is named is not there.
    """
    house = _House.of(run)
    config = run.roster.seat(wanted.ai).agent or AgentConfig(ai=wanted.ai)
    names = [*config.tools, *wanted.tools]
    tools = await house.tools(wanted.ai, names, Allowance(_limits(config, wanted.limits)), stays_here=False)
    return [spec.name for spec in ToolExecutor(tools, rules=config.approvals).specs()]


class RunWorld:
    """A run as its agents see it (`ai.agents.world.World`)."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def caller(self) -> Caller:
        return self._run.caller

    @property
    def local_only(self) -> bool:
        return self._run.local_only

    def stay_local(self) -> None:
        self._run.local_only = True

    async def ask(
        self, ai: str, request: Request, *, role: str, place: str, admit: Callable[[], Awaitable[None]]
    ) -> Outcome:
        return await self._run.ask_turn(ai, request, role=role, place=place, admit=admit)

    async def kept(self, key: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        return await self._run.call(key, fn)

    async def note(self, key: str, value: Any) -> None:
        if (memory := self._run.memory) is not None:
            await memory.note(key, value)

    async def noted(self, key: str) -> Any:
        memory = self._run.memory
        return None if memory is None else await memory.noted(key)

    async def decide(self, approval: Approval) -> bool | None:
        if self._run.memory is None:
            return None if self._run.approve is None else await self._run.approve(approval)
        while True:
            if (word := word_of(await self.noted(f"{ANSWERED.removeprefix(_CALL)}{approval.id}"))) is not None:
                return word
            key = f"{ASKED.removeprefix(_CALL)}{approval.id}"
            asked = await self.noted(key)
            if asked is None:
                await self.note(key, approval.now().to_json())
            if asked is None or not Approval.of_json(asked).expired:
                raise ApprovalNeededError(f"{approval.sentence()} {_WAITS.format(job=self._run.id)}")
            approval = approval.again()

    def tool_started(self, agent: str, tool: str, arguments: str) -> str:
        return self._run.tool_started(agent, tool, arguments)

    def tool_finished(self, call: str, agent: str, tool: str, *, success: bool, note: str, latency_s: float) -> None:
        self._run.tool_finished(call, agent, tool, success=success, note=note, latency_s=latency_s)

    def rng(self, *label: object) -> random.Random:
        return self._run.rng(*label)


@dataclass
class _House:
    """What the agents of one step have in common: their world, and what they looked up."""

    run: Run
    world: RunWorld
    seen: Counter[str]

    @classmethod
    def of(cls, run: Run) -> _House:
        return cls(run, RunWorld(run), run.places)

    async def prepared(self, wanted: Wanted, role: str) -> Callable[[], Awaitable[Ended]]:
        """What runs *wanted*, once its names are known to be good."""
        seat = self.run.roster.seat(wanted.ai)
        config = seat.agent or AgentConfig(ai=seat.name)
        if wanted.request.tools:
            raise InvalidInputError(f"{seat.name!r} calls tools of its own here. Leave out 'tools' of the request.")
        label = f"{role}:{seat.name}:{request_key(seat.name, wanted.request)[:12]}"
        self.seen[label] += 1
        limits = _limits(config, wanted.limits)
        return await self._start(
            seat.name, config, wanted, Allowance(limits), place=f"{label}:{self.seen[label]}", role=role
        )

    async def _start(
        self, name: str, config: AgentConfig, wanted: Wanted, allowance: Allowance, *, place: str, role: str
    ) -> Callable[[], Awaitable[Ended]]:
        roster, world = self.run.roster, self.world
        ai = self._model(name, config)
        tools = await self.tools(name, [*config.tools, *wanted.tools], allowance, stays_here=roster.seat(ai).stays_here)
        looks = any(name in _SHARED for name in (*config.tools, *wanted.tools))
        brief = Brief(
            name=name,
            ai=ai,
            tools=ToolExecutor(tools, rules=config.approvals),
            system="\n\n".join(filter(None, (config.system, HINT if looks else ""))) or None,
            max_turns=wanted.max_turns or config.max_turns,
            place=place,
        )
        shown = f"{name}: {role}" if role and name != ai else role or (name if name != ai else "")

        async def start() -> Ended:
            return await run_agent(world, brief, wanted.request, allowance, role=shown)

        return start

    def _model(self, name: str, config: AgentConfig) -> str:
        if self.run.roster.agent(name) is None:
            return name
        return self.run.roster.resolve(config.ai) if config.ai else self.run.roster.default().name

    async def tools(self, agent: str, names: Sequence[str], allowance: Allowance, *, stays_here: bool) -> list[Tools]:
        """The tools of *names*.

        Raises:
            InvalidInputError: There is no such tool.
        """
        wanted = list(dict.fromkeys(names))
        materials = self.run.materials
        ground = Ground(materials.workspace, materials.threads, stays_here, self.world.stay_local)
        found = [self._looking(name, builtin(name, ground), stays_here) for name in wanted if name in BUILT_IN]
        if ASK in wanted and allowance.depth > 0:
            found.append(SubAgents(self._others(agent), self._sub_agent, allowance))
        borrowed = [name for name in wanted if name not in BUILT_IN and name != ASK]
        if borrowed:
            found.append(await self._borrowed(borrowed))
        return found

    def _looking(self, name: str, tools: Tools, stays_here: bool) -> Tools:
        """*tools*, which look each thing up once for all who share the run; the time is looked up whenever asked."""
        if name not in _SHARED:
            return tools
        return self.run.lookups.around(tools, shared_by="here" if stays_here else "")

    async def _borrowed(self, names: Sequence[str]) -> Tools:
        source = self.run.materials.borrowed
        servers = source.names() if source else []
        if unknown := [name for name in names if name.partition(".")[0] not in servers]:
            known = ", ".join([*BUILT_IN, ASK, *servers])
            raise InvalidInputError(
                f"There is no tool {unknown[0]!r}. There are: {known}. Correct the name, or add a server."
            )
        assert source is not None
        return await source.tools(names)

    def _others(self, agent: str) -> list[str]:
        roster = self.run.roster
        return list(dict.fromkeys([*roster.names, *roster.agents]))

    async def _sub_agent(self, name: str, task: str, above: Allowance, place: str) -> Ended:
        roster = self.run.roster
        seat = roster.seat(name)
        config = seat.agent or AgentConfig(ai=seat.name)
        allowance = above.child(_limits(config, None))
        start = await self._start(
            seat.name, config, Wanted(name, Request.of(task)), allowance, place=place, role="sub-agent"
        )
        return await start()


def _limits(config: AgentConfig, given: Limits | None) -> Limits:
    own = Limits(config.budget_usd, config.budget_tokens, config.timeout, config.depth, config.agents)
    if given is None:
        return own
    return Limits(
        _least(own.usd, given.usd),
        _least(own.tokens, given.tokens),
        _least(own.seconds, given.seconds),
        min(own.depth, given.depth),
        min(own.agents, given.agents),
    )


def _least(one: Any, other: Any) -> Any:
    return min((value for value in (one, other) if value is not None), default=None)
