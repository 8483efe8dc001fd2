"""What a panel is worth: how many independent votes its seats are, learned from how often they agreed.

Nobody knows who was right, so neither accuracy nor correlation of errors can be counted. Both are inferred together
from how many of the seats gave the commonest answer, over all questions, the unanimous ones above all: seats that err
for one reason agree far oftener than their splits allow. Three ways in which errors come together are weighed against
each other by Bayes' rule on a grid: the whole panel shares one draw (a common cause), each seat follows a common answer
with some probability, or questions differ in difficulty (the beta-binomial model, Skellam 1948). The number of votes is
Kish's design effect (Kish 1965), n / (1 + (n - 1) r). What cannot be told apart shows as a wide interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_LEAST_QUESTIONS = 30
_WIDEST = 1.4
"""The interval's ends may be so far apart, as a ratio, for the middle to be called known."""
_RHO = tuple(n / 25 for n in range(26))
_ACCURACY = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.985)
_CHOICES = (2, 3, 4, 6, 12)
_MODELS = ("one draw for all", "each follows", "difficulty")


@dataclass(frozen=True, slots=True)
class Agreement:
    """So many questions with *choices* possible answers (0: nobody knows), on which *largest* of *seats* agreed."""

    choices: int
    seats: int
    largest: int
    groups: int
    questions: int = 1


@dataclass(frozen=True, slots=True)
class Worth:
    """How many independent votes a panel is, the interval that holds it with 90 of 100, and whether that is known."""

    votes: float
    low: float
    high: float
    questions: int

    @property
    def known(self) -> bool:
        return self.high / self.low <= _WIDEST


def worth(agreements: Iterable[Agreement], seats: int) -> Worth | None:
    """What *seats* are worth by how they agreed; None before there is enough to go by."""
    told = [one for one in agreements if one.seats >= 3]
    questions = sum(one.questions for one in told)
    if questions < _LEAST_QUESTIONS or seats < 2:
        return None
    weight = _posterior(told)
    low, middle, high = (seats / (1 + (seats - 1) * _quantile(weight, share)) for share in (0.95, 0.5, 0.05))
    return Worth(round(middle, 2), round(low, 2), round(high, 2), questions)


def _posterior(told: Sequence[Agreement]) -> list[float]:
    """The weight of each correlation on the grid, over all accuracies, ways and numbers of choices."""
    most_groups = max(one.groups for one in told)
    logs: list[tuple[int, float]] = []
    for choices in [number for number in _CHOICES if number >= most_groups] or [_CHOICES[-1]]:
        for model in _MODELS:
            for place, rho in enumerate(_RHO):
                logs += [(place, _likelihood(told, choices, model, p, rho)) for p in _ACCURACY]
    highest = max(log for _, log in logs)
    weight = [0.0] * len(_RHO)
    for place, log in logs:
        weight[place] += math.exp(log - highest)
    total = sum(weight)
    return [one / total for one in weight]


def _likelihood(told: Sequence[Agreement], choices: int, model: str, accuracy: float, rho: float) -> float:
    return sum(
        one.questions * math.log(_sizes(one.seats, one.choices or choices, model, accuracy, rho)[one.largest] + 1e-12)
        for one in told
    )


def _quantile(weight: Sequence[float], share: float) -> float:
    """The correlation below which *share* of the weight lies, between the points of the grid."""
    before = 0.0
    for place, one in enumerate(weight):
        if before + one >= share:
            step = _RHO[1] - _RHO[0]
            inside = (share - before) / one - 0.5 if one else 0.0
            return min(max(_RHO[place] + step * inside, 0.0), 1.0)
        before += one
    return 1.0


@lru_cache(maxsize=20_000)
def _sizes(seats: int, choices: int, model: str, accuracy: float, rho: float) -> tuple[float, ...]:
    """The probability of each size of the largest group, by size."""
    below = [0.0, *(_at_most(size, seats, choices, model, accuracy, rho) for size in range(1, seats + 1))]
    return (0.0, *(max(after - before, 0.0) for before, after in pairwise(below)))


def _at_most(size: int, seats: int, choices: int, model: str, accuracy: float, rho: float) -> float:
    """The probability that no answer is given by more than *size* seats."""
    if model == "one draw for all":
        alone = _spread(size, seats, choices, accuracy)
        return (rho if size >= seats else 0.0) + (1 - rho) * alone
    if model == "each follows":
        follow = math.sqrt(rho)
        return sum(
            math.comb(seats, count) * follow**count * (1 - follow) ** (seats - count)
            * (
                accuracy * _spread(size, seats - count, choices, accuracy, right=count)
                + (1 - accuracy) * _spread(size, seats - count, choices, accuracy, wrong=count)
            )
            for count in range(seats + 1)
        )  # fmt: skip
    return sum(
        chance * _spread(size, seats - right, choices - 1, None)
        for right, chance in enumerate(_difficulty(seats, accuracy, rho))
        if right <= size
    )


def _spread(size: int, seats: int, choices: int, accuracy: float | None, *, right: int = 0, wrong: int = 0) -> float:
    """The probability that independent seats put at most *size* on any answer, which *right* or *wrong* others hold.

    Args:
        accuracy: Of the first of *choices*; None: all are equally likely.
    """
    if right > size or wrong > size:
        return 0.0
    if accuracy is None:
        return math.factorial(seats) * _ways((size,) * choices, seats)[seats] / float(choices) ** seats
    each = (1 - accuracy) / (choices - 1)
    others = _ways((size - wrong, *((size,) * (choices - 2))), seats)
    chances: list[float] = [
        accuracy**count / math.factorial(count) * each ** (seats - count) * others[seats - count]
        for count in range(min(size - right, seats) + 1)
    ]
    return math.factorial(seats) * sum(chances)


@lru_cache(maxsize=4_096)
def _ways(limits: tuple[int, ...], seats: int) -> tuple[float, ...]:
    """The coefficients of the product of exponential series that are cut at *limits*."""
    ways = [1.0] + [0.0] * seats
    for limit in limits:
        own = [1 / math.factorial(count) for count in range(min(limit, seats) + 1)]
        ways = [sum(ways[n - count] * one for count, one in enumerate(own) if count <= n) for n in range(seats + 1)]
    return tuple(ways)


def _difficulty(seats: int, accuracy: float, rho: float) -> list[float]:
    """The beta-binomial probabilities of how many are right."""
    if rho >= 1:
        return [1 - accuracy, *([0.0] * (seats - 1)), accuracy]
    if rho <= 0:
        return [math.comb(seats, n) * accuracy**n * (1 - accuracy) ** (seats - n) for n in range(seats + 1)]
    a, b = accuracy * (1 - rho) / rho, (1 - accuracy) * (1 - rho) / rho

    def beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    return [math.comb(seats, n) * math.exp(beta(n + a, seats - n + b) - beta(a, b)) for n in range(seats + 1)]
