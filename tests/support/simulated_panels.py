"""Panels whose accuracy and dependence are known: seats that answer alone, and on some questions with one voice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

from core.usage.track_record import Together
from tools.voting.dependence import Agreement

SEATS = "abcde"


def common_cause(chance: Random, accuracies: Sequence[float], shared: float, choices: int, bloc: slice) -> list[int]:
    """One question's answers, 0 being right: on a share of the questions the seats in *bloc* give one answer."""

    def answer(accuracy: float) -> int:
        return 0 if chance.random() < accuracy else chance.randrange(1, choices)

    answers = [answer(accuracy) for accuracy in accuracies]
    if chance.random() < shared:
        members = range(len(accuracies))[bloc]
        voice = answer(accuracies[members[0]])
        for member in members:
            answers[member] = voice
    return answers


def partition(answers: Sequence[int]) -> tuple[int, ...]:
    order: dict[int, int] = {}
    return tuple(order.setdefault(answer, len(order)) for answer in answers)


def together(drawn: Iterator[list[int]], choices: int = 0) -> list[Together]:
    counted = Counter(partition(answers) for answers in drawn)
    return [Together(dict(zip(SEATS, groups, strict=True)), choices, n) for groups, n in counted.items()]


def agreements(drawn: Iterator[list[int]], choices: int = 0) -> list[Agreement]:
    counted = Counter((max(Counter(answers).values()), len(set(answers)), len(answers)) for answers in drawn)
    return [Agreement(choices, n, largest, groups, count) for (largest, groups, n), count in counted.items()]


def true_votes(seats: int, correlation: float) -> float:
    return seats / (1 + (seats - 1) * correlation)


def plurality(answers: Sequence[int]) -> float:
    """How far the commonest answer is right: 1, 0, or a share of a tie."""
    counts = Counter(answers)
    most = [answer for answer, count in counts.items() if count == max(counts.values())]
    return (0 in most) / len(most)


def log_odds(answers: Sequence[int], accuracies: Sequence[float], choices: int) -> int:
    mass: Counter[int] = Counter()
    for answer, accuracy in zip(answers, accuracies, strict=True):
        mass[answer] += math.log(accuracy * (choices - 1) / (1 - accuracy))  # type: ignore[assignment]
    return max(mass, key=lambda answer: mass[answer])
