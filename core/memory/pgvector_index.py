"""The index by meaning in a fleet's database: with pgvector where the server has it, else compared here, exactly.

Both look at every vector of a scope. Where there are tens of thousands, pgvector's HNSW is asked, once it is made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from typing import Any

from core.memory.index import Matrix, Near, Part
from core.memory.pgvector_near import MANY, Approximate, Maker
from core.memory.sqlite_index import best
from core.stores.sqlite import Store

log = logging.getLogger(__name__)

_THERE = (
    "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'vectors' "
    "AND column_name = 'place'"
)


class _Base:
    """The database at a URL, opened once for all the transcripts of a process: each has an index, not connections."""

    def __init__(self, url: str) -> None:
        from core.stores.postgres import PostgresStore

        self.store = PostgresStore(url, "memory", durable=False, also=_extended)
        self.maker = Maker(self.store.address, self.store.schema)
        self.users = 0
        self.places: bool | None = None
        self.lock = threading.Lock()


_bases: dict[str, _Base] = {}
_bases_lock = threading.Lock()


class PostgresIndex:
    """A `VectorIndex` in the database at *url*, for what is in *store*."""

    name = "postgres"

    def __init__(self, url: str, store: Store) -> None:
        from core.stores.choose import require_extra

        require_extra()
        self._url = url
        with _bases_lock:
            self._at = _bases.get(url) or _Base(url)  # one that is no address raises
            _bases[url] = self._at
            self._at.users += 1
        self._base = self._at.store
        self._store = store
        self._ours = ""
        self._open = True

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
        asked, approximate = self._written(vector), Approximate(embedder, len(vector))
        many = f"SELECT COUNT(*) FROM (SELECT 1 FROM vectors WHERE {where} LIMIT {MANY + 1}) AS told"  # noqa: S608

        def look(connection: Any) -> list[Near]:
            (there,) = connection.execute(many, values).fetchone() or (0,)
            if approximate.possible and there > MANY:
                if approximate.stands(connection):
                    near = approximate.nearest(connection, where, values, asked, 2 * most)
                    if len(near) == 2 * most:
                        return near
                else:
                    self._at.maker.soon(approximate)
            return _exactly(connection, where, values, asked, 2 * most)

        found = self._base.read(look)
        if not found and self._lengths(embedder) - {len(vector)}:
            raise ValueError("vectors of another length are kept under this name")
        once: dict[int, Near] = {}
        for near in found:
            once.setdefault(near.turn, near)
        return list(once.values())[:most]

    def forget(self, turns: Sequence[int]) -> None:
        gone, values = "DELETE FROM vectors WHERE store = ? AND turn = ANY(?)", (self._file, list(turns))
        self._base.submit(lambda c: c.execute(gone, values)).result()

    def drop(self, embedder: str) -> None:
        gone, values = "DELETE FROM vectors WHERE store = ? AND embedder = ?", (self._file, embedder)
        self._base.submit(lambda c: c.execute(gone, values)).result()

    def count(self, embedder: str) -> int:
        query, values = "SELECT COUNT(*) FROM vectors WHERE store = ? AND embedder = ?", (self._file, embedder)
        return int(self._base.read(lambda c: c.execute(query, values).fetchall())[0][0])

    def close(self) -> None:
        """Let go of the database; whoever is the last to do so closes it."""
        with _bases_lock:
            if not self._open:
                return
            self._open = False
            self._at.users -= 1
            if self._at.users:
                return
            del _bases[self._url]
        self._at.maker.close()
        self._base.close()

    def _lengths(self, embedder: str) -> set[int]:
        """How long the vectors of *embedder* are, by one of them."""
        query = "SELECT public.vector_dims(place) FROM vectors WHERE store = ? AND embedder = ? LIMIT 1"
        values = (self._file, embedder)
        return {row[0] for row in self._base.read(lambda c: c.execute(query, values).fetchall())}

    @property
    def _file(self) -> str:
        """The name of the file whose turns these are."""
        if not self._ours:
            query = "SELECT value FROM notes WHERE key = 'store'"
            self._ours = str(self._store.read(lambda c: c.execute(query).fetchone()[0]))
        return self._ours

    @property
    def _with_places(self) -> bool:
        with self._at.lock:
            if self._at.places is None:
                self._at.places = self._base.read(lambda c: c.execute(_THERE).fetchone()) is not None
            return self._at.places

    def _written(self, row: Matrix) -> Any:
        if self._with_places:
            return f"[{','.join(f'{number:.7g}' for number in row)}]"
        return row.astype("<f2").tobytes()


def _exactly(connection: Any, where: str, values: Sequence[Any], asked: str, most: int) -> list[Near]:
    """The *most* parts nearest to *asked* of all that meet *where*, best first."""
    wide = asked.count(",") + 1
    query = (
        f"SELECT turn, part, 1 - (place OPERATOR(public.<=>) ?::public.vector) FROM vectors WHERE {where} "  # noqa: S608
        f"AND public.vector_dims(place) = {wide} ORDER BY place OPERATOR(public.<=>) ?::public.vector LIMIT ?"
    )
    rows = connection.execute(query, (asked, *values, asked, most)).fetchall()
    return [Near(turn, part, float(similarity)) for turn, part, similarity in rows]


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
