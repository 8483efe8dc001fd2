"""Calls one AI, or many at once, and tells the event stream about it.

Only this module and `ai/run.py` publish events. A call that fails is a `Failure` beside the others' answers; it
never spoils them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ai.client import FellBack, Retrying, Signal, Thinking
from ai.lazy import load
from core.errors import AIError, ConfigError, InvalidInputError
from core.events import CallFailed, CallFellBack, CallFinished, CallRetrying, CallStarted, Event, EventBus, Token
from core.values import Answer, Failure, Outcome, Request, Response

if TYPE_CHECKING:
    from ai.roster import Roster, Seat

LONGEST_PROMPT = 2_000_000
"""Characters; more fits no model's context, and is refused before anything is sent."""

_call_ids = itertools.count(1)


class Caller:
    """Calls the AIs of *roster* and publishes what happens on *bus*."""

    def __init__(self, roster: Roster, bus: EventBus) -> None:
        self.roster = roster
        self._bus = bus

    async def call(self, ai: str, request: Request, *, run: str = "", role: str = "") -> Outcome:
        """Ask one AI. A failure is returned, not raised; only cancellation and an unknown name are raised.

        Raises:
            UnknownAIError: No AI of that name is configured.
            InvalidInputError: The prompt is empty or too long.
        """
        check_request(request)
        try:
            seat = self.roster.seat(ai)
        except ConfigError as error:
            if isinstance(error, ValueError):
                raise
            return self._unusable(ai, error, run, role)
        return await self._call(seat, request, run, role)

    async def call_many(self, asks: Sequence[tuple[str, Request]], *, run: str = "", role: str = "") -> list[Outcome]:
        """Ask many at once; the outcomes come in the order asked. A bad name or prompt is raised before any is sent."""
        for ai, request in asks:
            check_request(request)
            self.check_name(ai)
        outcomes: list[Outcome | None] = [None] * len(asks)

        async def ask(position: int, ai: str, request: Request) -> None:
            outcomes[position] = await self.call(ai, request, run=run, role=role)

        async with anyio.create_task_group() as tasks:
            for position, (ai, request) in enumerate(asks):
                tasks.start_soon(ask, position, ai, request)
        return [outcome for outcome in outcomes if outcome is not None]

    def check_name(self, ai: str) -> None:
        """Raise UnknownAIError when nobody is called *ai*; an AI that is merely unusable passes."""
        try:
            self.roster.seat(ai)
        except ConfigError as error:
            if isinstance(error, ValueError):
                raise

    async def _call(self, seat: Seat, request: Request, run: str, role: str) -> Outcome:
        call = f"c{next(_call_ids)}"
        publish = self._bus.publish
        publish(CallStarted(run, call, seat.name, seat.model, role))
        started = time.perf_counter()

        first_token_s: float | None = None

        def emit(signal: Signal) -> None:
            nonlocal first_token_s
            if first_token_s is None and isinstance(signal, str | Thinking):
                first_token_s = time.perf_counter() - started
            if isinstance(signal, str):
                publish(Token(run, call, signal))
            elif not isinstance(signal, Thinking):
                publish(_notice(run, call, signal))

        try:
            response = await seat.complete(request, emit)
        except AIError as error:
            error.ai = error.ai or seat.name
            failure = Failure(seat.name, error, time.perf_counter() - started)
            publish(CallFailed(run, call, failure))
            return failure
        except BaseException as error:
            publish(_ended(run, call, seat.name, error, time.perf_counter() - started))
            raise
        answer = await self._answer(seat, response, time.perf_counter() - started, first_token_s)
        publish(CallFinished(run, call, answer))
        return answer

    async def _answer(self, seat: Seat, response: Response, latency_s: float, first_token_s: float | None) -> Answer:
        cost_usd = (await load("core.prices")).cost_usd
        really = self.roster.seat(response.answered_by) if response.answered_by else seat
        price_id = really.provider.price_id
        return Answer(
            ai=seat.name,
            model=response.model,
            text=response.text,
            latency_s=latency_s,
            usage=response.usage,
            cost_usd=0.0 if response.cached else cost_usd(response.usage, model=response.model, price_id=price_id),
            finish_reason=response.finish_reason,
            request_id=response.request_id,
            answered_by=response.answered_by,
            fallback_reason=response.fallback_reason,
            provider=really.provider.name,
            tool_calls=response.tool_calls,
            first_token_s=first_token_s,
            key=response.key,
            cached=response.cached,
        )

    def _unusable(self, ai: str, error: ConfigError, run: str, role: str) -> Failure:
        call = f"c{next(_call_ids)}"
        failure = Failure(ai, AIError(str(error), ai=ai))
        self._bus.publish(CallStarted(run, call, ai, "", role))
        self._bus.publish(CallFailed(run, call, failure))
        return failure


def check_request(request: Request) -> None:
    """Refuse what no AI could answer, before anything is sent."""
    text = sum(len(message.text) for message in request.messages)
    if not text or not any(message.text.strip() for message in request.messages):
        raise InvalidInputError("The prompt is empty: say what the AI should answer.")
    if text > LONGEST_PROMPT:
        raise InvalidInputError(
            f"The prompt has {text:,} characters; at most {LONGEST_PROMPT:,} are accepted. Shorten it."
        )


def _notice(run: str, call: str, signal: Retrying | FellBack) -> Event:
    if isinstance(signal, Retrying):
        return CallRetrying(run, call, signal.attempt, signal.wait_s, signal.reason)
    return CallFellBack(run, call, signal.to, signal.reason)


def _ended(run: str, call: str, ai: str, error: BaseException, latency_s: float) -> CallFailed:
    """The last event of a call that was cancelled, or that died of a bug of ours."""
    cancelled = isinstance(error, anyio.get_cancelled_exc_class())
    reason = "The call was cancelled." if cancelled else "The call failed unexpectedly; see the log."
    return CallFailed(run, call, Failure(ai, AIError(reason, ai=ai), latency_s), cancelled=cancelled)


_current: Caller | None = None


def use_caller(caller: Caller | None) -> None:
    """Make *caller* the one the functions below use; None ends that."""
    global _current  # noqa: PLW0603 - the running application is one per process
    _current = caller


@asynccontextmanager
async def _caller() -> AsyncIterator[Caller]:
    """The running application's caller, or one that lives for this call only."""
    if _current is not None:
        yield _current
        return
    roster = await anyio.to_thread.run_sync(_open_roster)
    try:
        yield Caller(roster, EventBus())
    finally:
        with anyio.CancelScope(shield=True):
            await roster.aclose()


async def call_ai_async(ai: str, prompt: str, **options: Any) -> str:
    """Ask one AI and return its text.

    Args:
        ai: A name from credentials.json, or a provider whose key is in the environment.
        options: Fields of `Request` such as `temperature`; anything else goes to the provider as it is.

    Raises:
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    async with _caller() as caller:
        outcome = await caller.call(ai, Request.of(prompt, **options))
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome.text


async def call_multiple_ais(ais: Sequence[str], prompt: str, **options: Any) -> list[Outcome]:
    """Ask several AIs the same at once; an `Answer` or a `Failure` for each, in the order asked.

    Raises:
        UnknownAIError: One of the names is not configured; nothing was sent.
    """
    request = Request.of(prompt, **options)
    async with _caller() as caller:
        return await caller.call_many([(ai, request) for ai in ais])


def call_ai(ai: str, prompt: str, **options: Any) -> str:
    """Ask one AI from code without an event loop, through the vendor's synchronous SDK.

    Raises:
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    from ai.rescue import complete_sync

    request = Request.of(prompt, **options)
    check_request(request)
    if _current is not None:
        return complete_sync(_current.roster.seat(ai), request)
    roster = _open_roster()
    try:
        return complete_sync(roster.seat(ai), request)
    finally:
        roster.close()


def _open_roster() -> Roster:
    """Everything a single call needs, read and imported here; run it in a thread where a loop is running."""
    from ai.roster import Roster
    from core.config import load_config
    from core.paths import credentials_path

    return Roster.open(load_config(credentials_path()))
