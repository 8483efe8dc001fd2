"""The pace of a batch: whatever it is told, it says nothing that cannot be."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from server.cli.running.batch_pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_only_what_was_finished_since_somebody_looked_counts() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.saw(None)
    clock.now += 5
    pace.saw(4_000)  # a batch that was resumed
    clock.now += 10
    pace.saw(4_100)
    assert pace.a_second == 10
    assert pace.left_s(4_200) == 10
    assert pace.left_s(4_100) is None


def test_a_figure_that_falls_begins_the_count_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in (500, 600, 100):
        pace.saw(done)
        clock.now += 2
    assert pace.a_second == 0
    pace.saw(110)
    assert pace.a_second == 5


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.one_of(st.none(), st.integers(), st.floats())), max_size=30))
def test_neither_clocks_nor_figures_that_jump_make_it_negative_or_endless(jumps: list[tuple[float, float]]) -> None:
    clock = Clock()
    pace = Pace(clock)
    for seconds, done in jumps:
        clock.now += seconds
        pace.saw(done)
        left_s = pace.left_s(1_000)
        assert 0 <= pace.a_second < math.inf
        assert left_s is None or 0 < left_s < math.inf
