"""What a panel is worth and whose answers count, learned from panels whose truth the simulation knows."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

_ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_CORRELATIONS = (0.0, 0.1, 0.25, 0.5, 0.63, 0.8, 1.0)
_QUESTIONS = 200
_SEEDS = 4


def independent_votes() -> tuple[float, int, int, float]:
    """The distance that nine of ten figures keep that are called known, how many are, of how many, and the share of
    all intervals that hold the truth."""
    from simulated_panels import agreements, common_cause, true_votes

    from tools.voting.dependence import worth

    errors, covered, total = [], 0, 0
    for seed in range(_SEEDS):
        for accuracy in _ACCURACIES:
            for correlation in _CORRELATIONS:
                chance = Random(f"{seed} {accuracy} {correlation}")
                drawn = (common_cause(chance, (accuracy,) * 5, correlation, 4, slice(0, 5)) for _ in range(_QUESTIONS))
                found = worth(agreements(drawn), 5)
                assert found is not None
                truth = true_votes(5, correlation)
                total += 1
                covered += found.low * 0.97 <= truth <= found.high * 1.03
                if found.known:
                    errors.append(abs(found.votes / truth - 1))
    errors.sort()
    return errors[int(len(errors) * 0.9)], len(errors), total, covered / total


def false_majority() -> tuple[float, float]:
    """How often the majority is right, and the vote by track record, where one seat is and four err together."""
    from simulated_panels import SEATS, common_cause, partition, plurality, together

    from tools.voting.track_weights import learned

    majority = by_record = 0.0
    for seed in range(_SEEDS):
        chance = Random(seed)

        def question(chance: Random = chance) -> list[int]:
            return common_cause(chance, (0.95, 0.45, 0.45, 0.45, 0.45), 0.5, 4, slice(1, 5))

        record = learned(together(question() for _ in range(_QUESTIONS)))
        for _ in range(1_000):
            answers = question()
            majority += plurality(answers)
            if record is None:
                by_record += plurality(answers)
                continue
            weights = record.weights(dict(zip(SEATS, partition(answers), strict=True)), 0)
            by_record += answers[partition(answers).index(max(weights, key=weights.__getitem__))] == 0
    return majority / _SEEDS / 1_000, by_record / _SEEDS / 1_000
