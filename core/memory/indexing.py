"""How far the indexes by meaning are: what is new is indexed in steps, and what an index of before has is dropped.

An index is known by its backend and its embedder, `sqlite/wordllama-256`. Everything here blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.errors import MootError
from core.memory.finding import rows_of
from core.memory.index import Embedder, Part, VectorIndex
from core.memory.passages import parts
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import Threads

log = logging.getLogger(__name__)

_AT_ONCE = 2_000
"""Turns of which an index forgets at once."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What there is to do for an index.

    Args:
        turns: Turns that it does not have.
        others: Indexes of before, whose vectors are of no use once this one is whole.
        unforgotten: Backends that were away when something was forgotten, and still have its vectors.
    """

    turns: int = 0
    others: tuple[str, ...] = ()
    unforgotten: tuple[str, ...] = ()


def behind(threads: Threads, name: str) -> Behind:
    """How far the index *name* is behind; opens neither it nor its embedder.

    Raises:
        StoreError: It cannot be read.
    """
    return threads.store.read(lambda c: _behind(c, name)) if threads.begun else Behind()


class Indexing:
    """The index and the embedder of now, and where those of before are.

    Args:
        older: Finds the embedder of an index made before, by its name; None where it is no longer there.
        elsewhere: Opens a backend that was used before, by its name; None where it is not configured any more.
    """

    def __init__(
        self,
        threads: Threads,
        index: VectorIndex,
        embedder: Embedder,
        older: Callable[[str], Embedder | None],
        elsewhere: Callable[[str], VectorIndex | None],
    ) -> None:
        self._threads = threads
        self._index = index
        self._embedder = embedder
        self._older = older
        self._elsewhere = elsewhere

    @property
    def name(self) -> str:
        return f"{self._index.name}/{self._embedder.name}"

    def catch_up(self, most: int) -> int:
        """Index the next *most* turns; how many are left. Other backends than this one's are none of its business.

        Raises:
            MootError: The embedder or the index cannot be reached; what was indexed stays.
        """
        store, name = self._threads.store, self.name
        waiting = self._threads.look(lambda c: _waiting(c, name, most))
        if self._index.name in waiting.unforgotten:
            forget_late(self._threads, self._index.name, self._index)
        if waiting.rows:
            self._embed(waiting.rows, listed=waiting.listed)
        upto = waiting.rows[-1]["id"] if waiting.rows else waiting.upto
        left = waiting.turns - len(waiting.rows)
        if waiting.rows or not waiting.whole:
            store.submit(lambda c: _indexed(c, name, upto, whole=not left)).result()
        if not left:
            near = (self._index.name, SqliteIndex.name)
            self._drop([other for other in waiting.others if other.partition("/")[0] in near])
        return left

    def clear(self) -> None:
        """Have the backends of before forget what was forgotten, and once this index is whole, all that they have.

        Raises:
            MootError: One that is configured cannot be reached.
        """
        for backend in backends_behind(self._threads):
            forget_late(self._threads, backend, self.at(backend))
        if backends_behind(self._threads):
            unlist(self._threads, "")
        waiting = self._threads.look(lambda c: _waiting(c, self.name, 1))
        if waiting.whole and not waiting.turns:
            self._drop(waiting.others)

    def mend(self) -> bool:
        """Forget how far the index is where it is empty and should not be: its server lost it. Whether that was so.

        Raises:
            MootError: The index cannot be reached.
        """
        query = "SELECT EXISTS (SELECT 1 FROM turns WHERE id <= ?)"
        there = self._threads.look(lambda c: c.execute(query, (_upto(c, self.name),)).fetchone()[0])
        if not there or self._index.count(self._embedder.name):
            return False
        unlist(self._threads, self.name)
        return True

    def answering(self) -> tuple[VectorIndex, Embedder]:
        """The index that answers: ours once it was whole; until then one that was, if its embedder is still there."""
        query = "SELECT name, whole FROM indexed"
        known = dict(map(tuple, self._threads.look(lambda c: c.execute(query).fetchall())))
        if known.get(self.name):
            return self._index, self._embedder
        for other in [one for one, whole in known.items() if whole]:
            backend, _, embedder = other.partition("/")
            if (old := self._older(embedder)) is not None and (index := self._reached(backend)) is not None:
                return index, old
        return self._index, self._embedder

    def at(self, backend: str) -> VectorIndex | None:
        """The index called *backend*; None where it is not configured any more.

        Raises:
            MootError: It is, and cannot be opened.
        """
        if backend == self._index.name:
            return self._index
        return SqliteIndex(self._threads) if backend == SqliteIndex.name else self._elsewhere(backend)

    def _reached(self, backend: str) -> VectorIndex | None:
        try:
            return self.at(backend)
        except MootError as error:
            log.info("the index of before is not asked: %s", error)
            return None

    def _embed(self, rows: Sequence[Any], *, listed: bool) -> None:
        store, pieces, texts = self._threads.store, list[Part](), list[str]()
        for row in rows:
            for number, (start, end) in enumerate(parts(row["text"])):
                pieces.append(Part(row["thread"], row["id"], number))
                texts.append(row["text"][start:end])
        if not self._embedder.at_hand:  # what cannot be kept is not paid for
            self._index.count(self._embedder.name)
            store.submit(lambda c: c.execute("UPDATE notes SET value = value WHERE key = 'last'")).result()
        vectors = self._embedder.embed(texts)
        if not listed:  # before anything is there; after it can be reached at all
            self._index.count(self._embedder.name)
            store.submit(lambda c: _indexed(c, self.name, 0, whole=False)).result()
        self._index.add(self._embedder.name, pieces, vectors)
        turns = [row["id"] for row in rows]
        still = {row[0] for row in self._threads.look(lambda c: rows_of(c, "id", turns))}
        if gone := [turn for turn in turns if turn not in still]:
            self._index.forget(gone)  # forgotten while they were embedded

    def _drop(self, others: Sequence[str]) -> None:
        """Drop what indexes of before have; one that is not configured any more keeps its own, and stays listed."""
        for other in others:
            backend, _, embedder = other.partition("/")
            if (index := self.at(backend)) is not None:
                index.drop(embedder)
                unlist(self._threads, other)


def forget_late(threads: Threads, backend: str, index: VectorIndex | None) -> None:
    """Have *index*, called *backend*, delete the vectors of what was forgotten; nothing where there is none now.

    Raises:
        MootError: It cannot be reached; it is told again later.
    """
    if index is None:
        return
    query = "SELECT turn FROM unforgotten WHERE name = ? LIMIT ?"
    while turns := [row[0] for row in threads.look(lambda c: c.execute(query, (backend, _AT_ONCE)).fetchall())]:
        index.forget(turns)
        told = [(backend, turn) for turn in turns]
        done = "DELETE FROM unforgotten WHERE name = ? AND turn = ?"
        threads.store.submit(partial(_each, query=done, values=told)).result()


def unlist(threads: Threads, name: str) -> None:
    """Forget how far the index *name* is; and what its backend had to forget, where that has nothing else of ours.

    Raises:
        StoreError: It cannot be written.
    """
    threads.store.submit(partial(_unlisted, name=name)).result()


def backends_behind(threads: Threads) -> tuple[str, ...]:
    """The backends that still have vectors of what was forgotten.

    Raises:
        StoreError: It cannot be read.
    """
    return threads.look(_unforgotten)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What an index has yet to be told: the next turns of how many; and who else has something to be told."""

    upto: int
    whole: bool
    rows: Sequence[Any]
    turns: int
    unforgotten: tuple[str, ...]
    others: tuple[str, ...]
    listed: bool = False


def _waiting(connection: Any, name: str, most: int) -> _Waiting:
    found = connection.execute("SELECT upto, whole FROM indexed WHERE name = ?", (name,)).fetchone()
    upto, whole = (int(found[0]), bool(found[1])) if found else (0, False)
    query = "SELECT id, thread, text FROM turns WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (upto, most)).fetchall()
    turns = len(rows)
    if turns == most:
        (turns,) = connection.execute("SELECT COUNT(*) FROM turns WHERE id > ?", (upto,)).fetchone()
    others = others_of(connection, name)
    return _Waiting(upto, whole, rows, int(turns), _unforgotten(connection), others, found is not None)


def _behind(connection: Any, name: str) -> Behind:
    return Behind(waiting_of(connection, name), others_of(connection, name), _unforgotten(connection))


def waiting_of(connection: Any, name: str) -> int:
    """How many turns the index *name* does not have yet."""
    query = "SELECT COUNT(*) FROM turns WHERE id > ?"
    return int(connection.execute(query, (_upto(connection, name),)).fetchone()[0])


def others_of(connection: Any, name: str) -> tuple[str, ...]:
    """The indexes of before that have vectors, but for *name*."""
    return tuple(row[0] for row in connection.execute("SELECT name FROM indexed WHERE name <> ?", (name,)))


def _unforgotten(connection: Any) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute("SELECT DISTINCT name FROM unforgotten"))


def _upto(connection: Any, name: str) -> int:
    found = connection.execute("SELECT upto FROM indexed WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def _unlisted(connection: Any, *, name: str) -> None:
    connection.execute("DELETE FROM indexed WHERE name = ?", (name,))
    # Of a backend that has nothing of this file there is nothing to be forgotten.
    used = "SELECT 1 FROM indexed WHERE indexed.name LIKE unforgotten.name || '/%'"
    connection.execute(f"DELETE FROM unforgotten WHERE NOT EXISTS ({used})")  # noqa: S608 - ours


def _each(connection: Any, *, query: str, values: Sequence[Any]) -> None:
    connection.executemany(query, values)


def _indexed(connection: Any, name: str, upto: int, *, whole: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.execute(
        "INSERT INTO indexed (name, upto, whole, at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "upto = MAX(indexed.upto, excluded.upto), whole = MAX(indexed.whole, excluded.whole), at = excluded.at",
        (name, upto, int(whole), now),
    )
