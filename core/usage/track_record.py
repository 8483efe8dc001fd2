"""How the answers of a user's panels fell together, question by question: what worth and weights are learned from.

Kept in `track.db`, for each question which seats gave the same answer and from how many it could be chosen; neither
questions nor answers. Every question counts, those on which all agree above all: without them, seats that err together
look independent.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from core.paths import data_dir
from core.stores.sqlite import Store

MIGRATIONS = (
    """
    CREATE TABLE pairs (
        one TEXT NOT NULL, other TEXT NOT NULL,
        both INTEGER NOT NULL, first INTEGER NOT NULL, second INTEGER NOT NULL, neither INTEGER NOT NULL,
        PRIMARY KEY (one, other)
    ) WITHOUT ROWID
    """,
    """
    DROP TABLE pairs;
    CREATE TABLE answers (
        choices INTEGER NOT NULL, pattern TEXT NOT NULL, questions INTEGER NOT NULL,
        PRIMARY KEY (choices, pattern)
    ) WITHOUT ROWID
    """,
)


@dataclass(frozen=True, slots=True)
class Together:
    """So many questions with *choices* possible answers (0: nobody knows), on which each seat was in that group."""

    groups: Mapping[str, int]
    choices: int
    questions: int


class TrackRecord:
    """The first answers of all panels of the user."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = Store(path or data_dir() / "track.db", MIGRATIONS)

    @property
    def path(self) -> Path:
        return self._store.path

    def add(self, groups: Mapping[str, int], choices: int = 0) -> Future[None]:
        """Take in one question: for each seat that answered the number of its group. Never blocks."""
        pattern = json.dumps(_numbered(groups))
        return self._store.submit(lambda connection: _add(connection, choices, pattern))

    def together(self, seats: Sequence[str]) -> list[Together]:
        """How the answers of *seats* fell together, on all questions that at least two of them answered. Blocks.

        Raises:
            StoreError: The record cannot be read.
        """
        if not self._store.path.exists():
            return []
        rows = self._store.read(lambda c: c.execute("SELECT choices, pattern, questions FROM answers").fetchall())
        wanted = set(seats)
        counted: Counter[tuple[int, tuple[tuple[str, int], ...]]] = Counter()
        for choices, pattern, questions in rows:
            groups = {seat: group for seat, group in json.loads(pattern) if seat in wanted}
            if len(groups) > 1:
                counted[choices, tuple(_numbered(groups))] += questions
        return [Together(dict(groups), choices, count) for (choices, groups), count in counted.items()]

    def close(self) -> None:
        """Write what waits. Blocks."""
        self._store.close()


def _numbered(groups: Mapping[str, int]) -> list[tuple[str, int]]:
    """The seats in order, their groups counted from 0 in that order, so that equal partitions are equal."""
    order: dict[int, int] = {}
    return [(seat, order.setdefault(group, len(order))) for seat, group in sorted(groups.items())]


def _add(connection: sqlite3.Connection, choices: int, pattern: str) -> None:
    connection.execute(
        "INSERT INTO answers VALUES (?, ?, 1) ON CONFLICT (choices, pattern) DO UPDATE SET questions = questions + 1",
        (choices, pattern),
    )
