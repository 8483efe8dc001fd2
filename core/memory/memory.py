"""What was said, found again: by words, by meaning and by time, within a scope, as it was said.

Everything here blocks: call it in a worker thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import MootError
from core.memory.finding import Where, resolve
from core.memory.forgetting import Forgotten, Which, forget, meant
from core.memory.found import Found, Passage
from core.memory.index import Embedder, Near, VectorIndex
from core.memory.indexing import Indexing, others_of, unlist, waiting_of
from core.memory.looking import CANDIDATES, Look, Spot, again
from core.memory.scope import Scope
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import Threads
from core.memory.times import Asked, asked_of

log = logging.getLogger(__name__)

TOKENS = 2_000
"""What is recalled for one question at most, by default."""
_AT_HAND = 2_000
"""Turns that are indexed before a search where that costs next to nothing: a tenth of a second."""
_LOST = (
    "Only words were searched, since the index by meaning was emptied or is of another model. It is made anew; to do "
    "it now: moot memory reindex"
)
_LATE = (
    "By meaning {:,} turns are not indexed yet. It goes on while the bot or the HTTP door runs; at once: moot memory "
    "reindex"
)
_ASTRAY = timedelta(days=1)
"""How far clocks may be apart."""
_WORTH_SAYING = 200
"""Turns that are not indexed yet; fewer are those of the last minute."""
_SHORTEST = 40
"""Tokens of a passage that is cut to fit: less tells nothing."""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """How much was said, and how much of it is indexed by meaning.

    Args:
        answering: The index that answers, `sqlite/wordllama-256`; None where words alone do.
        waiting: Turns that are not indexed by the embedder of now.
        unforgotten: Turns whose vectors an index that was away still has.
        others: Indexes of before that still have vectors.
    """

    index: str
    embedder: str | None
    threads: int = 0
    turns: int = 0
    waiting: int = 0
    answering: str | None = None
    unforgotten: int = 0
    others: tuple[str, ...] = ()


class Memory:
    """What is kept in *threads*, by words and by meaning.

    Args:
        index: Where vectors are; None: in the file itself.
        embedder: What makes them; None: words alone are searched, and *lacking* is the sentence that says why.
        older, elsewhere: Find the embedder, and the backend, of an index made before: see `Indexing`.
    """

    def __init__(
        self,
        threads: Threads,
        *,
        index: VectorIndex | None = None,
        embedder: Embedder | None = None,
        older: Callable[[str], Embedder | None] = lambda name: None,
        elsewhere: Callable[[str], VectorIndex | None] = lambda backend: None,
        lacking: str = "",
    ) -> None:
        self.threads = threads
        self.embedder = embedder
        self.index: VectorIndex = index or SqliteIndex(threads)
        self.lacking = lacking
        self._elsewhere = elsewhere
        self._indexing = Indexing(threads, self.index, embedder, older, elsewhere) if embedder else None

    def search(self, scope: Scope, question: str, *, most: int = 5, now: datetime | None = None) -> Found:
        """What was said in *scope* that matters to *question*, at most *most* passages, best first.

        Raises:
            StoreError: What was said cannot be read. An index that is away is no error but a note.
        """
        if not question.strip() or not self.threads.begun:
            return Found(())
        if (where := self.threads.look(lambda c: resolve(c, scope))) is None:
            return Found(())
        moment = now or datetime.now(UTC).astimezone()
        asked = asked_of(question, moment)
        similar, notes = self._by_meaning(where, asked)
        look = Look(scope, where, asked, question, similar, _believed(moment))
        return Found(self.threads.look(lambda c: look.found(c, most)), notes)

    def recall(
        self,
        scope: Scope,
        question: str,
        measure: Callable[[str], int],
        *,
        tokens: int = TOKENS,
        most: int = 12,
        but: Callable[[int], bool] = lambda turn: False,
        now: datetime | None = None,
    ) -> Found:
        """What `search` finds, within *tokens* by *measure*: what goes along with a question.

        Args:
            but: Turns that go along anyway.
        """
        found = self.search(scope, question, most=3 * most, now=now)
        kept: list[Passage] = []
        for passage in found.passages:
            if but(passage.turn) or len(kept) == most:
                continue
            size = measure(passage.text) + 24  # when, who and where it was said
            if size > tokens:
                if tokens < _SHORTEST + 24:
                    break
                share = (tokens - 24) / max(1, size - 24)
                cut = passage.text[: int(len(passage.text) * share * 0.9)]
                kept.append(replace(passage, text=cut, whole=False))
                break
            kept.append(passage)
            tokens -= size
        return Found(tuple(kept), found.notes)

    def again(self, places: Sequence[Spot]) -> tuple[Passage, ...]:
        """The passages that were found at *places* before, but for what was forgotten since.

        Raises:
            StoreError: What was said cannot be read.
        """
        return self.threads.look(lambda c: again(c, places)) if places and self.threads.begun else ()

    def catch_up(self, *, most: int = 500) -> int:
        """Index the next *most* turns by meaning; how many are left. A step: call it until none is.

        Raises:
            MootError: The embedder or the index cannot be reached; what was indexed stays.
        """
        return self._indexing.catch_up(most) if self._indexing and self.threads.begun else 0

    def clear(self) -> None:
        """Have indexes of before drop what they have, once the one of now is whole.

        Raises:
            MootError: One that is configured cannot be reached; its vectors stay until it is.
        """
        if self._indexing and self.threads.begun:
            self._indexing.clear()

    def mend(self) -> bool:
        """Forget how far the index is where it is empty and should not be: its server lost it. Whether that was so.

        Raises:
            MootError: The index cannot be reached.
        """
        return self._indexing.mend() if self._indexing and self.threads.begun else False

    def meant(self, scope: Scope, which: Which | None = None) -> Forgotten:
        """What `forget` would delete, all of it there still: copies are found by it, and go first.

        Raises:
            StoreError: The transcript cannot be read.
        """
        return meant(self.threads, scope, which or Which())

    def forget(self, scope: Scope, which: Which | None = None) -> Forgotten:
        """Delete *which* of *scope* (None: all) from the transcript and the indexes; what has copies is told of it by
        what comes back: see `core.memory.forgetting.forget_copies` and `ai.recall.forgetting`.

        Raises:
            StoreError: The transcript cannot be written.
        """
        return forget(self.threads, self.index, scope, which or Which(), self._elsewhere)

    def status(self) -> MemoryStatus:
        """What there is, and how far it is indexed.

        Raises:
            StoreError: It cannot be read.
        """
        if not self.threads.begun:
            return MemoryStatus(index=self.index.name, embedder=self.embedder.name if self.embedder else None)
        name = self._indexing.name if self._indexing else ""
        return self.threads.look(lambda c: _status(c, self.index.name, self.embedder, name))

    def close(self) -> None:
        self.index.close()

    def _by_meaning(self, where: Where, asked: Asked) -> tuple[dict[int, tuple[int, float]], tuple[str, ...]]:
        """Turns by their nearest part and how near it is; and what there is to say of it."""
        if self.embedder is None or self._indexing is None:
            return {}, (f"Only words were searched. {self.lacking}",) if self.lacking else ()
        notes: tuple[str, ...] = ()
        try:
            if self.embedder.at_hand:
                notes = self._caught_up(self._indexing)
            index, embedder = self._indexing.answering()
            (vector,) = embedder.embed([asked.rest.strip() or " "])
            most = CANDIDATES if asked.span is None else 5 * CANDIDATES
            near = self._nearest(index, embedder, where, vector, most)
        except MootError as error:
            return {}, (f"Only words were searched: {error}",)
        if near is None:
            return {}, (_LOST,)
        alike = [one for one in near if one.similarity >= embedder.floor]
        notes = notes or self._late(self._indexing)
        return {one.turn: (one.part, one.similarity) for one in alike}, notes

    def _caught_up(self, indexing: Indexing) -> tuple[str, ...]:
        """Index what is new; where that fails though an index of before still answers, what there is to say of it.

        Raises:
            MootError: It fails, and there is no other.
        """
        try:
            indexing.catch_up(_AT_HAND)
        except MootError as error:
            if indexing.answering()[1] is self.embedder:
                raise
            return (f"The index of before was searched: {error}",)
        return ()

    def _late(self, indexing: Indexing) -> tuple[str, ...]:
        left = self.threads.look(lambda c: waiting_of(c, indexing.name))
        return (_LATE.format(left),) if left > _WORTH_SAYING else ()

    def _nearest(
        self, index: VectorIndex, embedder: Embedder, where: Where, vector: Any, most: int
    ) -> list[Near] | None:
        """The nearest turns; None where the index was lost, and has to be made anew."""
        try:
            near = index.nearest(embedder.name, where.threads, vector, most=most)
        except ValueError:  # the same name for vectors of another length: what is kept is of no use
            log.info("the vectors of %s have another length than before", embedder.name)
            index.drop(embedder.name)
            unlist(self.threads, f"{index.name}/{embedder.name}")
            return None
        return None if not near and self.mend() else near


def _believed(now: datetime) -> str:
    """Until when the times of turns are believed."""
    try:
        return (now.astimezone(UTC) + _ASTRAY).isoformat(timespec="seconds")
    except OverflowError:  # the end of all times
        return "9999"


def _status(connection: Any, index: str, embedder: Embedder | None, name: str) -> MemoryStatus:
    def count(query: str, *values: Any) -> int:
        return int(connection.execute(f"SELECT COUNT(*) FROM {query}", values).fetchone()[0])  # noqa: S608 - ours

    whole = [
        row[0] for row in connection.execute("SELECT name FROM indexed WHERE whole ORDER BY name = ? DESC", (name,))
    ]
    return MemoryStatus(
        index=index,
        embedder=embedder.name if embedder else None,
        threads=count("threads"),
        turns=count("turns"),
        waiting=waiting_of(connection, name) if embedder else 0,
        answering=whole[0] if whole and embedder else None,
        unforgotten=count("unforgotten"),
        others=others_of(connection, name) if embedder else (),
    )
