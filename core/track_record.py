"""How the families of AIs have dissented so far, question by question: the measure of how independent they are.

Nobody knows who was right, but whoever leaves the largest group of independent answers probably was not, so dissent
stands in for error. Two families that dissent together share their errors: the phi coefficient of their dissents
(Yule 1912) is their correlation. Kept in `track.db`, without questions and answers.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from itertools import combinations
from pathlib import Path

from core.paths import data_dir
from core.store import Store

_PRIOR_QUESTIONS = 30
"""What is assumed of two families counts as much as so many questions with dissent."""

MIGRATIONS = (
    """
    CREATE TABLE pairs (
        one TEXT NOT NULL, other TEXT NOT NULL,
        both INTEGER NOT NULL, first INTEGER NOT NULL, second INTEGER NOT NULL, neither INTEGER NOT NULL,
        PRIMARY KEY (one, other)
    ) WITHOUT ROWID
    """,
)


class TrackRecord:
    """The dissents of all panels of the user."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = Store(path or data_dir() / "track.db", MIGRATIONS)

    def add(self, dissents: Sequence[tuple[str, bool]]) -> Future[None]:
        """Take in one question: for each seat its family, and whether it left the largest group.

        Never blocks. Questions on which all agreed, or all differed, say nothing and are not kept.
        """
        return self._store.submit(lambda connection: _add(connection, dissents))

    def correlations(
        self, families: Sequence[str], prior: Mapping[frozenset[str], float]
    ) -> dict[frozenset[str], float]:
        """The correlation between each two of *families*: what was measured, drawn to *prior* while that is little.

        Blocks.

        Raises:
            StoreError: The record cannot be read.
        """
        if not self._store.path.exists():
            return {}
        rows = self._store.read(lambda c: c.execute("SELECT * FROM pairs").fetchall())
        wanted = set(families)
        return {
            frozenset((one, other)): _drawn(_phi(*counts), sum(counts), prior.get(frozenset((one, other)), 0.0))
            for one, other, *counts in rows
            if one in wanted and other in wanted
        }

    def close(self) -> None:
        """Write what waits. Blocks."""
        self._store.close()


def _add(connection: sqlite3.Connection, dissents: Sequence[tuple[str, bool]]) -> None:
    if len({left for _, left in dissents}) < 2:
        return
    for (one, left), (other, right) in combinations(sorted(dissents), 2):
        row = (one, other, left and right, left and not right, right and not left, not left and not right)
        connection.execute(
            "INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (one, other) DO UPDATE SET both = both + "
            "excluded.both, first = first + excluded.first, second = second + excluded.second, "
            "neither = neither + excluded.neither",
            row,
        )


def _phi(both: int, first: int, second: int, neither: int) -> float | None:
    """The phi coefficient of a table of two by two; None when one of the two never, or always, dissented."""
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    return (both * neither - first * second) / math.sqrt(margins) if margins else None


def _drawn(measured: float | None, questions: int, prior: float) -> float:
    if measured is None:
        return prior
    return (questions * measured + _PRIOR_QUESTIONS * prior) / (questions + _PRIOR_QUESTIONS)
