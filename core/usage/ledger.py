"""The usage ledger: every call, written down in `moot.db` after it has ended, and read back as sums.

A sink of the event bus. Writing is posted to the store's own thread, so an answer never waits for the disk, and a
store that is locked, full or damaged stops nothing. Neither file nor thread exists before the first call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from core.errors import (
    StoreError,
)
from core.events import CallAnswered, CallFailed, CallFinished, CallStarted, Event, RunFinished, RunStarted
from core.paths import data_dir
from core.stores.choose import AnyStore, open_store
from core.stores.sqlite import Store
from core.usage.activity import Activity, Wish, activities
from core.usage.rows import Entry, answered, failed, insert, is_row, stamp, values
from core.usage.schema import MIGRATIONS
from core.usage.spool import LedgerSpool, LeftBehind, Line

log = logging.getLogger(__name__)

By = Literal["day", "ai", "tool", "model", "person"]

_GROUPS: dict[By, str] = {
    "day": "substr(at, 1, 10)",
    "ai": "COALESCE(answered_by, ai)",
    "tool": "tool",
    "model": "model",
    "person": "person",
}
_FLUSH_S, _CLOSE_S, _CHECK_S = 30.0, 2.0, 1.0
_SPACING_S = 0.25
"""A commit takes its thread through some twenty waits, and each has the event loop pay for a change of threads."""
_RESOURCE_DAYS = 30


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The calls of one day, AI, tool or model. Tokens and cost leave out answers that came from the cache."""

    key: str
    calls: int
    failed: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    """The part that is known; None when nothing is."""
    cost_complete: bool
    """Whether `cost_usd` is all of it."""
    latency_s: float | None
    """Mean over the answers."""
    first_token_s: float | None
    calls_by_day: dict[str, int]
    cost_by_day: dict[str, float]


class Ledger:
    """Records calls in *path*, by default `moot.db` in the data folder. A sink for the bus; close it in the end."""

    def __init__(self, path: Path | None = None) -> None:
        self._store: AnyStore = (
            Store(path, MIGRATIONS, spacing_s=_SPACING_S)
            if path
            else open_store("moot", MIGRATIONS, spacing_s=_SPACING_S)
        )
        self._spool = LedgerSpool(path.parent if path else data_dir())
        self._due: list[Line] = []
        self._lock = threading.Lock()
        self._opened = False
        self._tools: dict[str, str] = {}
        self._started: dict[str, CallStarted] = {}
        self._hear: dict[type[Any], Callable[[Any], None]] = {
            RunStarted: self._run_started,
            RunFinished: self._run_finished,
            CallStarted: self._call_started,
            CallAnswered: self._call_answered,
            CallFinished: self._call_answered,
            CallFailed: self._call_failed,
        }

    def __call__(self, event: Event) -> None:
        hear = self._hear.get(type(event))
        if hear is not None:
            hear(event)

    def exists(self) -> bool:
        """Whether there may be anything to read. Blocks for a moment."""
        return self._store.exists()

    @property
    def problem(self) -> str | None:
        """Why calls are not recorded at the moment; None when they are."""
        return self._store.problem

    def check(self) -> str | None:
        """Why calls cannot be recorded now, found out by trying; None when they can. Blocks, a second at most."""
        if not self.exists():
            return self.problem
        try:
            self._store.submit(lambda connection: None).result(_CHECK_S)
        except TimeoutError:
            return (
                self.problem
                or "The usage ledger does not answer, so the last calls may not be recorded. Run: moot doctor"
            )
        except StoreError as error:
            return str(error)
        return None

    def usage(self, since: datetime, until: datetime, *, by: By, person: str | None = None) -> list[UsageRow]:
        """What was used from *since* until just before *until*; blocks. An AI is the one that really answered.

        Args:
            person: Whose calls; None: everybody's.

        Raises:
            StoreError: The ledger cannot be read; the message says why.
        """
        if not self.exists():
            return []
        self._take_over()
        query = _QUERY.format(group=_GROUPS[by], whose="TRUE" if person is None else "person = ?")
        values = (stamp(since), stamp(until), *([] if person is None else [person]))
        found = self._store.read(lambda c: c.execute(query, values).fetchall())
        rows = [_fold(key, days) for key, days in _by_key(found)]
        if by == "day":
            return rows
        return sorted(rows, key=lambda row: (-(row.cost_usd or 0), -row.calls, row.key))

    def outcomes(self, since: datetime) -> dict[str, int]:
        """How many calls of everybody ended how since then: `ok`, or the kind of what went wrong; blocks.

        Raises:
            StoreError: The ledger cannot be read.
        """
        if not self.exists():
            return {}
        self._take_over()
        query = "SELECT outcome, count(*) AS calls FROM calls WHERE at >= ? GROUP BY outcome ORDER BY outcome"
        found = self._store.read(lambda c: c.execute(query, (stamp(since),)).fetchall())
        return {row["outcome"]: int(row["calls"]) for row in found}

    def activities(self, wish: Wish) -> list[Activity]:
        """Single calls or runs, newest first; blocks.

        Raises:
            StoreError: The ledger cannot be read.
        """
        if not self.exists():
            return []
        self._take_over()
        return self._store.read(lambda connection: activities(connection, wish))

    def _take_over(self) -> None:
        """Add the rows of processes that were killed before they could write them. Blocks."""
        if self._spool.left:
            with suppress(StoreError, OSError):  # they are shown as soon as they can be written
                self._spool.forget(self._store.submit(self._insert_left_behind).result(_FLUSH_S))

    def flush(self) -> None:
        """Wait until what was recorded so far is in the file; blocks.

        Raises:
            StoreError: It cannot be written now; the message says why.
        """
        self._store.submit(lambda connection: None).result(_FLUSH_S)

    def close(self) -> None:
        """Write what waits and stop; blocks, but not for long: a locked store must not hold up our end."""
        closing = threading.Thread(target=self._close, name="moot-ledger-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        if closing.is_alive():
            log.warning(
                "The usage ledger does not take the last calls, so `moot usage` may not show them. Run: moot doctor"
            )

    def _close(self) -> None:
        self._store.close()
        self._spool.close()

    def _run_started(self, event: RunStarted) -> None:
        self._tools[event.run] = event.tool

    def _run_finished(self, event: RunFinished) -> None:
        self._tools.pop(event.run, None)

    def _call_started(self, event: CallStarted) -> None:
        if not self._opened:
            self._opened = True
            self._store.submit(self._open, patient=True).add_done_callback(self._taken_over)
        self._started[event.call] = event

    def _call_answered(self, event: CallAnswered | CallFinished) -> None:
        """Once for each call, and before anybody waits for a store: it is paid for, whoever is killed in between."""
        if (started := self._started.pop(event.call, None)) is not None:
            self._record(answered(started, self._tools.get(event.run, ""), event.answer))

    def _call_failed(self, event: CallFailed) -> None:
        started = self._started.pop(event.call)
        self._record(failed(started, self._tools.get(event.run, ""), event))

    def _open(self, connection: Any) -> LeftBehind:
        """In the store's thread: be ready for rows, and add those of processes that were killed."""
        self._spool.open()
        return self._insert_left_behind(connection)

    def _taken_over(self, written: Future[LeftBehind]) -> None:
        """In the store's thread as well: the rows are committed, so the files they came from go."""
        if not written.cancelled() and written.exception() is None:
            with suppress(OSError):  # the next one tries again
                self._spool.forget(written.result())

    def _insert_left_behind(self, connection: Any) -> LeftBehind:
        return self._spool.take_over(connection, insert, is_row)

    def _record(self, entry: Entry) -> None:
        line = self._spool.put(values(entry), entry.at)
        with self._lock:
            self._due.append(line)
            if len(self._due) > 1:
                return
        batch = _Batch(self._take, self._spool)
        self._store.submit(batch, patient=True, hurried=False).add_done_callback(batch.committed)

    def _take(self) -> list[Line]:
        with self._lock:
            due, self._due = self._due, []
            return due


def usage_report(ledger: Ledger, now: datetime, person: str | None = None) -> dict[str, Any]:
    """The last 30 days by day and by AI, ready for JSON; blocks.

    Raises:
        StoreError: The ledger cannot be read.
    """
    since = days_back(_RESOURCE_DAYS, now)
    until = now + timedelta(days=1)
    return {
        "since": stamp(since),
        "until": stamp(now),
        "by_day": [as_json(row, "day") for row in ledger.usage(since, until, by="day", person=person)],
        "by_ai": [as_json(row, "ai") for row in ledger.usage(since, until, by="ai", person=person)],
        "problem": ledger.check(),
    }


def as_json(row: UsageRow, by: By) -> dict[str, Any]:
    """*row* with its key under the name of what it is, and without the days, which are a drawing's."""
    values = asdict(row)
    for name in ("calls_by_day", "cost_by_day"):
        del values[name]
    return {by: values.pop("key")} | values


def days_back(days: int, now: datetime) -> datetime:
    """Midnight UTC at the start of the last *days* days, today being one of them."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


_QUERY = """
SELECT {group} AS key, substr(at, 1, 10) AS day,
    COUNT(*) AS calls,
    COUNT(*) FILTER (WHERE outcome NOT IN ('ok', 'cancelled')) AS failed,
    COUNT(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
    CAST(COALESCE(SUM(input_tokens) FILTER (WHERE NOT cached), 0) AS BIGINT) AS input_tokens,
    CAST(COALESCE(SUM(output_tokens) FILTER (WHERE NOT cached), 0) AS BIGINT) AS output_tokens,
    CAST(COALESCE(SUM(cached_tokens) FILTER (WHERE NOT cached), 0) AS BIGINT) AS cached_tokens,
    CAST(COALESCE(SUM(reasoning_tokens) FILTER (WHERE NOT cached), 0) AS BIGINT) AS reasoning_tokens,
    COALESCE(SUM(cost_usd), 0) AS cost_usd,
    COUNT(cost_usd) AS priced,
    COALESCE(SUM(latency_s) FILTER (WHERE outcome = 'ok'), 0) AS latency_s,
    COALESCE(SUM(first_token_s) FILTER (WHERE outcome = 'ok'), 0) AS first_token_s,
    COUNT(first_token_s) FILTER (WHERE outcome = 'ok') AS first_tokens
FROM calls WHERE at >= ? AND at < ? AND {whose}
GROUP BY 1, 2 ORDER BY 1, 2
"""


def _by_key(found: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for row in found:
        groups.setdefault(row["key"], []).append(row)
    return iter(groups.items())


def _fold(key: str, days: list[Any]) -> UsageRow:
    def total(column: str) -> Any:
        return sum(day[column] for day in days)

    calls, priced, first_tokens = total("calls"), total("priced"), total("first_tokens")
    answered = calls - total("failed") - total("cancelled")
    return UsageRow(
        key=key,
        calls=calls,
        failed=total("failed"),
        cancelled=total("cancelled"),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cached_tokens=total("cached_tokens"),
        reasoning_tokens=total("reasoning_tokens"),
        cost_usd=total("cost_usd") if priced else None,
        cost_complete=priced == calls,
        latency_s=total("latency_s") / answered if answered else None,
        first_token_s=total("first_token_s") / first_tokens if first_tokens else None,
        calls_by_day={day["day"]: day["calls"] for day in days},
        cost_by_day={day["day"]: day["cost_usd"] for day in days},
    )


class _Batch:
    """The calls of one moment, taken together when they are first written, and kept for when that fails."""

    def __init__(self, take: Callable[[], list[Line]], spool: LedgerSpool) -> None:
        self._take = take
        self._spool = spool
        self._lines: list[Line] | None = None

    def __call__(self, connection: Any) -> None:
        if self._lines is None:
            self._lines = self._take()
        self._spool.written(connection, self._lines, insert)

    def committed(self, written: Future[None]) -> None:
        if written.exception() is None:
            self._spool.done(self._lines or [])
