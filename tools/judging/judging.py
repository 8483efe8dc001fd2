"""Judging of answers by other AIs, kept clear of what is known to bias them.

Judges prefer what they read first, what is long, and what they wrote themselves (Zheng et al. 2023, arXiv 2306.05685;
Shi et al. 2024, arXiv 2406.07791). So every pair is judged in both orders and only a preference that survives the swap
counts; labels mean nothing and are drawn anew for every call; nobody judges a pair with its own answer; and lengths
are told. Points are Borda's: a win is one, no preference half. With a handful of judges Copeland's pairwise majorities
are mostly ties, while Borda also uses how many judges agreed; the direct comparison breaks what ties are left.
"""

from __future__ import annotations

import hashlib
import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ai.runs.run import Run
from core.errors import BudgetExceededError, InvalidInputError
from core.values import Answer, Outcome, Request
from tools.judging.prompts import pairwise_request, ranked_request, read_ranking
from tools.recipe.off_loop import off_loop

Method = Literal["pairwise", "ranked"]
MOST_PAIRWISE = 3
"""Candidates up to which every pair gets calls of its own by default; beyond, two ranked lists a judge do."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text to judge, and who wrote it, where an AI did."""

    name: str
    text: str
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One call: a judge and the candidates it sees, in that order, by their place among all candidates."""

    judge: str
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one call gave: the candidates best first, in tiers of equals, and the judge's reason."""

    case: Case
    tiers: tuple[tuple[int, ...], ...]
    reason: str

    def prefers(self, one: int, other: int) -> int:
        """1 when *one* is better, -1 when *other* is, 0 when they are equals."""
        place = {member: number for number, tier in enumerate(self.tiers) for member in tier}
        return (place[one] < place[other]) - (place[one] > place[other])


@dataclass
class Judging:
    """All opinions, what they cost, and what was left out."""

    candidates: Sequence[Candidate]
    cases: Sequence[Case] = ()
    opinions: list[Opinion] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unreadable: int = 0

    def preferences(self) -> Iterator[tuple[int, int, int | None]]:
        """Every judge's preference on each pair it saw in both orders; None where the order turned it around."""
        for judge in dict.fromkeys(opinion.case.judge for opinion in self.opinions):
            own = [opinion for opinion in self.opinions if opinion.case.judge == judge]
            for one, other in itertools.combinations(range(len(self.candidates)), 2):
                both = _both_orders(own, one, other)
                if both is not None:
                    yield one, other, both[0] if both[0] == both[1] else None

    @property
    def flip_rate(self) -> float | None:
        """The share of the preferences that changed with the order."""
        found = [preference for _, _, preference in self.preferences()]
        return found.count(None) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class Score:
    """How one candidate did against the others, over all judges."""

    candidate: int
    wins: int
    losses: int
    undecided: int

    @property
    def points(self) -> float:
        """Borda's, as a share of what it could have won."""
        compared = self.wins + self.losses + self.undecided
        return (self.wins + self.undecided / 2) / compared if compared else 0.0


def cases_for(candidates: Sequence[Candidate], judges: Sequence[str], method: Method | None) -> list[Case]:
    """Every call of a judging, whatever order the candidates came in; each order beside its reversal.

    Raises:
        InvalidInputError: No judge may judge any two of them.
    """
    by_pairs = method == "pairwise" or (method is None and len(candidates) <= MOST_PAIRWISE)
    cases = []
    for judge in judges:
        foreign = [place for place in _canonical(candidates) if candidates[place].author != judge]
        lists = list(itertools.combinations(foreign, 2)) if by_pairs else [tuple(foreign)]
        cases += [Case(judge, order) for one in lists if len(one) > 1 for order in (one, one[::-1])]
    if not cases:
        raise InvalidInputError(
            "Nobody may judge: each judge would judge its own answer. Name in 'judges' an AI that does not answer."
        )
    return cases


async def judge_all(
    run: Run, question: str, candidates: Sequence[Candidate], cases: Sequence[Case], max_tokens: int | None = None
) -> Judging:
    """Put all *cases* to their judges at once. A judge that fails or talks nonsense is told in the result."""
    judging = Judging(candidates, cases)
    asked = [request_for(run, question, candidates, case, max_tokens) for case in cases]
    asks = [(case.judge, request) for case, (request, _) in zip(cases, asked, strict=True)]
    try:
        judging.outcomes = await run.ask_many(asks, role="judge")
    except BudgetExceededError as error:
        judging.failed.append(f"The judging: {error}")
        return judging
    for case, (_, labels), outcome in zip(cases, asked, judging.outcomes, strict=True):
        await _take(judging, case, labels, outcome)
    run.step(f"{len(judging.opinions)} of {len(cases)} judgements")
    return judging


def request_for(
    run: Run, question: str, candidates: Sequence[Candidate], case: Case, max_tokens: int | None
) -> tuple[Request, dict[str, int]]:
    """The request of one case, and which candidate each of its labels stands for."""
    digests = [_digest(candidates[place].text) for place in case.order]
    rng = run.rng("judge", case.judge, *digests)
    labels = dict(zip(rng.sample(string.ascii_uppercase, len(case.order)), case.order, strict=True))
    texts = {label: candidates[place].text for label, place in labels.items()}
    ask = pairwise_request if len(texts) == 2 else ranked_request
    return ask(run, case.judge, question, texts, rng, max_tokens), labels


def standings(judging: Judging) -> list[Score]:
    """The candidates by points, best first; the direct comparison breaks ties of two."""
    found = list(judging.preferences())
    scores = [_score(place, found) for place in range(len(judging.candidates))]
    scores.sort(key=lambda score: (-score.points, _digest(judging.candidates[score.candidate].text)))
    if len(scores) > 1 and scores[0].points == scores[1].points and _beats(found, scores[1], scores[0]):
        scores[:2] = scores[1::-1]
    return scores


def winner(judging: Judging) -> int | None:
    """The candidate ahead of all others; None on a tie, or when no preference was readable."""
    found = list(judging.preferences())
    if not found:
        return None
    first, *others = standings(judging)
    equals = [score for score in others if score.points == first.points]
    ahead = not equals or (len(equals) == 1 and _beats(found, first, equals[0]))
    return first.candidate if ahead else None


def _score(place: int, found: Sequence[tuple[int, int, int | None]]) -> Score:
    mine = [
        (preference or 0) * (1 if place == one else -1) for one, other, preference in found if place in (one, other)
    ]
    return Score(place, mine.count(1), mine.count(-1), mine.count(0))


def _beats(found: Sequence[tuple[int, int, int | None]], one: Score, other: Score) -> bool:
    """Whether more judges prefer *one* in the direct comparison of the two."""
    pair = (one.candidate, other.candidate)
    return sum((p or 0) * (1 if a == pair[0] else -1) for a, b, p in found if {a, b} == set(pair)) > 0


def _both_orders(opinions: Sequence[Opinion], one: int, other: int) -> tuple[int, int] | None:
    """What a judge said of a pair with *one* shown first and with *other* shown first, where it said both."""
    seen: dict[bool, int] = {}
    for opinion in opinions:
        order = opinion.case.order
        if one in order and other in order:
            seen[order.index(one) < order.index(other)] = opinion.prefers(one, other)
    return (seen[True], seen[False]) if len(seen) == 2 else None


async def _take(judging: Judging, case: Case, labels: dict[str, int], outcome: Outcome) -> None:
    if not isinstance(outcome, Answer):
        _note(judging, f"{case.judge} as judge: {outcome.error.kind}: {outcome.error}")
        return
    really = outcome.answered_by or outcome.ai
    if any(judging.candidates[place].author == really for place in case.order):
        _note(judging, f"{case.judge} as judge: answered by {really!r}, whose own answer it was; not counted.")
        return
    read = await off_loop(read_ranking, outcome.text, list(labels), otherwise=None)
    if read is None:
        judging.unreadable += 1
        _note(judging, f"{case.judge} as judge: its reply names no preference that can be read; not counted.")
        return
    tiers, reason = read
    judging.opinions.append(Opinion(case, tuple(tuple(labels[label] for label in tier) for tier in tiers), reason))


def _note(judging: Judging, sentence: str) -> None:
    if sentence not in judging.failed:
        judging.failed.append(sentence)


def _canonical(candidates: Sequence[Candidate]) -> list[int]:
    """The candidates in an order that does not depend on how they were given."""
    return sorted(range(len(candidates)), key=lambda place: (_digest(candidates[place].text), place))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
