"""The store: SQLite files in the data folder, shared by every Moot process of the user.

Rollback-journal mode throughout: SQLite before 3.51.3 can corrupt a WAL database when several processes write and
checkpoint at once, which is exactly this use. One writer thread commits what has gathered as one transaction, so the
journal mode costs nothing measurable at real rates. Nothing here runs on the event loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, TypeVar

from core.errors import NO_ROOM, StoreError
from core.files.atomic import private_folder
from core.stores.writer import Writer

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_BUSY_S = 10.0
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""The last is what a missing table or column is called: our statements have no other faults."""
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_LINGER_S = 0.05
"""How long a post may wait for others to share its transaction; a commit costs 0.4 ms of CPU."""

Durability = Literal["FULL", "OFF"]
"""FULL survives a power cut; OFF survives kill -9 but not a power cut, for what may be lost, such as rate limits."""


class NewerStoreError(sqlite3.NotSupportedError):
    """The file was written by a newer version of Moot."""


class Store:
    """One SQLite file. Open it, `post` or `submit` writes, `read`, and close it in the end.

    Args:
        migrations: SQL scripts; the first makes version 1 of an empty file, each further one the next version.
        spacing_s: How far apart commits are at least, as long as nobody waits for one.
        calm_s: How long after a commit those who wait for the next one have others join it.
        shrinks: Whether the file may give space back (`PRAGMA incremental_vacuum`); decided when it is made.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str],
        *,
        durability: Durability = "FULL",
        spacing_s: float = 0.0,
        calm_s: float = 0.0,
        shrinks: bool = False,
    ) -> None:
        self.path = path
        self._file = _File(path, migrations, durability, spacing_s, calm_s, shrinks)
        self._writer = Writer(self._file)
        self.post = self._writer.post
        self.submit = self._writer.submit
        self.close = self._writer.close
        self._current = False
        """Whether the tables are known to be of this version."""

    @property
    def problem(self) -> str | None:
        """Why writes do not arrive at the moment; None when they do."""
        return self._writer.problem

    @property
    def lost(self) -> int:
        """Writes dropped because the queue was full."""
        return self._writer.lost

    def explain(self, error: Exception) -> str:
        """One sentence for what *error* says of this file, with the next step."""
        return self._file.explain(error)

    def connect(self) -> sqlite3.Connection:
        """A connection for reading; whoever asks closes it. `read` comes first, which sees to the tables."""
        return self._file.connect()

    def exists(self) -> bool:
        """Whether anything was ever written. Blocks for a moment."""
        return self.path.exists() and self.path.stat().st_size > 0

    def clock(self) -> float:
        """Wall-clock seconds: what several processes can compare."""
        return time.time()

    def read(self, operation: Operation[T]) -> T:
        """Run a query on a connection of its own; blocks.

        Raises:
            StoreError: The file cannot be read; the message says why.
        """
        try:
            if not self._current and not (self.path.exists() and self._file.is_current()):
                made: Future[None] = self.submit(lambda connection: None)
                made.result()
            self._current = True
            connection = self._file.connect()
            try:
                return operation(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            self._current = False
            raise StoreError(self.explain(error)) from error


class _File:
    """What a `Writer` must know of SQLite."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
    outages: tuple[type[Exception], ...] = (sqlite3.OperationalError, OSError)
    linger_s = _LINGER_S

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str],
        durability: Durability,
        spacing_s: float,
        calm_s: float,
        shrinks: bool,
    ) -> None:
        self.path = path
        self.spacing_s = spacing_s
        self.calm_s = calm_s
        self._migrations = migrations
        self._durability = durability
        self._shrinks = shrinks

    def begin(self, connection: Any) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def explain(self, error: Exception) -> str:
        return explain(error, self.path.name)

    def open(self) -> sqlite3.Connection:
        """A connection to a file of the current version, migrated if need be."""
        if not self.path.parent.exists():
            private_folder(self.path.parent)
        self.path.touch(mode=0o600)
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)
        connection = self.connect()
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is gone, not only out of sight
        if self._shrinks:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of use only before the first table
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute(f"PRAGMA synchronous = {self._durability}")
        connection.execute("BEGIN IMMEDIATE")  # several processes may start at once
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(self._migrations):
                raise NewerStoreError("written by a newer version of Moot")
            for number, script in enumerate(self._migrations[version:], version + 1):
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def is_current(self) -> bool:
        """Whether the file has this version's tables, or a newer one's."""
        connection = self.connect()
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
        return bool(version >= len(self._migrations))

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection


def explain(error: Exception, name: str) -> str:
    """One sentence for what went wrong with the file called *name* in the data folder, with the next step."""
    code = result_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"The store {name} is locked by another program: try again in a moment. What is not recorded yet will be."
        )
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in NO_ROOM):
        return f"The disk is full, so {name} cannot be written. Free some space; what is waiting will be recorded then."
    if code in _NOT_WRITABLE or isinstance(error, OSError):
        return f"The store {name} cannot be written. Check the permissions of Moot's data folder, or set MOOT_HOME."
    if code in DAMAGED:
        return f"The store {name} is damaged. Run: moot doctor; it says how to set it aside and start a new one."
    if isinstance(error, NewerStoreError):
        return f"The store {name} was written by a newer version of Moot. Update Moot; until then nothing is recorded."
    return f"The store {name} cannot be used ({type(error).__name__}). Run: moot doctor"


def result_code(error: Exception) -> int | None:
    """SQLite's primary result code (https://sqlite.org/rescode.html); None where it said none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def now() -> float:
    """Wall-clock seconds: what several processes can compare."""
    return time.time()
