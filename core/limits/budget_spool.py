"""Makes what a call really took survive kill -9 before its commit: one line in a file of this process, then the commit.

A reservation of a process that died counts as spent at its estimate. Where the file of the dead one says what the call
took, whoever finds it puts that in its place. A line of a reservation that is closed by now changes nothing.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.stores.spool import Segment, Spool, left_behind, read_spool

Close = Callable[[Any, Sequence["Closing"]], None]
"""Puts dollars and tokens in place of reservations, over a connection; once for each."""
_PREFIX = "holds-"


@dataclass(slots=True)
class Closing:
    """What the call of a reservation took."""

    hold: str
    ai: str
    usd: float
    tokens: int
    segment: Segment | None = None


class HoldSpool:
    """The lines of the process called *owner* in *folder*, and those that dead ones left there."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder / "holds"
        self._owner = owner
        self._spool = Spool(self._folder, f"{_PREFIX}{owner}")
        self._open = False
        self._lock = threading.Lock()
        self._due: list[Closing] = []

    def open(self) -> None:
        """Be there for the first line. Blocks for a moment; where it cannot be, estimates stand for the dead."""
        if self._open:
            return
        try:
            self._spool.open()
        except OSError:
            return
        self._open = True

    def put(self, closing: Closing) -> bool:
        """Keep *closing* until it is committed; whether it is the first that waits to be written. Never raises."""
        if self._open:
            value = json.dumps([closing.usd, closing.tokens])
            closing.segment = self._spool.put(closing.hold, closing.ai, value, time.time())
        with self._lock:
            self._due.append(closing)
            return len(self._due) == 1

    def take(self) -> list[Closing]:
        """What waits to be written."""
        with self._lock:
            due, self._due = self._due, []
            return due

    def done(self, closings: Sequence[Closing]) -> None:
        """They are committed."""
        for segment, count in Counter(one.segment for one in closings if one.segment is not None).items():
            self._spool.done(segment, count)

    def settle_dead(self, connection: Any, alive: Callable[[str], bool], close: Close) -> list[Path]:
        """Close the reservations of dead processes by what their calls took; `forget` the files once it is committed.

        They are the dead of this machine; those of others leave their files there.
        """
        taken = []
        for name, paths in left_behind(self._folder).items():
            owner = name.removeprefix(_PREFIX)
            if owner == self._owner or alive(owner):
                continue
            for path in paths:
                close(connection, list(_lines(path)))
                taken.append(path)
        return taken

    @staticmethod
    def forget(paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._open = False
        self._spool.close()


class Closings:
    """The reservations that are closed at one moment, taken together when they are first written."""

    def __init__(self, spool: HoldSpool, close: Close) -> None:
        self._spool = spool
        self._close = close
        self._taken: list[Closing] | None = None

    def __call__(self, connection: Any) -> None:
        if self._taken is None:
            self._taken = self._spool.take()
        self._close(connection, self._taken)

    def committed(self, written: Future[None]) -> None:
        if written.exception() is None:
            self._spool.done(self._taken or [])


def _lines(path: Path) -> Iterator[Closing]:
    try:
        lines = list(read_spool(path))
    except OSError:  # somebody else has just taken it over
        return
    for hold, ai, value, _ in lines:
        match json.loads(value):
            case [int() | float() as usd, int(tokens)] if math.isfinite(usd) and usd >= 0 and tokens >= 0:
                yield Closing(hold, ai, float(usd), tokens)
