"""Agents in a run: an AI with tools wherever an AI may be asked, kept turn by turn where the run is a job.

What an agent may use is named in credentials.json, or by the recipe for all who are asked: built-in tools, servers of
`mcp_servers`, skills, and `ask`, by which it asks others, who share what it may spend.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from ai.agents.allowance import Allowance, Limits
from ai.agents.loop import Brief, Ended, run_agent
from ai.agents.world import word_from
from ai.call_ends import as_failure
from ai.caller import Caller
from ai.request import check_request, request_key
from ai.runs.equipment import Store
from ai.runs.run import Run
from core.errors import (
    AIError,
    ApprovalNeededError,
    BudgetExceededError,
    ConfigError,
    InvalidInputError,
    MootError,
    NotUsableError,
)
from core.jobs.approvals import ANSWERED, ASKED, Approval, word_of
from core.tooling import AgentConfig
from core.values import Failure, Outcome, Request

_CALL = "call:"
_WAITS = "It waits for your word, which you give with: moot jobs answer {job}"


async def ask_with_tools(
    run: Run, asks: Sequence[tuple[str, Request]], *, tools: Sequence[str] = (), role: str = ""
) -> list[Outcome]:
    """What `Run.ask_many` gives where there are agents among those who are asked, or all of them get *tools*.

    With a *role* a recipe counts what comes, or builds on it: who has not come to an answer has failed there.
    """
    ended = await run_agents(run, [Wanted(ai, request, tools=tuple(tools)) for ai, request in asks], role=role)
    return [one.opinion if role else one.outcome for one in ended]


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
    house = _House(run)
    made = [await house.prepare(one, role) for one in wanted]
    ended: dict[int, Ended] = {}
    stops: list[MootError] = []

    async def ask(number: int, start: Callable[[], Awaitable[Ended]]) -> None:
        try:
            ended[number] = await start()
        except (ApprovalNeededError, BudgetExceededError, ConfigError) as error:
            stops.append(error)  # of the run as a whole; but the others end first: what they did is paid for
        except Exception as error:  # whatever else one of them raises is its failure
            ended[number] = _failed(run, wanted[number].ai, error)

    async with anyio.create_task_group() as tasks:
        for number, start in enumerate(made):
            tasks.start_soon(ask, number, start)
    if stops:
        raise next((one for one in stops if isinstance(one, ApprovalNeededError)), stops[0])
    return [ended[number] for number in range(len(wanted))]


def _failed(run: Run, ai: str, error: Exception) -> Ended:
    seat = run.roster.seat(ai)
    if isinstance(error, MootError) and not isinstance(error, AIError):
        error = NotUsableError(f"{seat.name!r}: {error}", ai=seat.name)
    return Ended(Failure(seat.name, as_failure(seat, error, "")), (), ())


async def named_tools(run: Run, wanted: Wanted) -> list[str]:
    """The names of the tools that *wanted* would be offered.

    Raises:
        InvalidInputError, ConfigError: A tool, a skill or an AI that is named is not there.
    """
    seat = run.roster.seat(wanted.ai)
    config = seat.agent or AgentConfig(ai=seat.name)
    allowance = Allowance(_limits(config, wanted.limits))
    has = await _House(run).store.equip(config, wanted.tools, wanted.skills, allowance, stays_here=seat.stays_here)
    return [spec.name for spec in has.tools.specs()]


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
            return None if self._run.approve is None else await word_from(self._run.approve, approval)
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


class _House:
    """What the agents of one step have in common."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._world = RunWorld(run)
        self.store = Store(run, self._world, self._sub_agent)

    async def prepare(self, wanted: Wanted, role: str) -> Callable[[], Awaitable[Ended]]:
        """What runs *wanted*; what can be told before anything is sent is told now.

        Raises:
            ConfigError, InvalidInputError: It cannot be asked.
        """
        seat = self._run.roster.seat(wanted.ai)
        config = seat.agent or AgentConfig(ai=seat.name)
        check_request(wanted.request)
        if wanted.request.tools:
            raise InvalidInputError(f"{seat.name!r} calls tools of its own here. Leave out 'tools' of the request.")
        place = self._place(role, seat.name, wanted.request)
        try:
            return await self._equipped(
                seat.name, config, wanted, Allowance(_limits(config, wanted.limits)), place, role
            )
        except (ConfigError, InvalidInputError):
            raise
        except MootError as error:
            return partial(_fail, error)

    async def _equipped(
        self, name: str, config: AgentConfig, wanted: Wanted, allowance: Allowance, place: str, role: str
    ) -> Callable[[], Awaitable[Ended]]:
        ai = self._model(name, config)
        stays_here = self._run.roster.seat(ai).stays_here
        has = await self.store.equip(config, wanted.tools, wanted.skills, allowance, stays_here=stays_here)
        brief = Brief(name, ai, has.tools, has.prompt, wanted.max_turns or config.max_turns, place)
        shown = f"{name}: {role}" if role and name != ai else role or (name if name != ai else "")
        return partial(run_agent, self._world, brief, wanted.request, allowance, role=shown)

    def _place(self, role: str, name: str, request: Request) -> str:
        """Where it stands in the run: the same whenever the run is resumed, for a recipe asks the same in order."""
        label = f"{role}/{name}/{request_key(name, request)[:12]}"
        self._run.places[label] += 1
        return f"{label}/{self._run.places[label]}"

    def _model(self, name: str, config: AgentConfig) -> str:
        if self._run.roster.agent(name) is None:
            return name
        return self._run.roster.resolve(config.ai) if config.ai else self._run.roster.default().name

    async def _sub_agent(self, name: str, task: str, above: Allowance, place: str) -> Ended:
        seat = self._run.roster.seat(name)
        config = seat.agent or AgentConfig(ai=seat.name)
        allowance = above.child(_limits(config, None))
        wanted = Wanted(name, Request.of(task))
        return await (await self._equipped(seat.name, config, wanted, allowance, place, "sub-agent"))()


async def _fail(error: MootError) -> Ended:
    raise error


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
