"""HNSW in PostgreSQL: an approximate index for each embedder and length, made late and beside everything else.

It pays where one search would compare tens of thousands of vectors. A narrower scope is compared exactly: that is fast,
and an approximate index would miss what the scope leaves of its candidates.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from core.memory.index import Near

if TYPE_CHECKING:
    from core.stores.pg_connection import Address, Connection

log = logging.getLogger(__name__)

MANY = 10_000
"""Vectors in a scope from which on the index is asked: comparing as many takes some 12 ms."""
_LONGEST, _LONGEST_HALF = 2_000, 4_000
"""Numbers of a vector that pgvector indexes, as `vector` and as `halfvec`; longer ones are compared exactly."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]+")
"""Names of embedders that can be written into a definition, which takes no values."""
_MOST_SCANNED = 200_000
_SEARCHED = 200
_AGAIN_S = 3_600.0
_LOCK = 0x6D6F6F77
_STATE = (
    "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON "
    "pg_namespace.oid = relnamespace WHERE nspname = current_schema() AND relname = ?"
)


class Approximate:
    """The index over the vectors of *wide* numbers that *embedder* made, of all who keep theirs in this database."""

    def __init__(self, embedder: str, wide: int) -> None:
        self.name = f"near_{hashlib.sha256(f'{embedder}/{wide}'.encode()).hexdigest()[:16]}"
        self.possible = wide <= _LONGEST_HALF and _PLAIN.fullmatch(embedder) is not None
        kind = "vector" if wide <= _LONGEST else "halfvec"
        self._kind = f"public.{kind}({wide})"
        self._place = f"(place::{self._kind})"
        self._ops = f"public.{kind}_cosine_ops"
        self._whose = f"embedder = '{embedder}' AND public.vector_dims(place) = {wide}"

    def stands(self, connection: Connection) -> bool:
        """Whether it is there and whole."""
        row = connection.execute(_STATE, (self.name,)).fetchone()
        return bool(row and row[0])

    def nearest(self, connection: Connection, where: str, values: list[Any], asked: str, most: int) -> list[Near]:
        """The *most* parts nearest to *asked* that meet *where*, best first."""
        far = f"{self._place} OPERATOR(public.<=>) ?::{self._kind}"
        query = (
            f"SELECT turn, part, 1 - ({far}) FROM vectors WHERE {where} AND {self._whose} "  # noqa: S608 - ours
            f"ORDER BY {far} LIMIT ?"
        )
        with connection.raw.transaction():
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(1_000, max(_SEARCHED, 2 * most))}")
            connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            connection.execute(f"SET LOCAL hnsw.max_scan_tuples = {_MOST_SCANNED}")
            rows = connection.execute(query, (asked, *values, asked, most)).fetchall()
        return [Near(turn, part, float(similarity)) for turn, part, similarity in rows]

    def make(self, connection: Connection) -> None:
        """Make it, while everybody reads and writes on; one that was broken off before is made anew. Takes minutes."""
        (ours,) = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK}, hashtext(?))", (self.name,)).fetchone()  # type: ignore[misc]
        if not ours:
            return  # another machine is at it
        try:
            if self.stands(connection):
                return
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}")
            connection.execute("SET maintenance_work_mem = '256MB'")
            connection.execute(
                f"CREATE INDEX CONCURRENTLY {self.name} ON vectors USING hnsw ({self._place} {self._ops}) "
                f"WHERE {self._whose}"
            )
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({_LOCK}, hashtext(?))", (self.name,))


class Maker:
    """Makes indexes in a thread of its own. Close it in the end."""

    def __init__(self, address: Address, schema: str) -> None:
        self._address = address
        self._schema = schema
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._connection: Connection | None = None
        self._closed = False

    def soon(self, index: Approximate) -> None:
        """Make *index* if it is not there, and nobody has tried within the hour."""
        now = time.monotonic()
        with self._lock:
            if self._closed or not index.possible or now < self._begun.get(index.name, now):
                return
            self._begun[index.name] = now + _AGAIN_S
        threading.Thread(target=self._make, args=(index,), name="moot-pgvector", daemon=True).start()

    def close(self) -> None:
        """Break off what is being made; it is begun anew another time."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.raw.cancel_safe()

    def _make(self, index: Approximate) -> None:
        import psycopg

        from core.errors import StoreError
        from core.stores.pg_connection import Connection

        try:
            connection = Connection(self._address.connect(self._schema))
            try:
                with self._lock:
                    if self._closed:
                        return
                    self._connection = connection
                index.make(connection)
            finally:
                with self._lock:
                    self._connection = None
                connection.close()
        except (psycopg.Error, StoreError) as error:
            log.info("the index %s was not made (%s): vectors are compared exactly", index.name, type(error).__name__)
