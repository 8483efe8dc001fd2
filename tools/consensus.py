"""Several AIs answer independently; where they disagree they read each other once, and a weighted vote decides.

Voting explains most of what debate gains (Choi et al. 2025, arXiv 2508.17536), so a round of critique is spent only on
disagreement, and what was said before it always counts (`_votes.py`). Answers are grouped by value or by a referee
(`_referee.py`). Agreement is measured, never assumed, and the panel's size is told as what it is worth.
"""

from __future__ import annotations

import string
from typing import Annotated

from pydantic import Field

from ai.runs.run import Run
from core.errors import BudgetExceededError, InvalidInputError
from core.values import Answer, Failure, Request
from tools.answers.options import read_options
from tools.recipe.context import gather
from tools.recipe.kit import (
    AINames,
    Cost,
    DryRun,
    Files,
    MaxTokens,
    Prompt,
    Reply,
    Thread,
    TimeoutS,
    all_failed,
    check_question,
    choose,
    plan,
    price_range,
    refusal,
)
from tools.recipe.off_loop import off_loop
from tools.recipe.panel import OnPartial, refuse_partial, said
from tools.recipe.structured import structured_request
from tools.voting.count import Count, Member, Panel, count_answers
from tools.voting.past_panels import past_of, remember
from tools.voting.prompts import (
    CRITIQUE_LINES,
    CRITIQUE_SCHEMA,
    FIRST_LINES,
    FIRST_SCHEMA,
    Take,
    critique_prompt,
    first_prompt,
)
from tools.voting.referee import Refereeing
from tools.voting.report import report
from tools.voting.result import Consensus, Seat

Threshold = Annotated[float, Field(ge=0.5, le=1, description="Share in agreement from which nobody is asked again.")]
Referee = Annotated[str | None, Field(description="Who matches open answers. Default: one not on the panel.")]


async def consensus(
    run: Run,
    question: Prompt,
    *,
    ais: AINames = None,
    threshold: Threshold = 0.8,
    referee: Referee = None,
    files: Files = None,
    thread: Thread = None,
    max_tokens: MaxTokens = None,
    timeout_s: TimeoutS = None,
    on_partial: OnPartial = "return",
    dry_run: DryRun = False,
) -> Consensus:
    """Measure whether several AIs agree: independent answers, grouped, weighted by confidence, minority kept; one
    critique round if they do not. n calls, at most 2n + 2."""
    check_question(question)
    if not 0.5 <= threshold <= 1:
        raise InvalidInputError("'threshold' must be between 0.5 and 1: the share of AIs that has to agree.")
    panel = _seated(run, question, ais, referee, max_tokens, timeout_s)
    context = await gather(run, panel.asked, files=files, thread=thread, question=question)
    panel.question, receipt = context.question(run, panel.asked, question)
    if dry_run:
        return (await _plan(run, panel)).but(sent_along=receipt)
    await _answer_independently(run, panel)
    refuse_partial(on_partial, panel.turnout, panel.cost, _known(panel), panel.failed)
    past = await past_of(run, panel.turnout.answered)
    count = await count_answers(run, panel, past.record)
    if count is not None and _worth_a_critique(count, threshold):
        await _critique(run, panel)
        count = await count_answers(run, panel, past.record) or count
    if count is not None:
        await remember(run, question, count.rounds[0].groups)
    result = report(panel, count, threshold, past)
    kept = await context.keep(run, "consensus", question, [("the panel", result.told)])
    return result.but(sent_along=list(dict.fromkeys([*receipt, *kept])))


def _seated(
    run: Run, question: str, ais: list[str] | None, referee: str | None, max_tokens: int | None, timeout_s: float | None
) -> Panel:
    names = choose(run.roster, ais)
    if len(names) < 2:
        raise InvalidInputError(
            "A consensus needs at least two different AIs: name them in 'ais', or configure another one. "
            "To ask one AI several times, use ask_many with 'samples'."
        )
    chosen = referee or run.roster.config.defaults.judge
    if chosen is not None:
        chosen = run.roster.seat(chosen).name
    outsiders = [name for name in run.roster.names if name not in names]
    referees = list(dict.fromkeys([*([chosen] if chosen else []), *outsiders, *names]))
    letters = list(string.ascii_uppercase[: len(names)])
    run.rng("letters").shuffle(letters)
    members = [Member(name, letter) for name, letter in zip(names, letters, strict=True)]
    return Panel(question, names, members, Refereeing(referees, max_tokens), max_tokens, timeout_s)


def _first(run: Run, panel: Panel, ai: str) -> tuple[str, Request]:
    return ai, structured_request(
        run,
        ai,
        first_prompt(panel.question),
        schema=FIRST_SCHEMA,
        lines=FIRST_LINES,
        max_tokens=panel.max_tokens,
        timeout_s=panel.timeout_s,
    )


def _again(run: Run, panel: Panel, ai: str, prompt: str) -> tuple[str, Request]:
    return ai, structured_request(
        run,
        ai,
        prompt,
        schema=CRITIQUE_SCHEMA,
        lines=CRITIQUE_LINES,
        max_tokens=panel.max_tokens,
        timeout_s=panel.timeout_s,
    )


async def _plan(run: Run, panel: Panel) -> Consensus:
    """The calls a consensus makes, and those it may make, with every argument as long as it may be."""
    first = await plan(run, [_first(run, panel, m.ai) for m in panel.members])
    take = Take("word" * max(estimate.output_tokens for estimate in first), "", None)
    others = {member.letter: take for member in panel.members[1:]}
    critique = critique_prompt(panel.question, take, others, run.rng("plan"))
    second = await plan(run, [_again(run, panel, m.ai, critique) for m in panel.members])
    matching = await plan(run, [_again(run, panel, panel.refereeing.candidates[0], critique)] * 2)
    most = [*first, *second, *matching]
    summary = (
        f"DRY RUN: nothing was sent. {len(first)} calls if the AIs agree on a closed answer ({price_range(first)}), "
        f"at most {len(most)} ({price_range(most)}): {len(second)} more if they disagree, and up to 2 of "
        f"{panel.refereeing.candidates[0]} to match open answers (2 more if another referee has to stand in)."
    ) + await refusal(run, most)
    seats = [
        Seat(ai=m.ai, answers=[], confidence=None, dissents=None, statements=[Reply.planned(estimate)])
        for m, estimate in zip(panel.members, first, strict=True)
    ]
    return Consensus(
        summary=summary,
        outcome="no answer",
        verdict=None,
        agreement=None,
        first_agreement=None,
        effective_votes=(await past_of(run, panel.asked)).votes,
        positions=[],
        flips=[],
        claims=[],
        seats=seats,
        referee=None,
        failed=[],
        calls=0,
        cost=Cost(known_usd=0, complete=True),
    )


async def _answer_independently(run: Run, panel: Panel) -> None:
    asks = [_first(run, panel, member.ai) for member in panel.members]
    outcomes = await run.ask_many(asks, role="answer")
    panel.outcomes += outcomes
    for member, outcome in zip(panel.members, outcomes, strict=True):
        if isinstance(outcome, Answer):
            await _hear(run, panel, member, outcome)
        else:
            panel.failed.append(f"{outcome.ai}: {outcome.error.kind}: {outcome.error}")
    panel.members = [member for member in panel.members if member.takes]
    if not panel.members:
        raise all_failed([outcome for outcome in outcomes if isinstance(outcome, Failure)])
    run.step(f"independent answers: {len(panel.members)} of {len(outcomes)}")


async def _critique(run: Run, panel: Panel) -> None:
    """Everybody reads the others once; who falls silent keeps its first answer."""
    asks = []
    for member in panel.members:
        rng = run.rng("critique", member.letter)
        others = [other for other in panel.members if other is not member and not other.takes[0].abstains]
        rng.shuffle(others)
        quoted = {other.letter: other.takes[0] for other in others}
        asks.append(_again(run, panel, member.ai, critique_prompt(panel.question, member.takes[0], quoted, rng)))
    try:
        outcomes = await run.ask_many(asks, role="critique")
    except BudgetExceededError as error:  # the first answers are paid for and stand
        panel.failed.append(f"The critique round: {error}")
        return
    panel.outcomes += outcomes
    for member, outcome in zip(panel.members, outcomes, strict=True):
        if isinstance(outcome, Answer):
            await _hear(run, panel, member, outcome)
        else:
            member.note = f"Fell silent in the critique round; its first answer stands. {outcome.error}"
            member.takes.append(member.takes[0])
    run.step("critique round")


async def _hear(run: Run, panel: Panel, member: Member, answer: Answer) -> None:
    take = await off_loop(
        Take.of, answer.text, read_options(panel.question), otherwise=Take(answer.text, None, None, read=False)
    )
    member.takes.append(take)
    member.replies.append(Reply.of(answer, run.roster).but(text=take.argument))


def _worth_a_critique(count: Count, threshold: float) -> bool:
    """Whether two or more answered, and too few of them the same."""
    (first,) = count.rounds
    return first.agreement is not None and first.agreement < threshold


def _known(panel: Panel) -> list[str]:
    return [
        f"{member.ai}:\n{said(member.replies[0])}\nAnswer: {_known_answer(member.takes[0])}" for member in panel.members
    ]


def _known_answer(take: Take) -> str:
    return take.answer or ("it abstains" if take.read else "not read")
