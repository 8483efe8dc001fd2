"""A run's events as progress lines: who answered, who failed, and a sign of life while all are thinking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio

from core.events import (
    CallFailed,
    CallFellBack,
    CallFinished,
    CallRetrying,
    CallWaiting,
    Event,
    EventBus,
    StepDone,
    Subscription,
    Token,
    ToolFinished,
    ToolStarted,
)
from core.untrusted import one_line
from core.view import CallView, RunView
from server.side_tasks import tasks_beside

_HEARTBEAT_S = 5.0
"""Hosts count silence: a line every few seconds keeps their idle clocks from running out."""

Send = Callable[[float, float | None, str], Awaitable[None]]
"""Takes how far it is, of how much, and the line. Both count calls; they only grow, and so may the whole."""


@asynccontextmanager
async def watched(
    bus: EventBus, run_id: str, show: Callable[[Subscription], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Have *show* read the run's events while the block runs, and let it finish what is queued after that."""
    with bus.subscribe(run_id) as events:
        async with tasks_beside(until_done=True) as tasks:
            tasks.start_soon(show, events)
            try:
                yield
            finally:
                events.close()


async def report(events: Subscription, send: Send, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
    """Send a line for everything worth telling, until the events end."""
    view = RunView()
    steps = _Steps()
    while True:
        line: str | None = None
        with anyio.move_on_after(heartbeat_s) as silence:
            line = await _next_line(events, view)
            if line is None:
                return
        if silence.cancelled_caught:
            line = _waiting(view)
        if line:
            await send(steps.next(view.finished), float(len(view.calls)) or None, one_line(line))


class _Steps:
    """How far a run is: the calls that are over, and a part of the next one for every line since then."""

    def __init__(self) -> None:
        self._finished = 0
        self._lines = 0

    def next(self, finished: int) -> float:
        if finished > self._finished:
            self._finished, self._lines = finished, 0
            return float(finished)
        self._lines += 1
        return self._finished + 1 - 1 / (1 + self._lines)


async def _next_line(events: Subscription, view: RunView) -> str | None:
    async for event in events:
        view.apply(event)
        if not isinstance(event, Token) and (line := line_of(event, view)):
            return line
    return None


def line_of(event: Event, view: RunView) -> str | None:
    """What is worth telling of *event*, which *view* has seen; None where nothing is."""
    match event:
        case CallFinished() | CallFailed() | CallRetrying() | CallFellBack() | CallWaiting():
            call = view.calls.get(event.call)
            return _of_call(event, call, _count(view)) if call else None
        case ToolStarted():
            return f"{event.agent} calls {event.tool}({event.arguments})"
        case ToolFinished():
            what = "gave" if event.success else "failed:"
            return f"{event.tool} {what} {event.note} ({event.latency_s:.1f} s)"
        case StepDone():
            return event.step
        case _:
            return None


def _of_call(event: Event, call: CallView, count: str) -> str:
    match event:
        case CallFinished():
            return f"{_who(call)} answered in {event.answer.latency_s:.1f} s {count}"
        case CallFailed():
            return f"{_who(call)} failed: {event.failure.error.kind} {count}"
        case _:
            return f"{_who(call)}: {call.note}"


def _waiting(view: RunView) -> str:
    busy = [f"{_who(call)} ({_words(call)})" for call in view.calls.values() if not call.over]
    return f"Waiting for {', '.join(busy)}" if busy else ""


def _words(call: CallView) -> str:
    return f"{len(call.text.split())} words so far" if call.chunks else "thinking"


def _who(call: CallView) -> str:
    return f"{call.ai} ({call.role})" if call.role else call.ai


def _count(view: RunView) -> str:
    return f"({view.finished} of {len(view.calls)})"
