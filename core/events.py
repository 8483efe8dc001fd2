"""What happens, as one stream of frozen records, and the bus that carries them.

Only `ai/caller.py` and `ai/runs/run.py` publish. Every CallStarted is followed by exactly one CallFinished or
CallFailed, also on cancellation; every RunStarted by one RunFinished. Sinks run inline; views subscribe through a
bounded queue and can never slow a call down.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import anyio

from core.values import Answer, Failure

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_QUEUED_TOKENS = 1_000
_MAX_QUEUED_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: str
    tool: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    run: str
    call: str
    ai: str
    model: str
    role: str = ""
    """What the AI is asked to be in this run, such as `judge`; empty for a plain answer."""


@dataclass(frozen=True, slots=True)
class Token:
    run: str
    call: str
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """What a model shows of its reasoning, which is no part of its answer. Who hears its run is told, and no view."""

    run: str
    call: str
    text: str


@dataclass(frozen=True, slots=True)
class CallRetrying:
    """The call is tried again after `wait_s` seconds; text that had arrived is void."""

    run: str
    call: str
    attempt: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class CallWaiting:
    """The call waits its turn for `seconds` before it is sent."""

    run: str
    call: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class CallFellBack:
    """Another AI takes the call over; text that had arrived is void."""

    run: str
    call: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The answer of a job's call is there, and about to be kept; CallFinished follows when it is.

    For what must know of a call as soon as it is paid for; nobody has seen the answer yet.
    """

    run: str
    call: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class CallFinished:
    run: str
    call: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class CallFailed:
    run: str
    call: str
    failure: Failure
    cancelled: bool = False
    sent: bool = True
    """Whether its request had gone out."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """An agent calls a tool. `arguments` is JSON, cut where it is long; `agent` is who calls."""

    run: str
    call: str
    agent: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool's call is over; follows every ToolStarted, also on cancellation. `note` is one line about its outcome."""

    run: str
    call: str
    agent: str
    tool: str
    success: bool
    note: str
    latency_s: float


@dataclass(frozen=True, slots=True)
class StepDone:
    """A recipe reached a milestone, such as `opening statements`."""

    run: str
    step: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: str
    outcome: Literal["done", "failed", "cancelled"]


Event = (
    RunStarted
    | CallStarted
    | Token
    | CallWaiting
    | CallRetrying
    | CallFellBack
    | CallAnswered
    | CallFinished
    | CallFailed
    | ToolStarted
    | ToolFinished
    | StepDone
    | RunFinished
)
Sink = Callable[[Event], None]
Hearer = Callable[[Event | Thought], None]
"""Hears one run: all its events, and the thoughts of its calls."""


class Subscription:
    """One view's queue. A slow view loses tokens first; one that stops reading altogether is cut off."""

    def __init__(self, run: str | None) -> None:
        self._run = run
        self._queue: deque[Event] = deque()
        self._tokens = 0
        self._wake = anyio.Event()
        self._closed = False
        self.lost_tokens = 0

    def offer(self, event: Event) -> None:
        if self._closed or (self._run is not None and event.run != self._run):
            return
        if isinstance(event, Token):
            if self._tokens >= _MAX_QUEUED_TOKENS:
                self.lost_tokens += 1
                return
            self._tokens += 1
        elif len(self._queue) >= _MAX_QUEUED_EVENTS:
            self.close()
            return
        self._queue.append(event)
        self._wake.set()

    def close(self) -> None:
        """Let the reader finish what is queued and stop."""
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._wake = anyio.Event()
            await self._wake.wait()
        event = self._queue.popleft()
        if isinstance(event, Token):
            self._tokens -= 1
        return event


_everywhere: list[tuple[Sink, bool]] = []
"""Sinks that hear every bus of this process, each with whether it takes tokens."""


@contextmanager
def heard_everywhere(sink: Sink, *, tokens: bool = True) -> Iterator[None]:
    """Give *sink* every event of this process while the block runs, whichever bus carries it; see `EventBus.add_sink`.

    It is called on the thread of whoever publishes.
    """
    entry = (sink, tokens)
    _everywhere.append(entry)
    try:
        yield
    finally:
        _everywhere[:] = [one for one in _everywhere if one is not entry]


class EventBus:
    """Hands every event to the sinks, then to the subscriptions. Publishing never blocks and never raises."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []
        self._token_sinks: list[Sink] = []
        self._hearers: dict[str, list[tuple[Hearer, bool]]] = {}
        """By run, each with whether it takes tokens."""
        self._subscriptions: list[Subscription] = []

    def add_sink(self, sink: Sink, *, tokens: bool = True) -> None:
        """Give *sink* every event; without *tokens* all but those, which are by far the most."""
        self._sinks.append(sink)
        if tokens:
            self._token_sinks.append(sink)

    @property
    def hears_tokens(self) -> bool:
        """Whether anybody is there to hear a token: they are by far the most events, and cost most where nobody is."""
        if self._token_sinks or self._subscriptions or any(tokens for _, tokens in _everywhere):
            return True
        return any(tokens for hearers in self._hearers.values() for _, tokens in hearers)

    def publish(self, event: Event) -> None:
        token = type(event) is Token
        for sink in self._token_sinks if token else self._sinks:
            _tell(sink, event)
        for sink, tokens in tuple(_everywhere):
            if tokens or not token:
                _tell(sink, event)
        for hearer, tokens in tuple(self._hearers.get(event.run, ())):
            if tokens or not token:
                _tell(hearer, event)
        for subscription in self._subscriptions:
            subscription.offer(event)

    def think(self, run: str, call: str, text: str) -> None:
        """Tell whoever hears *run* what a model shows of its reasoning."""
        for hearer, _ in tuple(self._hearers.get(run, ())):
            _tell(hearer, Thought(run, call, text))

    @contextmanager
    def hearing(self, run: str, hearer: Hearer, *, tokens: bool = True) -> Iterator[None]:
        """Give *hearer* every event and thought of *run* while the block runs, as it happens and without loss."""
        hearers = self._hearers.setdefault(run, [])
        hearers.append((hearer, tokens))
        try:
            yield
        finally:
            hearers.remove((hearer, tokens))
            if not hearers:
                self._hearers.pop(run, None)

    @contextmanager
    def subscribe(self, run: str | None = None) -> Iterator[Subscription]:
        """Receive the events of *run*, or of every run."""
        subscription = Subscription(run)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.close()


def _tell(sink: Callable[[T], None], event: T) -> None:
    try:
        sink(event)
    except Exception:  # a broken observer must not break the call it observes
        log.exception("An event sink failed")
