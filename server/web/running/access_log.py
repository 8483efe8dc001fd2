"""One line for each request, on stderr: what was asked for as a route, never as an address, and nothing that was said.

Whoever does not read stderr holds up a thread of ours, and never an answer: then lines are left out, and counted.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Form = Literal["off", "text", "json"]
FORMS: tuple[Form, ...] = ("off", "text", "json")
_MOST_WAITING = 10_000
_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that is over.

    Args:
        at: Seconds since the epoch when it came.
        route: The template of what was asked for; empty: nothing that there is, or it was turned away before.
        size: Bytes of the body that were sent.
        person: Who asked, empty for the owner; None: nobody we know.
    """

    at: float
    method: str
    route: str
    status: int
    seconds: float
    size: int
    person: str | None
    id: str


def as_text(seen: Seen) -> str:
    """One line to be read."""
    who = {None: "-", "": "(owner)"}.get(seen.person, seen.person)
    what = f"{seen.method} {seen.route or '-'} {seen.status} {seen.seconds:.3f}s {seen.size}B"
    return f"{_stamp(seen)} {what} person={who} id={seen.id}"


def as_json(seen: Seen) -> str:
    """One line to be taken apart; `person` is empty for the owner, and null for nobody we know."""
    told = {
        "time": _stamp(seen),
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "seconds": round(seen.seconds, 6),
        "bytes": seen.size,
        "person": seen.person,
        "request": seen.id,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


class AccessLog:
    """Writes lines in *form*; `close` it in the end."""

    def __init__(self, form: Form, write: Callable[[str], object] | None = None) -> None:
        self._shape = as_json if form == "json" else as_text
        self._write = write or _to_stderr
        self._waiting: queue.Queue[Seen | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self.lost = 0
        """Lines that were left out because nobody read."""

    def __call__(self, seen: Seen) -> None:
        """Write of *seen* soon; never blocks."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="moot-access-log", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(seen)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what waits. Blocks, but not for long."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                self._waiting.put(None, timeout=_CLOSE_S)
            except queue.Full:
                return
            thread.join(_CLOSE_S)

    def _run(self) -> None:
        while (seen := self._waiting.get()) is not None:
            try:
                self._write(self._shape(seen) + "\n")
            except (OSError, ValueError):  # stderr is full or closed, which ends no server
                self.lost += 1


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def _stamp(seen: Seen) -> str:
    return datetime.fromtimestamp(seen.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
