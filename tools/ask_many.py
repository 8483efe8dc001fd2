"""Ask several AIs the same question at once."""

from __future__ import annotations

from pydantic import BaseModel

from ai.run import Run
from core.values import Failure
from tools._kit import (
    AINames,
    Cost,
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
    choose,
    plan,
    price_range,
)


class Replies(BaseModel):
    """Every AI's reply, in the order asked. `summary` says first whether any is missing."""

    summary: str
    replies: list[Reply]

    def markdown(self) -> str:
        return "\n\n".join([self.summary, *(reply.markdown() for reply in self.replies)])


async def ask_many(
    run: Run,
    prompt: Prompt,
    *,
    ais: AINames = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    effort: EffortLevel = None,
    timeout_s: TimeoutS = None,
    dry_run: DryRun = False,
) -> Replies:
    """Ask several AIs the same question at once, independently, and return every answer with its author."""
    names = choose(run.roster, ais)
    asks = [
        (
            name,
            build_request(
                prompt,
                run.roster,
                name,
                timeout_s=timeout_s,
                system=system,
                temperature=temperature,
                max_tokens=max_tokens,
                effort=effort,
            ),
        )
        for name in names
    ]
    if dry_run:
        estimates = await plan(run, asks)
        summary = f"DRY RUN: nothing was sent. {len(asks)} calls, {price_range(estimates)}."
        return Replies(summary=summary, replies=[Reply.planned(estimate) for estimate in estimates])
    outcomes = await run.ask_many(asks)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if len(failures) == len(outcomes) and not any(failure.error.partial for failure in failures):
        raise all_failed(failures)
    answered = len(outcomes) - len(failures)
    summary = f"{answered} of {len(outcomes)} AIs answered ({Cost.of(outcomes)})."
    if failures:
        missing = ", ".join(failure.ai for failure in failures)
        summary = f"PARTIAL: {summary} Missing: {missing}; do not take the rest for a full panel."
    return Replies(summary=summary, replies=[Reply.of(outcome, run.roster) for outcome in outcomes])
