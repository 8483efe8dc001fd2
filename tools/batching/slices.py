"""A batch on a fleet: whoever holds the job reads and writes, and slices of the rows are asked by all the workers.

A slice is a part of the job and carries its rows, so the input is needed by the holder alone. Only so many are under
way that no worker is idle, and their answers stay in the store until they are written: memory and store are bounded
by the slices, not by the rows. A holder that takes over finds the slices of its predecessor, and goes on with them;
one that has lost the job learns it before it changes or writes anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import BaseModel, ConfigDict

from ai.batch.records import failure_value
from ai.batch.rows import Ask, Batch, Result
from ai.request import result_key
from ai.runs.run import Run
from core.errors import AIError, ConfigError
from core.jobs.kinds import SLICE
from core.jobs.values import Job
from core.people.person import for_acting
from core.values import Failure, Message, Request
from tools.batching.spec import BatchSpec
from tools.recipe.kit import build_request

if TYPE_CHECKING:
    from ai.runs.memo import Memo
    from core.jobs.engine import Parts

_MOST_ASKS, _LEAST_ASKS, _SLICES_OF_A_BATCH = 250, 10, 32
_MOST_TEXT = 1_000_000
"""Characters of all prompts of a slice, unless a single one is longer."""
_MOST_SLICES = 64
_MOST_WAITING = 2
"""Slices that nobody has taken up; or as many as are being worked on."""
_WINDOW = 20_000
"""Results that wait for an earlier one; without their prompts and answers."""
_WRITTEN_AT_ONCE = 500
_PIECES = 8
_LOOK_S = 0.1
_NOTHING = Request(messages=())


class SliceAsk(BaseModel):
    """One request of a slice; `key` is its name in the journal."""

    model_config = ConfigDict(frozen=True)

    ai: str
    index: int
    key: str
    prompt: str


class SliceSpec(BaseModel):
    """All that a worker has to know of a slice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asks: list[SliceAsk]
    role: str
    width: int
    answer_schema: dict[str, Any] | None = None
    options: dict[str, Any] = {}


class SliceReport(BaseModel):
    """How many asks of a slice have ended, answered or not."""

    done: int

    def markdown(self) -> str:
        return f"{self.done:,} asked."


async def run_slice(run: Run, spec: SliceSpec) -> SliceReport:
    """Ask every row of the slice; what comes of it is in its journal."""
    for ai in dict.fromkeys(ask.ai for ask in spec.asks):
        seat = run.roster.seat(ai)
        if seat.row.concurrency is None and not seat.local:
            seat.concurrency.widen(spec.width)
    left = iter(_asks(run, spec))
    done = 0

    async def read() -> Sequence[Ask]:
        return list(islice(left, _MOST_ASKS))

    async def count(results: Sequence[Result]) -> None:
        nonlocal done
        done += len(results)

    await Batch(run.caller, width=spec.width, run=run.id, role=spec.role, memory=run.memory).run(read, count)
    return SliceReport(done=done)


def _asks(run: Run, spec: SliceSpec) -> list[Ask]:
    bare = {
        ai: build_request("", run.roster, ai, priority="batch", json_schema=spec.answer_schema, **spec.options)
        for ai in dict.fromkeys(ask.ai for ask in spec.asks)
    }
    return [
        Ask(None, ask.index, ask.ai, replace(bare[ask.ai], messages=(Message.user(ask.prompt),)), ask.key)
        for ask in spec.asks
    ]


class Slices:
    """One pass over the rows of a batch, as `ai.batch.rows.Batch` makes it, by the workers of a fleet.

    Args:
        width: Calls under way at once, for each AI, by one worker.
        role: Part of the key under which results are kept; another role asks everything anew.
        tell: Is called with the number of finished calls that are not written yet.
    """

    def __init__(
        self,
        job: str,
        spec: BatchSpec,
        parts: Parts,
        memory: Memo,
        *,
        width: int,
        role: str,
        tell: Callable[[int], Awaitable[None]],
    ) -> None:
        self._job = job
        self._parts = parts
        self._memory = memory
        self._tell = tell
        self._common = SliceSpec(
            asks=[], role=role, width=width, answer_schema=spec.answer_schema, options=spec.options
        )
        self._size = min(max(spec.total * len(spec.ais) // _SLICES_OF_A_BATCH, _LEAST_ASKS), _MOST_ASKS)
        self._window: deque[Result] = deque()
        self._gathered: deque[SliceAsk] = deque()
        self._asked: dict[str, str] = {}
        """Which slice asks what, by the names in the journal; an empty one where it is only gathered."""
        self._slices: dict[str, Job] = {}
        self._names: dict[str, list[str]] = {}
        """What each slice asks."""
        self._seen: dict[str, tuple[int, int]] = {}
        """What there was to find in a slice when it was looked at last: its calls, and the first row that waits."""
        self._finished = self._written = 0
        """Calls of slices that are absorbed, and asks that are written."""
        self._read_all = False
        self._stopped = False
        self._gone = False
        """Whether finished calls are neither in a slice nor in the journal of the job."""

    async def run(
        self, read: Callable[[], Awaitable[Sequence[Ask]]], write: Callable[[Sequence[Result]], Awaitable[None]]
    ) -> bool:
        """Have everything asked that *read* gives, until it gives nothing; *write* gets it in the order read.

        Returns:
            Whether that is done. Else finished calls are nowhere to be found, and must be made again: by another
            pass, which begins with the first row that is not written.

        Raises:
            ConfigError: A worker cannot go on; what it says pauses the job.
            LostJobError: Another process holds the job by now.
        """
        await self._adopt()
        await self._memory.enter()  # whoever drains the job waits until the slices have drained
        try:
            while not self._gone and (self._slices or not (self._stopped or (self._read_all and not self._window))):
                sent = await self._send(read)
                taken = await self._take_back()
                if not (await self._hand_on(write) or sent or taken):
                    await anyio.sleep(_LOOK_S)
        finally:
            self._memory.leave()
        if self._stopped:
            await anyio.sleep_forever()
        await self._parts.assured(self._job)  # whoever finishes the output is its owner
        return not self._gone

    async def _adopt(self) -> None:
        """Go on with the slices of whoever held the job before."""
        for part in await self._parts.of(self._job):
            self._note(part, await self._asks_of(part.id))

    def _note(self, part: Job, asks: Sequence[SliceAsk]) -> None:
        self._slices[part.id] = part
        self._names[part.id] = [self._name(ask) for ask in asks]
        self._asked |= dict.fromkeys(self._names[part.id], part.id)

    async def _send(self, read: Callable[[], Awaitable[Sequence[Ask]]]) -> bool:
        """Queue slices while workers may lack some; whether there was one to queue."""
        waiting = sum(part.state == "queued" for part in self._slices.values())
        wanted = max(_MOST_WAITING, len(self._slices) - waiting)
        sent = False
        while waiting < wanted and len(self._slices) < _MOST_SLICES and not self._stopped:
            await self._gather(read)
            if not (asks := self._next()):
                break
            await self._queue(asks)
            waiting, sent = waiting + 1, True
        return sent

    async def _queue(self, asks: Sequence[SliceAsk]) -> None:
        spec = self._common.model_copy(update={"asks": list(asks)})
        part = await self._parts.add(self._job, SLICE, {"spec": spec.model_dump(mode="json"), **for_acting()})
        if part is None:
            self._stopped = True
        else:
            self._note(Job(part, SLICE, "queued"), asks)

    async def _gather(self, read: Callable[[], Awaitable[Sequence[Ask]]]) -> None:
        """Read until there is enough for a slice."""
        while len(self._gathered) < self._size and len(self._window) < _WINDOW and not self._read_all:
            asks = await read()
            self._read_all = not asks
            kept = await self._memory.recall([self._name(ask) for ask in asks if ask.known is None])
            for ask in asks:
                self._window.append(Result(_light(ask), ask.known or {}, done=ask.known is not None))
                name = self._name(ask)
                if ask.known is None and name not in self._asked and name not in kept:
                    self._asked[name] = ""
                    prompt = ask.request.messages[-1].text
                    self._gathered.append(SliceAsk(ai=ask.ai, index=ask.index, key=ask.key, prompt=prompt))

    def _next(self) -> list[SliceAsk]:
        asks: list[SliceAsk] = []
        text = 0
        while self._gathered and len(asks) < self._size:
            text += len(self._gathered[0].prompt)
            if asks and text > _MOST_TEXT:
                break
            asks.append(self._gathered.popleft())
        return asks

    async def _take_back(self) -> bool:
        """Absorb the slices that are over; whether there was one."""
        self._slices = {part.id: part for part in await self._parts.of(self._job)}
        for gone in self._names.keys() - self._slices.keys():  # taken back by somebody: the journal has its calls
            self._forget(gone)
        over = [part for part in self._slices.values() if part.over]
        for part in over:
            await self._absorb(part)
        for part in self._slices.values():
            if part.state == "paused":
                raise ConfigError(part.reason)
        finished = self._finished + sum(part.calls for part in self._slices.values())
        await self._tell(min(max(finished - self._written, 0), len(self._window)))
        return bool(over)

    async def _absorb(self, part: Job) -> None:
        """Take back what it has, and queue anew what it lacks: in pieces where something in it may kill its worker."""
        asks = [] if part.state == "done" else await self._asks_of(part.id)
        await self._parts.absorb(part.id)
        self._finished += part.calls
        del self._slices[part.id]
        self._forget(part.id)
        kept = await self._memory.recall([self._name(ask) for ask in asks])
        left = [ask for ask in asks if self._name(ask) not in kept]
        if part.state == "failed" and len(left) == 1:
            await self._parts.assured(self._job)
            failure = failure_value(Failure(left[0].ai, AIError(part.reason, ai=left[0].ai)), left[0].index)
            await self._memory.keep(self._name(left[0]), failure)
            return
        most = -(-len(left) // _PIECES) if part.state == "failed" else _MOST_ASKS
        for start in range(0, len(left), most or 1):
            await self._queue(left[start : start + most])

    def _forget(self, part: str) -> None:
        """What it asked is to be found in the journal of the job from now on."""
        self._seen.pop(part, None)
        for name in self._names.pop(part, ()):
            if self._asked.get(name) == part:
                del self._asked[name]

    async def _asks_of(self, part: str) -> list[SliceAsk]:
        """What a slice asks, unless it is of an earlier attempt at what had failed."""
        spec = SliceSpec.model_validate((await self._parts.arguments(part))["spec"])
        return spec.asks if spec.role == self._common.role else []

    async def _hand_on(self, write: Callable[[Sequence[Result]], Awaitable[None]]) -> bool:
        """Write what is finished, up to the first result that is not; whether there was any."""
        head = list(islice(self._window, _WRITTEN_AT_ONCE))
        await self._look_up([result for result in head if not result.done])
        ready = list(takewhile(lambda result: result.done, head))
        for _ in ready:
            self._window.popleft()
        if ready:
            await self._parts.assured(self._job)
            await write(ready)
            self._written += sum(result.ask.known is None and result.duplicate_of is None for result in ready)
        return bool(ready)

    async def _look_up(self, results: Sequence[Result]) -> None:
        """Find what has been answered by now, in the slices or, of what was absorbed, in the job's own journal."""
        places: dict[str | None, list[Result]] = {}
        for result in results:
            places.setdefault(self._asked.get(self._name(result.ask)), []).append(result)
        for place, there in places.items():
            names = [self._name(result.ask) for result in there]
            if place is None:
                self._fill(there, await self._memory.recall(names))
                self._check(there)
            elif place and self._has_news(place, there[0].ask.index):
                self._fill(there, await self._parts.values(place, names))

    def _has_news(self, part: str, first: int) -> bool:
        seen = (self._slices[part].calls if part in self._slices else 0, first)
        news = seen[0] > 0 and self._seen.get(part) != seen
        self._seen[part] = seen
        return news

    def _fill(self, results: Sequence[Result], values: Mapping[str, Any]) -> None:
        for result in results:
            if (value := values.get(self._name(result.ask))) is not None:
                result.value, result.done = value, True

    def _check(self, results: Sequence[Result]) -> None:
        self._gone |= not self._stopped and not all(result.done for result in results)

    def _name(self, ask: Ask | SliceAsk) -> str:
        return result_key(self._common.role, ask.ai, ask.key)


def _light(ask: Ask) -> Ask:
    """*ask* without its prompt, which its slice has."""
    return replace(ask, row=replace(ask.row, prompt=""), request=_NOTHING)
