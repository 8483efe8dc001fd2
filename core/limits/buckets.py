"""Token buckets for requests and tokens per minute, one pair for each key, shared by every process of the user.

A caller who cannot wait politely (interactive) takes its tokens at once and may push the bucket into debt: the debt
is its place in the queue, first in, first out, also between processes. Background and batch callers take only what
is there, and leave a reserve. A key appears here as a hash. Without a usable store each process keeps buckets of
its own until it is back: calls go on.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, get_args

import anyio
import anyio.to_thread

from core.errors import StoreError
from core.limits.bucket import (
    LONGEST_REST_S,
    MIGRATIONS,
    MINUTE_S,
    Bucket,
    Grant,
    Limit,
    LimitKind,
    Rest,
    Shelf,
    ShelvesInMemory,
    Table,
    Transaction,
    Transition,
)
from core.limits.slots import Lease, Slots
from core.stores.answers import Answer, tell
from core.stores.choose import AnyStore, is_shared, open_store
from core.values import Priority

log = logging.getLogger(__name__)

Waiting = TypeVar("Waiting", Future[Grant], asyncio.Future[Grant])

_SMALL_CHANGE = 0.02
_AT_ONCE_S = 0.001
_STORE_PATIENCE_S = 1.0
_STORE_PAUSE_S = 30.0
_CALM_S = 0.01
"""Of calls that begin within so short a time, each would pay for a commit of its own."""


def open_buckets() -> Buckets:
    """The buckets that all processes of this user share, or all of a fleet."""
    return Buckets(open_store("limits", MIGRATIONS, durability="OFF", serial=True, calm_s=_CALM_S))


class Buckets:
    """All keys' buckets, in *store*. Nothing is opened before the first limit is known.

    Args:
        clock: Seconds since the epoch by a clock that all who share the store agree on; by default the store's.
    """

    def __init__(self, store: AnyStore, *, clock: Callable[[], float] | None = None) -> None:
        self._store = store
        self._memory = ShelvesInMemory()
        self._clock = clock or store.clock
        self._due: list[tuple[Transition[Grant], Answer[Grant]]] = []
        self._lock = threading.Lock()
        self._corrections: dict[str, float] = {}
        self._paused_until = 0.0
        self._warned = False
        self._slots = Slots(store) if is_shared(store) else None

    def lease(self, ai: str) -> Lease | None:
        """The slots of *ai* that the whole fleet shares; None where a process is alone with its concurrency."""
        return self._slots.lease(ai) if self._slots is not None else None

    async def reserve(
        self,
        key: str,
        wanted: Mapping[LimitKind, float],
        limits: Mapping[LimitKind, Limit],
        *,
        priority: Priority = "interactive",
        longest_s: float = float("inf"),
    ) -> Grant:
        """Take *wanted* from the buckets of *key* if that means waiting no longer than *longest_s*."""

        corrections = self._corrections.pop(key, 0.0)

        def change(shelf: Shelf) -> Grant:
            # The clock is read inside the transaction: times out of order would refill the bucket twice.
            now = self._clock()
            _give(shelf, key, {"tokens": corrections}, now)
            return _reserve(shelf, key, wanted, limits, priority, longest_s, now)

        if time.monotonic() < self._paused_until:
            return change(self._memory)
        work = self._together(change, asyncio.get_running_loop().create_future())
        try:
            grant = await asyncio.wait_for(asyncio.shield(work), _STORE_PATIENCE_S)
            return replace(grant, wait_s=max(0.0, grant.at - self._clock())) if grant.wait_s else grant
        except (StoreError, TimeoutError) as error:
            self._pause(error)
            return change(self._memory)
        except asyncio.CancelledError:
            work.add_done_callback(lambda done: self._undo(key, wanted, done))
            raise

    def reserve_blocking(
        self, key: str, wanted: Mapping[LimitKind, float], limits: Mapping[LimitKind, Limit], *, longest_s: float
    ) -> Grant:
        """Reserve for code without an event loop. Blocks for the store, not for the wait."""

        def change(shelf: Shelf) -> Grant:
            return _reserve(shelf, key, wanted, limits, "interactive", longest_s, self._clock())

        if time.monotonic() < self._paused_until:
            return change(self._memory)
        try:
            answer: Future[Grant] = Future()
            return self._together(change, answer).result(_STORE_PATIENCE_S)
        except (StoreError, TimeoutError) as error:
            self._pause(error)
            return change(self._memory)

    def _together(self, change: Transition[Grant], answer: Waiting) -> Waiting:
        """Reserve with all others that wait for the store now, whose buckets are then read and written once."""
        with self._lock:
            self._due.append((change, answer))
            if len(self._due) > 1:
                return answer
        asked: list[tuple[Transition[Grant], Answer[Grant]]] = []

        def grant(connection: Any) -> list[Grant]:
            asked.extend(self._take())
            shelf = Transaction(Table(connection, self._memory))
            grants = [change(shelf) for change, _ in asked]
            shelf.put_back()
            return grants

        def granted(done: Future[list[Grant]]) -> None:
            if (failure := done.exception()) is None:
                tell((waiting, given, None) for (_, waiting), given in zip(asked, done.result(), strict=True))
            else:
                tell((waiting, None, failure) for _, waiting in asked or self._take())

        self._store.submit(grant).add_done_callback(granted)
        return answer

    def _take(self) -> list[tuple[Transition[Grant], Answer[Grant]]]:
        with self._lock:
            due, self._due = self._due, []
            return due

    def give(self, key: str, unused: Mapping[LimitKind, float]) -> None:
        """Correct a reservation by what was not used after all; negative when more was.

        A few tokens more or less wait for the next reservation, so that an ordinary call writes once.
        """
        tokens = unused.get("tokens", 0.0) + self._corrections.get(key, 0.0)
        bucket = self._memory.bucket(key, "tokens")
        if bucket and not unused.get("requests") and abs(tokens) <= bucket.capacity * _SMALL_CHANGE:
            self._corrections[key] = tokens
            return
        self._corrections.pop(key, None)
        due = {**unused, "tokens": tokens}
        self._change(lambda shelf, now: _give(shelf, key, due, now))

    def observe(self, key: str, limits: Mapping[LimitKind, Limit], left: Mapping[LimitKind, float]) -> None:
        """Take over what the provider says: its limits, and that no more than *left* is there."""
        if not all(self._knows(key, kind, limit, left.get(kind)) for kind, limit in limits.items()):
            self._change(lambda shelf, now: _observe(shelf, key, limits, left, now))

    async def recall(self, key: str) -> None:
        """Learn from the store whether *key* rests: another process, or one that is gone, may have been told so."""
        if time.monotonic() < self._paused_until:
            return
        # A store that cannot be read, or has no tables yet, knows of no pause; the first reservation tells the rest.
        with anyio.move_on_after(_STORE_PATIENCE_S), suppress(StoreError):
            rest = await anyio.to_thread.run_sync(self._stored_rest, key, abandon_on_cancel=True)
            if rest.left_s(self._clock()) > self.resting_s(key):
                self._memory.put_rest(key, rest)

    def _stored_rest(self, key: str) -> Rest:
        if not self._store.exists():
            return Rest()
        rest: Rest = self._store.read(lambda connection: Table(connection, self._memory).rest(key))
        return rest

    def resting_s(self, key: str) -> float:
        """How long *key* still rests, as far as this process knows; looks nothing up."""
        if key not in self._memory.rests:
            return 0.0
        now = self._clock()
        return _rest(self._memory, key, now).left_s(now)

    def headroom(self, key: str) -> float:
        """How full the emptier bucket of *key* is, from 1 down, as far as this process knows; looks nothing up."""
        now, kinds = self._clock(), get_args(LimitKind)
        buckets = [bucket.refilled(now) for kind in kinds if (bucket := self._memory.bucket(key, kind))]
        return min([1.0, *(bucket.level / bucket.capacity for bucket in buckets)])

    def rest(self, key: str, seconds: float, reason: str) -> None:
        """Let nobody use *key* for *seconds*."""
        seconds = min(max(seconds, 0.0), LONGEST_REST_S)

        def change(shelf: Shelf, now: float) -> None:
            if seconds > _rest(shelf, key, now).left_s(now):
                shelf.put_rest(key, Rest(now + seconds, seconds, reason))

        change(self._memory, self._clock())
        self._change(change)

    def close(self) -> None:
        """Write what waits. Blocks."""
        for key, tokens in self._corrections.items():
            self._change(partial(_give_tokens, key, tokens))
        if self._slots is not None:
            self._slots.close()
        self._store.close()

    def _change(self, change: Callable[[Shelf, float], None]) -> None:
        if time.monotonic() < self._paused_until:
            change(self._memory, self._clock())
        else:
            self._store.post(lambda connection: change(Table(connection, self._memory), self._clock()))

    def _knows(self, key: str, kind: LimitKind, limit: Limit, left: float | None) -> bool:
        """Whether hearing that *left* is left changes nothing: true of nearly every response."""
        bucket = self._memory.bucket(key, kind)
        if bucket is None or bucket.limit != limit:
            return False
        return left is None or bucket.refilled(self._clock()).level <= left

    def _undo(self, key: str, wanted: Mapping[LimitKind, float], done: asyncio.Future[Grant]) -> None:
        """The caller left before it was told that it had a place."""
        if not done.cancelled() and done.exception() is None and done.result().taken:
            self.give(key, wanted)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + _STORE_PAUSE_S
        if not self._warned:
            self._warned = True
            log.warning("Rate limits are kept by each process alone for now. %s", error or "The store does not answer.")


def key_id(*parts: str) -> str:
    """What a key is called in the store: a hash that several processes compute alike."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _reserve(
    shelf: Shelf,
    key: str,
    wanted: Mapping[LimitKind, float],
    limits: Mapping[LimitKind, Limit],
    priority: Priority,
    longest_s: float,
    now: float,
) -> Grant:
    rest = _rest(shelf, key, now)
    rest_s, reason = rest.left_s(now), rest.reason
    buckets: dict[LimitKind, Bucket] = {}
    for kind, limit in limits.items():
        known = shelf.bucket(key, kind) or Bucket.full(limit, now)
        buckets[kind] = known.refilled(now).limited(limit)
    waits: dict[LimitKind, float] = {kind: buckets[kind].wait_s(wanted.get(kind, 0.0), priority) for kind in buckets}
    wait_s = max([rest_s, *waits.values()])
    wait_s = wait_s if wait_s >= _AT_ONCE_S else 0.0
    taken = wait_s <= longest_s and (priority == "interactive" or wait_s == 0)
    if taken:
        buckets = {kind: bucket.take(wanted.get(kind, 0.0)) for kind, bucket in buckets.items()}
    for kind, bucket in buckets.items():
        shelf.put(key, kind, bucket)
    if wait_s > rest_s:
        slowest = max(waits, key=lambda kind: waits[kind])
        reason = f"{buckets[slowest].limit.amount:,.0f} {slowest} {_per(buckets[slowest].limit)}"
    headroom = min([1.0, *(bucket.level / bucket.capacity for bucket in buckets.values())])
    return Grant(taken, wait_s, reason, headroom, now + wait_s)


def _rest(shelf: Shelf, key: str, now: float) -> Rest:
    rest = shelf.rest(key)
    if rest.until - now > rest.seconds:  # the clock was set back
        rest = rest.at(now)
        shelf.put_rest(key, rest)
    return rest


def _give(shelf: Shelf, key: str, unused: Mapping[LimitKind, float], now: float) -> None:
    for kind, amount in unused.items():
        if amount and (bucket := shelf.bucket(key, kind)):
            shelf.put(key, kind, bucket.refilled(now).give(amount))


def _give_tokens(key: str, tokens: float, shelf: Shelf, now: float) -> None:
    _give(shelf, key, {"tokens": tokens}, now)


def _observe(
    shelf: Shelf, key: str, limits: Mapping[LimitKind, Limit], left: Mapping[LimitKind, float], now: float
) -> None:
    for kind, limit in limits.items():
        bucket = (shelf.bucket(key, kind) or Bucket.full(limit, now)).refilled(now).limited(limit)
        shelf.put(key, kind, bucket.at_most(left[kind]) if kind in left else bucket)


def _per(limit: Limit) -> str:
    if limit.period_s == 1:
        return "per second"
    return "per minute" if limit.period_s == MINUTE_S else f"per {limit.period_s:,.0f} s"
