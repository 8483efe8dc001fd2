"""The fleet's protocol, in every order in which its steps can come; and what goes wrong with each guard taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fleet_model import Guards, Holding, Working, search

ALL = Guards()


@pytest.mark.parametrize("first", [Working(), Holding()])
def test_with_all_guards_nothing_goes_wrong_and_everything_ends(first: Working | Holding) -> None:
    found = search(first, ALL)
    assert found.states > 1_000, "the search has seen something"
    assert (found.faults, found.stuck) == (set(), [])


@pytest.mark.parametrize("guard", ["call_needs_lease", "taken_only_when_lapsed"])
def test_a_worker_that_was_stopped_pays_for_what_others_finished_without(guard: str) -> None:
    found = search(Working(), replace(ALL, **{guard: False}))
    assert found.faults == {"paid for what others finished"}


def test_a_job_is_stuck_when_its_successor_dies_if_a_late_end_takes_its_entry_away() -> None:
    found = search(Working(), replace(ALL, end_spares_the_entry=False))
    assert any(not state.queued and not any(process.entry for process in state.processes) for state in found.stuck)


def test_what_a_process_takes_while_it_closes_waits_for_a_lease_unless_it_gives_it_back() -> None:
    found = search(Working(), replace(ALL, close_gives_back=False))
    assert found.faults == {"closed, and its job waits for a lease"}


def test_a_holder_that_was_stopped_makes_its_successor_wait_for_ever_without_fence_and_look_up() -> None:
    found = search(Holding(), replace(ALL, changes_are_fenced=False, vanished_is_looked_up=False))
    assert found.stuck
    assert all(state.kept for state in found.stuck), "all is paid, and nobody gets it"


@pytest.mark.parametrize("guard", ["changes_are_fenced", "vanished_is_looked_up"])
def test_fence_and_look_up_each_are_enough_for_a_batch_to_end(guard: str) -> None:
    assert search(Holding(), replace(ALL, **{guard: False})).stuck == []


def test_a_holder_that_was_stopped_writes_what_is_written_already_without_a_look_at_its_lease() -> None:
    assert search(Holding(), replace(ALL, write_needs_lease=False)).faults == {"written twice"}
