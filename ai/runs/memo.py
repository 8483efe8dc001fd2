"""The finished calls of one job: each is kept before the recipe sees it, and never made again.

A call is known by its role, its AI, the exact request (not its deadlines and priority) and how many like it came
before in the same run. So order and concurrency are free, and a changed prompt makes only its own calls anew.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from ai.caller import Caller
from ai.layers.permit import ask_before_sending
from ai.request import request_key, result_key
from core.jobs.engine import Journal
from core.values import Answer, Outcome, Part, Reasoning, Request, Text, ToolCall, Usage

T = TypeVar("T")

_HASHED_AT_ONCE = 50
"""Requests whose keys are made before others get a turn on the event loop: some 3 ms."""


class Memo:
    """What a run of the job called *job* remembers.

    Args:
        fresh: Nothing is kept yet, so there is nothing to look up.
    """

    def __init__(self, journal: Journal, job: str, *, fresh: bool = False) -> None:
        self._journal = journal
        self._job = job
        self.fresh = fresh
        self._seen: Counter[str] = Counter()
        self._slots: dict[str, anyio.Semaphore] = {}
        self._under_way = 0
        self._draining = False
        self._idle = anyio.Event()

    async def call_many(
        self,
        caller: Caller,
        asks: Sequence[tuple[str, Request]],
        *,
        run: str,
        role: str,
        place: str = "",
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> list[Outcome]:
        """What `Caller.call_many` gives; only what is not kept is really asked.

        Args:
            place: Where in the run the one turn of an agent stands, by which it is known again whatever it sends: its
                tools may have changed since.
            admit: Awaited before anything is asked.
        """
        keys = []
        for position, (ai, request) in enumerate(asks):
            keys.append(f"{result_key(role, ai, place)}:turn" if place else self._key(role, ai, request))
            if position % _HASHED_AT_ONCE == _HASHED_AT_ONCE - 1:
                await anyio.lowlevel.checkpoint()
        kept = await self._look_up(keys)
        missing = [position for position, key in enumerate(keys) if key not in kept]
        if missing and admit is not None:
            await admit()
        guards = [_Kept(self, keys[position], self._slot(caller, asks[position][0])) for position in missing]
        asked = await caller.call_many([asks[position] for position in missing], run=run, role=role, guards=guards)
        made = dict(zip(missing, asked, strict=True))
        return [made[n] if n in made else load_answer(kept[key]) for n, key in enumerate(keys)]

    async def call(self, key: str, fn: Callable[[], Awaitable[T]]) -> T:
        """What *fn* gives, or gave."""

        async def kept() -> T:
            await self.enter()
            try:
                return await self._make(key, fn)
            finally:
                self.leave()

        return await self._known(key, kept)

    async def once(self, key: str, fn: Callable[[], Awaitable[T]]) -> T:
        """What *fn* gives, or gave, of a step that costs nothing, such as asking the user: no drain waits for it."""
        return await self._known(key, lambda: self._make(key, fn))

    async def note(self, key: str, value: Any) -> None:
        """Remember *value* under *key* before this returns; the first value stays."""
        await self.keep(f"call:{key}", value)

    async def noted(self, key: str) -> Any:
        """What an earlier process noted under *key*, or `call` or `once` gave there; None where there is nothing."""
        return (await self._look_up([f"call:{key}"])).get(f"call:{key}")

    async def _known(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        name = f"call:{key}"
        kept = await self._look_up([name])
        if name in kept:
            value: T = kept[name]
            return value
        return await make()

    async def _make(self, key: str, fn: Callable[[], Awaitable[T]]) -> T:
        value = await fn()
        await self.keep(f"call:{key}", value)
        return value

    async def drain(self) -> None:
        """Start no further call, and return when those under way have ended."""
        self._draining = True
        if self._under_way:
            await self._idle.wait()

    async def enter(self) -> None:
        """Return when a call may start; never while the job drains."""
        await self._ready()
        if self._draining:
            await anyio.sleep_forever()
        ask_before_sending(self._ready)
        self._under_way += 1

    async def _ready(self) -> None:
        await self._journal.ready(self._job)

    def leave(self) -> None:
        ask_before_sending(None)
        self._under_way -= 1
        if self._draining and not self._under_way:
            self._idle.set()

    async def recall(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """What is kept under *keys*; of calls that finished just now it may not know yet."""
        return await self._journal.memo(self._job, keys)

    @property
    def waiting(self) -> int:
        """How many calls, the newest, cannot be recalled yet."""
        return self._journal.waiting

    async def keep(self, key: str, value: Any) -> None:
        self._journal.record(self._job, key, value)
        await self._journal.settle()

    def _key(self, role: str, ai: str, request: Request) -> str:
        name = result_key(role, ai, request_key(ai, request))
        self._seen[name] += 1
        return f"{name}:{self._seen[name]}"

    async def _look_up(self, keys: Sequence[str]) -> Mapping[str, Any]:
        return {} if self.fresh else await self._journal.memo(self._job, keys)

    def _slot(self, caller: Caller, ai: str) -> anyio.Semaphore | None:
        """No more calls are past the gate than the AI takes at once: the rest can still be held back."""
        seat = caller.roster.seats.get(ai)
        if seat is None:
            return None
        return self._slots.setdefault(ai, anyio.Semaphore(seat.concurrency.ceiling))


class _Kept:
    """The guard of one call."""

    def __init__(self, memo: Memo, key: str, slot: anyio.Semaphore | None) -> None:
        self._memo = memo
        self._key = key
        self._slot = slot

    async def __aenter__(self) -> None:
        if self._slot is not None:
            await self._slot.acquire()
        try:
            await self._memo.enter()
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *raised: object) -> None:
        self._memo.leave()
        self._release()

    async def keep(self, answer: Answer) -> None:
        await self._memo.keep(self._key, dump_answer(answer))

    def _release(self) -> None:
        if self._slot is not None:
            self._slot.release()


def dump_answer(answer: Answer) -> dict[str, Any]:
    """*answer* as JSON, without what is at its default."""
    fields: dict[str, Any] = {name: getattr(answer, name) for name in Answer.__dataclass_fields__}
    fields["usage"] = asdict(answer.usage)
    fields["tool_calls"] = [_dump_tool_call(call) for call in answer.tool_calls]
    fields["parts"] = [_dump_part(part) for part in answer.parts]
    return {name: value for name, value in fields.items() if not (value is None or value is False or value in ("", []))}


def load_answer(fields: Mapping[str, Any]) -> Answer:
    """What `dump_answer` was given."""
    known = {name: value for name, value in fields.items() if name in Answer.__dataclass_fields__}
    given: dict[str, Any] = {"text": "", "model": "", "latency_s": 0.0, "cost_usd": None} | known
    given["usage"] = Usage(**given["usage"])
    given["tool_calls"] = tuple(_load_tool_call(call) for call in given.get("tool_calls", ()))
    given["parts"] = tuple(_load_part(part) for part in given.get("parts", ()))
    return Answer(**given)


def _dump_tool_call(call: ToolCall) -> dict[str, Any]:
    signature = None if call.signature is None else base64.b64encode(call.signature).decode()
    fields = {"id": call.id, "name": call.name, "arguments": dict(call.arguments), "signature": signature}
    return fields | ({"broken": call.broken} if call.broken else {})


def _load_tool_call(fields: Mapping[str, Any]) -> ToolCall:
    signature = fields["signature"]
    return ToolCall(**{**fields, "signature": None if signature is None else base64.b64decode(signature)})


def _dump_part(part: Part) -> dict[str, Any]:
    """A part of a model's own turn; what only a user sends is none."""
    match part:
        case Text(said):
            return {"text": said}
        case ToolCall():
            return {"call": _dump_tool_call(part)}
        case Reasoning(dialect, item):
            return {"reasoning": dialect, "item": dict(item)}
    raise TypeError(f"a model's turn holds no {type(part).__name__}")


def _load_part(fields: Mapping[str, Any]) -> Part:
    if "call" in fields:
        return _load_tool_call(fields["call"])
    if "reasoning" in fields:
        return Reasoning(fields["reasoning"], fields["item"])
    return Text(fields["text"])
