"""Makes a row of the ledger survive kill -9 before its commit: one line in a file of this process, then the commit.

Each line has a number, and the ledger knows up to which it has a process's lines, in the same transaction as the rows.
So whoever finds a dead process's file adds exactly what is missing, however often that is tried.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.files.atomic import private_folder
from core.stores.owners import Owner
from core.stores.spool import Segment, Spool, left_behind, read_spool

Row = tuple[Any, ...]
Insert = Callable[[Any, Sequence[Row]], None]
"""Writes rows over a connection."""
LeftBehind = list[tuple[str, list[Path]]]
"""Dead processes and their files."""


@dataclass(slots=True)
class Line:
    """A row on its way into the ledger."""

    number: int
    row: Row
    at: float
    segment: Segment | None = None
    """Where it is kept; None where there is no such file, or not yet."""


class LedgerSpool:
    """The lines of this process in *folder*, and those that dead ones left there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "usage"
        self._owner = Owner(folder / "owners")
        self._spool = Spool(self._folder, f"usage-{self._owner.name}")
        self._lock = threading.Lock()
        self._number = 0
        self._open = False
        self._early: list[Line] | None = []
        """What came before the file was there."""

    def open(self) -> None:
        """Be there for lines. Blocks for a moment; where it cannot be, rows go without."""
        try:
            self._owner.register()
            private_folder(self._folder)
            self._spool.open()
        except (OSError, StoreError):
            self._early = None
            return
        with self._lock:
            self._open = True
            early, self._early = self._early or [], None
            for line in early:
                self._keep(line)

    def put(self, row: Row, at: float) -> Line:
        """Keep *row* until `done`. Never raises."""
        with self._lock:
            self._number += 1
            line = Line(self._number, row, at)
            if self._open:
                self._keep(line)
            elif self._early is not None:
                self._early.append(line)
            return line

    def _keep(self, line: Line) -> None:
        line.segment = self._spool.put(self._owner.name, str(line.number), json.dumps(line.row), line.at)

    def written(self, connection: Any, lines: Sequence[Line], insert: Insert) -> None:
        """Write *lines* and how far this process is, in one transaction of the caller's.

        Those that are there already are left out: whoever lost a connection cannot know what became of its commit.
        """
        there = _noted(connection, self._owner.name) if self._open else 0
        missing = [line for line in lines if line.number > there]
        insert(connection, [line.row for line in missing])
        if self._open and missing:
            _note(connection, self._owner.name, max(line.number for line in missing))

    def done(self, lines: Sequence[Line]) -> None:
        """*lines* are committed."""
        for segment, count in Counter(line.segment for line in lines if line.segment is not None).items():
            self._spool.done(segment, count)

    def take_over(self, connection: Any, insert: Insert, is_row: Callable[[Any], bool]) -> LeftBehind:
        """Write what dead processes left behind and the ledger does not have; `forget` it once that is committed.

        A line that is no row keeps no other one out.
        """
        dead = self._dead()
        for name, paths in dead:
            there = _noted(connection, name)
            lines = (line for path in paths for line in read_spool(path))
            found = {
                int(number): tuple(row)
                for _, number, value, _ in lines
                if number.isdecimal() and is_row(row := json.loads(value))
            }
            missing = [found[number] for number in sorted(found) if number > there]
            insert(connection, missing)
            if found:
                _note(connection, name, max(*found, there))
        return dead

    def forget(self, taken: LeftBehind) -> None:
        """Remove the files of *taken*, and of nobody who died since."""
        for name, paths in taken:
            for path in paths:
                path.unlink(missing_ok=True)
            self._owner.bury(name)

    @property
    def left(self) -> bool:
        """Whether a dead process left anything. Blocks for a moment."""
        return bool(self._dead())

    def close(self) -> None:
        with self._lock:
            self._open, self._early = False, None
        self._spool.close()
        self._owner.close()

    def _dead(self) -> LeftBehind:
        found = left_behind(self._folder)
        names = {owner.removeprefix("usage-"): paths for owner, paths in found.items()}
        return [
            (name, paths) for name, paths in names.items() if name != self._owner.name and not self._owner.alive(name)
        ]


def _note(connection: Any, owner: str, number: int) -> None:
    connection.execute(
        "INSERT INTO spooled (owner, number) VALUES (?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET number = excluded.number WHERE spooled.number < excluded.number",
        (owner, number),
    )


def _noted(connection: Any, owner: str) -> int:
    row = connection.execute("SELECT number FROM spooled WHERE owner = ?", (owner,)).fetchone()
    return int(row[0]) if row else 0
