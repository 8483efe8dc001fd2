"""Judge answers against each other: texts that are given, or answers that AIs are asked for first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ai.runs.run import Run
from core.errors import InvalidInputError
from core.untrusted import quoted
from core.values import Answer, Failure, Outcome
from tools.judging.judgement import Judgement
from tools.judging.judging import Candidate, Case, Method, cases_for, judge_all, request_for
from tools.recipe.kit import (
    AINames,
    Cost,
    DryRun,
    MaxTokens,
    Prompt,
    Reply,
    TimeoutS,
    all_failed,
    build_request,
    check_question,
    choose,
    counted,
    plan,
    price_range,
    refusal,
)
from tools.recipe.panel import OnPartial, Turnout, cut_off, cut_told, default_judges, heading, refuse_partial
from tools.recipe.result import Result

MOST_CANDIDATES = 16

Candidates = Annotated[
    list[str] | None, Field(description="The answers to judge. Default: ask the AIs.", max_length=MOST_CANDIDATES)
]
Judges = Annotated[list[str] | None, Field(description="Who judges. Default: one that does not answer.", max_length=8)]
How = Annotated[Method | None, Field(description="pairwise: n(n-1) calls a judge; ranked: 2. Default: by n.")]


class Judged(Result):
    """The judgement over the candidates; `answers` holds the AIs' replies where they were asked."""

    summary: str
    judgement: Judgement | None
    answers: list[Reply]
    failed: list[str]
    calls: int
    cost: Cost

    def markdown(self) -> str:
        parts = [self.summary]
        if self.judgement is not None:
            parts.append(self.judgement.markdown())
        for reply in self.answers:
            parts.append(f"## Answer of {reply.ai}\n*{reply.byline}*\n\n{quoted(reply.text)}")
        if self.failed:
            parts.append("## Not heard\n" + "\n".join(f"- {reason}" for reason in self.failed))
        return "\n\n".join(parts)


async def judge(
    run: Run,
    question: Prompt,
    *,
    candidates: Candidates = None,
    ais: AINames = None,
    judges: Judges = None,
    method: How = None,
    max_tokens: MaxTokens = None,
    timeout_s: TimeoutS = None,
    on_partial: OnPartial = "return",
    dry_run: DryRun = False,
) -> Judged:
    """Find the best of several answers, given or asked for: anonymous, every pair in both orders, only preferences
    that survive the swap count."""
    check_question(question)
    names = _answerers(run, candidates, ais)
    chosen = _judges(run, names, judges)
    expected = _given(candidates) if candidates is not None else [Candidate(name, name, name) for name in names]
    cases = cases_for(expected, chosen, method)
    if dry_run:
        return await _plan(run, question, names, expected, cases, max_tokens)
    outcomes = await _answers(run, question, names, max_tokens, timeout_s)
    answered = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    failed = [f"{o.ai}: {o.error.kind}: {o.error}" for o in outcomes if isinstance(o, Failure)]
    replies = [Reply.of(answer, run.roster) for answer in answered]
    if names:
        turnout = Turnout(names, [answer.ai for answer in answered])
        said = [f"{reply.ai}:\n{quoted(reply.text)}" for reply in replies]
        refuse_partial(on_partial, turnout, Cost.of(outcomes), said, failed)
        expected = [Candidate(a.ai, a.text, a.answered_by or a.ai) for a in answered if a.text.strip()]
    cases = _cases(expected, chosen, method)
    if not cases:
        return _unjudged(names, replies, failed, outcomes)
    judging = await judge_all(run, question, expected, cases, max_tokens)
    every = [*outcomes, *judging.outcomes]
    judgement = Judgement.of(judging)
    heard = Turnout(names or chosen, [reply.ai for reply in replies] if names else judgement.judges)
    refuse_partial(
        on_partial, Turnout(chosen, judgement.judges), Cost.of(every), [judgement.markdown()], judging.failed
    )
    head = heading(
        heard,
        "answered" if names else "judged",
        Cost.of(every),
        then=f"; {judgement.verdict.rstrip('.')}{cut_told(cut_off(every))}",
        incomplete=bool(judging.failed) or cut_off(every) > 0,
    )
    return Judged(**head, judgement=judgement, answers=replies, failed=failed, calls=len(every), cost=Cost.of(every))


def _answerers(run: Run, candidates: Sequence[str] | None, ais: list[str] | None) -> list[str]:
    """Who is asked for answers: nobody where they are given."""
    if candidates is None:
        names = choose(run.roster, ais)
        if ais is None and len(names) > 2:  # somebody has to be left who may judge
            chosen = run.roster.config.defaults.judge or names[-1]
            names = [name for name in names if name != chosen]
        if len(names) < 2:
            raise InvalidInputError("Judging needs at least two different AIs in 'ais', or texts in 'candidates'.")
        return names
    if ais is not None:
        raise InvalidInputError("Give either 'candidates' or 'ais' that answer, not both; judges go into 'judges'.")
    return []


def _cases(candidates: Sequence[Candidate], judges: Sequence[str], method: Method | None) -> list[Case]:
    """The calls that judge what was really answered; none when fallbacks left nobody who may, as the answers stay."""
    try:
        return cases_for(candidates, judges, method) if len(candidates) > 1 else []
    except InvalidInputError:
        return []


def _given(candidates: Sequence[str]) -> list[Candidate]:
    if len(candidates) < 2:
        raise InvalidInputError("'candidates' needs at least two answers to judge.")
    if len(candidates) > MOST_CANDIDATES:
        raise InvalidInputError(f"'candidates' has {len(candidates)} answers; at most {MOST_CANDIDATES} are judged.")
    if empty := [str(number) for number, text in enumerate(candidates, 1) if not text.strip()]:
        raise InvalidInputError(f"'candidates' {', '.join(empty)} is empty: every answer needs text.")
    return [Candidate(f"candidate {number}", text) for number, text in enumerate(candidates, 1)]


def _judges(run: Run, authors: Sequence[str], judges: list[str] | None) -> list[str]:
    if judges is not None and not judges:
        raise InvalidInputError("'judges' is empty: name at least one AI, or leave it out.")
    chosen = run.roster.expand(judges) if judges else default_judges(run.roster, authors)
    return list(dict.fromkeys(run.roster.seat(name).name for name in chosen))


async def _answers(
    run: Run, question: str, names: Sequence[str], max_tokens: int | None, timeout_s: float | None
) -> list[Outcome]:
    asks = [
        (name, build_request(question, run.roster, name, timeout_s=timeout_s, max_tokens=max_tokens)) for name in names
    ]
    outcomes = await run.ask_many(asks, role="answer") if asks else []
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if failures and len(failures) == len(outcomes):
        raise all_failed(failures)
    return outcomes


def _unjudged(names: Sequence[str], replies: list[Reply], failed: list[str], outcomes: Sequence[Outcome]) -> Judged:
    heard = Turnout(names, [reply.ai for reply in replies])
    few = ", so there is nothing to compare and no verdict"
    then = few if len(replies) < 2 else ", but nobody was left who may judge them, so there is no verdict"
    return Judged(
        **heading(heard, "answered", Cost.of(outcomes), then=then, incomplete=True),
        judgement=None,
        answers=replies,
        failed=failed,
        calls=len(outcomes),
        cost=Cost.of(outcomes),
    )


async def _plan(
    run: Run,
    question: str,
    names: Sequence[str],
    expected: Sequence[Candidate],
    cases: Sequence[Case],
    max_tokens: int | None,
) -> Judged:
    """The calls a judging makes, with every answer as long as it may be."""
    asks = [(name, build_request(question, run.roster, name, max_tokens=max_tokens)) for name in names]
    answers = await plan(run, asks)
    if names:
        text = "word" * max(estimate.output_tokens for estimate in answers)
        expected = [Candidate(one.name, f"{text}{one.name}", one.author) for one in expected]
    requests = [(case.judge, request_for(run, question, expected, case, max_tokens)[0]) for case in cases]
    judgements = await plan(run, requests)
    every = [*answers, *judgements]
    return Judged(
        summary=f"DRY RUN: nothing was sent. {counted(len(every), 'call')}, {price_range(every)}: "
        f"{counted(len(answers), 'answer')} and "
        f"{len(judgements)} judgements by {', '.join(dict.fromkeys(case.judge for case in cases))}."
        + await refusal(run, every),
        judgement=None,
        answers=[Reply.planned(estimate) for estimate in answers],
        failed=[],
        calls=0,
        cost=Cost(known_usd=0, complete=True),
    )
