"""Ask several AIs the same question at once, each once or several times, and make one answer of theirs if wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ai.runs.run import Run
from core.errors import InvalidInputError
from core.values import Answer, Failure, Outcome, Request
from tools.judging.judging import Candidate, cases_for, request_for
from tools.judging.synthesis import (
    MOST_SAMPLES,
    VALUE_SCHEMA,
    Method,
    Samples,
    Synthesis,
    Synthesize,
    aggregator,
    asked_for_value,
    best,
    merge,
    merge_request,
    read_samples,
    still_needed,
    vote,
)
from tools.reading.final_answer import Reading
from tools.recipe.context import Context, gather
from tools.recipe.kit import (
    MISFIT,
    AINames,
    AnswerSchema,
    Before,
    Cost,
    DryRun,
    EffortLevel,
    Files,
    Images,
    MaxTokens,
    Prompt,
    Reply,
    RoleName,
    System,
    Temperature,
    Thread,
    TimeoutS,
    all_failed,
    along,
    build_request,
    check_question,
    choose,
    counted,
    noted,
    plan,
    price_range,
    refusal,
)
from tools.recipe.panel import Heading, OnPartial, Turnout, default_judges, heading, refuse_partial
from tools.recipe.result import Result
from tools.recipe.structured import check_schema, fitting, keeps_schema


class Replies(Result):
    """Every reply, in the order asked. `summary` says first whether any is missing."""

    summary: str
    replies: list[Reply]
    synthesis: Synthesis | None = None

    def markdown(self) -> str:
        made = [self.synthesis.markdown()] if self.synthesis else []
        parts = [self.summary, *made, *(reply.markdown() for reply in self.replies)]
        return "\n\n".join(parts) + along(self.sent_along)


@dataclass
class _Asking:
    """What is asked of whom, and what came back."""

    prompt: str
    names: list[str]
    samples: int
    synthesize: Method
    options: Mapping[str, Any]
    context: Context = field(default_factory=Context)
    notes: dict[str, str | None] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    readings: dict[str, list[Reading]] = field(default_factory=dict)

    @property
    def by_value(self) -> bool:
        """Whether the AIs are asked for a final answer, by which samples and votes are compared."""
        return self.samples > 1 or self.synthesize == "vote"

    def request(self, run: Run, ai: str, sample: int) -> tuple[str, Request]:
        make = partial(build_request, roster=run.roster, ai=ai, **self.options)
        prompt = self.prompt
        if self.by_value:
            by_schema = keeps_schema(run.roster, ai)
            prompt = asked_for_value(self.prompt, sample, self.samples, by_schema=by_schema)
            make = partial(make, json_schema=VALUE_SCHEMA) if by_schema else make
        request, self.notes[ai] = self.context.request(run, ai, prompt, make)
        return ai, request

    def answers(self, ai: str) -> list[Answer]:
        return [outcome for outcome in self.outcomes[ai] if isinstance(outcome, Answer)]

    @property
    def every(self) -> list[Outcome]:
        return [outcome for name in self.names for outcome in self.outcomes[name]]


async def ask_many(
    run: Run,
    prompt: Prompt,
    *,
    ais: AINames = None,
    synthesize: Synthesize = "none",
    samples: Samples = 1,
    role: RoleName = None,
    files: Files = None,
    images: Images = None,
    thread: Thread = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    effort: EffortLevel = None,
    timeout_s: TimeoutS = None,
    on_partial: OnPartial = "return",
    schema: AnswerSchema = None,
    history: Before = None,
    dry_run: DryRun = False,
) -> Replies:
    """Ask several AIs the same question at once, independently, and return every answer with its author. n AIs x
    samples calls."""
    check_question(prompt)
    await check_schema(schema)
    if not 1 <= samples <= MOST_SAMPLES:
        raise InvalidInputError(f"'samples' must be between 1 and {MOST_SAMPLES}.")
    options = {
        "timeout_s": timeout_s,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "effort": effort,
        "json_schema": schema,
    }
    if schema and (samples > 1 or synthesize == "vote"):
        raise InvalidInputError(
            "A schema does not go with samples or a vote, which ask for an answer of their own form."
        )
    names = choose(run.roster, ais)
    context = await gather(
        run, names, role=role, system=system, files=files, images=images, thread=thread, question=prompt
    )
    context = context.after(history)
    asking = _Asking(prompt, names, samples, synthesize, options, context)
    if synthesize == "best":
        _check_judges(run, asking.names)
    if dry_run:
        return await _plan(run, asking, max_tokens)
    await _ask(run, asking)
    outcomes = asking.every
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if len(failures) == len(outcomes) and not any(failure.error.partial for failure in failures):
        raise all_failed(failures)
    turnout = Turnout(asking.names, [name for name in asking.names if asking.answers(name)])
    replies = await _replies(run, asking)
    why = [f"{failure.ai}: {failure.error.kind}: {failure.error}" for failure in failures]
    known = [reply.markdown() for reply in replies if reply.ok]
    refuse_partial(on_partial, turnout, Cost.of(outcomes), known, why)
    paid = list(outcomes)
    synthesis = await _synthesis(run, asking, max_tokens, paid)
    said = [(answer.ai, answer.text) for name in names for answer in asking.answers(name)]
    receipt = await context.keep(run, "ask_many", prompt, said)
    return Replies(
        **_heading(asking, turnout, synthesis, paid, replies),
        replies=replies,
        synthesis=synthesis,
        sent_along=receipt,
    )


async def _ask(run: Run, asking: _Asking) -> None:
    """Ask everybody once, or until its majority cannot be overtaken; who fails is not asked again."""
    asking.outcomes = {name: [] for name in asking.names}
    while True:
        wave = [ask for name in asking.names for ask in _next(run, asking, name)]
        if not wave:
            return
        outcomes = await run.ask_many(wave)
        if not asking.by_value:
            for (name, _), outcome in zip(wave, outcomes, strict=True):
                asking.outcomes[name].append(outcome)
            return
        for (name, _), (outcome, reading) in zip(wave, await read_samples(asking.prompt, outcomes), strict=True):
            asking.outcomes[name].append(outcome)
            if isinstance(outcome, Answer):
                asking.readings.setdefault(name, []).append(reading)


def _next(run: Run, asking: _Asking, ai: str) -> list[tuple[str, Request]]:
    had = asking.outcomes[ai]
    if any(isinstance(outcome, Failure) for outcome in had) or (had and asking.samples == 1):
        return []
    values = [reading.answer for reading in asking.readings.get(ai, [])]
    count = still_needed(values, asking.prompt, asking.samples)
    return [asking.request(run, ai, len(had) + number) for number in range(1, count + 1)]


async def _replies(run: Run, asking: _Asking) -> list[Reply]:
    replies = []
    for name in asking.names:
        outcomes = asking.outcomes[name]
        for number, outcome in enumerate(outcomes, 1):
            reply = Reply.of(outcome, run.roster)
            if asking.samples > 1:
                which = f"Sample {number} of {len(outcomes)}."
                reply.note = f"{which} {reply.note}" if reply.note else which
            replies.append(noted(await fitting(reply, asking.options["json_schema"]), asking.notes.get(name)))
    return replies


async def _synthesis(run: Run, asking: _Asking, max_tokens: int | None, paid: list[Outcome]) -> Synthesis | None:
    """The one answer that was asked for, or why there is none."""
    method = asking.synthesize
    if method == "none" and asking.samples == 1:
        return None
    by_ai = {name: answers for name in asking.names if (answers := asking.answers(name))}
    if method in ("none", "vote"):
        return vote(run, asking.prompt, asking.readings) if method == "vote" or by_ai else None
    texts = [answer for answers in by_ai.values() for answer in answers if answer.text.strip()]
    if method == "best":
        texts = [_representative(answers, asking.readings.get(name, [])) for name, answers in by_ai.items()]
    if len(texts) < 2:
        return Synthesis(method=method, answer=None, note="There is one answer only: nothing to merge or to compare.")
    return await (merge if method == "merge" else best)(run, asking.prompt, texts, max_tokens, paid)


def _representative(answers: Sequence[Answer], readings: Sequence[Reading]) -> Answer:
    """The first of an AI's samples that gives its commonest answer."""
    values = [reading.answer for reading in readings]
    return answers[values.index(max(values, key=values.count))] if values else answers[0]


def _heading(
    asking: _Asking,
    turnout: Turnout,
    synthesis: Synthesis | None,
    paid: Sequence[Outcome],
    replies: Sequence[Reply],
) -> Heading:
    counted = f", {len(asking.every)} samples" if asking.samples > 1 else ""
    missing = synthesis is not None and synthesis.answer is None
    unread = synthesis.unread if synthesis is not None else 0
    counted += f"; {unread} not read, since no final answer could be found in what they say" if unread else ""
    unfinished = [one for one in asking.every if isinstance(one, Answer) and one.finish_reason == "length"]
    stopped = sum(bool(one.stopped) for one in unfinished)
    cut = len(unfinished) - stopped
    misfits = sum(reply.code == MISFIT for reply in replies)
    counted += f"; {misfits} outside the schema" if misfits else ""
    counted += f"; {stopped} stopped before the end" if stopped else ""
    counted += f"; {cut} cut off at the length limit" if cut else ""
    then = f"{counted}; no {asking.synthesize}: see below" if missing and asking.synthesize != "none" else counted
    incomplete = bool(unread) or any(reply.partial for reply in replies) or (missing and asking.synthesize != "none")
    return heading(turnout, "answered", Cost.of(paid), then=then, incomplete=incomplete)


def _check_judges(run: Run, names: Sequence[str]) -> None:
    """Refuse before anything is paid when nobody may judge.

    Raises:
        InvalidInputError: Every judge would judge its own answer.
    """
    if len(names) > 1:
        cases_for([Candidate(name, name, name) for name in names], default_judges(run.roster, names), None)


async def _plan(run: Run, asking: _Asking, max_tokens: int | None) -> Replies:
    """All calls that may be made: every sample, then what the synthesis takes on the longest answers."""
    asks = [asking.request(run, name, number) for name in asking.names for number in range(1, asking.samples + 1)]
    answers = await plan(run, asks)
    text = "word" * max(estimate.output_tokens for estimate in answers)
    more = await plan(run, _synthesis_asks(run, asking, text, max_tokens))
    every = [*answers, *more]
    most = "at most " if asking.samples > 1 else ""
    parts = f": {counted(len(answers), 'answer')} and {len(more)} to {asking.synthesize}" if more else ""
    summary = f"DRY RUN: nothing was sent. {most}{counted(len(every), 'call')}, {price_range(every)}{parts}."
    summary += await refusal(run, every)
    replies = [Reply.planned(estimate) for estimate in answers]
    return Replies(summary=summary, replies=replies, sent_along=asking.context.lines())


def _synthesis_asks(run: Run, asking: _Asking, text: str, max_tokens: int | None) -> list[tuple[str, Request]]:
    if len(asking.names) < 2 and (asking.synthesize == "best" or asking.samples == 1):
        return []
    if asking.synthesize == "merge":
        ai = aggregator(run, asking.names)
        texts = [text] * (len(asking.names) * asking.samples)
        return [(ai, merge_request(run, ai, asking.prompt, texts, max_tokens))]
    if asking.synthesize == "best":
        candidates = [Candidate(name, f"{text}{name}", name) for name in asking.names]
        cases = cases_for(candidates, default_judges(run.roster, asking.names), None)
        return [(case.judge, request_for(run, asking.prompt, candidates, case, max_tokens)[0]) for case in cases]
    return []
