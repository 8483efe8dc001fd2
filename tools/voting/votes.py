"""Votes of seats that are neither equally sure nor independent.

* A seat's weight comes from the confidence it states, compared with the others on the same question: what helps is
  telling right from wrong within a question, not calibration (CISC, arXiv 2502.06233; ReConcile, arXiv 2309.13007).
* Seats of one family that say the same are partly one voice, and count as many as Kish's effective sample size says.
* What was said before anybody saw the others is never dropped: answers get worse over rounds (arXiv 2509.05396). A
  change towards the larger group may be conformity, so the first answer stands; one against it was argued, and counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

ACROSS_FAMILIES = 0.44
"""Correlation of errors between AIs of different families: nine judges of seven families were worth about two votes
(Kohli 2026, arXiv 2605.29800), and Kish's 9 / (1 + 8r) = 2 gives r = 0.44."""
WITHIN_FAMILY = 0.6
"""Correlation of errors between AIs of one provider or model, where training data and habits are shared."""

_SHARPNESS = 0.25
"""How much confidence tells: a seat surer than another by this share counts e times as much."""
_MOST_RATIO = 2.0
"""The most a seat counts beside one of middling confidence, so that a boast never outvotes a panel."""
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Ballot:
    """One seat's answer in one round, as the number of a group (None: it abstained), and how sure it was (0 to 1)."""

    voter: str
    family: str
    group: int | None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class WeighedVotes:
    """The outcome: each group's share of the weight, and the winner (None: a tie, or nobody voted)."""

    shares: Mapping[int, float]
    winner: int | None


def agreement(groups: Sequence[int | None]) -> float | None:
    """The share of the seats that gave an answer which is in the largest group; None when none did."""
    given = Counter(group for group in groups if group is not None)
    return max(given.values()) / given.total() if given else None


def tally(first: Sequence[Ballot], second: Sequence[Ballot] = ()) -> WeighedVotes:
    """The weighted vote over one round, or over both: *second* holds the same seats after they read each other."""
    mass: dict[int, float] = {}
    for ballots, worth in _rounds(first, second):
        for group, weight in _by_group(ballots, worth).items():
            mass[group] = mass.get(group, 0.0) + weight
    total = sum(mass.values())
    if not total:
        return WeighedVotes({}, None)
    shares = {group: weight / total for group, weight in sorted(mass.items(), key=lambda item: -item[1])}
    level = [group for group, share in shares.items() if max(shares.values()) - share < _TIE]
    return WeighedVotes(shares, level[0] if len(level) == 1 else _most_seats(level, second or first))


def effective_votes(families: Sequence[str]) -> float:
    """How many independent votes seats of these *families* are assumed to be worth: Kish's n / (1 + (n - 1) r), r their
    mean correlation by the defaults, before anything is known of them."""
    n = len(families)
    if n < 2:
        return float(n)
    pairs = [(a, b) for i, a in enumerate(families) for b in families[i + 1 :]]
    mean = sum(WITHIN_FAMILY if a == b else ACROSS_FAMILIES for a, b in pairs) / len(pairs)
    return n / (1 + (n - 1) * mean)


def weights(ballots: Sequence[Ballot]) -> list[float]:
    """What each ballot counts by its confidence relative to the others'; a seat that states none is of the middle."""
    stated = sorted(ballot.confidence for ballot in ballots if ballot.confidence is not None)
    if not stated:
        return [1.0] * len(ballots)
    middle = stated[len(stated) // 2] if len(stated) % 2 else sum(stated[len(stated) // 2 - 1 :][:2]) / 2
    limit = math.log(_MOST_RATIO)

    def weight(confidence: float | None) -> float:
        surer = 0.0 if confidence is None else (confidence - middle) / _SHARPNESS
        return math.exp(min(max(surer, -limit), limit))

    return [weight(ballot.confidence) for ballot in ballots]


def _most_seats(level: Sequence[int], last: Sequence[Ballot]) -> int | None:
    """Which of groups with equal weight has most seats in the end, conformists included; None on a tie."""
    seats = Counter(ballot.group for ballot in last if ballot.group in level).most_common(2)
    return seats[0][0] if len(seats) == 1 or seats[0][1] > seats[1][1] else None


def _rounds(first: Sequence[Ballot], second: Sequence[Ballot]) -> list[tuple[Sequence[Ballot], list[float]]]:
    """The ballots of each round that count, with their weights."""
    if not second:
        return [(first, weights(first))]
    size = Counter(ballot.group for ballot in first if ballot.group is not None)
    before = {ballot.voter: ballot.group for ballot in first}
    unmoved = [
        replace(ballot, group=before.get(ballot.voter))
        if _conforms(before.get(ballot.voter), ballot.group, size)
        else ballot
        for ballot in second
    ]
    return [(first, weights(first)), (unmoved, weights(second))]


def _conforms(before: int | None, after: int | None, size: Mapping[int, int]) -> bool:
    """Whether a seat went where at least as many already stood, or took over an answer when it had none."""
    if after is None or after == before:
        return False
    return after in size and (before is None or size[after] >= size[before])


def _by_group(ballots: Sequence[Ballot], worth: Sequence[float]) -> dict[int, float]:
    """Each group's weight, with seats of one family in one group discounted for what they share."""
    together: dict[tuple[int, str], list[float]] = {}
    for ballot, weight in zip(ballots, worth, strict=True):
        if ballot.group is not None and weight:
            together.setdefault((ballot.group, ballot.family), []).append(weight)
    shared = (WITHIN_FAMILY - ACROSS_FAMILIES) / (1 - ACROSS_FAMILIES)
    mass: dict[int, float] = {}
    for (group, _), several in together.items():
        mass[group] = mass.get(group, 0.0) + sum(several) / (1 + (len(several) - 1) * shared)
    return mass
