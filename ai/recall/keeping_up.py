"""Indexing by meaning beside everything else: what people say is indexed while they go on, and all of it anew once the
embedder or the index is another.

One process of a data folder does it, whichever comes first: two would pay a provider twice for the same vectors.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread

from ai.recall.chosen import index_name, is_configured
from ai.recall.opening import index_all, with_memory
from ai.runs.app import App
from core.errors import (
    AIError,
    BudgetExceededError,
    LocalModelError,
    MootError,
    NotLocalError,
    NotUsableError,
    StoreError,
)
from core.memory.indexing import behind
from core.memory.threads import Threads
from core.paths import data_dir
from core.people.person import OWNER, Person, acting_as
from core.recalling import STATIC
from core.stores.held import held

if TYPE_CHECKING:
    from ai.roster.roster import Roster

log = logging.getLogger(__name__)

EVERY_S = 20.0
"""How long what was said waits at most before it is indexed."""
_STEP = 32
"""Turns at once: a third of a second with MiniLM, for which the end of the program waits."""
_AT_HAND = 2_000
"""Turns that a search with static vectors indexes itself: vectors are not loaded for fewer."""
_LONGEST_S = 3_600.0
"""Between two tries, after many that failed."""
_MOST_DOUBLED, _MOST_TOLD = 12, 100
_SAME = 3
"""How many in a row fail for the same reason before the others are left for later, too."""
_FILE, _LOCK = "threads.db", "indexing.lock"
_IN_OUR_WORDS = (BudgetExceededError, LocalModelError, NotLocalError, NotUsableError)
"""What an AI may fail with of which each word is ours."""
Sleep = Callable[[float], Awaitable[None]]
_Stamp = tuple[int, int]


@dataclass
class _Home:
    """The transcript of somebody, or of a group: when it last changed, and how often indexing it failed."""

    seen: _Stamp | None = None
    failures: int = 0
    rounds_left: int = 0


async def keep_indexed(app: App, *, every_s: float | None = None, sleep: Sleep = anyio.sleep) -> None:
    """Index what everybody says, until cancelled. Whatever fails is logged once and tried again, ever later.

    Args:
        every_s: How often it looks; None: as often as is usual.
    """
    every_s = EVERY_S if every_s is None else every_s
    keeper = _Keeper(app, every_s)
    async with _alone(keeper, every_s, sleep):
        while True:
            try:
                await keeper.round()
            except Exception as error:  # nobody is left without answers because a folder could not be read
                await anyio.lowlevel.checkpoint_if_cancelled()
                keeper.failed(error)
            await sleep(every_s)


@dataclass
class _Keeper:
    app: App
    every_s: float
    homes: dict[str, _Home] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    async def round(self) -> None:
        """Index what has changed since the last one."""
        changed = await anyio.to_thread.run_sync(self._changed)
        reasons: list[str] = []
        for name, stamp in changed:
            home = self.homes[name]
            reason = await self._index(name)
            if not reason:
                self.homes[name] = _Home(stamp)
                continue
            home.failures = min(home.failures + 1, _MOST_DOUBLED)
            home.rounds_left = round(min(2**home.failures * self.every_s, _LONGEST_S) / self.every_s)
            reasons.append(reason)
            if len(reasons) >= _SAME and len(set(reasons[-_SAME:])) == 1:
                return
        if changed and not reasons:
            self.told.clear()

    def failed(self, error: Exception) -> str:
        """Tell of *error* once; what it comes to."""
        if isinstance(error, AIError) and not isinstance(error, _IN_OUR_WORDS):  # a provider may quote what was said
            status = f", {error.status}" if error.status else ""
            reason = f"{error.ai or 'The AI'} failed ({error.kind}{status}). To see what it says: moot memory reindex"
        elif isinstance(error, MootError):
            reason = str(error)
        else:  # what it says may be somebody's words
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
            reason = f"{type(error).__name__} at {where}. Report it; to try it now: moot memory reindex"
        if reason not in self.told:
            if len(self.told) >= _MOST_TOLD:
                self.told.clear()
            self.told.add(reason)
            log.warning("Not all that was said is indexed by meaning, which is tried again: %s", reason)
        return reason

    async def _index(self, name: str) -> str:
        """Index what *name* has; why it failed."""
        person = Person(name) if name else OWNER
        with acting_as(person):
            try:
                async with self._threads_of(person) as threads:
                    if await anyio.to_thread.run_sync(_is_behind, self.app.roster, threads):
                        await self._index_all(threads)
            except Exception as error:
                await anyio.lowlevel.checkpoint_if_cancelled()  # then it is how the cancelled thread ended
                return self.failed(error)
        return ""

    async def _index_all(self, threads: Threads) -> None:
        materials = replace(self.app.materials, threads=threads, borrowed=None)
        async with self.app.run("memory", materials=materials) as run:
            if lacking := await with_memory(run, lambda memory: "" if memory.embedder else memory.lacking):
                raise MootError(lacking)
            await index_all(run, step=_STEP)

    @asynccontextmanager
    async def _threads_of(self, person: Person) -> AsyncIterator[Threads]:
        """The transcript of *person*, which is closed again where nobody else has it open."""
        if person.owns or person.name in self.app.others:
            yield self.app.materials_of(person).threads
            return
        threads = Threads(person.folder() / _FILE)
        try:
            yield threads
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(threads.close)

    def _changed(self) -> list[tuple[str, _Stamp]]:
        """Whose transcript is another than when it was last indexed, but for those whose turn to fail is not yet."""
        found = []
        for name in _names():
            stamp = _stamp((Person(name) if name else OWNER).folder() / _FILE)
            home = self.homes.setdefault(name, _Home())
            if stamp is None or stamp == home.seen:
                continue
            if home.rounds_left > 0:
                home.rounds_left -= 1
                continue
            found.append((name, stamp))
        return found


def _is_behind(roster: Roster, threads: Threads) -> bool:
    """Whether there is anything to do that a search would not. Blocks."""
    config = roster.config.memory
    if not (name := index_name(config, roster)):
        return False
    found = behind(threads, name)
    left = [other.partition("/")[0] for other in found.others] + list(found.unforgotten)
    few = _AT_HAND if config.embedder == STATIC and not found.others else 0
    return found.turns > few or any(map(is_configured, left))


def _names() -> list[str]:
    """Everybody who has a folder; empty: the owner."""
    try:
        with os.scandir(data_dir() / "people") as entries:
            return ["", *sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))]
    except FileNotFoundError:
        return [""]


def _stamp(path: Path) -> _Stamp | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


@asynccontextmanager
async def _alone(keeper: _Keeper, every_s: float, sleep: Sleep) -> AsyncIterator[None]:
    """Be the only process of this data folder that does this; waits for the one that is."""
    lock = None
    while lock is None:
        try:
            lock = await anyio.to_thread.run_sync(held, _LOCK)
        except StoreError as error:
            keeper.failed(error)
        if lock is None:
            await sleep(every_s)
    try:
        yield
    finally:
        lock.close()
