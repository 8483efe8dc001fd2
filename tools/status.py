"""Which AIs can be asked, and what is wrong with those that cannot."""

from __future__ import annotations

from datetime import date

import anyio.to_thread

from ai.roster.configured_ai import ConfiguredAI
from ai.roster.roster import Roster
from ai.runs.run import Run
from core.errors import ConfigError
from core.people.person import acting
from tools.recipe.result import Part, Result

KEPT = (
    "jobs.db, jobs.d: prompts, files and answers of jobs, for 30 days or 500 MB after they are over; of a call that a "
    "host got its answer to in time, nothing. Delete them: moot jobs clean --words",
    "batches: the rows given to the tool batch and their answers, for 30 days.",
    "threads.db: what was said in threads and chats, until `moot threads delete NAME` or `moot memory forget`.",
    "history.db: what was asked at the command line, until `moot history clean` (or `history` in defaults says).",
    "chat_lines: the last 1,000 lines typed in `moot chat`, until `moot history clean`; none with `history` off.",
    "prompts: saved prompts, until they are deleted.",
    "cache.db: answers of AIs with a cache_ttl, for at most a year; delete the file at any time.",
    "moot.db, track.db, the other files: usage, limits and how panels went, without words.",
)
"""What Moot keeps on this machine, all of it for its owner alone. The README says the same."""


class KeyStatus(Part):
    """One of an AI's keys, by its alias."""

    alias: str
    problem: str | None = None


class AIStatus(Part):
    """One configured AI; `concurrency` is what it takes at once now, of `ceiling`."""

    name: str
    provider: str
    model: str
    ready: bool
    problem: str | None = None
    in_flight: int = 0
    concurrency: int = 0
    ceiling: int = 0
    keys: list[KeyStatus] = []
    breaker: str = "closed"


class AgentStatus(Part):
    """One agent of the configuration: whose model it has, and what it may use. `problem`: why it cannot be asked."""

    name: str
    ai: str
    description: str = ""
    tools: list[str] = []
    skills: list[str] = []
    problem: str | None = None

    def markdown(self) -> str:
        has = ", ".join([*self.tools, *self.skills]) or "no tools"
        about = f": {self.description}" if self.description else ""
        trouble = f"  \n  {self.problem}" if self.problem else ""
        return f"- **{self.name}** (agent of {self.ai}, with {has}){about}{trouble}"


class Status(Result):
    """Every configured AI, problems of the configuration itself, and what is kept where and how long."""

    ais: list[AIStatus]
    agents: list[AgentStatus] = []
    problems: list[str]
    kept: list[str] = []

    def markdown(self) -> str:
        ready = sum(ai.ready for ai in self.ais)
        lines = [f"{ready} of {len(self.ais)} AIs can be asked."]
        for ai in self.ais:
            busy = f", {ai.in_flight}/{ai.concurrency} in flight" if ai.in_flight else ""
            rested = "" if ai.breaker == "closed" else f", resting ({ai.breaker})"
            slowed = f", slowed to {ai.concurrency} of {ai.ceiling} at once" if ai.concurrency < ai.ceiling else ""
            state = f"ready{busy}{slowed}{rested}" if ai.ready else "not usable"
            trouble = f"  \n  {ai.problem}" if ai.problem else ""
            lines.append(f"- **{ai.name}**: {ai.model} via {ai.provider}, {state}{trouble}")
            lines += [f"  - {key.alias}: {key.problem or 'ready'}" for key in ai.keys]
        lines += [agent.markdown() for agent in self.agents]
        lines += [f"- Problem: {problem}" for problem in self.problems]
        lines += ["", "Kept on this machine, in Moot's data folder:", *(f"- {line}" for line in self.kept)]
        return "\n".join(lines)


async def status(run: Run) -> Status:
    """List the AIs that can be asked, with model, state and any problem. Sends nothing."""
    roster = run.roster
    # Other models of an AI are there because somebody named them; of whom, only the owner may know
    shown = [name for name in roster.seats if not roster.agent(name)] if acting().owns else roster.names
    ready = await anyio.to_thread.run_sync(lambda: [_ready(roster.seats[ai]) for ai in shown])
    broken = [
        AIStatus(name=name, provider="", model="", ready=False, problem=reason)
        for name, reason in roster.problems.items()
        if acting().may_ask(name)
    ]
    if not acting().owns:  # what is wrong with the installation is for whoever can mend it
        return Status(ais=ready + broken, agents=_agents(roster), problems=[])
    general = [problem for problem in roster.config.problems if problem not in roster.problems.values()]
    unrecorded = await run.unrecorded()
    problems = [*general, *roster.warnings(), *([unrecorded] if unrecorded else [])]
    return Status(ais=ready + broken, agents=_agents(roster), problems=problems, kept=list(KEPT))


def _agents(roster: Roster) -> list[AgentStatus]:
    return [_agent(roster, name) for name in roster.agents]


def _agent(roster: Roster, name: str) -> AgentStatus:
    config, problem = roster.config.agents[name], None
    try:
        model = roster.seat(name).model
    except ConfigError as error:
        model, problem = config.ai or "", str(error)
    return AgentStatus(
        name=name,
        ai=config.ai or model,
        description=config.description,
        tools=config.tools,
        skills=config.skills,
        problem=problem,
    )


def _ready(seat: ConfiguredAI) -> AIStatus:
    missing = seat.unavailable_reason
    pause_s = min(lane.rate_limit.resting_s for lane in seat.lanes)
    paused = f"The provider asked for a pause of {pause_s:,.0f} s more." if pause_s >= 1 else None
    problem = missing or paused or seat.warning(date.today())
    if seat.local and not missing:
        from ai.local.personas import NICKNAME

        problem = f"{NICKNAME}: set an API key for real answers."
    return AIStatus(
        name=seat.name,
        provider=seat.provider.name,
        model=seat.model,
        ready=missing is None,
        problem=problem,
        in_flight=seat.concurrency.in_flight,
        concurrency=seat.concurrency.limit,
        ceiling=seat.concurrency.ceiling,
        keys=_keys(seat),
        breaker=seat.breaker.state,
    )


def _keys(seat: ConfiguredAI) -> list[KeyStatus]:
    """Several keys, and why one of them is not used now; a single key is the AI itself."""
    if seat.pool is None:
        return []
    rests = seat.pool.rests()
    listed = []
    for lane in seat.lanes:
        problem = rests[lane.alias]
        if not problem and lane.breaker.state != "closed":
            problem = f"resting ({lane.breaker.state})"
        listed.append(KeyStatus(alias=lane.alias, problem=problem or None))
    return listed
