"""One AI's rows on their way through its batch endpoint: gathered into chunks, handed in, followed, kept.

What is durable, in this order: the plan of a chunk (which rows), the provider's id for it, the results, its end. A
plan without an id was perhaps handed in by a process that died: the provider is searched for it before it is handed
in again. A chunk with an id is never handed in again, whatever becomes of it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, get_args

from ai.batch.endpoint import RemoteBatches, RemoteResult, RemoteStatus, unanswered
from ai.batch.pauses import Pauses
from ai.batch.records import answer_value, failure_value
from ai.batch.rows import Ask, Memory
from ai.layers.permit import permitted
from ai.lazy import load
from ai.request import check_request, result_key
from ai.roster.billing import settle, settle_failure
from ai.runs.run import Run
from ai.wire.classify.failure import Who, not_an_answer
from core.errors import (
    AIError,
    BadResponseError,
    BudgetExceededError,
    InvalidInputError,
    MootError,
    NotUsableError,
    RequestRejectedError,
)
from core.jobs.provider_chunks import REMOTE, Step, remote_key
from core.limits.budget_rows import Estimate, Hold
from core.values import Answer, Failure, Outcome, Request

T = TypeVar("T")

CHUNK_BYTES = 50_000_000
"""What is held in memory at once; below every provider's own limit."""
_SKEW_S = 600.0
_KEPT_AT_ONCE = 200


@dataclass(slots=True)
class Chunk:
    """Rows `first` to `last` (by index), of which `count` are asked; `id` once the provider has it."""

    number: int
    first: int
    last: int
    count: int
    at: float
    id: str = ""
    ended: bool = False
    off: bool = False
    """Whether the provider was told to stop."""
    reason: str = ""
    done: int = 0


@dataclass(slots=True)
class _Gathered:
    """Requests on their way into a chunk."""

    lines: list[bytes] = field(default_factory=list)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    size: int = 0
    last: int = -1

    def add(self, custom_id: str, line: bytes, index: int, estimate: Estimate | None) -> None:
        self.lines.append(line)
        self.size += len(line) + 1
        self.last = index
        if estimate is not None:
            self.estimates[custom_id] = estimate


@dataclass(frozen=True, slots=True)
class _Received:
    """A result, and the index of its row."""

    index: int
    result: RemoteResult


Follow = Callable[["Errand", Chunk], object]


class Errand:
    """One AI's rows: gathered into chunks, handed in, followed.

    Args:
        job: Whose rows they are, if not the run's own.
    """

    def __init__(
        self, run: Run, ai: str, remote: RemoteBatches, *, memory: Memory, role: str, pauses: Pauses, job: str = ""
    ) -> None:
        self.chunks: list[Chunk] = []
        self._run = run
        self._job = job or run.id
        self._ai = ai
        self._remote = remote
        self._memory = memory
        self._role = role
        self._pauses = pauses
        self._seat = run.roster.seat(ai)
        self._who = Who(ai, self._seat.provider.name)
        self._seen: set[int] = set()
        self._gathered = _Gathered()
        self._holds: dict[str, Hold] = {}
        self._started: Follow = lambda errand, chunk: None

    async def open(self, follow: Follow) -> None:
        """Take up what an earlier process handed in; *follow* is called with every chunk the provider has."""
        self._started = follow
        await self._remote.open()
        while chunk := await self._recall(len(self.chunks)):
            self.chunks.append(chunk)
            if chunk.id and not chunk.ended:
                follow(self, chunk)

    async def take(self, ask: Ask) -> None:
        """Gather *ask*, unless it is known, a duplicate, or handed in already."""
        mark = int(ask.key[:16], 16)  # a million whole keys would be many megabytes
        if ask.known is not None or mark in self._seen:
            return
        self._seen.add(mark)
        if (planned := self._planned) is not None and ask.index > planned.last:
            await self.hand_in()
        if ask.index > max((chunk.last for chunk in self.chunks if chunk.id), default=-1):
            await self._gather(ask)

    async def hand_in(self) -> None:
        """Hand in what is gathered, and record the provider's id before anything else happens."""
        chunk = self._planned
        gathered, self._gathered = self._gathered, _Gathered()
        if not gathered.lines:
            if chunk is not None:  # settings that changed since it was planned refuse every row of it
                chunk.id, chunk.ended = "none", True
            return
        await self._reserve(gathered)
        fresh = chunk is None
        if chunk is None:
            first = self.chunks[-1].last + 1 if self.chunks else 0
            chunk = Chunk(len(self.chunks), first, gathered.last, len(gathered.lines), self._pauses.clock())
            self.chunks.append(chunk)
            await self._memory.keep(self._key(chunk.number, "plan"), [chunk.first, chunk.last, chunk.count, chunk.at])
        await self._memory.enter()
        try:
            chunk_id = await self._submit(chunk, gathered.lines, maybe_there=not fresh)
            await self._memory.keep(self._key(chunk.number, "id"), chunk_id)
        finally:
            self._memory.leave()
        chunk.id = chunk_id
        self._started(self, chunk)

    async def follow(self, chunk: Chunk, tell: Callable[[], Awaitable[None]]) -> None:
        """Wait for the end of *chunk* and keep its results."""
        status = await self._until_over(chunk.id, chunk, tell)
        await self._pauses.patiently(self._ai, lambda: self._shaped(self._collect(chunk)))
        chunk.ended, chunk.reason = True, status.reason
        await self._memory.keep(self._key(chunk.number, "end"), status.reason)
        await tell()

    async def call_off(self) -> int:
        """Have the provider stop what it still works on; how many batches that were.

        Raises:
            ConfigError: It cannot be told; nothing is forgotten, and a later call goes on.
        """
        told = 0
        for chunk in self.chunks:
            if chunk.ended or chunk.off:
                continue
            found = chunk.id or await self._pauses.patiently(self._ai, partial(self._mark, chunk))
            if found:
                await self._pauses.patiently(self._ai, partial(self._cancel_remotely, found))
                told += 1
            chunk.off = True
            await self._memory.keep(self._key(chunk.number, "off"), found)
        return told

    async def _mark(self, chunk: Chunk) -> str:
        """The provider's id of a chunk that was perhaps handed in, where a mark says so for certain."""
        return await self._found(chunk, self._prefix(chunk.number)) if self._remote.marks else ""

    async def _cancel_remotely(self, id: str) -> None:
        try:
            await self._shaped(self._remote.cancel(id))
        except RequestRejectedError:
            if not (await self._shaped(self._remote.status(id))).over:
                raise

    def why(self, index: int) -> AIError:
        """Why the row of *index* has no result."""
        chunk = next((one for one in self.chunks if one.first <= index <= one.last), None)
        if chunk is not None and chunk.reason:
            return unanswered(self._who, chunk.reason)
        text = f"{self._ai!r} gave no result for this row. Ask it again with --retry-failed if you want it anyway."
        return BadResponseError(text, ai=self._ai, provider=self._who.provider)

    def give_back(self) -> None:
        """Let go of reservations whose results nobody here waits for any more."""
        budget = self._run.roster.budget
        for hold in self._holds.values():
            if budget is not None:
                budget.refund(hold)
        self._holds.clear()

    async def _gather(self, ask: Ask) -> None:
        try:
            request = self._checked(ask.request)
            estimate = await self._estimate(request)
        except (AIError, InvalidInputError) as error:
            if isinstance(error, BudgetExceededError) and not error.alone:
                raise
            refused = error if isinstance(error, AIError) else NotUsableError(str(error), ai=self._ai)
            await self._memory.keep(self._name(ask.key), failure_value(Failure(self._ai, refused), ask.index))
            return
        if self._planned is None and self._is_full(len(self._remote.line(self._custom_id(ask), request))):
            await self.hand_in()
        custom_id = self._custom_id(ask)
        self._gathered.add(custom_id, self._remote.line(custom_id, request), ask.index, estimate)

    @property
    def _planned(self) -> Chunk | None:
        """The chunk whose rows were decided on, and that the provider may or may not have."""
        return next((chunk for chunk in self.chunks if not chunk.id), None)

    def _is_full(self, more: int) -> bool:
        gathered, terms = self._gathered, self._remote.terms
        most = min(CHUNK_BYTES, terms.bytes - 1_000)
        return len(gathered.lines) >= terms.requests or bool(gathered.lines and gathered.size + more + 1 > most)

    def _custom_id(self, ask: Ask) -> str:
        planned = self._planned
        return f"{self._prefix(planned.number if planned else len(self.chunks))}-{ask.index}-{ask.key}"

    def _checked(self, request: Request) -> Request:
        check_request(request)
        return self._seat.filled(request)

    async def _estimate(self, request: Request) -> Estimate | None:
        budget = self._run.roster.budget
        if budget is None:
            return None
        estimate = (await load("ai.roster.estimate")).estimate(self._seat, request)
        price = self._remote.terms.price
        low, high = (None if usd is None else usd * price for usd in (estimate.low_usd, estimate.high_usd))
        found: Estimate = replace(estimate, low_usd=low, high_usd=high)
        budget.check_call(found)
        return found

    async def _reserve(self, gathered: _Gathered) -> None:
        budget = self._run.roster.budget
        if budget is not None:
            holds = await budget.reserve(self._run.id, list(gathered.estimates.values()))
            self._holds |= dict(zip(gathered.estimates, holds, strict=True))

    async def _submit(self, chunk: Chunk, lines: Sequence[bytes], *, maybe_there: bool) -> str:
        """The provider's id for *chunk*: of what is there already, or of what is handed in now."""
        mark = self._prefix(chunk.number)

        async def once() -> str:
            nonlocal maybe_there
            if maybe_there and (found := await self._found(chunk, mark)):
                return found
            maybe_there = True
            await permitted()
            return await self._shaped(self._remote.submit(mark, lines))

        return await self._pauses.patiently(self._ai, once)

    async def _found(self, chunk: Chunk, mark: str) -> str:
        for candidate in await self._shaped(self._remote.find(mark, chunk.count, chunk.at - _SKEW_S)):
            if self._remote.marks or await self._is_ours(candidate, mark):
                return candidate
        return ""

    async def _is_ours(self, id: str, mark: str) -> bool:
        """Whether the results of a batch without a mark are those of *mark*; they are there when it has ended."""
        await self._until_over(id)
        async for result in self._remote.results(id):
            return result.custom_id.startswith(f"{mark}-")
        return False

    async def _until_over(
        self, id: str, chunk: Chunk | None = None, tell: Callable[[], Awaitable[None]] | None = None
    ) -> RemoteStatus:
        looks = 0
        while True:
            await self._pauses.after(looks)
            status = await self._pauses.patiently(self._ai, lambda: self._shaped(self._remote.status(id)))
            if chunk is not None:
                chunk.done = status.done
            if status.over:
                return status
            if tell is not None:
                await tell()
            looks += 1

    async def _collect(self, chunk: Chunk) -> None:
        ours = re.compile(rf"{self._prefix(chunk.number)}-(\d{{1,12}})-([0-9a-f]{{40}})")
        some: dict[str, _Received] = {}
        async for result in self._remote.results(chunk.id):
            if parts := ours.fullmatch(result.custom_id):
                some.setdefault(self._name(parts[2]), _Received(int(parts[1]), result))
            if len(some) >= _KEPT_AT_ONCE:
                await self._keep(some)
                some = {}
        await self._keep(some)

    async def _keep(self, received: dict[str, _Received]) -> None:
        """Keep what is new, then tell of it, and count it."""
        await self._memory.enter()
        try:
            kept = await self._memory.recall(list(received))
            for name, one in received.items():
                if name not in kept:
                    await self._keep_one(name, one)
        finally:
            self._memory.leave()

    async def _keep_one(self, name: str, one: _Received) -> None:
        async def keep(outcome: Outcome) -> None:
            if isinstance(outcome, Answer):
                await self._memory.keep(name, answer_value(outcome, one.index))
            else:
                await self._memory.keep(name, failure_value(outcome, one.index))

        price, role = self._remote.terms.price, self._role
        outcome = await self._run.received(self._ai, one.result.outcome, price=price, role=role, keep=keep)
        budget = self._run.roster.budget
        if budget is None:
            return
        hold = self._holds.pop(one.result.custom_id, None) or self._lapsed()
        if isinstance(outcome, Answer):
            settle(budget, hold, outcome.cost_usd, outcome.usage)
        else:
            settle_failure(budget, hold, outcome.error)

    def _lapsed(self) -> Hold:
        """In place of a reservation that ended with the process that made it: only what was taken counts."""
        return Hold(secrets.token_hex(8), Estimate(self._ai, self._seat.model, 0, 0, 0.0, 0.0))

    async def _shaped(self, answer: Awaitable[T]) -> T:
        """What the provider says; an answer of another shape than documented is an error of the provider's."""
        try:
            return await answer
        except MootError:
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise not_an_answer(self._who, "") from error

    async def _recall(self, number: int) -> Chunk | None:
        names = {step: self._key(number, step) for step in get_args(Step)}
        kept = await self._memory.recall(list(names.values()))
        plan = kept.get(names["plan"])
        if plan is None:
            return None
        first, last, count, at = plan
        ended, reason = names["end"] in kept, kept.get(names["end"], "")
        return Chunk(number, first, last, count, at, kept.get(names["id"], ""), ended, names["off"] in kept, reason)

    def _key(self, number: int, step: Step) -> str:
        return remote_key(self._role, self._ai, number, step)

    def _name(self, key: str) -> str:
        return result_key(self._role, self._ai, key)

    def _prefix(self, number: int) -> str:
        """What a chunk is called at the provider: no other job's, and nothing to be read from it."""
        name = f"{self._job}:{REMOTE}{self._role}:{self._ai}:{number}:"
        return hashlib.sha256(name.encode()).hexdigest()[:10]
