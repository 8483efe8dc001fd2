"""How many calls to one AI may be under way at once in a whole fleet: each process leases slots as it needs them.

A lease is of a number of slots, not of one: it is asked for when calls begin to wait, again every second while there
are any, and given back when there are none, so that a call costs no round trip. Where more is wanted than there is,
everybody comes down to a fair share (max-min, Bertsekas & Gallager, "Data Networks", 1992, section 6.5.2) as calls
end; what does not divide evenly goes round. A lease that is not renewed lapses, so a killed process's slots come back.
Without the database each process goes by its own ceiling until it is back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from core.errors import StoreError
from core.stores.choose import AnyStore

log = logging.getLogger(__name__)

LEASE_S = 20.0
"""A process that is not heard of for so long has lost its slots."""
_RENEW_S = 1.0
_CONTENDED_S = 0.2
_PATIENCE_S = 1.0
_AWAY_S = 5.0
_TURN_S = 5.0
"""How long what does not divide evenly stays with the same processes."""
_MOST_SPARE = 4
_UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class SlotGrant:
    """The answer to a demand: how many calls may be under way here, and whether others want more than is left."""

    allowed: int
    contended: bool


class Holder(Protocol):
    """What uses the slots."""

    ceiling: int
    in_flight: int

    @property
    def wanted(self) -> int:
        """Slots it could use now, those in use among them."""

    def admit(self) -> None:
        """More may be allowed than before."""


class Slots:
    """This process's leases, in *store*."""

    def __init__(self, store: AnyStore) -> None:
        self._store = store
        self._owner = secrets.token_hex(8)
        self._used = False
        self.closed = False

    def lease(self, ai: str) -> Lease:
        return Lease(ai, self)

    def exchange(self, ai: str, *, ceiling: int, in_flight: int, wanted: int) -> Future[SlotGrant]:
        """Lease what can be had of *wanted*; nothing wanted gives everything back."""
        self._used = True
        demand = _Demand(ai, self._owner, ceiling, in_flight, wanted)
        return self._store.submit(lambda connection: demand.settle(connection, self._store.clock()))

    def close(self) -> None:
        """Give everything back, as far as the store takes it, which is closed afterwards by whoever opened it."""
        self.closed = True
        if self._used:
            owner = self._owner
            self._store.post(lambda connection: connection.execute("DELETE FROM slots WHERE owner = ?", (owner,)))


class Lease:
    """How many calls to one AI this process may have under way; `use` comes first, the rest on an event loop."""

    def __init__(self, ai: str, slots: Slots) -> None:
        self.allowed = 0
        self._ai = ai
        self._slots = slots
        self._holder: Holder
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: Future[SlotGrant] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._contended = False
        self._warned = False

    def use(self, holder: Holder) -> None:
        self._holder = holder

    def ask(self) -> None:
        """Somebody waits: ask for more, unless that is being done, or known to be in vain for the moment."""
        if self._loop is not (loop := asyncio.get_running_loop()):  # what another loop asked for is heard by nobody
            self._loop, self._asked, self._timer, self._contended = loop, None, None, False
        if self._asked is None and not (self._contended and self._timer is not None):
            self._exchange(loop)

    def _exchange(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stop_timer()
        if self._slots.closed:
            return
        ceiling, in_flight = self._holder.ceiling, self._holder.in_flight
        wanted = max(self._holder.wanted, in_flight)
        if self.allowed != _UNLIMITED:  # no more than is told of may begin before the answer is there
            self.allowed = min(self.allowed, in_flight)
        self._asked = asked = self._slots.exchange(self._ai, ceiling=ceiling, in_flight=in_flight, wanted=wanted)
        impatience = loop.call_later(_PATIENCE_S, self._without, loop, asked, "It takes too long to answer.")

        def answered() -> None:
            impatience.cancel()
            failure = asked.exception()
            if failure is not None:
                self._without(loop, asked, str(failure) if isinstance(failure, StoreError) else type(failure).__name__)
            elif self._is_current(loop, asked):
                self._granted(loop, asked.result(), idle=not wanted)

        asked.add_done_callback(partial(_on, loop, answered))

    def _granted(self, loop: asyncio.AbstractEventLoop, grant: SlotGrant, *, idle: bool) -> None:
        self.allowed, self._contended = grant.allowed, grant.contended
        if not idle:
            self._timer = loop.call_later(_CONTENDED_S if grant.contended else _RENEW_S, self._exchange, loop)
        elif self._holder.wanted:  # somebody came while everything was given back
            self._exchange(loop)
        self._holder.admit()

    def _without(self, loop: asyncio.AbstractEventLoop, asked: Future[SlotGrant], reason: str) -> None:
        """The database is away: go by this process's own ceiling."""
        if not self._is_current(loop, asked):
            return
        if not self._warned:
            self._warned = True
            log.warning("How many calls are under way is kept by each process alone for now. %s", reason)
        self.allowed, self._contended = _UNLIMITED, True
        self._timer = loop.call_later(_AWAY_S, self._exchange, loop)
        self._holder.admit()

    def _is_current(self, loop: asyncio.AbstractEventLoop, asked: Future[SlotGrant]) -> bool:
        """Whether *asked* is what is waited for; then it is no longer."""
        current = self._loop is loop and self._asked is asked
        if current:
            self._asked = None
        return current

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _on(loop: asyncio.AbstractEventLoop, answered: Any, _: Future[SlotGrant]) -> None:
    with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
        loop.call_soon_threadsafe(answered)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What one process wants of one AI's slots."""

    ai: str
    owner: str
    ceiling: int
    in_flight: int
    wanted: int

    def settle(self, connection: Any, now: float) -> SlotGrant:
        """Take what is due, inside a transaction that no other of its kind overlaps."""
        if not self.wanted:
            connection.execute("DELETE FROM slots WHERE ai = ? AND owner = ?", (self.ai, self.owner))
            return SlotGrant(0, contended=False)
        connection.execute("DELETE FROM slots WHERE ai = ? AND until < ?", (self.ai, now))
        others = connection.execute(
            "SELECT owner, ceiling, held, wanted FROM slots WHERE ai = ? AND owner <> ?", (self.ai, self.owner)
        ).fetchall()
        ceiling = max([self.ceiling, *(row["ceiling"] for row in others)])
        wants = {row["owner"]: row["wanted"] for row in others} | {self.owner: self.wanted}
        free = ceiling - sum(row["held"] for row in others)
        contended = sum(wants.values()) > ceiling
        shares = fair_shares(ceiling, wants, turn=int(now / _TURN_S)) if contended else wants
        spare = 0 if contended else min(_MOST_SPARE, ceiling - sum(wants.values()))
        allowed = max(0, min(shares[self.owner] + spare, free))
        held = max(allowed, self.in_flight)
        connection.execute(_PUT, (self.ai, self.owner, self.ceiling, held, self.wanted, now + LEASE_S))
        return SlotGrant(allowed, contended or allowed < self.wanted)


_PUT = (
    "INSERT INTO slots (ai, owner, ceiling, held, wanted, until) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ai, owner) DO "
    "UPDATE SET ceiling = excluded.ceiling, held = excluded.held, wanted = excluded.wanted, until = excluded.until"
)


def fair_shares(ceiling: int, wants: Mapping[str, int], *, turn: int = 0) -> dict[str, int]:
    """Share out *ceiling* so that nobody gets more than wanted, and nobody less than who has more: max-min fairness.

    Args:
        turn: Who gets what does not divide evenly; another number, others.
    """
    order = sorted(wants, key=lambda owner: (wants[owner], hashlib.sha256(f"{turn}:{owner}".encode()).digest()))
    shares: dict[str, int] = {}
    for position, owner in enumerate(order):
        left = len(order) - position
        shares[owner] = min(wants[owner], ceiling // left)
        ceiling -= shares[owner]
    return shares
