"""How much each seat's answer tells, learned from how the seats' answers fell together on the questions so far.

The model is that of Dawid and Skene (1979) in its simplest form, each seat right with a probability of its own, with
one addition without which it takes a crowd that errs together for the truth: on a share of the questions the seats of
one bloc give a single answer of common origin, which is right as often as they are. On the others they answer alone,
and there it shows who is right how often. All is fitted by expectation maximization; the bloc is the one of those that
are tried which explains the answers best, if it does so clearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.usage.track_record import Together

_ROUNDS = 40
_FIRST_ROUNDS = 8
_MOST_SEATS = 8
_MOST_PATTERNS = 400
_CLEARLY = 6.0
"""By how much a bloc must raise the log-likelihood: thrice what one more parameter needs (Akaike 1974)."""
_LEAST_QUESTIONS = 60
_PRIOR_RIGHT, _PRIOR_WRONG = 3.0, 2.0
_BOUNDS = (0.3, 0.98)
_UNSEEN = 0.2
"""How much rarer than by chance it is that nobody of a panel gives the right answer."""
_STARTS = ((0.7, 0.7), (0.5, 0.85), (0.85, 0.5))
"""How right a bloc's seats and the others are thought to be at first."""


@dataclass(frozen=True, slots=True)
class Record:
    """How often each seat is right, by the record; the bloc that errs together, and on which share of the questions."""

    right: Mapping[str, float]
    bloc: frozenset[str]
    shared: float
    questions: int
    easy: float = 0.0
    """The share of the questions that everybody gets right."""

    def weights(self, groups: Mapping[str, int | None], choices: int) -> dict[int, float]:
        """The log-odds of each group of one question's answers, that of its likeliest rival taken off."""
        given = {seat: group for seat, group in groups.items() if group is not None and seat in self.right}
        logs = dict(_truths(Together(given, choices, 1), self))
        return {group: logs[group] for group in logs if group >= 0}


def learned(patterns: Sequence[Together]) -> Record | None:
    """What the answers so far tell; None before they are enough, or where no seats clearly err together."""
    told = sorted((one for one in patterns if len(one.groups) > 2), key=lambda one: -one.questions)[:_MOST_PATTERNS]
    seats = {seat for pattern in told for seat in pattern.groups}
    if sum(pattern.questions for pattern in told) < _LEAST_QUESTIONS or len(seats) > _MOST_SEATS:
        return None
    _, without = _climbed(told, frozenset(), _STARTS[0], _ROUNDS)
    quick = [(_climbed(told, bloc, _STARTS[1], _FIRST_ROUNDS)[1], sorted(bloc)) for bloc in _candidates(told)]
    tried = [frozenset(bloc) for _, bloc in sorted(quick, reverse=True)[:2]]
    fits = [_climbed(told, bloc, start, _ROUNDS) for bloc in tried for start in _STARTS]
    best, likelihood = max(fits, key=lambda fit: fit[1])
    return best if likelihood > without + _CLEARLY else None


def _candidates(patterns: Sequence[Together]) -> Iterator[frozenset[str]]:
    """Blocs to try: from every seat on, those that agree with it most often, as many as outvote the rest; never all.

    A smaller bloc cannot make a false majority, so there is nothing to be won by weighting against it.
    """
    together: dict[frozenset[str], list[float]] = {}
    for pattern in patterns:
        seats = sorted(pattern.groups)
        for place, one in enumerate(seats):
            for other in seats[place + 1 :]:
                count = together.setdefault(frozenset((one, other)), [0.0, 0.0])
                count[0] += pattern.questions * (pattern.groups[one] == pattern.groups[other])
                count[1] += pattern.questions
    seats = sorted({seat for pattern in patterns for seat in pattern.groups})
    tried: set[frozenset[str]] = set()
    for seat in seats:
        near = sorted(
            (other for other in seats if other != seat),
            key=lambda other: -_share(together.get(frozenset((seat, other)))),
        )
        for size in range(len(seats) // 2, len(near)):
            bloc = frozenset((seat, *near[:size]))
            if bloc not in tried:
                tried.add(bloc)
                yield bloc


def _share(count: Sequence[float] | None) -> float:
    return count[0] / count[1] if count and count[1] else 0.0


def _climbed(
    patterns: Sequence[Together], bloc: frozenset[str], start: tuple[float, float], rounds: int
) -> tuple[Record, float]:
    """The record with *bloc* that *rounds* of fitting come to, and the log-likelihood of the answers by it."""
    seats = {seat for pattern in patterns for seat in pattern.groups}
    total = sum(pattern.questions for pattern in patterns)
    first = {seat: start[0] if seat in bloc else start[1] for seat in seats}
    record = Record(first, bloc, 0.4 if bloc else 0.0, total, 0.3)
    likelihood = -math.inf
    for _ in range(rounds):
        rights = dict.fromkeys(seats, _PRIOR_RIGHT)
        wrongs = dict.fromkeys(seats, _PRIOR_WRONG)
        flagged, plain, likelihood = 0.0, 0.0, 0.0
        for pattern in patterns:
            scenes = list(_scenes(pattern, record))
            highest = max(log for _, _, log in scenes)
            weights = [math.exp(log - highest) for _, _, log in scenes]
            mass = sum(weights)
            likelihood += pattern.questions * (highest + math.log(mass))
            for (truth, how, _), weight in zip(scenes, weights, strict=True):
                part = pattern.questions * weight / mass
                plain += part if how == "easy" else 0.0
                flagged += part if how == "shared" else 0.0
                if how == "easy":
                    continue
                for seat, group in pattern.groups.items():
                    if how == "shared" and seat in bloc:
                        continue
                    target = rights if group == truth else wrongs
                    target[seat] += part
        accuracy = {seat: _bounded(rights[seat] / (rights[seat] + wrongs[seat])) for seat in seats}
        share = min((flagged + 1) / (total - plain + 2), 0.98) if bloc else 0.0
        record = Record(accuracy, bloc, share, total, min((plain + 0.5) / (total + 1), 0.98))
    return record, likelihood


def _bounded(share: float) -> float:
    return min(max(share, _BOUNDS[0]), _BOUNDS[1])


def _scenes(pattern: Together, record: Record) -> Iterator[tuple[int, str, float]]:
    """Each explanation of one question's answers: the right group (-1: nobody gave it), how it came about, and the log
    of its probability."""
    seats = pattern.groups
    here = [seat for seat in seats if seat in record.bloc]
    choices = max(pattern.choices, max(seats.values()) + 2, 2)
    united = len(here) > 1 and len({seats[seat] for seat in here}) == 1
    truths = [*dict.fromkeys(seats.values()), -1]
    if len(truths) == 2 and record.easy:
        yield truths[0], "easy", math.log(record.easy)
    hard = math.log(1 - record.easy)
    for truth in truths:
        prior = (
            hard - math.log(choices) + (math.log(_UNSEEN * max(choices - len(truths) + 1, 0.5)) if truth < 0 else 0.0)
        )
        alone = sum(_log(record.right[seat], seats[seat] == truth, choices) for seat in seats)
        if len(here) < 2 or not record.shared:
            yield truth, "alone", prior + alone
            continue
        yield truth, "alone", prior + alone + math.log(1 - record.shared)
        if united:
            others = sum(_log(record.right[seat], seats[seat] == truth, choices) for seat in seats if seat not in here)
            common = sum(record.right[seat] for seat in here) / len(here)
            voice = _log(common, seats[here[0]] == truth, choices)
            yield truth, "shared", prior + others + voice + math.log(record.shared)


def _log(accuracy: float, right: bool, choices: int) -> float:
    return math.log(accuracy if right else (1 - accuracy) / (choices - 1))


def _truths(pattern: Together, record: Record) -> list[tuple[int, float]]:
    """The log-probability of each group to be the right one, summed over how it came about."""
    if not pattern.groups:
        return []
    by_truth: dict[int, float] = {}
    for truth, _, log in _scenes(pattern, record):
        before = by_truth.get(truth, -math.inf)
        top = max(before, log)
        by_truth[truth] = top + math.log(math.exp(before - top) + math.exp(log - top))
    return list(by_truth.items())
