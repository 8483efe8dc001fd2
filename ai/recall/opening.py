"""Recalling for a run: what its person said before, within the allowance; the same again when the run is resumed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from ai.recall.chosen import open_memory
from core.errors import MootError
from core.memory.found import Found
from core.memory.looking import placed
from core.memory.memory import Memory
from core.memory.scope import Scope
from core.stores.held import held
from core.usage.tokens import text_tokens

if TYPE_CHECKING:
    from ai.runs.run import Run

T = TypeVar("T")
_STEP = 500
_LOCK = "indexing_step.lock"
_LOOK_S = 0.1
_pause = anyio.sleep


async def recall(
    run: Run, scope: Scope, question: str, *, tokens: int | None = None, but: Callable[[int], bool] = lambda turn: False
) -> Found:
    """What was said in *scope* that matters to *question*; a note instead where it cannot be read.

    Args:
        tokens: At most so many; None: as configured.
        but: Turns that go along anyway.
    """
    allowance = run.roster.config.memory.tokens if tokens is None else tokens
    if not allowance or not question.strip():
        return Found(())

    fresh: list[Found] = []

    async def look() -> dict[str, Any]:
        try:
            found = await with_memory(
                run, lambda memory: memory.recall(scope, question, text_tokens, tokens=allowance, but=but)
            )
        except MootError as error:
            found = Found((), (_unread(error),))
        fresh.append(found)
        return {"places": [placed(one) for one in found.passages], "notes": found.notes}

    key = sha256(json.dumps([asdict(scope), question]).encode()).hexdigest()[:16]
    kept = await run.call(f"recall:{key}", look)
    if fresh:
        return fresh[0]
    try:  # a journal has no words of other turns, which may be forgotten without it
        passages = await with_memory(run, lambda memory: memory.again(kept["places"]))
    except MootError as error:
        return Found((), (*kept["notes"], _unread(error)))
    return Found(passages, tuple(kept["notes"]))


def _unread(error: MootError) -> str:
    return f"Nothing was recalled: {error}"


async def with_memory(run: Run, work: Callable[[Memory], T]) -> T:
    """What *work* makes, in a worker thread, of the memory of the run's person."""
    config, threads = run.roster.config.memory, run.threads

    def there() -> T:
        return work(open_memory(threads, config, run))

    return await anyio.to_thread.run_sync(there)


async def index_all(run: Run, say: Callable[[int], None] = lambda left: None, *, step: int = _STEP) -> None:
    """Index what is not yet, a step at a time, and drop what indexes of before have. Go on with it at any time.

    Args:
        say: Is told how many turns are left.
        step: Turns that are indexed at once: a cancellation waits for them where vectors are made here.

    Raises:
        MootError: The embedder or an index cannot be reached; what was indexed stays.
    """
    await with_memory(run, Memory.mend)
    left = 1
    while left:
        async with _alone():
            left = await with_memory(run, lambda memory: memory.catch_up(most=step))
        if left:
            say(left)
    await with_memory(run, Memory.clear)


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Be the only one of this data folder that indexes: two would pay for the vectors of the same turns."""
    while (lock := await anyio.to_thread.run_sync(held, _LOCK)) is None:
        await _pause(_LOOK_S)
    try:
        yield
    finally:
        lock.close()
