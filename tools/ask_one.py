"""Ask one AI."""

from __future__ import annotations

from ai.run import Run
from core.values import Failure
from tools._kit import (
    AIName,
    DryRun,
    EffortLevel,
    MaxTokens,
    Prompt,
    Reply,
    System,
    Temperature,
    TimeoutS,
    all_failed,
    build_request,
    plan,
)


async def ask_one(
    run: Run,
    prompt: Prompt,
    *,
    ai: AIName = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    effort: EffortLevel = None,
    timeout_s: TimeoutS = None,
    dry_run: DryRun = False,
) -> Reply:
    """Get a second opinion: ask one other AI (GPT, Claude, Gemini, Grok, a local one, ...) and return its answer."""
    name = ai or run.roster.default().name
    request = build_request(
        prompt,
        run.roster,
        name,
        timeout_s=timeout_s,
        system=system,
        temperature=temperature,
        max_tokens=max_tokens,
        effort=effort,
    )
    if dry_run:
        return Reply.planned(*await plan(run, [(name, request)]))
    (outcome,) = await run.ask_many([(name, request)])
    if isinstance(outcome, Failure) and not outcome.error.partial:
        raise all_failed([outcome])
    return Reply.of(outcome, run.roster)
