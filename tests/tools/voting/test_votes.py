from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.voting.votes import Ballot, agreement, effective_votes, tally

BALLOTS = st.lists(
    st.builds(
        Ballot,
        voter=st.uuids().map(str),
        family=st.sampled_from("abc"),
        group=st.none() | st.integers(0, 3),
        confidence=st.none() | st.floats(0, 1),
    ),
    max_size=9,
)


def cast(*votes: tuple[str, int | None, float | None]) -> list[Ballot]:
    return [Ballot(str(n), family, group, sure) for n, (family, group, sure) in enumerate(votes)]


def test_agreement_is_the_share_of_those_with_an_answer() -> None:
    assert agreement([0, 0, 1, None]) == pytest.approx(2 / 3)
    assert agreement([None, None]) is None


def test_equal_seats_of_different_families_decide_by_majority() -> None:
    assert tally(cast(("a", 0, None), ("b", 0, None), ("c", 1, None))).winner == 0


def test_the_surer_of_two_wins() -> None:
    assert tally(cast(("a", 0, 0.9), ("b", 1, 0.6))).winner == 0


def test_a_boast_does_not_outvote_a_panel() -> None:
    assert tally(cast(("a", 0, 1.0), ("b", 1, 0.1), ("c", 1, 0.1), ("d", 1, 0.1))).winner == 1


def test_a_family_that_says_the_same_counts_less_than_as_many_independent_seats() -> None:
    split = cast(("a", 0, None), ("b", 0, None), ("c", 1, None), ("c", 1, None))
    assert tally(split).winner == 0


def test_those_who_abstain_have_no_weight() -> None:
    assert tally(cast(("a", None, 1.0), ("b", 1, 0.2))).shares == {1: 1.0}
    assert tally(cast(("a", None, None))).winner is None


def test_a_tie_has_no_winner() -> None:
    assert tally(cast(("a", 0, None), ("b", 1, None))).winner is None


def test_a_change_towards_the_crowd_does_not_swing_the_vote() -> None:
    first = cast(("a", 0, 0.9), ("b", 0, 0.9), ("c", 1, 0.6), ("c", 1, 0.6), ("c", 1, 0.6))
    second = cast(("a", 0, 0.9), ("b", 1, 0.9), ("c", 1, 0.6), ("c", 1, 0.6), ("c", 1, 0.6))
    assert tally(first).winner == 0
    assert tally(first, second).winner == 0


def test_a_sure_seat_that_gives_in_to_a_larger_group_still_counts_where_it_stood() -> None:
    first = cast(("a", 0, 0.9), ("b", 0, 0.9), ("c", 1, 0.7), ("d", 1, 0.7), ("e", 1, 0.7))
    second = cast(("a", 0, 0.9), ("b", 1, 0.9), ("c", 1, 0.7), ("d", 1, 0.7), ("e", 1, 0.7))
    assert tally(first, second).winner == tally(first).winner == 0


def test_whoever_takes_over_an_answer_after_abstaining_adds_no_weight() -> None:
    first = cast(("a", 0, 0.9), ("b", 1, 0.9), ("c", None, None))
    second = cast(("a", 0, 0.9), ("b", 1, 0.9), ("c", 1, 0.9))
    assert tally(first, second).shares == pytest.approx({0: 0.5, 1: 0.5})


def test_a_change_against_the_crowd_counts() -> None:
    first = cast(("a", 0, None), ("b", 1, None), ("c", 1, None))
    second = cast(("a", 0, None), ("b", 0, None), ("c", 0, None))
    assert tally(first, second).winner == 0


@given(BALLOTS)
def test_shares_are_a_distribution_and_the_winner_has_the_most(ballots: list[Ballot]) -> None:
    result = tally(ballots)
    assert bool(result.shares) == any(ballot.group is not None for ballot in ballots)
    if result.shares:
        assert sum(result.shares.values()) == pytest.approx(1)
    if result.winner is not None:
        assert result.shares[result.winner] == pytest.approx(max(result.shares.values()))


@given(BALLOTS, st.randoms(use_true_random=False))
def test_the_vote_does_not_depend_on_who_is_counted_first(ballots: list[Ballot], rng: object) -> None:
    shuffled = list(ballots)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert tally(shuffled).winner == tally(ballots).winner


def test_effective_votes_are_fewer_than_seats_and_grow_with_families() -> None:
    assert effective_votes(["a"]) == 1
    assert effective_votes([*"abcdefg", "a", "b"]) == pytest.approx(2, abs=0.05), "nine judges are worth about two"
    assert effective_votes(["a"] * 5) < effective_votes(list("abcde")) < 5
