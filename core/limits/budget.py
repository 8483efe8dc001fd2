"""Budgets in dollars and tokens: per call, per run and per day, for everything and for single AIs.

What a fan-out may cost is reserved before anything is sent, in one transaction, so that several processes together
cannot overspend; what it really cost replaces the reservation afterwards, and a call that was never sent gives it
back. What a process that died had reserved counts as spent, since it may be on the bill: each process holds a lock for
as long as it lives. Where its own file says what a call really took, that counts instead (`budget_spool.py`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from core.config import BudgetLimits
from core.errors import BudgetExceededError, StoreError
from core.limits.budget_rows import MIGRATIONS, Estimate, Hold, close_holds, open_hold, spent_in
from core.limits.budget_spool import Closing, Closings, HoldSpool
from core.people.person import Person, acting
from core.stores.answers import Answer, tell
from core.stores.choose import Presence, open_presence, open_store

_KEPT_DAYS = 2
"""No limit looks further back than a day, and no run lasts longer than two."""
_CALM_S = 0.01
"""A commit costs as much CPU as half a call. Calls that begin within so short a time share one."""

Waiting = TypeVar("Waiting", Future[list[Hold]], asyncio.Future[list[Hold]])


@dataclass(slots=True)
class _Wish:
    """Reservations that somebody waits for."""

    run: str
    holds: list[Hold]
    answer: Answer[list[Hold]]
    person: Person
    refusal: BudgetExceededError | None = None


@dataclass(frozen=True, slots=True)
class _Scope:
    """One set of limits and what it counts: all AIs together, or one."""

    limits: BudgetLimits
    ai: str | None

    @property
    def setting(self) -> str:
        return f"ais.{self.ai}.budget" if self.ai else "defaults.budget"

    def covers(self, estimate: Estimate) -> bool:
        return self.ai is None or self.ai == estimate.payer


class Budget:
    """Holds the limits of a configuration, and of whoever asks. Without any, it costs nothing and touches no file."""

    def __init__(self, folder: Path, everyone: BudgetLimits | None, by_ai: dict[str, BudgetLimits]) -> None:
        scopes = [_Scope(everyone, None)] if everyone else []
        self._scopes = scopes + [_Scope(limits, ai) for ai, limits in by_ai.items()]
        self._store = open_store("budget", MIGRATIONS, folder=folder, serial=True, calm_s=_CALM_S)
        self._owner = open_presence(self._store, folder / "owners")
        self._spool = HoldSpool(folder, self._owner.name)
        self._numbers = count()
        self._lock = threading.Lock()
        self._wishes: list[_Wish] = []
        self._settled = False
        """Whether what processes left that were dead before this one began is in the store."""

    async def reserve(self, run: str, estimates: Sequence[Estimate]) -> list[Hold]:
        """Reserve for all of *estimates* or for none.

        Raises:
            BudgetExceededError: It would go over a limit; the message names estimate, limit and setting.
            StoreError: The reservations cannot be read, so nothing can be promised.
        """
        if not self._limited:
            return []
        reserving = self._reserve(run, estimates, asyncio.get_running_loop().create_future())
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:  # the reservation is made all the same, and nobody will use it
            reserving.add_done_callback(self._give_back)
            raise

    async def refusal(self, run: str, estimates: Sequence[Estimate], *, each: bool = True) -> str | None:
        """Why `reserve` would refuse *estimates* at this moment; None when it would not. Reserves nothing.

        Args:
            each: Whether each of them is one call; else only their sum counts.
        """
        if not self._limited:
            return None
        person = acting()

        def look(connection: Any) -> None:
            _check_person(connection, person, _today(), estimates)
            for scope in self._scopes:
                _check_sums(connection, scope, run, _today(), [e for e in estimates if scope.covers(e)])

        try:
            for estimate in estimates if each else ():
                self.check_call(estimate)
            await asyncio.wrap_future(self._store.submit(look))
        except (BudgetExceededError, StoreError) as error:
            return str(error)
        return None

    def check_call(self, estimate: Estimate) -> None:
        """Raise BudgetExceededError if one call of *estimate* is too much by itself, whatever else is spent."""
        for scope in self._scopes:
            _check_calls(scope, [estimate] if scope.covers(estimate) else [])

    def reserve_blocking(self, run: str, estimates: Sequence[Estimate]) -> list[Hold]:
        """Reserve for code without an event loop. Blocks."""
        answer: Future[list[Hold]] = Future()
        return self._reserve(run, estimates, answer).result() if self._limited else []

    @property
    def _limited(self) -> bool:
        """Whether there is a limit for whoever asks now."""
        return bool(self._scopes) or acting().per_day_usd is not None

    def settle(self, hold: Hold, *, usd: float | None, tokens: int | None) -> None:
        """Replace the reservation by what was really taken; an unknown figure keeps the estimate."""
        usd = hold.estimate.high_usd or 0 if usd is None else usd
        tokens = hold.estimate.tokens if tokens is None else tokens
        self._close_hold(hold, usd, tokens)

    def refund(self, hold: Hold) -> None:
        """Give the reservation back: nothing was accepted."""
        self._close_hold(hold, 0, 0)

    def _close_hold(self, hold: Hold, usd: float, tokens: int) -> None:
        closing = Closing(hold.id, hold.estimate.payer, usd, tokens)
        if self._spool.put(closing):
            closings = Closings(self._spool, close_holds)
            self._store.submit(closings, patient=True, hurried=False).add_done_callback(closings.committed)

    def close(self) -> None:
        """Write what is due and end the owner's lock. Blocks."""
        self._store.close()
        self._spool.close()
        self._owner.close()

    def _give_back(self, reserving: asyncio.Future[list[Hold]]) -> None:
        if not reserving.cancelled() and reserving.exception() is None:
            for hold in reserving.result():
                self.refund(hold)

    def _reserve(self, run: str, estimates: Sequence[Estimate], answer: Waiting) -> Waiting:
        for scope in self._scopes:
            _check_calls(scope, [estimate for estimate in estimates if scope.covers(estimate)])
        run = run.partition(".")[0]  # the parts of a job spend what the job may
        holds = [Hold(f"{self._owner.name}.{next(self._numbers):x}", estimate) for estimate in estimates]
        wish = _Wish(run, holds, answer, acting())
        with self._lock:
            self._wishes.append(wish)
            if len(self._wishes) > 1:
                return answer
        asked: list[_Wish] = []
        taken: list[Path] = []

        def take(connection: Any) -> None:
            asked.extend(self._waiting())
            taken[:] = self._begin(connection)
            for wish in asked:
                wish.refusal = self._grant(connection, wish)

        def granted(done: Future[None]) -> None:
            if (failure := done.exception()) is None:
                self._settled = True
                with suppress(OSError):  # read again the next time, which changes nothing
                    self._spool.forget(taken)
            tell((wish.answer, wish.holds, failure or wish.refusal) for wish in asked or self._waiting())

        self._store.submit(take).add_done_callback(granted)
        return answer

    def _waiting(self) -> list[_Wish]:
        """All that wait for the store now, whose wishes are granted or refused together."""
        with self._lock:
            wishes, self._wishes = self._wishes, []
            return wishes

    def _begin(self, connection: Any) -> list[Path]:
        """Be known as alive, and count what the dead took; gives their files, of no use once it is written."""
        first = self._owner.register(connection)
        self._spool.open()
        found: list[Path] = []
        if _void_the_dead(self._owner, connection) or not self._settled:
            found = self._spool.settle_dead(connection, partial(_alive, self._owner, connection), close_holds)
        if first:
            connection.execute("DELETE FROM totals WHERE day < ?", (_days_ago(_KEPT_DAYS),))
            connection.execute("DELETE FROM holds WHERE day < ? AND NOT open", (_days_ago(_KEPT_DAYS),))
        return found

    def _grant(self, connection: Any, wish: _Wish) -> BudgetExceededError | None:
        """Reserve all of *wish*, or nothing and say why."""
        holds, day = wish.holds, _today()
        if holds and connection.execute("SELECT 1 FROM holds WHERE id = ?", (holds[0].id,)).fetchone():
            return None  # committed, and the connection was lost before we heard of it
        estimates = [hold.estimate for hold in holds]
        try:
            for scope in self._scopes:
                _check_sums(connection, scope, wish.run, day, [e for e in estimates if scope.covers(e)])
            _check_person(connection, wish.person, day, estimates)
        except BudgetExceededError as error:
            return error
        for hold in holds:
            open_hold(connection, hold, self._owner.name, day, wish.run, wish.person.name)
        return None


def _alive(owner: Presence, connection: Any, other: str) -> bool:
    return owner.alive(other, connection)


def _void_the_dead(owner: Presence, connection: Any) -> bool:
    """Count the open reservations of processes that are gone as spent: what they had sent may be on the bill.

    Whether there was such a process.
    """
    found = False
    rows = connection.execute("SELECT DISTINCT owner FROM holds WHERE open AND owner <> ?", (owner.name,)).fetchall()
    for (other,) in rows:
        if not owner.alive(other, connection):
            # The rows stay: one that was only cut off from its server still tells what it really took.
            connection.execute("UPDATE holds SET open = ? WHERE owner = ?", (False, other))
            owner.bury(other)
            found = True
    return found


def _check_calls(scope: _Scope, estimates: Sequence[Estimate]) -> None:
    limits = scope.limits
    for estimate in estimates:
        if limits.counts_dollars and estimate.high_usd is None and limits.unknown_price == "refuse":
            raise BudgetExceededError(
                f"The price of {estimate.model!r} is unknown, so {scope.setting} cannot be kept. "
                f'Name another model, or set {scope.setting}.unknown_price to "allow" in credentials.json.',
                ai=estimate.ai,
            )
        _refuse_above(scope, "per_call_usd", limits.per_call_usd, 0, estimate.high_usd or 0, estimate.ai)
        _refuse_above(scope, "per_call_tokens", limits.per_call_tokens, 0, estimate.tokens, estimate.ai)


def _check_sums(connection: Any, scope: _Scope, run: str, day: str, estimates: Sequence[Estimate]) -> None:
    if not estimates:
        return
    limits, usd = scope.limits, sum(estimate.high_usd or 0 for estimate in estimates)
    tokens = sum(estimate.tokens for estimate in estimates)
    spans = (
        ("run", run, limits.per_run_usd, limits.per_run_tokens),
        ("day", day, limits.per_day_usd, limits.per_day_tokens),
    )
    for span, value, usd_limit, token_limit in spans:
        if usd_limit is None and token_limit is None:
            continue
        spent = (
            spent_in(connection, span, value, scope.ai) if value else (0, 0)
        )  # a call outside of a run is a run by itself
        _refuse_above(scope, f"per_{span}_usd", usd_limit, spent[0], usd, estimates[0].ai)
        _refuse_above(scope, f"per_{span}_tokens", token_limit, spent[1], tokens, estimates[0].ai)


def _check_person(connection: Any, person: Person, day: str, estimates: Sequence[Estimate]) -> None:
    """Refuse what is more than *person* may spend in a day. What has no price cannot be kept to it."""
    limit = person.per_day_usd
    if limit is None or not estimates:
        return
    if unpriced := next((estimate for estimate in estimates if estimate.high_usd is None), None):
        raise BudgetExceededError(
            f"The price of {unpriced.model!r} is unknown, so the ${limit:.2f} a day of {person.name!r} cannot be kept. "
            "Ask another AI, or ask whoever runs this Moot for a token without a limit.",
            ai=unpriced.ai,
        )
    wanted = sum(estimate.high_usd or 0 for estimate in estimates)
    spent, _ = spent_in(connection, "person", f"{person.name} {day}", None)
    if spent + wanted > limit:
        raise BudgetExceededError(
            f"Over budget: this may take up to {_dollars(wanted)}, and {person.name!r} may spend {_dollars(limit)} a "
            f"day, of which {_dollars(spent)} is spent or reserved. Nothing was sent. Ask fewer AIs, set a smaller "
            "max_tokens, or wait until tomorrow (UTC).",
            ai=estimates[0].ai,
        )


def _refuse_above(scope: _Scope, setting: str, limit: float | None, spent: float, wanted: float, ai: str) -> None:
    if limit is None or spent + wanted <= limit:
        return
    shown = _dollars if setting.endswith("usd") else _tokens
    used = f", of which {shown(spent)} is spent or reserved" if spent else ""
    raise BudgetExceededError(
        f"Over budget: this may take up to {shown(wanted)}, and {scope.setting}.{setting} allows {shown(limit)}{used}. "
        "Nothing was sent. Ask fewer AIs, set a smaller max_tokens, or raise the limit in credentials.json.",
        ai=ai,
        alone=setting.startswith("per_call"),
    )


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"


def _tokens(amount: float) -> str:
    return f"{amount:,.0f} tokens"


def _today() -> str:
    return _days_ago(0)


def _days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
