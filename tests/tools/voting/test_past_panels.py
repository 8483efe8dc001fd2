"""What a panel is worth and whose answers tell how much, learned from panels whose truth the test knows."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import anyio.to_thread
import pytest
from scripted_ai import Step, scripted_app
from simulated_panels import SEATS, agreements, common_cause, partition, plurality, together, true_votes

from tools.consensus import consensus
from tools.voting.dependence import Agreement, worth
from tools.voting.past_panels import seat_of
from tools.voting.track_weights import learned

FALSE_MAJORITY = (0.95, 0.45, 0.45, 0.45, 0.45)


def draws(seed: int, count: int, accuracy: float, correlation: float, choices: int = 4) -> Iterator[list[int]]:
    chance = Random(seed)
    return (common_cause(chance, (accuracy,) * 5, correlation, choices, slice(0, 5)) for _ in range(count))


@pytest.mark.parametrize(
    ("accuracy", "correlation"), [(0.5, 0.0), (0.6, 0.63), (0.7, 0.63), (0.5, 0.8), (0.6, 1.0), (0.9, 1.0)]
)
def test_a_common_cause_is_found_within_15_of_100(accuracy: float, correlation: float) -> None:
    found = worth(agreements(draws(1, 200, accuracy, correlation)), 5)
    assert found is not None
    assert found.votes == pytest.approx(true_votes(5, correlation), rel=0.15)
    assert found.low <= true_votes(5, correlation) * 1.05 and found.high >= true_votes(5, correlation) * 0.95


@pytest.mark.parametrize("accuracy", [0.9, 0.95])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_where_agreement_cannot_tell_it_is_not_called_known(accuracy: float, correlation: float) -> None:
    """Seats that are nearly always right agree nearly always, together or not."""
    found = worth(agreements(draws(2, 200, accuracy, correlation)), 5)
    assert found is not None and not found.known
    assert found.low <= true_votes(5, correlation) * 1.05 and found.high >= true_votes(5, correlation) * 0.9


def test_few_questions_are_never_enough() -> None:
    assert worth([], 5) is None and worth([Agreement(0, 2, 2, 1, 500)], 5) is None
    assert worth(agreements(draws(3, 20, 0.6, 1.0)), 5) is None


def test_more_questions_narrow_the_interval() -> None:
    few, many = (worth(agreements(draws(4, count, 0.6, 0.5)), 5) for count in (40, 2_000))
    assert few and many and many.high - many.low < (few.high - few.low) * 0.75 and many.known


def test_one_good_seat_outweighs_four_that_err_together_once_there_is_evidence() -> None:
    chance = Random(5)

    def question() -> list[int]:
        return common_cause(chance, FALSE_MAJORITY, 0.5, 4, slice(1, 5))

    record = learned(together(question() for _ in range(200)))
    assert (
        record is not None
        and record.bloc == frozenset("bcde")
        and record.right["a"] > max(record.right[s] for s in "bcde")
    )
    majority = by_record = 0.0
    for _ in range(2_000):
        answers = question()
        weights = record.weights(dict(zip(SEATS, partition(answers), strict=True)), 0)
        best = max(weights, key=weights.__getitem__)
        by_record += answers[partition(answers).index(best)] == 0
        majority += plurality(answers)
    assert majority / 2_000 < 0.65 and by_record / 2_000 >= 0.85


@pytest.mark.parametrize("accuracy", [0.55, 0.7, 0.9])
def test_equals_that_err_alone_are_not_weighted(accuracy: float) -> None:
    chance = Random(6)
    assert learned(together(common_cause(chance, (accuracy,) * 5, 0.0, 4, slice(1, 5)) for _ in range(200))) is None


def test_little_evidence_weights_nobody() -> None:
    chance = Random(7)
    assert learned(together(common_cause(chance, FALSE_MAJORITY, 0.5, 4, slice(1, 5)) for _ in range(40))) is None


async def test_a_consensus_is_weighted_by_the_record_and_says_so() -> None:
    chance = Random(5)
    script: dict[str, list[Step]] = {"a": ["ANSWER: 7"] * 2} | {name: ["ANSWER: 8"] * 2 for name in "bcde"}
    async with scripted_app(script) as app, app.run("consensus") as run:
        for _ in range(200):
            groups = partition(common_cause(chance, FALSE_MAJORITY, 0.5, 4, slice(1, 5)))
            last = run.track_record.add({seat_of(run, ai): group for ai, group in zip(SEATS, groups, strict=True)})
        last.result(10)
        result = await consensus(run, "How many?", threshold=0.9)
    assert result.verdict == "7" and result.weighted_by_record and result.outcome == "no consensus"
    assert (
        "weighted by track record: how often each was right, and which err together, on 200 earlier" in result.summary
    )
    assert {position.answer for position in result.positions} == {"7", "8"}


async def test_without_evidence_the_worth_is_assumed_and_called_so() -> None:
    async with scripted_app({name: ["ANSWER: 7"] for name in "abc"}) as app, app.run("consensus") as run:
        result = await consensus(run, "How many?")
        seats = [seat_of(run, ai) for ai in "abc"]
        again = await anyio.to_thread.run_sync(run.track_record.together, seats)
    assert "independent votes (assumed; not known yet)" in result.summary and not result.votes_known
    assert [(one.questions, set(one.groups.values())) for one in again] == [(1, {0})], "unanimous questions count"


async def test_who_agrees_only_after_reading_the_others_is_no_consensus() -> None:
    said = {"a": "7", "b": "7", "c": "8"}
    script: dict[str, list[Step]] = {name: [f"ANSWER: {first}", "ANSWER: 7"] for name, first in said.items()}
    async with scripted_app(script) as app, app.run("consensus") as run:
        result = await consensus(run, "How many?")
    assert (result.outcome, result.verdict, result.first_agreement, result.agreement) == (
        "converged",
        "7",
        pytest.approx(2 / 3),
        1,
    )
    assert "no consensus of independent answers, but after reading each other most give “7”" in result.summary
