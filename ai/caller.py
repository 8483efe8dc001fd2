"""Calls one AI, or many at once, and tells the event stream about it.

Only this module and `ai/runs/run.py` publish events. A call that fails is a `Failure` beside the others' answers; it
never spoils them.
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import anyio
import anyio.to_thread
from anyio.lowlevel import current_token

from ai.call_ends import as_failure, ended, ends_more_than_a_call, notice, with_words
from ai.client import Sent, Signal, Thinking, Waiting
from ai.lazy import load
from ai.request import check_request
from ai.roster.billing import attributed, load_pricing, pricing, settle, settle_failure
from core.errors import ConfigError, NotUsableError, UnknownAIError
from core.events import (
    CallAnswered,
    CallFailed,
    CallFinished,
    CallStarted,
    EventBus,
    Token,
)
from core.values import Answer, Failure, Outcome, Request, RequestOptions, Usage

if TYPE_CHECKING:
    from ai.roster.configured_ai import ConfiguredAI
    from ai.roster.roster import Roster
    from core.limits.budget_rows import Hold
    from core.usage.ledger import Ledger

log = logging.getLogger(__name__)

_call_ids = itertools.count(1)


class Guard(Protocol):
    """Stands around one call: may hold it back before it starts, and hears of its answer before anybody else."""

    def __aenter__(self) -> Awaitable[object]: ...
    async def __aexit__(self, *raised: object) -> bool | None: ...

    async def keep(self, answer: Answer) -> None: ...


class Caller:
    """Calls the AIs of *roster* and publishes what happens on *bus*."""

    def __init__(self, roster: Roster, bus: EventBus) -> None:
        self.roster = roster
        self._bus = bus

    @property
    def bus(self) -> EventBus:
        """Where it tells what happens."""
        return self._bus

    async def call(
        self, ai: str, request: Request, *, run: str = "", role: str = "", guard: Guard | None = None
    ) -> Outcome:
        """Ask one AI. A failure is returned, not raised; only cancellation and an unknown name are raised.

        Raises:
            UnknownAIError: No AI of that name is configured.
            InvalidInputError: The prompt is empty or too long.
        """
        (outcome,) = await self.call_many([(ai, request)], run=run, role=role, guards=[guard] if guard else None)
        return outcome

    async def call_many(
        self,
        asks: Sequence[tuple[str, Request]],
        *,
        run: str = "",
        role: str = "",
        guards: Sequence[Guard] | None = None,
    ) -> list[Outcome]:
        """Ask many at once; the outcomes come in the order asked. A bad name or prompt is raised before any is sent.

        *guards*, where given, has one for each of *asks*.
        """
        for _, request in asks:
            check_request(request)
        asks = [(self.roster.resolve(ai), request) for ai, request in asks]
        found = [self._found(ai) for ai, _ in asks]
        usable = [
            (one, request) for one, (_, request) in zip(found, asks, strict=True) if not isinstance(one, Exception)
        ]
        holds = iter(await self._reserve(usable, run))

        async def ask(position: int, hold: Hold | None) -> Outcome:
            (ai, request), one, way = asks[position], found[position], _Way()
            if isinstance(one, ConfigError):
                return self._unusable(ai, one, run, role)
            guard = guards[position] if guards else None
            return await self._call_held(hold, way, self._call_guarded(guard, one, request, run, role, way))

        held = [None if isinstance(one, Exception) else next(holds) for one in found]
        if len(asks) == 1:  # what it raises comes out as it is, and a task costs
            return [await ask(0, held[0])]
        return await _all_at_once([partial(ask, position, hold) for position, hold in enumerate(held)])

    def _found(self, ai: str) -> ConfiguredAI | ConfigError:
        """The AI called *ai*, or why it cannot be asked.

        Raises:
            UnknownAIError: There is none of that name.
        """
        try:
            return self.roster.model(ai)
        except UnknownAIError:
            raise
        except ConfigError as error:
            return error

    async def _reserve(self, asks: Sequence[tuple[ConfiguredAI, Request]], run: str) -> Sequence[Hold | None]:
        """A hold for each of *asks*, or None for each where there is no budget."""
        if self.roster.budget is None or not asks:
            return [None] * len(asks)
        estimate = (await load("ai.roster.estimate")).estimate_or_none
        estimates = [estimate(seat, request) for seat, request in asks]
        holds = iter(await self.roster.budget.reserve(run, [one for one in estimates if one is not None]))
        return [None if one is None else next(holds, None) for one in estimates]

    async def _call_held(self, hold: Hold | None, way: _Way, call: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Run *call* and put what it really took in place of *hold*."""
        budget = self.roster.budget
        if hold is None or budget is None:
            return await call
        try:
            outcome = await call
        except BaseException:
            if way.sent:  # cut off by us, and perhaps on the bill
                budget.settle(hold, usd=None, tokens=None)
            else:
                budget.refund(hold)
            raise
        if isinstance(outcome, Answer):
            settle(budget, hold, outcome.cost_usd, Usage(0, 0) if outcome.cached else outcome.usage)
        else:
            settle_failure(budget, hold, outcome.error)
        return outcome

    def check_name(self, ai: str) -> None:
        """Raise UnknownAIError when nobody is called *ai*; an AI that is merely unusable passes."""
        self._found(ai)

    async def _call_guarded(
        self, guard: Guard | None, seat: ConfiguredAI, request: Request, run: str, role: str, way: _Way
    ) -> Outcome:
        if guard is None:
            return await self._call(seat, request, run, role, way)
        async with guard:
            return await self._call(seat, request, run, role, way, guard.keep)

    async def _call(
        self,
        seat: ConfiguredAI,
        request: Request,
        run: str,
        role: str,
        way: _Way,
        keep: Callable[[Answer], Awaitable[None]] | None = None,
    ) -> Outcome:
        call = f"c{next(_call_ids)}"
        bus, publish = self._bus, self._bus.publish
        publish(CallStarted(run, call, seat.name, seat.model, role))
        started = time.perf_counter()

        first_token_s: float | None = None
        written = io.StringIO()

        def emit(signal: Signal) -> None:
            nonlocal first_token_s
            if first_token_s is None and isinstance(signal, str | Thinking):
                first_token_s = time.perf_counter() - started
            if isinstance(signal, str):
                written.write(signal)
                if bus.hears_tokens:
                    publish(Token(run, call, signal))
            elif isinstance(signal, Sent):
                way.sent = True
            elif isinstance(signal, Thinking):
                bus.think(run, call, signal.text)
            else:
                way.sent = way.sent and isinstance(signal, Waiting)  # what is tried again was not accepted
                publish(notice(run, call, signal))

        try:
            response = with_words(seat, request, await seat.complete(request, emit))
        except BaseException as error:
            latency_s = time.perf_counter() - started
            if ends_more_than_a_call(error):
                publish(ended(run, call, seat.name, error, latency_s, sent=way.sent))
                raise
            failure = Failure(seat.name, as_failure(seat, error, written.getvalue()), latency_s)
            publish(CallFailed(run, call, failure))
            return failure
        latency_s = time.perf_counter() - started
        cost_usd = pricing() or await load_pricing(shielded=keep is not None)  # the answer must not be lost on the way
        really = self.roster.seats.get(response.answered_by or "", seat)
        answer = attributed(seat, really, response, latency_s, first_token_s, cost_usd, request)
        try:
            if keep is not None:
                publish(CallAnswered(run, call, answer))
                await keep(answer)
        finally:  # also where waiting for the store was broken off: it is paid for
            publish(CallFinished(run, call, answer))
        return answer

    def call_blocking(self, ai: str, request: Request) -> Outcome:
        """Ask one AI through its synchronous client, for code without an event loop. Blocks.

        Raises:
            UnknownAIError, ConfigError: It cannot be asked at all.
            BudgetExceededError: It may cost more than a budget allows; nothing was sent.
        """
        from ai.roster.estimate import estimate
        from core.usage.prices import cost_usd

        seat, budget = self.roster.model(ai), self.roster.budget
        (hold,) = budget.reserve_blocking("", [estimate(seat, request)]) if budget else [None]
        call, started = f"c{next(_call_ids)}", time.perf_counter()
        self._bus.publish(CallStarted("", call, seat.name, seat.model))
        written = io.StringIO()

        def emit(signal: Signal) -> None:
            if isinstance(signal, str):
                written.write(signal)

        try:
            response = with_words(seat, request, seat.complete_blocking(request, emit))
        except BaseException as raised:
            if ends_more_than_a_call(raised):
                self._bus.publish(ended("", call, seat.name, raised, time.perf_counter() - started))
                if hold and budget:
                    budget.settle(hold, usd=None, tokens=None)
                raise
            error = as_failure(seat, raised, written.getvalue())
            failure = Failure(seat.name, error, time.perf_counter() - started)
            self._bus.publish(CallFailed("", call, failure))
            if hold:
                settle_failure(budget, hold, error)
            return failure
        answer = attributed(seat, seat, response, time.perf_counter() - started, None, cost_usd, request)
        self._bus.publish(CallFinished("", call, answer))
        if hold:
            settle(budget, hold, answer.cost_usd, answer.usage)
        return answer

    def _unusable(self, ai: str, error: ConfigError, run: str, role: str) -> Failure:
        call = f"c{next(_call_ids)}"
        failure = Failure(ai, NotUsableError(str(error), ai=ai))
        self._bus.publish(CallStarted(run, call, ai, "", role))
        self._bus.publish(CallFailed(run, call, failure))
        return failure


async def _all_at_once(calls: Sequence[Callable[[], Awaitable[Outcome]]]) -> list[Outcome]:
    """The outcomes of all *calls*, made at once, in their order."""
    outcomes: dict[int, Outcome] = {}

    async def run(position: int, call: Callable[[], Awaitable[Outcome]]) -> None:
        outcomes[position] = await call()

    async with anyio.create_task_group() as tasks:
        for position, call in enumerate(calls):
            tasks.start_soon(run, position, call)
    return [outcomes[position] for position in range(len(calls))]


@dataclass(slots=True)
class _Way:
    """How far a call is on its way."""

    sent: bool = False
    """Whether it may be on the bill, were it cut off now."""


_running: list[tuple[Caller, object]] = []
"""The callers of the running applications, the latest last, each with its event loop."""
if hasattr(os, "register_at_fork"):  # a forked child has no business on the connections of its parent
    os.register_at_fork(after_in_child=_running.clear)


@contextmanager
def used(caller: Caller) -> Iterator[None]:
    """Have the functions below use *caller* while the block runs, where they run in the same event loop or in none."""
    entry = (caller, current_token())
    _running.append(entry)
    try:
        yield
    finally:
        _running[:] = [one for one in _running if one is not entry]


@asynccontextmanager
async def running_caller() -> AsyncIterator[Caller]:
    """The running application's caller, or one that lives for this call only."""
    here = current_token()
    for caller, loop in reversed(_running):
        if loop == here:
            yield caller
            return
    roster = await anyio.to_thread.run_sync(_open_roster)
    bus, ledger = await anyio.to_thread.run_sync(_open_bus)
    try:
        yield Caller(roster, bus)
    finally:
        with anyio.CancelScope(shield=True):
            await roster.aclose()
            await anyio.to_thread.run_sync(ledger.close)


async def call_ai_async(ai: str, prompt: str, **options: Unpack[RequestOptions]) -> str:
    """Ask one AI and return its text.

    Args:
        ai: A name from credentials.json, or a provider whose key is in the environment.
        options: Fields of `Request` such as `temperature`; in `extra` what goes to the provider as it is.

    Raises:
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    async with running_caller() as caller:
        outcome = await caller.call(ai, Request.of(prompt, **options))
    return _text(outcome)


async def call_multiple_ais(ais: Sequence[str], prompt: str, **options: Unpack[RequestOptions]) -> list[Outcome]:
    """Ask several AIs the same at once; an `Answer` or a `Failure` for each, in the order asked.

    Raises:
        UnknownAIError: One of the names is not configured; nothing was sent.
    """
    request = Request.of(prompt, **options)
    async with running_caller() as caller:
        return await caller.call_many([(ai, request) for ai in ais])


def call_ai(ai: str, prompt: str, **options: Unpack[RequestOptions]) -> str:
    """Ask one AI from code without an event loop, through the vendor's synchronous SDK.

    Raises:
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    request = Request.of(prompt, **options)
    check_request(request)
    if _running:
        caller, _ = _running[-1]
        return _text(caller.call_blocking(ai, request))
    roster = _open_roster()
    bus, ledger = _open_bus()
    try:
        return _text(Caller(roster, bus).call_blocking(ai, request))
    finally:
        roster.close()
        ledger.close()


def _text(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome.text


def _open_bus() -> tuple[EventBus, Ledger]:
    """A bus whose calls are written into the ledger."""
    from core.usage.ledger import Ledger

    bus, ledger = EventBus(), Ledger()
    bus.add_sink(ledger, tokens=False)
    return bus, ledger


def _open_roster() -> Roster:
    """Everything a single call needs, read and imported here; run it in a thread where a loop is running."""
    from ai.roster.roster import Roster
    from core.config import load_config
    from core.paths import credentials_path

    return Roster.open(load_config(credentials_path()))
