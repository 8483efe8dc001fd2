"""What earlier panels tell of this one: how many independent votes it is worth, and whose answers tell how much."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import anyio
import anyio.to_thread

from ai.runs.run import Run
from core.errors import StoreError
from core.usage.track_record import Together
from tools.answers.options import read_options
from tools.recipe.panel import family
from tools.voting.dependence import Agreement, Worth, worth
from tools.voting.track_weights import Record, learned
from tools.voting.votes import WeighedVotes, effective_votes

_MOST_S = 15.0
_GROWN = 1.1
_MOST_COMPARED = 6
"""Seats of a larger panel whose agreement is enough to tell how far all go together."""
_LOOKED: dict[tuple[object, ...], tuple[int, dict[str, Any]]] = {}
"""What was learned of which seats, and from how many questions."""


@dataclass(frozen=True, slots=True)
class Past:
    """The worth of a panel, assumed while nothing is known, and the record by which its answers may be weighted."""

    votes: float
    worth: Worth | None = None
    record: Record | None = None

    @property
    def told(self) -> str:
        """The worth in words: measured with its interval, or assumed, and then why."""
        about = f"about {self.votes:.1f} independent votes"
        if self.worth is None:
            return f"{about} (assumed; not known yet)"
        span = f"{self.worth.low:.1f} to {self.worth.high:.1f} by {self.worth.questions} earlier questions"
        return f"{about} ({span})" if self.worth.known else f"{about} (assumed; not known yet: {span})"


async def past_of(run: Run, ais: Sequence[str]) -> Past:
    """What earlier questions tell of a panel of *ais*; only what is assumed where they tell too little."""
    assumed = round(effective_votes([family(run.roster, ai) for ai in ais]), 2)
    seats = {seat_of(run, ai): ai for ai in ais}

    async def look() -> dict[str, Any]:
        try:
            with anyio.move_on_after(_MOST_S):
                return await anyio.to_thread.run_sync(_look, run, list(seats), abandon_on_cancel=True)
        except StoreError:  # it only makes the figures better
            pass
        return {"worth": None, "record": None}

    found = await run.call("earlier panels", look)
    known = Worth(**found["worth"]) if found["worth"] else None
    record = found["record"]
    return Past(
        known.votes if known and known.known else assumed,
        known,
        None
        if record is None
        else Record(
            {seats[seat]: right for seat, right in record["right"].items()},
            frozenset(seats[seat] for seat in record["bloc"]),
            record["shared"],
            record["questions"],
            record["easy"],
        ),
    )


def _look(run: Run, seats: Sequence[str]) -> dict[str, Any]:
    """What the record tells; learned anew only when it has grown, since that takes some of a second."""
    together = run.track_record.together(seats)
    questions = sum(one.questions for one in together)
    key = (run.track_record.path, *sorted(seats))
    before, told = _LOOKED.get(key, (0, {}))
    if not before or not before <= questions < before * _GROWN:
        told = _learn(run.track_record.together(sorted(seats)[:_MOST_COMPARED]), together, len(seats))
        _LOOKED[key] = (questions, told)
    return told


def _learn(compared: Sequence[Together], together: Sequence[Together], seats: int) -> dict[str, Any]:
    measured = worth(_agreements(compared), seats)
    record = learned(together)
    return {
        "worth": asdict(measured) if measured else None,
        "record": asdict(record) | {"bloc": sorted(record.bloc)} if record else None,
    }


def _agreements(together: Sequence[Together]) -> list[Agreement]:
    counted: Counter[tuple[int, int, int, int]] = Counter()
    for one in together:
        sizes = Counter(one.groups.values())
        counted[one.choices, len(one.groups), max(sizes.values()), len(sizes)] += one.questions
    return [Agreement(*key, questions) for key, questions in counted.items()]


async def remember(run: Run, question: str, groups: Mapping[str, int | None]) -> None:
    """Keep which seats gave the same answer before anybody had seen the others, and nothing of what they said."""
    told = {seat_of(run, ai): group for ai, group in groups.items() if group is not None}
    choices = len(read_options(question).labelled)

    async def keep() -> bool:
        with suppress(StoreError):
            await asyncio.wrap_future(run.track_record.add(told, choices))
        return True

    if len(told) > 1:
        await run.call("answers", keep)


def seat_of(run: Run, ai: str) -> str:
    """A seat by its name and model, since another model under the same name is another seat."""
    seat = run.roster.seats.get(ai)
    return f"{ai} {seat.model}" if seat else ai


def weighted(record: Record, groups: Mapping[str, int | None], count: int) -> WeighedVotes:
    """The vote over one round of independent answers, by how often each seat was right on earlier questions.

    Args:
        count: How many groups there are over all rounds; those that nobody was in at first have no share.
    """
    logs = record.weights(groups, 0)
    if not logs:
        return WeighedVotes({}, None)
    top = max(logs.values())
    mass = {group: math.exp(log - top) for group, log in logs.items()}
    total = sum(mass.values())
    shares = {group: one / total for group, one in sorted(mass.items(), key=lambda item: -item[1])}
    best, *others = shares
    shares |= {group: 0.0 for group in range(count) if group not in shares}
    return WeighedVotes(shares, None if others and shares[others[0]] > shares[best] - 1e-9 else best)
