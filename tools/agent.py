"""Have an AI do a task with tools, turn by turn, until it has an answer or something is used up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ai.agents.allowance import Limits
from ai.agents.calls import ToolStep
from ai.agents.loop import Ended
from ai.lazy import load
from ai.roster.roster import Roster
from ai.runs.run import Run
from core.limits.budget_rows import Estimate
from core.values import Failure
from tools.recipe.context import gather
from tools.recipe.kit import (
    AIName,
    DryRun,
    EffortLevel,
    Files,
    Images,
    Reply,
    System,
    Thread,
    TimeoutS,
    all_failed,
    build_request,
    counted,
    dollars,
    noted,
    only_one,
    plan,
    refusal,
)
from tools.recipe.result import Part

Task = Annotated[str, Field(description="What to do, with all it needs to know.")]
ToolNames = Annotated[list[str] | None, Field(max_length=100)]
SkillNames = Annotated[list[str] | None, Field(max_length=100)]
Turns = Annotated[int | None, Field(ge=1, le=1_000)]
Budget = Annotated[float | None, Field(gt=0, le=1_000_000)]


class ToolUse(Part):
    """One call of a tool: who called it with what (JSON), and what became of it."""

    agent: str
    tool: str
    arguments: str
    ok: bool
    note: str
    latency_s: float

    @classmethod
    def of(cls, step: ToolStep) -> ToolUse:
        return cls(
            agent=step.agent,
            tool=step.tool,
            arguments=step.arguments,
            ok=step.success,
            note=step.note,
            latency_s=round(step.latency_s, 3),
        )

    def markdown(self) -> str:
        return f"- {self.tool}({self.arguments}): {'' if self.ok else 'failed: '}{self.note}"


class AgentReply(Reply):
    """The answer of an agent, with every call of a tool in the order made. `stopped` says why it ended early."""

    model_config = ConfigDict(defer_build=True)

    stopped: str | None = None
    turns: int = 0
    tools: list[ToolUse] = []

    def markdown(self) -> str:
        used = "\n".join(one.markdown() for one in self.tools)
        return (
            f"{super().markdown()}\n\n### {counted(len(self.tools), 'tool call')}\n{used}"
            if used
            else super().markdown()
        )


async def agent(
    run: Run,
    task: Task,
    *,
    ai: AIName = None,
    tools: ToolNames = None,
    skills: SkillNames = None,
    files: Files = None,
    images: Images = None,
    thread: Thread = None,
    system: System = None,
    effort: EffortLevel = None,
    max_turns: Turns = None,
    budget_usd: Budget = None,
    timeout_s: TimeoutS = None,
    dry_run: DryRun = False,
) -> AgentReply:
    """Have an AI, or an agent of the user's, do a task with tools: it looks things up, acts, and answers."""
    name = only_one(run.roster, ai)
    context = await gather(run, [name], system=system, files=files, images=images, thread=thread, question=task)

    def make(prompt: str, **options: Any) -> Any:
        return build_request(prompt, run.roster, name, effort=effort, **options)

    request, note = context.request(run, name, task, make)
    receipt = context.lines()
    agents = await load("ai.runs.agents")
    limits = Limits(budget_usd, None, timeout_s, depth=10, agents=1_000)
    wanted = agents.Wanted(name, request, tuple(tools or ()), tuple(skills or ()), limits, max_turns)
    if dry_run:
        return await _planned(run, name, request, await agents.named_tools(run, wanted), budget_usd)
    (ended,) = await agents.run_agents(run, [wanted])
    if isinstance(ended.outcome, Failure):
        if not ended.outcome.error.partial and not ended.steps:
            raise all_failed([ended.outcome], ended.lacked)
    else:
        receipt = await context.keep(run, "agent", task, [(name, ended.outcome.text)])
    reply = _reply(ended, run.roster)
    return reply.but(sent_along=receipt, note=" ".join(filter(None, (note, reply.note))) or None)


def _reply(ended: Ended, roster: Roster) -> AgentReply:
    plain, stopped = Reply.of(ended.outcome, roster), None
    if isinstance(ended.outcome, Failure):
        plain = plain.but(error=f"{plain.error} {ended.lacked}".strip())
    else:
        stopped = ended.outcome.stopped or None
    turns = sum(message.role == "assistant" for message in ended.messages)
    return AgentReply(**plain.__dict__, stopped=stopped, turns=turns, tools=_uses(ended.steps))


def _uses(steps: Sequence[ToolStep]) -> list[ToolUse]:
    return [ToolUse.of(one) for one in steps]


async def _planned(run: Run, name: str, request: Any, tools: Sequence[str], budget_usd: float | None) -> AgentReply:
    """What a dry run says: one turn's estimate, since nobody knows how many there will be."""
    estimates: list[Estimate] = await plan(run, [(name, request)])
    planned = Reply.planned(*estimates)
    most = f"At most {dollars(budget_usd)} for all turns." if budget_usd else "No budget is set for all turns."
    text = f"{planned.text} That is the first turn. Tools: {', '.join(tools) or 'none'}. {most}"
    return AgentReply(**noted(planned.but(text=text), await refusal(run, estimates)).__dict__)
