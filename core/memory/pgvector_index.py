"""The index by meaning in a fleet's database: with pgvector where the server has it, else compared here, exactly.

Both look at every vector of the scope: an approximate index would miss what a narrow scope leaves of its candidates.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from typing import Any

from core.memory.index import Matrix, Near, Part
from core.memory.sqlite_index import best
from core.stores.sqlite import Store

log = logging.getLogger(__name__)

_THERE = (
    "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'vectors' "
    "AND column_name = 'place'"
)


class PostgresIndex:
    """A `VectorIndex` in the database at *url*, for what is in *store*."""

    name = "postgres"

    def __init__(self, url: str, store: Store) -> None:
        from core.stores.choose import require_extra

        require_extra()
        from core.stores.postgres import PostgresStore

        self._base = PostgresStore(url, "memory", durable=False, also=_extended)
        self._store = store
        self._ours = ""
        self._lock = threading.Lock()
        self._places: bool | None = None

    @property
    def note(self) -> str:
        """How vectors are compared, for `moot memory status`. Blocks."""
        return "by pgvector" if self._with_places else "exactly, since the server has no pgvector"

    def add(self, embedder: str, parts: Sequence[Part], vectors: Matrix) -> None:
        column = "place" if self._with_places else "halves"
        pairs = zip(parts, vectors, strict=True)
        rows = [(self._file, embedder, p.thread, p.turn, p.part, self._written(row)) for p, row in pairs]
        mark = "?::public.vector" if self._with_places else "?"
        insert = (
            f"INSERT INTO vectors (store, embedder, thread, turn, part, {column}) VALUES (?, ?, ?, ?, ?, {mark}) "  # noqa: S608
            f"ON CONFLICT (store, embedder, turn, part) DO UPDATE SET {column} = excluded.{column}"
        )
        self._base.submit(lambda c: c.executemany(insert, rows)).result()

    def nearest(self, embedder: str, threads: Collection[int] | None, vector: Matrix, *, most: int) -> list[Near]:
        where, values = "store = ? AND embedder = ?", list[Any]([self._file, embedder])
        if threads is not None:
            where += " AND thread = ANY(?)"
            values.append(list(threads))
        if not self._with_places:
            query = f"SELECT turn, part, halves FROM vectors WHERE {where}"  # noqa: S608 - ours
            return best(self._base.read(lambda c: c.execute(query, values).fetchall()), vector, most)
        asked = self._written(vector)
        query = (
            f"SELECT turn, part, 1 - (place OPERATOR(public.<=>) ?::public.vector) FROM vectors WHERE {where} "  # noqa: S608
            "ORDER BY place OPERATOR(public.<=>) ?::public.vector LIMIT ?"
        )
        rows = self._base.read(lambda c: c.execute(query, (asked, *values, asked, 2 * most)).fetchall())
        once: dict[int, Near] = {}
        for turn, part, similarity in rows:
            once.setdefault(turn, Near(turn, part, float(similarity)))
        return list(once.values())[:most]

    def forget(self, turns: Sequence[int]) -> None:
        gone, values = "DELETE FROM vectors WHERE store = ? AND turn = ANY(?)", (self._file, list(turns))
        self._base.submit(lambda c: c.execute(gone, values)).result()

    def drop(self, embedder: str) -> None:
        gone, values = "DELETE FROM vectors WHERE store = ? AND embedder = ?", (self._file, embedder)
        self._base.submit(lambda c: c.execute(gone, values)).result()

    def count(self, embedder: str) -> int:
        query, values = "SELECT 1 FROM vectors WHERE store = ? AND embedder = ?", (self._file, embedder)
        return len(self._base.read(lambda c: c.execute(query, values).fetchall()))

    def close(self) -> None:
        self._base.close()

    @property
    def _file(self) -> str:
        """The name of the file whose turns these are."""
        if not self._ours:
            query = "SELECT value FROM notes WHERE key = 'store'"
            self._ours = str(self._store.read(lambda c: c.execute(query).fetchone()[0]))
        return self._ours

    @property
    def _with_places(self) -> bool:
        with self._lock:
            if self._places is None:
                self._places = self._base.read(lambda c: c.execute(_THERE).fetchone()) is not None
            return self._places

    def _written(self, row: Matrix) -> Any:
        if self._with_places:
            return f"[{','.join(f'{number:.7g}' for number in row)}]"
        return row.astype("<f2").tobytes()


def _extended(connection: Any) -> None:
    """Have a column for pgvector where the server has it, and lets us."""
    import psycopg

    if connection.execute(_THERE).fetchone() is not None:
        return
    try:
        with connection.raw.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            connection.execute("ALTER TABLE vectors ADD COLUMN place public.vector")
    except psycopg.Error as error:
        log.info("pgvector cannot be used (%s): vectors are compared here", type(error).__name__)
