"""What was said, found again: by words, by meaning and by time, within a scope, as it was said.

Everything here blocks: call it in a worker thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.errors import MootError
from core.memory.finding import Where, resolve, rows_of
from core.memory.forgetting import Forgotten, Which, forget
from core.memory.found import Found, Passage
from core.memory.index import Embedder, Near, Part, VectorIndex
from core.memory.looking import CANDIDATES, Look, Spot, again
from core.memory.passages import parts
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
_SHORTEST = 40
"""Tokens of a passage that is cut to fit: less tells nothing."""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """How much was said, and how much of it is indexed by meaning.

    Args:
        answering: The index that answers, `sqlite/wordllama-256`; None where words alone do.
        waiting: Turns that are not indexed by the embedder of now.
        unforgotten: Turns whose vectors an index that was away still has.
    """

    index: str
    embedder: str | None
    threads: int = 0
    turns: int = 0
    waiting: int = 0
    answering: str | None = None
    unforgotten: int = 0


class Memory:
    """What is kept in *threads*, by words and by meaning.

    Args:
        index: Where vectors are; None: in the file itself.
        embedder: What makes them; None: words alone are searched, and *lacking* says why.
        older: Finds the embedder of an index made before, by its name; None where it is no longer there.
    """

    def __init__(
        self,
        threads: Threads,
        *,
        index: VectorIndex | None = None,
        embedder: Embedder | None = None,
        older: Callable[[str], Embedder | None] = lambda name: None,
        lacking: str = "",
    ) -> None:
        self.threads = threads
        self.embedder = embedder
        self.index: VectorIndex = index or SqliteIndex(threads)
        self._older = older
        self.lacking = lacking

    def search(self, scope: Scope, question: str, *, most: int = 5, now: datetime | None = None) -> Found:
        """What was said in *scope* that matters to *question*, at most *most* passages, best first.

        Raises:
            StoreError: What was said cannot be read. An index that is away is no error but a note.
        """
        if not question.strip() or not self.threads.begun:
            return Found(())
        if (where := self.threads.look(lambda c: resolve(c, scope))) is None:
            return Found(())
        asked = asked_of(question, now or datetime.now(UTC).astimezone())
        similar, notes = self._by_meaning(where, asked)
        look = Look(scope, where, asked, question, similar)
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
        if self.embedder is None or not self.threads.begun:
            return 0
        store, name = self.threads.store, self._name(self.embedder)
        waiting = self.threads.look(lambda c: _waiting(c, name, self.index.name, most))
        if waiting.unforgotten:
            self.index.forget(waiting.unforgotten)
            told = "DELETE FROM unforgotten WHERE name = ?"
            store.submit(lambda c: c.execute(told, (self.index.name,))).result()
        if not waiting.rows and waiting.whole:
            return 0
        if waiting.rows:
            self._embed(waiting.rows)
        upto = waiting.rows[-1]["id"] if waiting.rows else waiting.upto
        left = waiting.turns - len(waiting.rows)
        store.submit(lambda c: _indexed(c, name, upto, whole=not left)).result()
        if not left:
            self._drop_older(name)
        return left

    def mend(self) -> bool:
        """Forget how far the index is where it is empty and should not be: its server lost it. Whether that was so.

        Raises:
            MootError: The index cannot be reached.
        """
        if self.embedder is None or not self.threads.begun:
            return False
        name = self._name(self.embedder)
        query = "SELECT EXISTS (SELECT 1 FROM turns WHERE id <= ?)"
        there = self.threads.look(lambda c: c.execute(query, (_upto(c, name),)).fetchone()[0])
        if not there or self.index.count(self.embedder.name):
            return False
        self.threads.store.submit(partial(_unlisted, name=name)).result()
        return True

    def forget(self, scope: Scope, which: Which | None = None) -> Forgotten:
        """Delete *which* of *scope* (None: all) from the transcript and the indexes; what has copies is told of it by
        what comes back: see `core.memory.forgetting.forget_copies` and `ai.recall.forgetting`.

        Raises:
            StoreError: The transcript cannot be written.
        """
        return forget(self.threads, self.index, scope, which or Which())

    def status(self) -> MemoryStatus:
        """What there is, and how far it is indexed.

        Raises:
            StoreError: It cannot be read.
        """
        if not self.threads.begun:
            return MemoryStatus(index=self.index.name, embedder=self.embedder.name if self.embedder else None)
        name = self._name(self.embedder) if self.embedder else ""
        return self.threads.look(lambda c: _status(c, self.index.name, self.embedder, name))

    def close(self) -> None:
        self.index.close()

    def _embed(self, rows: Sequence[Any]) -> None:
        assert self.embedder is not None
        pieces: list[Part] = []
        texts: list[str] = []
        for row in rows:
            for number, (start, end) in enumerate(parts(row["text"])):
                pieces.append(Part(row["thread"], row["id"], number))
                texts.append(row["text"][start:end])
        self.index.add(self.embedder.name, pieces, self.embedder.embed(texts))
        turns = [row["id"] for row in rows]
        still = {row[0] for row in self.threads.look(lambda c: rows_of(c, "id", turns))}
        if gone := [turn for turn in turns if turn not in still]:
            self.index.forget(gone)  # forgotten while they were embedded

    def _by_meaning(self, where: Where, asked: Asked) -> tuple[dict[int, tuple[int, float]], tuple[str, ...]]:
        """Turns by their nearest part and how near it is; and what there is to say of it."""
        if self.embedder is None:
            return {}, (self.lacking,) if self.lacking else ()
        try:
            if self.embedder.at_hand:
                self.catch_up(most=_AT_HAND)
            index, embedder = self._answering()
            (vector,) = embedder.embed([asked.rest.strip() or " "])
            most = CANDIDATES if asked.span is None else 5 * CANDIDATES
            near = self._nearest(index, embedder, where, vector, most)
        except MootError as error:
            return {}, (f"Only words were searched: {error}",)
        if near is None:
            return {}, (_LOST,)
        alike = [one for one in near if one.similarity >= embedder.floor]
        return {one.turn: (one.part, one.similarity) for one in alike}, ()

    def _nearest(
        self, index: VectorIndex, embedder: Embedder, where: Where, vector: Any, most: int
    ) -> list[Near] | None:
        """The nearest turns; None where the index was lost, and has to be made anew."""
        try:
            near = index.nearest(embedder.name, where.threads, vector, most=most)
        except ValueError:  # the same name for vectors of another length: what is kept is of no use
            log.info("the vectors of %s have another length than before", embedder.name)
            index.drop(embedder.name)
            self.threads.store.submit(partial(_unlisted, name=f"{index.name}/{embedder.name}")).result()
            return None
        return None if not near and self.mend() else near

    def _answering(self) -> tuple[VectorIndex, Embedder]:
        """The index that answers: ours once it was whole; until then one that was, if its embedder is still there."""
        assert self.embedder is not None
        name = self._name(self.embedder)
        query = "SELECT name, whole FROM indexed"
        known = dict(map(tuple, self.threads.look(lambda c: c.execute(query).fetchall())))
        if known.get(name):
            return self.index, self.embedder
        for other in [one for one, whole in known.items() if whole]:
            backend, _, embedder = other.partition("/")
            index = self._at(backend)
            if index is not None and (old := self._older(embedder)) is not None:
                return index, old
        return self.index, self.embedder

    def _at(self, backend: str) -> VectorIndex | None:
        if backend == self.index.name:
            return self.index
        return SqliteIndex(self.threads) if backend == SqliteIndex.name else None

    def _name(self, embedder: Embedder) -> str:
        return f"{self.index.name}/{embedder.name}"

    def _drop_older(self, name: str) -> None:
        query = "SELECT name FROM indexed WHERE name <> ?"
        for (other,) in self.threads.look(lambda c: c.execute(query, (name,)).fetchall()):
            backend, _, embedder = other.partition("/")
            if (index := self._at(backend)) is not None:
                index.drop(embedder)
                self.threads.store.submit(partial(_unlisted, name=other)).result()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What an index has yet to be told: the next turns of how many, and those that were forgotten while it was away."""

    upto: int
    whole: bool
    rows: Sequence[Any]
    turns: int
    unforgotten: Sequence[int]


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
        waiting=count("turns WHERE id > ?", _upto(connection, name)) if embedder else 0,
        answering=whole[0] if whole and embedder else None,
        unforgotten=count("unforgotten WHERE name = ?", index),
    )


def _waiting(connection: Any, name: str, index: str, most: int) -> _Waiting:
    found = connection.execute("SELECT upto, whole FROM indexed WHERE name = ?", (name,)).fetchone()
    upto, whole = (int(found[0]), bool(found[1])) if found else (0, False)
    query = "SELECT id, thread, text FROM turns WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (upto, most)).fetchall()
    turns = len(rows)
    if turns == most:
        (turns,) = connection.execute("SELECT COUNT(*) FROM turns WHERE id > ?", (upto,)).fetchone()
    gone = connection.execute("SELECT turn FROM unforgotten WHERE name = ?", (index,)).fetchall()
    return _Waiting(upto, whole, rows, int(turns), [row[0] for row in gone])


def _upto(connection: Any, name: str) -> int:
    found = connection.execute("SELECT upto FROM indexed WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def _unlisted(connection: Any, *, name: str) -> None:
    connection.execute("DELETE FROM indexed WHERE name = ?", (name,))


def _indexed(connection: Any, name: str, upto: int, *, whole: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.execute(
        "INSERT INTO indexed (name, upto, whole, at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "upto = MAX(indexed.upto, excluded.upto), whole = MAX(indexed.whole, excluded.whole), at = excluded.at",
        (name, upto, int(whole), now),
    )
