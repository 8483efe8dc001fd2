"""Vectors that a provider makes, by the endpoint of an AI: within the budgets, and written into the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio.from_thread

from core.errors import MootError, StoreError
from core.memory.index import Matrix

if TYPE_CHECKING:
    from ai.roster.roster import Roster
    from ai.runs.run import Run

_AT_ONCE = 64


def name_of(roster: Roster, ai: str) -> str:
    """What the vectors by the AI called *ai* are known by.

    Raises:
        MootError: There is no such AI.
    """
    seat = roster.seat(ai)
    return f"{seat.provider.name}:{seat.model}"


class EndpointVectors:
    """An `Embedder` by the AI called *ai*, asked through *run*. Works in worker threads of the run's event loop alone.

    Args:
        ai: With its model, as `openai/text-embedding-3-small`.
    """

    at_hand = False
    floor = 0.0  # models differ too much

    def __init__(self, run: Run, ai: str) -> None:
        self.name = name_of(run.roster, ai)
        self._run = run
        self._ai = ai

    def embed(self, texts: Sequence[str]) -> Matrix:
        import numpy as np

        from core.memory.static_vectors import of_length_one

        rows: list[list[float]] = []
        for start in range(0, len(texts), _AT_ONCE):
            some = [text.strip() or "-" for text in texts[start : start + _AT_ONCE]]  # an empty one is refused
            made = anyio.from_thread.run(partial(self._run.embed, self._ai, {"input": some}))
            rows += self._read(made.body, len(some))
        return of_length_one(np.array(rows, np.float32))

    def _read(self, body: bytes, many: int) -> list[list[float]]:
        try:
            data = sorted(json.loads(body)["data"], key=lambda one: one["index"])
            rows = [[float(number) for number in one["embedding"]] for one in data]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise self._odd() from error
        if len(rows) != many or len({len(row) for row in rows}) != 1 or not rows[0]:
            raise self._odd()
        return rows

    def _odd(self) -> MootError:
        return StoreError(f"{self._ai!r} gave no vectors that can be read. Name another AI in memory.embedder.")
