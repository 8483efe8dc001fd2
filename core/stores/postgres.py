"""A store in PostgreSQL, shared by a fleet: what `sqlite.py` has for one machine. Needs the extra `cluster`.

Each store is a PostgreSQL schema of its own, made and migrated under an advisory lock. Queries are written once, with
SQLite's question marks; rows are read by name or by position, as there.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import psycopg_pool

from core.errors import StoreError
from core.stores.cluster_schema import SCHEMAS
from core.stores.pg_connection import OPTIONS, Address, Connection, configure, explain, schema_of
from core.stores.writer import Writer

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
Operation = Callable[[Connection], T]

_READ_S = 8.0
_READERS = 4
_LINGER_S = 0.004
_LOCK = 0x6D6F6F74
"""The first half of every advisory lock of ours."""
_SESSIONS = 0x6D6F6F75
_NEWER = "MOOT_STORE names a store of a newer version of Moot. Update Moot here; until then nothing is recorded."

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every attempt while the server is away


class PostgresStore:
    """The store called *name* at *url*. Use it like a `Store`; nothing is opened before the first use.

    Args:
        serial: Whether its transactions run one after the other in the whole fleet, as SQLite's do.
        durable: False for what may be lost in a power cut.
        also: Does further work on a new schema, or an old one, under the lock that guards migrations.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        serial: bool = False,
        durable: bool = True,
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        self.address = Address(url)
        self.schema = schema_of(name)
        self._database = _Server(self.address, name, serial=serial, durable=durable, also=also)
        self._writer = Writer(self._database)
        self._pool: psycopg_pool.ConnectionPool[psycopg.Connection[Any]] | None = None
        self._lock = threading.Lock()
        self.post = self._writer.post
        self.submit = self._writer.submit
        self.clock = self._database.clock

    @property
    def problem(self) -> str | None:
        """Why writes do not arrive at the moment; None when they do."""
        return self._writer.problem

    @property
    def lost(self) -> int:
        return self._writer.lost

    def exists(self) -> bool:
        return True

    def read(self, operation: Operation[T]) -> T:
        """Run a query; blocks.

        Raises:
            StoreError: The server does not answer, or refuses; the message says why.
        """
        try:
            with self._readers().connection(_READ_S) as raw:
                return operation(Connection(raw))
        except psycopg_pool.PoolTimeout:
            raise StoreError(self._why_not()) from None
        except psycopg.Error as error:
            raise StoreError(self._database.explain(error)) from error

    def close(self) -> None:
        """Write what waits, as far as the server takes it, and stop. Blocks."""
        self._writer.close()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def explain(self, error: Exception) -> str:
        """One sentence for what PostgreSQL says, with the next step."""
        return self._database.explain(error)

    def _readers(self) -> psycopg_pool.ConnectionPool[psycopg.Connection[Any]]:
        with self._lock:
            if self._pool is None:
                made: Future[None] = self.submit(lambda connection: None)
                made.result()
                self._pool = psycopg_pool.ConnectionPool(
                    self.address.conninfo,
                    kwargs=OPTIONS,
                    min_size=0,
                    max_size=_READERS,
                    configure=lambda raw: configure(raw, self.schema),
                    check=psycopg_pool.ConnectionPool.check_connection,
                    open=True,
                )
            return self._pool

    def _why_not(self) -> str:
        try:
            self.address.connect(self.schema).close()
        except psycopg.Error as error:
            return self._database.explain(error)
        return f"PostgreSQL ({self.address}) is busy. Try again in a moment."


class _Server:
    """What a `Writer` must know of PostgreSQL."""

    errors: tuple[type[Exception], ...] = (psycopg.Error, StoreError)
    outages: tuple[type[Exception], ...] = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.errors.InternalError,
        psycopg.errors.InsufficientPrivilege,
    )
    linger_s = _LINGER_S
    spacing_s = calm_s = 0.0

    def __init__(
        self,
        address: Address,
        name: str,
        *,
        serial: bool,
        durable: bool,
        also: Callable[[Connection], None] | None,
    ) -> None:
        self._address = address
        self._name = name
        self._durable = durable
        self._also = also
        self._ahead_s = 0.0
        clock = "SELECT extract(epoch FROM clock_timestamp())::float8"
        wait = f"SELECT pg_advisory_xact_lock({_LOCK}, {_number(name)});" if serial else ""
        self._begin = f"BEGIN; {wait} {clock}".encode()

    def clock(self) -> float:
        """The server's wall clock, as far as we know it: what all machines agree on."""
        return time.time() + self._ahead_s

    def open(self) -> Connection:
        connection = Connection(self._connect())
        try:
            migrate(connection, self._name, self._also)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> psycopg.Connection[Any]:
        raw = self._address.connect(schema_of(self._name))
        if not self._durable:
            raw.execute("SET synchronous_commit TO off")
        return raw

    def begin(self, connection: Connection) -> None:
        try:
            cursor = connection.raw.execute(self._begin)
        except psycopg.OperationalError:  # the server was started anew since the last transaction
            connection.raw.close()
            connection.raw = self._connect()
            cursor = connection.raw.execute(self._begin)
        while cursor.nextset():
            pass
        (now,) = cursor.fetchone() or (time.time(),)
        self._ahead_s = now - time.time()

    def explain(self, error: Exception) -> str:
        return explain(error, self._address)


class Session:
    """This process as others see it in the database: it holds a lock that the server frees when its connection ends."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        self._backend: int | None = None

    def register(self, connection: Connection) -> bool:
        """Take the lock, again after a lost connection; True when it was not held."""
        if self._backend == (backend := connection.raw.info.backend_pid):
            return False
        connection.execute("SELECT pg_advisory_lock(?, ?)", (_SESSIONS, _half(self.name)))
        self._backend = backend
        return True

    def alive(self, other: str, connection: Connection) -> bool:
        held = (
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = ? AND objid = ? AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return connection.execute(held, (_SESSIONS, _half(other))).fetchone() is not None

    def bury(self, other: str) -> None:
        """Nothing is left of it."""

    def close(self) -> None:
        """The lock ends with the connection."""


def _half(name: str) -> int:
    return int(name[:8], 16) >> 1


def _number(name: str) -> int:
    return list(SCHEMAS).index(name) + 1


def migrate(connection: Connection, name: str, also: Callable[[Connection], None] | None = None) -> None:
    """Bring the schema of the store *name* to the current version. Several processes may come at once.

    Raises:
        StoreError: It is of a newer version.
    """
    known = SCHEMAS[name]
    if written_by(connection, name) == len(known) and also is None:
        return
    with locked(connection):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_of(name)}")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {schema_of(name)}.version (number integer NOT NULL)")
        version = written_by(connection, name)
        if version > len(known):
            raise StoreError(_NEWER)
        for script in known[version:]:
            connection.execute(script)
        if version < len(known):
            connection.execute("DELETE FROM version")
            connection.execute("INSERT INTO version VALUES (?)", (len(known),))
        if also is not None:
            also(connection)


def written_by(connection: Connection, name: str) -> int:
    """The version of the store *name*; 0 where there is none yet."""
    found = connection.execute("SELECT to_regclass(?)", (f"{schema_of(name)}.version",)).fetchone()
    if found is None or found[0] is None:
        return 0
    row = connection.execute(f"SELECT number FROM {schema_of(name)}.version").fetchone()  # noqa: S608 - ours
    return int(row[0]) if row else 0


@contextmanager
def locked(connection: Connection) -> Iterator[None]:
    """A transaction that no other process of ours sets up tables in."""
    with connection.raw.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(?, 0)", (_LOCK,))
        yield
