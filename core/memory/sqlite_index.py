"""The index by meaning in `threads.db` itself: vectors of 16 bits, compared exactly.

A chat of some thousand turns is read and compared at once. Above that the signs of all vectors stay in memory, 32 bytes
for 256 dimensions: those nearest by them are compared exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.memory.index import Matrix, Near, Part
from core.memory.threads import Threads

_READ_AT_ONCE = 3_000
"""Vectors that are read for one search; more take longer than the signs of all."""
_CANDIDATES = 150
_COLUMNS = "turn, part, vector"


@dataclass(slots=True)
class _Signs:
    """The signs of all vectors of one embedder, in the order of their turns."""

    forgotten: int = -1
    turns: Any = None
    parts: Any = None
    threads: Any = None
    bits: Any = None
    last: tuple[int, int] = field(default=(0, -1))


class SqliteIndex:
    """A `VectorIndex` in the file of *threads*."""

    name = "sqlite"

    def __init__(self, threads: Threads) -> None:
        self._store = threads.store
        self._look = threads.look
        self._signs: dict[str, _Signs] = {}
        self._lock = threading.Lock()

    def add(self, embedder: str, parts: Sequence[Part], vectors: Matrix) -> None:
        half = vectors.astype("<f2")
        rows = [(embedder, p.thread, p.turn, p.part, row.tobytes()) for p, row in zip(parts, half, strict=True)]
        insert = (
            "INSERT OR REPLACE INTO vectors (embedder, thread, turn, part, vector) "
            "SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM turns WHERE id = ?)"
        )  # a turn that was forgotten meanwhile stays so
        self._store.submit(lambda c: c.executemany(insert, [(*row, row[2]) for row in rows])).result()

    def nearest(self, embedder: str, threads: Collection[int] | None, vector: Matrix, *, most: int) -> list[Near]:
        return self._look(lambda c: self._nearest(c, embedder, threads, vector, most))

    def forget(self, turns: Sequence[int]) -> None:
        """They went with their turns (`core.memory.threads.forget_turns`)."""

    def drop(self, embedder: str) -> None:
        self._store.submit(lambda c: _dropped(c, embedder)).result()
        with self._lock:
            self._signs.pop(embedder, None)

    def count(self, embedder: str) -> int:
        query = "SELECT COUNT(*) FROM vectors WHERE embedder = ?"
        return int(self._look(lambda c: c.execute(query, (embedder,)).fetchone()[0]))

    def close(self) -> None:
        """The file belongs to the threads."""

    def _nearest(
        self, connection: Any, embedder: str, threads: Collection[int] | None, vector: Matrix, most: int
    ) -> list[Near]:
        where, values = "embedder = ?", [embedder, *(threads or ())]
        if threads is not None:
            where += f" AND thread IN ({', '.join('?' * len(threads))})"
        # Without statistics SQLite takes the primary key, and walks through everything.
        by_thread = "vectors INDEXED BY vectors_by_thread"
        table = "vectors" if threads is None else by_thread
        counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM {by_thread} WHERE {where} LIMIT {_READ_AT_ONCE + 1})"  # noqa: S608
        (many,) = connection.execute(counted, values).fetchone()
        if many > _READ_AT_ONCE:
            return best(self._by_signs(connection, embedder, threads, vector), vector, most)
        query = f"SELECT {_COLUMNS} FROM {table} WHERE {where}"  # noqa: S608 - marks
        return best(connection.execute(query, values).fetchall(), vector, most)

    def _by_signs(self, connection: Any, embedder: str, threads: Collection[int] | None, vector: Matrix) -> list[Any]:
        """The rows whose signs agree best with those of *vector*."""
        import numpy as np

        with self._lock:
            known = self._current(connection, embedder)
            turns, parts, homes, bits = known.turns, known.parts, known.threads, known.bits
        asked = _signs_of(vector[None, :])
        if threads is not None:
            at = np.flatnonzero(np.isin(homes, np.fromiter(threads, np.int64)))
            turns, parts, homes, bits = turns[at], parts[at], homes[at], bits[:, at]
        unlike = np.bitwise_count(bits ^ asked).sum(axis=0, dtype=np.uint16)
        if not len(unlike):
            return []
        enough = np.searchsorted(np.cumsum(np.bincount(unlike)), _CANDIDATES)  # a quarter of what sorting a part takes
        chosen = np.flatnonzero(unlike <= enough)[: 2 * _CANDIDATES]
        wanted = {(int(turns[at]), int(parts[at])) for at in chosen}
        among = sorted({turn for turn, _ in wanted})
        query = f"SELECT {_COLUMNS} FROM vectors WHERE embedder = ? AND turn IN ({', '.join('?' * len(among))})"  # noqa: S608
        rows = connection.execute(query, (embedder, *among)).fetchall()
        return [row for row in rows if (row[0], row[1]) in wanted]

    def _current(self, connection: Any, embedder: str) -> _Signs:
        """The signs as the file has them now: what is new is added, and after a forgetting all is read anew."""
        import numpy as np

        (forgotten,) = connection.execute("SELECT CAST(value AS INTEGER) FROM notes WHERE key = 'forgotten'").fetchone()
        known = self._signs.get(embedder)
        if known is None or known.forgotten != forgotten:
            known = self._signs[embedder] = _Signs(forgotten)
        query = (
            "SELECT turn, part, thread, vector FROM vectors WHERE embedder = ? AND (turn, part) > (?, ?) "
            "ORDER BY turn, part"
        )
        rows = connection.execute(query, (embedder, *known.last)).fetchall()
        if rows:
            columns = [np.array([row[at] for row in rows], np.int64) for at in range(3)]
            halves = np.frombuffer(b"".join(row[3] for row in rows), "<f2").reshape(len(rows), -1)
            fresh = (*columns, _signs_of(halves))
            if known.turns is None:
                known.turns, known.parts, known.threads, known.bits = fresh
            else:
                old = (known.turns, known.parts, known.threads, known.bits)
                joined = [np.concatenate(pair, axis=-1) for pair in zip(old, fresh, strict=True)]
                known.turns, known.parts, known.threads, known.bits = joined
            known.last = (rows[-1][0], rows[-1][1])
        return known


def _dropped(connection: Any, embedder: str) -> None:
    connection.execute("DELETE FROM vectors WHERE embedder = ?", (embedder,))
    # Whoever else has read this file reads its signs anew.
    connection.execute("UPDATE notes SET value = CAST(value AS INTEGER) + 1 WHERE key = 'forgotten'")


def best(rows: Sequence[Any], vector: Matrix, most: int) -> list[Near]:
    """Of *rows* with turn, part and vector the nearest to *vector*, each turn once."""
    import numpy as np

    if not rows:
        return []
    halves = np.frombuffer(b"".join(row[2] for row in rows), "<f2").reshape(len(rows), -1)
    likeness = halves.astype(np.float32) @ vector.astype(np.float32)
    found: dict[int, Near] = {}
    for at in np.argsort(-likeness, kind="stable"):
        turn, part, _ = rows[at]
        found.setdefault(turn, Near(turn, part, float(likeness[at])))
        if len(found) >= most:
            break
    return list(found.values())


def _signs_of(rows: Matrix) -> Matrix:
    """A bit for each number, in words of 64: a column for each vector, for so they are counted fastest."""
    import numpy as np

    bits = np.packbits(rows >= 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64).T.copy()
