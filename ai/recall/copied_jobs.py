"""Jobs that hold words of what was forgotten, though it was not said in them: an agent read them by a tool, or an
answer repeats them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from core.errors import UnknownJobError
from core.jobs.kinds import BATCH
from core.jobs.states import JobState
from core.memory.copies import Copies
from core.memory.forgetting import Forgotten, Which
from core.memory.origin import ORIGIN, Origin
from core.memory.scope import ANY_TOPIC, Scope

if TYPE_CHECKING:
    from core.jobs.engine import JobEngine
    from core.jobs.values import Job, KeptCall

_TOOL = "call:tool:"
"""How the keys of what a tool gave begin in a job's journal."""
_READ_HERE = {"list_threads", "read_thread", "search_threads", "list_runs", "read_run"}
"""Tools of which a short text is a copy: elsewhere "What is the weather?" stands by chance."""
_OPEN: tuple[JobState, ...] = ("queued", "running", "paused")
_MOST_JOBS = 100_000
_AT_ONCE = 200
_CALLS = 500
_ASTRAY_S = 86_400.0
_WRITTEN_S, _LOOK_S = 5.0, 0.02


async def jobs_with_copies(
    engine: JobEngine, gone: Forgotten, *, person: str, shared: str, known: Collection[str], since: float = 0.0
) -> list[str]:
    """The jobs of *person* that hold words of what is *gone*; batches, whose rows come out of files, are not looked at.

    Args:
        shared: The shared conversation whose jobs are meant instead, whoever's they are.
        known: Jobs that belong to what is still remembered: they only count where a tool gave the words.
        since: Jobs that were over before that moment are not looked at.

    Raises:
        StoreError: The jobs cannot be read.
    """
    copies, said_since = await anyio.to_thread.run_sync(_known_by, gone)  # of 50,000 turns it takes seconds
    if not copies:
        return []
    with anyio.move_on_after(_WRITTEN_S):
        while engine.waiting:  # noqa: ASYNC110 - what has finished just now is not to be found yet
            await anyio.sleep(_LOOK_S)
    since = max(since, said_since)
    jobs = await engine.list_jobs(limit=_MOST_JOBS, person=None if shared else person)
    some = [job for job in jobs if job.kind != BATCH and (job.finished is None or job.finished >= since)]
    found = []
    for start in range(0, len(some), _AT_ONCE):
        few = some[start : start + _AT_ONCE]
        asked = await engine.asked([job.id for job in few])
        for job in few:
            arguments = asked.get(job.id, {})
            if shared and (arguments.get(ORIGIN) or {}).get("shared") != shared:
                continue
            if await _holds(engine, job, arguments, copies, whole=job.over and job.id not in known):
                found.append(job.id)
    return found


async def jobs_under_way(engine: JobEngine, scope: Scope, which: Which, *, person: str, shared: str = "") -> list[str]:
    """The jobs of *person* that are not over and would add to what is to be forgotten.

    Args:
        shared: As in `jobs_with_copies`.

    Raises:
        StoreError: The jobs cannot be read.
    """
    if which.turn is not None or (which.until is not None and which.until <= datetime.now(UTC)):
        return []
    jobs = await engine.list_jobs(_OPEN, limit=_MOST_JOBS, person=None if shared else person)
    asked = await engine.asked([job.id for job in jobs])
    return [job.id for job in jobs if job.kind != BATCH and _adds_to(asked.get(job.id, {}), scope, which, shared)]


def _adds_to(asked: Mapping[str, Any], scope: Scope, which: Which, shared: str) -> bool:
    thread, told = asked.get("thread"), asked.get(ORIGIN)
    origin = Origin.of_json(told) if told else Origin()
    if not thread or origin.shared != shared or (which.named is not None and origin.message not in which.named):
        return False
    if scope.everything:
        return True
    if scope.thread is not None:
        return bool(thread == scope.thread)
    return origin.place.channel == scope.channel and scope.topic in (ANY_TOPIC, origin.place.topic)


async def _holds(engine: JobEngine, job: Job, asked: Mapping[str, Any], copies: Copies, *, whole: bool) -> bool:
    """Whether *job* holds a copy: what a tool gave, or with *whole* anything that was asked, answered or returned."""
    try:
        if whole:
            result = await engine.result(job.id)
            told = [dict(asked), result.markdown if result else "", result.structured if result else {}]
            if await anyio.to_thread.run_sync(copies.in_value, told):
                return True
        after = 0
        while calls := await engine.calls(job.id, after=after, limit=_CALLS):
            if await anyio.to_thread.run_sync(partial(_in_calls, calls, copies, whole=whole)):
                return True
            after = calls[-1].seq
    except UnknownJobError:
        pass  # it was deleted meanwhile
    return False


def _in_calls(calls: Sequence[KeptCall], copies: Copies, *, whole: bool) -> bool:
    for call in calls:
        if whole or call.key.startswith(_TOOL):
            here = whole or not _READ_HERE.isdisjoint(call.key.split(":"))
            if copies.in_value(call.value, long=not here):
                return True
    return False


def _known_by(gone: Forgotten) -> tuple[Copies, float]:
    """What tells copies of what is *gone*, and since when there can be any."""
    return Copies(gone.said), min((_seconds(at) for at, _ in gone.said), default=0.0)


def _seconds(at: str) -> float:
    """The moment *at*, as jobs have theirs, or somewhat earlier: clocks are put right now and then. 0 for one that is
    yet to come: the clock was wrong when it was said, and nobody knows when that was."""
    try:
        said = datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0
    return said - _ASTRAY_S if said <= time.time() else 0.0
