"""Which answers mean the same: by value where they are closed, else by a referee AI that extracts and matches claims.

The referee sees numbered answers, shuffled anew and without names. What it says counts only if it is a partition of
them that keeps values apart which cannot be the same; anything else is nonsense, and the next referee is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ai.runs.run import Run
from core.errors import BudgetExceededError
from core.untrusted import Fence
from core.values import Answer, Outcome
from tools.answers.options import read_options
from tools.answers.values import Value, grouped, is_closed, leaves_open, surely_differ, value_of
from tools.recipe.off_loop import off_loop
from tools.recipe.structured import structured_request
from tools.voting.prompts import Take
from tools.voting.referee_prompts import REFEREE_LINES, REFEREE_SCHEMA, Matching, Point, read_matching, referee_prompt

_MOST_REFEREES = 2


@dataclass
class Refereeing:
    """Who may referee, and what became of it."""

    candidates: Sequence[str]
    max_tokens: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    referee: str | None = None


def match_values(question: str, answers: Sequence[str]) -> Matching | None:
    """The matching by value, or None when somebody has to read the answers, since most of them are open."""
    values = _values(question, answers)
    typed = sum(value.kind != "text" for value in values)
    return _by_value(values) if is_closed(values) or typed * 2 > len(values) else None


def settled_by_value(question: str, answers: Sequence[str]) -> Matching | None:
    """The matching by value, where what the open answers mean cannot change which answer most give."""
    values = _values(question, answers)
    if is_closed(values):
        return _by_value(values)
    if leaves_open(values):
        return None
    sizes = Counter(group for group, value in zip(grouped(values), values, strict=True) if value.kind != "text")
    most, second = [*(size for _, size in sizes.most_common(2)), 0, 0][:2]
    still_open = len(values) - sizes.total()
    return _by_value(values) if most > second + still_open else None


async def match(run: Run, question: str, takes: Sequence[Take], refereeing: Refereeing) -> Matching | None:
    """Group *takes*, none of which abstains, by meaning; None when no referee made sense of them."""
    read = [take.answer for take in takes if take.answer is not None]
    by_value = settled_by_value(question, read)
    if by_value is not None and all(take.read or not take.argument for take in takes):
        return _without_referee(takes, by_value)
    rng = run.rng("referee", len(takes))
    order = list(range(len(takes)))
    rng.shuffle(order)
    shown = [takes[index] for index in order]
    prompt = referee_prompt(question, shown, Fence(rng))
    for ai in refereeing.candidates[:_MOST_REFEREES]:
        found = await _ask(run, ai, prompt, question, shown, refereeing)
        if found is not None:
            refereeing.referee = ai
            run.step(f"answers matched by {ai}")
            return _unshuffled(found, order)
    return _without_referee(takes, by_value or match_values(question, read)) if read else _nothing(takes)


def _values(question: str, answers: Sequence[str]) -> list[Value]:
    options = read_options(question)
    return [value_of(answer, options) for answer in answers]


def _by_value(values: Sequence[Value]) -> Matching:
    groups = grouped(values)
    return Matching(tuple(groups), tuple(_wording(values, groups)))


def _without_referee(takes: Sequence[Take], by_value: Matching | None) -> Matching | None:
    """What the values alone tell when nobody could read the rest, which then counts for nobody."""
    if by_value is None:
        return None
    groups = iter(by_value.groups)
    return Matching(tuple(None if take.answer is None else next(groups) for take in takes), by_value.wording)


def _nothing(takes: Sequence[Take]) -> Matching:
    return Matching((None,) * len(takes), ())


async def _ask(
    run: Run, ai: str, prompt: str, question: str, takes: Sequence[Take], refereeing: Refereeing
) -> Matching | None:
    request = structured_request(
        run, ai, prompt, schema=REFEREE_SCHEMA, lines=REFEREE_LINES, max_tokens=refereeing.max_tokens
    )
    try:
        (outcome,) = await run.ask_many([(ai, request)], role="referee")
    except BudgetExceededError as error:
        refereeing.failed.append(f"{ai} as referee: {error}")
        return None
    refereeing.outcomes.append(outcome)
    if not isinstance(outcome, Answer):
        refereeing.failed.append(f"{ai} as referee: {outcome.error}")
        return None
    found = await off_loop(read_matching, outcome.text, [take.read for take in takes], otherwise=None)
    if found is None:
        refereeing.failed.append(f"{ai} as referee: its reply did not put every answer into one group.")
        return None
    kept = _kept_apart(found, question, takes)
    if kept is None:
        refereeing.failed.append(f"{ai} as referee: its reply makes one of answers that differ; not counted.")
    return kept


def _kept_apart(found: Matching, question: str, takes: Sequence[Take]) -> Matching | None:
    """*found* with equal values in one group; None where it makes one of values that cannot be the same."""
    places = [place for place, take in enumerate(takes) if take.answer is not None]
    values = dict(zip(places, _values(question, [takes[place].answer or "" for place in places]), strict=True))
    for one, other in combinations(places, 2):
        if found.groups[one] == found.groups[other] and surely_differ(values[one], values[other]):
            return None
    joined = _joined(found, dict(zip(places, grouped(list(values.values())), strict=True)))
    numbers = list(dict.fromkeys(group for group in joined if group is not None))
    groups = tuple(None if group is None else numbers.index(group) for group in joined)
    return Matching(groups, tuple(found.wording[number] for number in numbers), found.points)


def _joined(found: Matching, by_value: Mapping[int, int]) -> list[int | None]:
    """The referee's groups, those in one that hold the same value."""
    groups = list(found.groups)
    first: dict[int, int | None] = {}
    for place, value in by_value.items():
        own, host = groups[place], first.setdefault(value, groups[place])
        if own != host:
            groups = [host if group == own else group for group in groups]
            first = {key: host if group == own else group for key, group in first.items()}
    return groups


def _unshuffled(read: Matching, order: Sequence[int]) -> Matching:
    groups: list[int | None] = [None] * len(order)
    for place, index in enumerate(order):
        groups[index] = read.groups[place]
    points = tuple(
        Point(point.claim, tuple(sorted(order[n] for n in point.by)), tuple(sorted(order[n] for n in point.against)))
        for point in read.points
    )
    return Matching(tuple(groups), read.wording, points)


def _wording(values: Sequence[Value], groups: Sequence[int]) -> list[str]:
    """Each group's commonest way of writing its answer, the first of them on a tie."""
    written: list[list[str]] = [[] for _ in set(groups)]
    for value, group in zip(values, groups, strict=True):
        written[group].append(value.display)
    return [max(forms, key=forms.count) for forms in written]
