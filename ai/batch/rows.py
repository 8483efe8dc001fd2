"""Asks AIs one row after the other, many at a time, and gives the results back in the order of the rows.

Rows come in chunks and results go out in batches, with a window between them that holds a few hundred at most: memory
stays flat, however many rows there are. Exactly equal requests are asked once. In a job every finished call is kept
under its request, before anything else happens to it: a resumed batch finds there what was finished and not yet
written, and a later duplicate finds its answer however long ago that was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol

import anyio

from ai.batch.records import answer_value, failure_value
from ai.caller import Caller
from ai.request import result_key
from core.errors import (
    AIError,
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    ForbiddenError,
    InvalidInputError,
    NotUsableError,
    QuotaExceededError,
    RateLimitedError,
)
from core.values import Answer, Failure, Outcome, Request

WINDOW = 400
"""Results that wait for an earlier one, at most; a few more where more are asked at once."""
_LINGER_S = 0.05
"""How long written results may wait for company: a write costs a change of threads."""
_MOST_HASHES = 200_000
"""Some 15 MB; behind them every key is looked up."""
_RESTS = 20
_REST_S = 5.0
_LONGEST_REST_S = 120.0
DRAIN_S = 30.0

RowResult = Mapping[str, Any]
"""A finished call as JSON: what `answer_value` or `failure_value` make of it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a row to one AI.

    Args:
        row: Handed through.
        key: The same for the same request to the same AI, and for no other.
        known: The result, when there is one already: nothing is asked then.
    """

    row: Any
    index: int
    ai: str
    request: Request
    key: str
    known: RowResult | None = None


@dataclass(slots=True, eq=False)
class Result:
    """What became of an ask; `value` is there when `done`."""

    ask: Ask
    value: RowResult = field(default_factory=dict)
    done: bool = False

    @property
    def ok(self) -> bool:
        return "error" not in self.value

    @property
    def duplicate_of(self) -> int | None:
        """The index of the row whose answer this is, if it is another's."""
        first: int = self.value.get("i", self.ask.index)
        return first if first != self.ask.index else None


class Memory(Protocol):
    """What a run remembers beyond its process; see `ai.runs.memo.Memo`."""

    async def recall(self, keys: Sequence[str]) -> Mapping[str, Any]: ...
    @property
    def waiting(self) -> int: ...
    async def enter(self) -> None: ...
    def leave(self) -> None: ...
    async def keep(self, key: str, value: Any) -> None: ...


class NoMemory:
    """For a batch that ends with its process."""

    async def recall(self, keys: Sequence[str]) -> Mapping[str, Any]:
        return {}

    @property
    def waiting(self) -> int:
        return 0

    async def enter(self) -> None:
        return

    def leave(self) -> None:
        return

    async def keep(self, key: str, value: Any) -> None:
        return


class Batch:
    """One pass over rows.

    Args:
        width: Calls under way at once, for each AI.
        role: Part of the key under which results are kept; another role asks everything anew.
        memory: What outlives the process; without one, all results are held here to be compared with.
        fresh: Nothing is kept in *memory* yet, so that it is asked only for what came before in this pass.
        drain_s: How long calls under way may take to finish once it is clear that no other can begin.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        width: int,
        run: str = "",
        role: str = "row",
        memory: Memory | None = None,
        fresh: bool = False,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._drain_s = drain_s
        self._scope: anyio.CancelScope | None = None
        self._failure: Exception | None = None
        """Why no further call begins."""
        self._under_way = 0
        self._caller = caller
        self._run = run
        self._role = role
        self._memory: Memory = memory or NoMemory()
        self._forgets = memory is not None
        self._taken: set[int] | None = set() if fresh else None
        self._width = width
        self._queues: dict[str, _Queue] = {}
        self._window = max(WINDOW, 2 * width)
        self._waiting: deque[Result] = deque()
        self._unwritten = 0
        self._room = anyio.Event()
        self._flights: dict[str, list[Result]] = {}
        self._recent: dict[str, RowResult] = {}
        self._ended = False
        self._wake = anyio.Event()

    async def run(
        self, read: Callable[[], Awaitable[Sequence[Ask]]], write: Callable[[Sequence[Result]], Awaitable[None]]
    ) -> None:
        """Ask everything *read* gives, until it gives nothing; *write* gets the results, in the order read.

        Raises:
            BudgetExceededError, ConfigError: An AI cannot be asked any more, so that going on would be in vain. Calls
                under way have finished, and are kept.
        """
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                tasks.start_soon(self._write_all, write)
                while self._failure is None and (asks := await read()):
                    self._forget()
                    await self._take(asks, tasks.start_soon)
                self._ended = True
                self._wake.set()
                for queue in self._queues.values():
                    queue.end()
        except* Exception as group:  # one sentence is wanted, not a group of them
            self._failure = self._failure or _first(group)
        if self._failure is not None:
            raise self._failure

    def _stop(self, error: Exception) -> None:
        """Let no further call begin, and those under way finish: what was accepted is paid for."""
        if self._failure is None and self._scope is not None:
            self._failure = error
            self._scope.deadline = anyio.current_time() + self._drain_s
        for queue in self._queues.values():
            queue.drop()
        self._room.set()
        self._wake.set()

    async def _take(self, asks: Sequence[Ask], start_soon: Callable[..., object]) -> None:
        keys = [result_key(self._role, ask.ai, ask.key) for ask in asks]
        kept = await self._kept(keys)
        for ask, key in zip(asks, keys, strict=True):
            if self._unwritten >= self._window and self._failure is None:
                self._room = anyio.Event()
                await self._room.wait()
            if self._failure is not None:
                return
            self._unwritten += 1
            result = Result(ask)
            self._waiting.append(result)
            if ask.known is not None:
                self._finish([result], ask.known)
            elif key in self._flights:
                self._flights[key].append(result)
            elif (value := self._recent.get(key) or kept.get(key)) is not None:
                self._finish([result], value)
            else:
                self._flights[key] = [result]
                self._queue(ask.ai).put(ask, key, partial(start_soon, self._work, ask.ai))

    async def _kept(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """What the memory has of *keys*. While few were taken, their hashes tell which it cannot have."""
        taken = self._taken
        if taken is None:
            return await self._memory.recall(keys)
        repeated = [key for key in keys if hash(key) in taken]
        taken.update(map(hash, keys))
        if len(taken) > _MOST_HASHES:
            self._taken = None
        return await self._memory.recall(repeated) if repeated else {}

    def _queue(self, ai: str) -> _Queue:
        if ai not in self._queues:
            self._queues[ai] = _Queue(self._width)
        return self._queues[ai]

    async def _work(self, ai: str) -> None:
        """Ask one after the other; as many of these run as calls may be under way."""
        queue = self._queues[ai]
        while (taken := await queue.take()) is not None:
            self._under_way += 1
            try:
                await self._ask(*taken)
            except (BudgetExceededError, ConfigError) as error:
                self._stop(error)
            finally:
                self._under_way -= 1
                self._wake.set()

    async def _ask(self, ask: Ask, key: str) -> None:
        guard = _Keeping(self._memory, key, ask.index)
        outcome = await self._ask_one(ask, guard)
        if isinstance(outcome, Answer):
            value = guard.kept or answer_value(outcome, ask.index)
        else:
            value = failure_value(outcome, ask.index)
            await self._memory.keep(key, value)
        self._recent[key] = value
        self._finish(self._flights.pop(key), value)

    async def _ask_one(self, ask: Ask, guard: _Keeping) -> Outcome:
        """An answer, or a failure that is this row's own."""
        for _ in range(_RESTS):
            try:
                outcome = await self._caller.call(ask.ai, ask.request, run=self._run, role=self._role, guard=guard)
            except BudgetExceededError as error:
                if not error.alone:
                    raise
                return Failure(ask.ai, error)
            except InvalidInputError as error:
                return Failure(ask.ai, NotUsableError(str(error), ai=ask.ai))
            if isinstance(outcome, Answer):
                return outcome
            if (rest_s := _rest_s(ask.ai, outcome.error)) is None:
                return outcome
            await anyio.sleep(rest_s)
        return outcome

    def _finish(self, results: Sequence[Result], value: RowResult) -> None:
        for result in results:
            result.value, result.done = value, True
        if self._waiting and self._waiting[0].done:
            self._wake.set()

    async def _write_all(self, write: Callable[[Sequence[Result]], Awaitable[None]]) -> None:
        while not self._ended or self._waiting:
            ready = []
            while self._waiting and self._waiting[0].done:
                ready.append(self._waiting.popleft())
            if ready:
                try:
                    await write(ready)
                except ConfigError as error:
                    self._stop(error)
                    return
                self._unwritten -= len(ready)
                self._room.set()
                if self._waiting or not self._ended:
                    await anyio.sleep(_LINGER_S)
            elif self._failure is not None and not self._under_way:
                return  # what still waits was never asked
            elif self._wake.is_set():
                self._wake = anyio.Event()
            else:
                await self._wake.wait()

    def _forget(self) -> None:
        """Let go of what can be recalled: the newest may not have reached the memory's store yet."""
        if self._forgets:
            for key in list(islice(self._recent, max(0, len(self._recent) - self._memory.waiting))):
                del self._recent[key]


def _rest_s(ai: str, error: AIError) -> float | None:
    """After how many seconds to ask again; None where the failure is this row's own.

    Raises:
        ConfigError: It is that of all rows, or would take longer than anybody watches a bar that stands still.
    """
    for_all = isinstance(error, ForbiddenError) and error.code != "firewall"  # which may dislike one row's words alone
    if for_all or isinstance(error, AuthenticationError | QuotaExceededError):
        raise ConfigError(f"{ai}: {error} Mend it and go on; what is finished is kept.")
    if error.accepted:
        return None
    limited = isinstance(error, RateLimitedError) and error.retry_after is not None
    if not (limited or isinstance(error, CircuitOpenError)):
        return None
    rest_s = error.retry_after or _REST_S
    if rest_s > _LONGEST_REST_S:
        raise ConfigError(f"{ai}: {error} Go on then; what is finished is kept.")
    return rest_s


class _Queue:
    """Asks of one AI, for at most *width* workers, who are started when there is work for them."""

    def __init__(self, width: int) -> None:
        self._asks: deque[tuple[Ask, str]] = deque()
        self._idle: list[anyio.Event] = []
        self._free = width
        self._ended = False

    def put(self, ask: Ask, key: str, start_worker: Callable[[], object]) -> None:
        self._asks.append((ask, key))
        if self._idle:
            self._idle.pop().set()
        elif self._free:
            self._free -= 1
            start_worker()

    async def take(self) -> tuple[Ask, str] | None:
        """The next ask; None when there will be none."""
        while not self._asks:
            if self._ended:
                return None
            self._idle.append(woken := anyio.Event())
            await woken.wait()
        return self._asks.popleft()

    def drop(self) -> None:
        """Forget what has not begun, and end."""
        self._asks.clear()
        self.end()

    def end(self) -> None:
        self._ended = True
        while self._idle:
            self._idle.pop().set()


class _Keeping:
    """The guard of one call: it waits while nothing can be kept, and keeps the answer under *key*."""

    def __init__(self, memory: Memory, key: str, index: int) -> None:
        self._memory = memory
        self._key = key
        self._index = index
        self.kept: RowResult | None = None

    def __aenter__(self) -> Awaitable[None]:
        return self._memory.enter()

    async def __aexit__(self, *raised: object) -> None:
        self._memory.leave()

    async def keep(self, answer: Answer) -> None:
        self.kept = answer_value(answer, self._index)
        await self._memory.keep(self._key, self.kept)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
