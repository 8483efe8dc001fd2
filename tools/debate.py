"""A panel argues and comes to a verdict.

The recipe follows multi-agent debate (Du et al. 2023, arXiv 2305.14325) with what was learned since: opening
statements are independent and never dropped, since answers can get worse over rounds (Wynn et al. 2025, arXiv
2509.05396); statements are anonymous and shuffled (position and name bias, Zheng et al. 2023, arXiv 2306.05685);
the judge does not debate where anybody else is available; dissent and changes of mind are listed, not smoothed over.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ai.runs.run import Run
from core.errors import BudgetExceededError, InvalidInputError
from core.values import Answer, Failure, Outcome, Request
from tools.debating.prompts import (
    OPENING_LINES,
    OPENING_SCHEMA,
    REBUTTAL_LINES,
    REBUTTAL_SCHEMA,
    Ruling,
    Statement,
    changed_mind,
    judge_lines,
    judge_prompt,
    judge_schema,
    opening_prompt,
    rebuttal_prompt,
)
from tools.debating.result import Debate, DebateSeat
from tools.recipe.context import gather
from tools.recipe.kit import (
    AINames,
    Cost,
    DryRun,
    Files,
    MaxTokens,
    Prompt,
    Reply,
    SeatTools,
    Thread,
    all_failed,
    check_question,
    choose,
    counted,
    looked_up,
    plan,
    price_range,
    refusal,
    seat_tools,
)
from tools.recipe.off_loop import off_loop
from tools.recipe.panel import Heading, OnPartial, Turnout, cut_off, cut_told, heading, refuse_partial, said
from tools.recipe.structured import structured_request

Rounds = Annotated[int, Field(ge=0, le=4, description="Rebuttal rounds after the opening statements.")]
Judge = Annotated[str | None, Field(description="Who gives the verdict. Default: one that does not debate.")]
Stances = Annotated[dict[str, str] | None, Field(description="Side to argue, by AI name.")]


@dataclass
class _Debater:
    ai: str
    letter: str
    statements: list[Statement] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    note: str | None = None

    @property
    def last(self) -> Statement:
        return self.statements[-1]


@dataclass
class _Table:
    """Who sits at the table, and what it cost so far."""

    question: str
    debaters: list[_Debater]
    max_tokens: int | None
    tools: Sequence[str] = ()
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


async def debate(
    run: Run,
    question: Prompt,
    *,
    ais: AINames = None,
    rounds: Rounds = 1,
    judge: Judge = None,
    stances: Stances = None,
    files: Files = None,
    tools: SeatTools = None,
    thread: Thread = None,
    max_tokens: MaxTokens = None,
    on_partial: OnPartial = "return",
    dry_run: DryRun = False,
) -> Debate:
    """Let several AIs debate a question: independent openings, anonymous rebuttals, a judge's verdict, dissent kept.
    n AIs x (1 + rounds) + 1 calls."""
    check_question(question)
    stances = {run.roster.meant(name): side for name, side in (stances or {}).items()}
    names, judges = _seating(run, ais, judge, stances)
    context = await gather(run, names, files=files, thread=thread, question=question)
    asked, receipt = context.question(run, names, question)
    table = _Table(asked, _lettered(run, names), max_tokens, seat_tools(tools))
    if dry_run:
        return (await _plan(run, table, rounds, judges[0])).but(sent_along=receipt)
    await _opening(run, table, stances)
    _refuse_partial(table, on_partial, names)
    for number in range(1, rounds + 1):
        if len(table.debaters) > 1:
            await _rebuttals(run, table, number)
        _refuse_partial(table, on_partial, names)
    ruling, judged_by = await _verdict(run, table, judges)
    result = _result(table, ruling, judged_by, names)
    kept = await context.keep(run, "debate", question, [("the panel", result.told)])
    return result.but(sent_along=list(dict.fromkeys([*receipt, *kept, *looked_up(run)])))


def _refuse_partial(table: _Table, on_partial: str, asked: list[str]) -> None:
    """End here when a seat is missing or fell silent and the caller wants all or nothing."""
    heard = Turnout(asked, [debater.ai for debater in table.debaters if not debater.note])
    known = [f"{debater.ai}:\n{said(reply)}" for debater in table.debaters for reply in debater.replies]
    why = [*table.failed, *(f"{debater.ai}: {debater.note}" for debater in table.debaters if debater.note)]
    refuse_partial(on_partial, heard, Cost.of(table.outcomes), known, why)


def _seating(
    run: Run, ais: list[str] | None, judge: str | None, stances: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The debaters, and the judges to try in order: outsiders first."""
    names = choose(run.roster, ais)
    chosen = judge or run.roster.config.defaults.judge
    if chosen is not None:
        chosen = run.roster.seat(chosen).name
    if ais is None and len(names) > 2:
        outsider = chosen or names[-1]
        names = [name for name in names if name != outsider]
    if len(names) < 2:
        raise InvalidInputError("A debate needs at least two AIs: name them in 'ais', or configure another one.")
    if unknown := sorted(set(stances) - set(names)):
        raise InvalidInputError(f"'stances' names {unknown[0]!r}, who does not debate. Debaters: {', '.join(names)}.")
    outsiders = [name for name in run.roster.names if name not in names]
    return names, list(dict.fromkeys([*([chosen] if chosen else []), *outsiders, *names]))


async def _plan(run: Run, table: _Table, rounds: int, judge: str) -> Debate:
    """The calls a debate would make, with every statement as long as it may be."""

    openings = await plan(run, [_opening_ask(run, table, d.ai, None) for d in table.debaters])
    longest = max(estimate.output_tokens for estimate in openings)
    said = {d.letter: Statement("word" * longest, "", False) for d in table.debaters}

    def answer_to_others(debater: _Debater) -> str:
        others = {letter: statement for letter, statement in said.items() if letter != debater.letter}
        return rebuttal_prompt(table.question, said[debater.letter], others, run.rng("plan"))

    rebuttals = await plan(run, [_rebuttal_ask(run, table, d.ai, answer_to_others(d)) for d in table.debaters])
    last = {letter: Statement(statement.text, "", False) for letter, statement in said.items()} if rounds else said
    judging = judge_prompt(table.question, said, last, run.rng("plan"))
    verdict = (await plan(run, [_judge_ask(run, table, judge, judging, list(said))]))[0]
    every = [*openings, *(rebuttals * rounds), verdict]
    return Debate(
        summary=f"DRY RUN: nothing was sent. {counted(len(every), 'call')}, {price_range(every)}."
        + await refusal(run, every),
        verdict=None,
        judge=Reply.planned(verdict),
        seats=[
            DebateSeat(
                ai=debater.ai,
                letter=debater.letter,
                statements=[Reply.planned(opening), *[Reply.planned(rebuttal)] * rounds],
                opening_position="",
                position="",
                changed=False,
                dissents=None,
            )
            for debater, opening, rebuttal in zip(table.debaters, openings, rebuttals, strict=True)
        ],
        failed=[],
        cost=Cost(known_usd=0, complete=True),
    )


def _lettered(run: Run, names: list[str]) -> list[_Debater]:
    letters = list(string.ascii_uppercase[: len(names)])
    run.rng("letters").shuffle(letters)
    return [_Debater(name, letter) for name, letter in zip(names, letters, strict=True)]


async def _opening(run: Run, table: _Table, stances: Mapping[str, str]) -> None:
    asks = [_opening_ask(run, table, d.ai, stances.get(d.ai)) for d in table.debaters]
    outcomes = await run.ask_many(asks, role="opening", tools=table.tools)
    table.outcomes += outcomes
    await _take(run, table, outcomes)
    table.failed = [f"{o.ai}: {o.error}" for o in outcomes if isinstance(o, Failure)]
    table.debaters = [debater for debater in table.debaters if debater.statements]
    if not table.debaters:
        raise all_failed([outcome for outcome in outcomes if isinstance(outcome, Failure)])
    run.step(f"opening statements: {len(table.debaters)} of {len(outcomes)}")


async def _rebuttals(run: Run, table: _Table, number: int) -> None:
    asks = []
    for debater in table.debaters:
        others = [other for other in table.debaters if other is not debater]
        rng = run.rng("rebuttal", number, debater.letter)
        rng.shuffle(others)
        prompt = rebuttal_prompt(table.question, debater.last, {other.letter: other.last for other in others}, rng)
        asks.append(_rebuttal_ask(run, table, debater.ai, prompt))
    try:
        outcomes = await run.ask_many(asks, role=f"round {number}", tools=table.tools)
    except BudgetExceededError as error:  # what was said so far is paid for and stays
        table.failed.append(f"Round {number}: {error}")
        return
    table.outcomes += outcomes
    await _take(run, table, outcomes)
    run.step(f"round {number}")


def _opening_ask(run: Run, table: _Table, ai: str, stance: str | None) -> tuple[str, Request]:
    prompt = opening_prompt(table.question, stance)
    return ai, structured_request(
        run, ai, prompt, schema=OPENING_SCHEMA, lines=OPENING_LINES, max_tokens=table.max_tokens
    )


def _rebuttal_ask(run: Run, table: _Table, ai: str, prompt: str) -> tuple[str, Request]:
    return ai, structured_request(
        run, ai, prompt, schema=REBUTTAL_SCHEMA, lines=REBUTTAL_LINES, max_tokens=table.max_tokens
    )


def _judge_ask(run: Run, table: _Table, ai: str, prompt: str, letters: Sequence[str]) -> tuple[str, Request]:
    return ai, structured_request(
        run, ai, prompt, schema=judge_schema(letters), lines=judge_lines(letters), max_tokens=table.max_tokens
    )


async def _take(run: Run, table: _Table, outcomes: list[Outcome]) -> None:
    """Add what was said to each debater; who fell silent keeps what it said before."""
    for debater, outcome in zip(table.debaters, outcomes, strict=True):
        if isinstance(outcome, Answer):
            statement = await off_loop(
                Statement.read, outcome.text, otherwise=Statement(outcome.text, None, changed=False)
            )
            debater.statements.append(statement)
            debater.replies.append(_quoting(outcome, run, statement.text))
        elif debater.statements:
            debater.note = f"Fell silent in a later round; its last statement stands. {outcome.error}"


def _quoting(answer: Answer, run: Run, text: str) -> Reply:
    """The reply with *text*, which is the answer without its marker lines."""
    return Reply.of(answer, run.roster).but(text=text)


async def _verdict(run: Run, table: _Table, judges: list[str]) -> tuple[Ruling | None, Reply | None]:
    """The first judge that answers decides; a failure is reported and the next one asked."""
    if len(table.debaters) < 2:
        return None, None
    heard = list(table.debaters)
    rng = run.rng("judge")
    rng.shuffle(heard)
    openings = {debater.letter: debater.statements[0] for debater in heard}
    prompt = judge_prompt(table.question, openings, {debater.letter: debater.last for debater in heard}, rng)
    letters = [debater.letter for debater in heard]
    for name in judges:
        try:
            (outcome,) = await run.ask_many([_judge_ask(run, table, name, prompt, letters)], role="judge")
        except BudgetExceededError as error:
            table.failed.append(f"{name} as judge: {error}")
            continue
        table.outcomes.append(outcome)
        if isinstance(outcome, Answer):
            run.step(f"verdict by {name}")
            unread = Ruling(None, outcome.text, None)
            ruling = await off_loop(Ruling.read, outcome.text, letters, otherwise=unread)
            return ruling, _quoting(outcome, run, ruling.reasons)
        table.failed.append(f"{name} as judge: {outcome.error}")
    return None, None


def _result(table: _Table, ruling: Ruling | None, judge: Reply | None, asked: list[str]) -> Debate:
    cost = Cost.of(table.outcomes)
    return Debate(
        **_heading(table, ruling, judge, asked, cost),
        verdict=ruling.verdict if ruling else None,
        judge=judge,
        seats=[_seat(debater, ruling) for debater in sorted(table.debaters, key=lambda d: d.letter)],
        failed=table.failed,
        cost=cost,
    )


def _seat(debater: _Debater, ruling: Ruling | None) -> DebateSeat:
    dissenters = ruling.dissenters if ruling else None
    return DebateSeat(
        ai=debater.ai,
        letter=debater.letter,
        statements=debater.replies,
        opening_position=debater.statements[0].shown,
        position=debater.last.shown,
        changed=_changed(debater, ruling),
        dissents=None if dissenters is None else debater.letter in dissenters,
        note=debater.note,
    )


def _changed(debater: _Debater, ruling: Ruling | None) -> bool:
    """Whether a debater ended elsewhere than it began: by comparing its positions, where their wording differs as the
    judge says, and where it says nothing as the debater itself declared."""
    compared = changed_mind(debater.statements[0], debater.last) if len(debater.statements) > 1 else False
    if compared is not None:
        return compared
    if ruling is not None and ruling.changed is not None:
        return debater.letter in ruling.changed
    return any(statement.changed for statement in debater.statements)


def _heading(table: _Table, ruling: Ruling | None, judge: Reply | None, asked: list[str], cost: Cost) -> Heading:
    turnout = Turnout(asked, [debater.ai for debater in table.debaters])
    if len(table.debaters) < 2:
        return heading(turnout, "debated", cost, then=", so there was no debate and no verdict")
    if judge is None or ruling is None:
        then = ", but no judge answered, so there is no verdict"
        return heading(turnout, "debated", cost, then=then, incomplete=True)
    unread = sum(debater.last.position is None for debater in table.debaters)
    incomplete = bool(table.failed) or any(debater.note for debater in table.debaters)
    seat = " (who also debated)" if judge.ai in asked else ""
    gave = "gave the verdict" if ruling.verdict else "gave no verdict that could be read"
    gave += f"; {counted(unread, 'position')} not read, since none is marked" if unread else ""
    cut = cut_off(table.outcomes)
    then = f"; {judge.ai}{seat} {gave}{cut_told(cut)}"
    return heading(turnout, "debated", cost, then=then, incomplete=incomplete or cut > 0)
