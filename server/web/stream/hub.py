"""Numbers what happens, keeps the latest of it, and hands it to whoever watches.

A sink of the event bus. Every event gets the next number under a name that is new with each start of the server, so
that a watcher who comes back (`Last-Event-ID`) goes on behind what it has, without a gap and without a double; where
that cannot be done, it is told so (`reset`). Pieces of text that come within a moment are one event.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.events import CallFailed, CallFellBack, CallFinished, CallRetrying, CallStarted, Event, RunFinished, Token
from core.people.person import acting
from server.web.stream.event_ids import number_of
from server.web.stream.frames import described
from server.web.stream.subscription import Subscription, Wanted

_KEPT = 20_000
"""Events, some minutes of a busy server."""
_KEPT_BYTES = 32 * 1024 * 1024
_GATHER_S = 0.02
LOOK = "look"
"""Not for those who watch: somebody follows a run, of which whoever watches the store should tell."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is kept: the bytes are sent to all who watch."""

    number: int
    person: str
    run: str
    type: str
    fields: dict[str, Any]
    frame: bytes


@dataclass(slots=True)
class _Writing:
    """A call of this process: what it has written since its last event."""

    run: str
    person: str
    pending: list[str] = field(default_factory=list)
    begun: bool = False


class Hub:
    """The events of one server process.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, *, kept: int = _KEPT, clock: Callable[[], float] = time.time) -> None:
        self.name = secrets.token_hex(4)
        self._number = 0
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._kept = kept
        self._clock = clock
        self._watching: set[Subscription] = set()
        self._writing: dict[str, _Writing] = {}
        self._live: dict[str, list[str]] = {}
        """What every call under way has written so far, for those who come in the middle."""
        self._mark = secrets.token_hex(3)
        """Tells the calls of this process from those of others."""
        self._spent: dict[str, tuple[float, bool]] = {}
        self._under_way: set[str] = set()
        """The runs that have begun and not ended."""
        self._gathering: asyncio.TimerHandle | None = None
        self._send: Callable[[dict[str, Any]], None] | None = None
        self.heard: Callable[[str, str], None] = lambda *_: None
        """Told the type and run of every event but tokens."""

    @property
    def watching(self) -> int:
        return len(self._watching)

    @property
    def latest(self) -> str:
        """The id of the last event."""
        return f"{self.name}-{self._number}"

    def __call__(self, event: Event) -> None:
        """Hear *event* of the bus, in the task of whoever it belongs to."""
        if isinstance(event, Token):
            self._hear_token(event)
            return
        if (told := described(event)) is None:
            return
        call = getattr(event, "call", "")
        self._flush(call)
        if isinstance(event, CallStarted):
            self._writing[call] = _Writing(event.run, acting().name)
        elif isinstance(event, CallRetrying | CallFellBack) and call in self._writing:
            self._writing[call].begun = False
        elif isinstance(event, CallFinished | CallFailed):
            self._writing.pop(call, None)
        type_, fields = told
        self.publish(type_, event.run, {"call": self._marked(call), **fields} if call else fields)
        if isinstance(event, CallFinished):
            self._tell_cost(event)
        elif isinstance(event, RunFinished):
            self._spent.pop(event.run, None)

    def publish(self, type: str, run: str, fields: dict[str, Any], *, person: str | None = None) -> None:
        """Give an event its number and tell everybody who wants it, in all processes of this server."""
        whose = acting().name if person is None else person
        told = {"type": type, "at": round(self._clock(), 3), "run": run, **fields}
        if self._send is not None:
            self._send({"person": whose, **told})
        else:
            self._accept(self._number + 1, whose, told)

    def join(self, name: str, send: Callable[[dict[str, Any]], None]) -> None:
        """Have events numbered under *name* by who takes what is sent, and gives it back to `hear`."""
        self.name, self._send = name, send

    def hear(self, number: int, told: dict[str, Any]) -> None:
        """An event of any process of this server, with its number."""
        self._accept(number, str(told.pop("person")), told)

    def _accept(self, number: int, person: str, told: dict[str, Any]) -> None:
        self._number = number
        id_ = f"{self.name}-{number}"
        fields = {"id": id_, **told}
        frame = f"id: {id_}\ndata: {_encode(fields)}\n\n".encode("utf-8", "replace")
        self._follow(told)
        self._keep(Entry(number, person, told["run"], told["type"], fields, frame))
        if told["type"] != "token":
            self.heard(told["type"], told["run"])

    def _follow(self, told: dict[str, Any]) -> None:
        """Know which runs go on, and what every call has written."""
        call = told.get("call")
        match told["type"]:
            case "run_started":
                self._under_way.add(told["run"])
            case "run_finished":
                self._under_way.discard(told["run"])
            case "call_started":
                self._live[str(call)] = []
            case "token" if call in self._live:
                self._live[call].append(told["text"])
            case "retry" | "fallback" if call in self._live:
                self._live[call].clear()
            case "call_finished" | "call_failed":
                self._live.pop(str(call), None)

    def _marked(self, call: str) -> str:
        """The id of a call of this process, for all of them."""
        return f"{self._mark}.{call}"

    def follow(self, runs: Collection[str]) -> None:
        """Have whoever watches the store, in whichever process, tell how the jobs called *runs* are."""
        for run in runs:
            self.publish(LOOK, run, {}, person=LOOK)

    @contextmanager
    def subscribe(self, wanted: Wanted, *, after: str = "") -> Iterator[Subscription]:
        """Watch what *wanted* says: behind the event called *after*, else from now on, or a run from its start.

        Where *after* cannot be continued, the first event is `reset`. Whoever begins now can have told what is under
        way so far (`Wanted.under_way`).
        """
        subscription = Subscription(wanted, self.live)
        start = self._start(wanted, after)
        if start is None:
            subscription.reset(f"{self.name}-{self._number}")
            start = self._number
        begins = start == self._number and not wanted.runs
        for entry in self._entries:
            if entry.number > start or (begins and wanted.under_way and self._tells_of_now(entry)):
                subscription.offer(entry)
        self._watching.add(subscription)
        try:
            yield subscription
        finally:
            self._watching.discard(subscription)

    def live(self, call: str) -> tuple[str, int] | None:
        """What *call* has written so far, and the number of the event up to which; None when it is not under way."""
        found = self._live.get(call)
        return None if found is None else ("".join(found), self._number)

    def close(self) -> None:
        """End every subscription once it has sent what waits."""
        if self._gathering is not None:
            self._gathering.cancel()
        for subscription in tuple(self._watching):
            subscription.close()

    def _start(self, wanted: Wanted, after: str) -> int | None:
        """Behind which number to begin; None: that is not known any more."""
        first = self._entries[0].number if self._entries else self._number + 1
        if not after:
            return first - 1 if wanted.runs else self._number
        name, _, number = after.rpartition("-")
        behind = number_of(number)
        if name != self.name or behind is None or not first - 1 <= behind <= self._number:
            return None
        return behind

    def _tells_of_now(self, entry: Entry) -> bool:
        """Whether *entry* is of a run that goes on; its text is told by what is written next."""
        return entry.run in self._under_way and entry.type != "token"

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += len(entry.frame)
        while len(self._entries) > self._kept or (self._bytes > _KEPT_BYTES and len(self._entries) > 1):
            self._bytes -= len(self._entries.popleft().frame)
        for subscription in tuple(self._watching):
            subscription.offer(entry)

    def _hear_token(self, event: Token) -> None:
        call = self._writing.get(event.call)
        if call is None:
            return
        call.pending.append(event.text)
        if not call.begun:  # somebody waits for a sign of life
            call.begun = True
            self._flush(event.call)
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHER_S, self._flush_all)

    def _flush_all(self) -> None:
        self._gathering = None
        for call in tuple(self._writing):
            self._flush(call)

    def _flush(self, call_id: str) -> None:
        call = self._writing.get(call_id)
        if call is None or not call.pending:
            return
        text = "".join(call.pending)
        call.pending.clear()
        told = described(Token(call.run, call_id, text))
        assert told is not None
        self.publish(told[0], call.run, {"call": self._marked(call_id), **told[1]}, person=call.person)

    def _tell_cost(self, event: CallFinished) -> None:
        """What the run has cost so far, of what is known."""
        spent, complete = self._spent.get(event.run, (0.0, True))
        cost = event.answer.cost_usd
        self._spent[event.run] = (spent + (cost or 0.0), complete and cost is not None)
        known, whole = self._spent[event.run]
        self.publish(
            "cost", event.run, {"call": self._marked(event.call), "call_usd": cost, "run_usd": known, "complete": whole}
        )
