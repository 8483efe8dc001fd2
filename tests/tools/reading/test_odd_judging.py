"""Orders and names that judges write in unusual ways: read as meant, or not read; never as another."""

from __future__ import annotations

import pytest

from tools.judging.prompts import read_ranking
from tools.reading.letters import named_letters

LETTERS = ("A", "B", "C")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("A; B", ("A", "B")),
        ("A/B", ("A", "B")),
        ("- B", ("B",)),
        ("Both A and B", ("A", "B")),
        ("B as well as C", ("B", "C")),
        ("B和C", ("B", "C")),
        ("B; A and C agree", ("B",)),
        ("All except B agree", ("B",)),
        ("Everyone but A agrees", ("A",)),
        ("All agree", ()),
        ("Everyone agrees with the verdict", ()),
        ("There are no dissenters", ()),
        ("Neither", ()),
        ("neither A nor B", ()),
        ("Unanimous", ()),
        ("0", ()),
        ("everyone agrees with A", None),
        ([{"letter": "B"}], ("B",)),
        (["B: it says no", "C (in part)"], ("B", "C")),
    ],
)
def test_who_is_named_is_read_as_meant(said: object, named: tuple[str, ...] | None) -> None:
    assert named_letters(said, LETTERS) == named


@pytest.mark.parametrize(
    ("said", "tiers"),
    [
        ('{"ranking": [{"rank": 3, "answer": "B"}, {"rank": 1, "answer": "A"}, {"rank": 2, "answer": "C"}]}', "A>C>B"),
        (
            '{"ranking": [{"place": 2, "letter": "B"}, {"place": 1, "letter": "A"}, {"place": 1, "letter": "C"}]}',
            "AC>B",
        ),
        ('{"ranking": {"A": 2, "B": 1, "C": 3}}', "B>A>C"),
        ("RANKING: A: 2, B: 1, C: 3", "B>A>C"),
        ("RANKING: A=3, B=2, C=1", "C>B>A"),
        ("RANKING: 1. B\n2. A\n3. C", "B>A>C"),
        ("RANKING: from worst to best C < A < B", "B>A>C"),
    ],
)
def test_a_place_that_is_said_goes_before_the_order_of_the_words(said: str, tiers: str) -> None:
    read = read_ranking(said, LETTERS)
    assert read is not None
    assert ">".join("".join(sorted(tier)) for tier in read[0]) == tiers


@pytest.mark.parametrize(
    "said",
    [
        '{"ranking": {"A": 8, "B": 9, "C": 3}}',
        "RANKING: A: 8, B: 9, C: 3",
        "RANKING: worst to best: C, A, B",
        "RANKING (worst to best): C, A, B",
        "RANKING: (worst first) C > A > B",
        "RANKING: A, B (tied), C",
    ],
)
def test_scores_and_orders_from_the_worst_are_not_taken_for_an_order(said: str) -> None:
    assert read_ranking(said, LETTERS) is None
