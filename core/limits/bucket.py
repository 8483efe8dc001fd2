"""Token buckets as values, and the shelves they stand on: in memory, in a table, or in one transaction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

from core.values import Priority

LimitKind = Literal["requests", "tokens"]
T = TypeVar("T")

MINUTE_S = 60.0
LONGEST_REST_S = 86_400.0
_USABLE = 0.97
"""Requests do not travel equally fast, so what left evenly may arrive in a bunch: this much slack absorbs that."""
_BURST = 0.1
"""Of a limit per second, so much may go at once; the rest of what a second may see more is slack for bunches."""
_RESERVE: dict[Priority, float] = {"interactive": 0.0, "background": 0.1, "batch": 0.25}
"""The part of a bucket each priority leaves for the more urgent ones."""

MIGRATIONS = (
    """
    CREATE TABLE buckets (
        key TEXT NOT NULL, kind TEXT NOT NULL,
        amount REAL NOT NULL, period_s REAL NOT NULL, level REAL NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (key, kind)
    ) WITHOUT ROWID;
    CREATE TABLE rests (
        key TEXT PRIMARY KEY, until REAL NOT NULL, seconds REAL NOT NULL, reason TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """*amount* per *period_s* seconds."""

    amount: float
    period_s: float = MINUTE_S


@dataclass(frozen=True, slots=True)
class Bucket:
    """How full a bucket was at a moment of the wall clock. Below zero, that much is promised to those who wait."""

    limit: Limit
    level: float
    at: float

    @classmethod
    def full(cls, limit: Limit, now: float) -> Bucket:
        return cls(limit, _capacity(limit), now)

    @property
    def capacity(self) -> float:
        return _capacity(self.limit)

    @property
    def rate(self) -> float:
        return self.limit.amount / self.limit.period_s

    def refilled(self, now: float) -> Bucket:
        """The bucket at *now*. A clock that jumps gives nothing back, or at most one period, or a minute."""
        elapsed = min(max(now - self.at, 0.0), max(self.limit.period_s, MINUTE_S))
        return replace(self, level=min(self.capacity, self.level + elapsed * self.rate), at=now)

    def limited(self, limit: Limit) -> Bucket:
        """The same bucket under another limit."""
        changed = replace(self, limit=limit)
        return replace(changed, level=min(self.level, changed.capacity))

    def wait_s(self, amount: float, priority: Priority) -> float:
        """Seconds until *amount* may be used by somebody of *priority* who asks now."""
        wanted = min(amount, self.capacity) + _RESERVE[priority] * self.capacity
        return max(0.0, min(wanted, self.capacity) - self.level) / self.rate

    def take(self, amount: float) -> Bucket:
        """One request may be larger than the bucket: it waits for a full one, not for ever."""
        return replace(self, level=self.level - min(amount, self.capacity))

    def give(self, amount: float) -> Bucket:
        """Return what was not used; a negative *amount* takes what was used beyond the estimate."""
        bounded = min(max(amount, -self.capacity), self.capacity)
        return replace(self, level=min(self.capacity, self.level + bounded))

    def at_most(self, level: float) -> Bucket:
        """The provider knows better how much is left, unless that is more than we think."""
        return replace(self, level=min(self.level, level))


def _are_numbers(*values: object) -> bool:
    """Whether nobody wrote anything else into the file by hand."""
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _capacity(limit: Limit) -> float:
    return max(1.0, limit.amount * (_USABLE if limit.period_s >= MINUTE_S else _BURST))


@dataclass(frozen=True, slots=True)
class Rest:
    """A key is left alone until a moment of the wall clock, and for *seconds* at most from whenever one looks."""

    until: float = 0.0
    seconds: float = 0.0
    reason: str = ""

    def left_s(self, now: float) -> float:
        return max(min(self.until - now, self.seconds), 0.0)

    def at(self, now: float) -> Rest:
        """This rest by a clock that was set back."""
        return replace(self, until=now + self.left_s(now))


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a reservation: go after *wait_s* seconds if *taken*, else ask again then."""

    taken: bool
    wait_s: float = 0.0
    reason: str = ""
    headroom: float = 1.0
    """How full the emptier bucket is now, from 1 down; below 0 others wait already."""
    at: float = field(default=0.0, compare=False)
    """When that is, by the clock of the buckets."""


_AWAKE = Rest()


class Shelf(Protocol):
    def bucket(self, key: str, kind: LimitKind) -> Bucket | None: ...
    def put(self, key: str, kind: LimitKind, bucket: Bucket) -> None: ...
    def rest(self, key: str) -> Rest: ...
    def put_rest(self, key: str, rest: Rest) -> None: ...


Transition = Callable[[Shelf], T]


@dataclass
class ShelvesInMemory:
    """The buckets of this process alone."""

    buckets: dict[tuple[str, LimitKind], Bucket] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)

    def bucket(self, key: str, kind: LimitKind) -> Bucket | None:
        return self.buckets.get((key, kind))

    def put(self, key: str, kind: LimitKind, bucket: Bucket) -> None:
        self.buckets[key, kind] = bucket

    def rest(self, key: str) -> Rest:
        return self.rests.get(key, _AWAKE)

    def put_rest(self, key: str, rest: Rest) -> None:
        self.rests[key] = rest


@dataclass(frozen=True)
class Table:
    """The buckets of all processes, inside a transaction of the store; memory follows, for when the store is gone."""

    connection: Any
    memory: ShelvesInMemory

    def bucket(self, key: str, kind: LimitKind) -> Bucket | None:
        query = "SELECT amount, period_s, level, at FROM buckets WHERE key = ? AND kind = ?"
        row = self.connection.execute(query, (key, kind)).fetchone()
        usable = row is not None and _are_numbers(*row) and row[0] > 0 and row[1] > 0
        return Bucket(Limit(row[0], row[1]), row[2], row[3]) if usable else None

    def put(self, key: str, kind: LimitKind, bucket: Bucket) -> None:
        row = (key, kind, bucket.limit.amount, bucket.limit.period_s, bucket.level, bucket.at)
        self.connection.execute(_PUT_BUCKET, row)
        self.memory.put(key, kind, bucket)

    def rest(self, key: str) -> Rest:
        row = self.connection.execute("SELECT until, seconds, reason FROM rests WHERE key = ?", (key,)).fetchone()
        if row is None or not _are_numbers(row[0], row[1]):
            return _AWAKE
        return Rest(row[0], min(row[1], LONGEST_REST_S), str(row[2]))

    def put_rest(self, key: str, rest: Rest) -> None:
        row = (key, rest.until, rest.seconds, rest.reason)
        self.connection.execute(_PUT_REST, row)
        self.memory.put_rest(key, rest)


@dataclass
class Transaction:
    """What several changes in one transaction work on: each bucket is taken from the shelf once, and put back once."""

    shelf: Shelf
    buckets: dict[tuple[str, LimitKind], Bucket | None] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)
    changed: set[tuple[str, LimitKind] | str] = field(default_factory=set)

    def bucket(self, key: str, kind: LimitKind) -> Bucket | None:
        if (key, kind) not in self.buckets:
            self.buckets[key, kind] = self.shelf.bucket(key, kind)
        return self.buckets[key, kind]

    def put(self, key: str, kind: LimitKind, bucket: Bucket) -> None:
        self.buckets[key, kind] = bucket
        self.changed.add((key, kind))

    def rest(self, key: str) -> Rest:
        if key not in self.rests:
            self.rests[key] = self.shelf.rest(key)
        return self.rests[key]

    def put_rest(self, key: str, rest: Rest) -> None:
        self.rests[key] = rest
        self.changed.add(key)

    def put_back(self) -> None:
        for place, bucket in self.buckets.items():
            if bucket is not None and place in self.changed:
                self.shelf.put(*place, bucket)
        for key, rest in self.rests.items():
            if key in self.changed:
                self.shelf.put_rest(key, rest)


_PUT_BUCKET = (
    "INSERT INTO buckets (key, kind, amount, period_s, level, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key, kind) "
    "DO UPDATE SET amount = excluded.amount, period_s = excluded.period_s, level = excluded.level, at = excluded.at"
)
_PUT_REST = (
    "INSERT INTO rests (key, until, seconds, reason) VALUES (?, ?, ?, ?) ON CONFLICT (key) "
    "DO UPDATE SET until = excluded.until, seconds = excluded.seconds, reason = excluded.reason"
)
