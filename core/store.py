"""The store: SQLite files in the data folder, shared by every Moot process of the user.

Rollback-journal mode throughout: SQLite before 3.51.3 can corrupt a WAL database when several processes write and
checkpoint at once, which is exactly this use. One writer thread commits what has gathered as one transaction, so the
journal mode costs nothing measurable at real rates. Nothing here runs on the event loop.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from core.errors import StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_BUSY_S = 10.0
_MOST_AT_ONCE = 512
_MOST_WAITING = 50_000
_RETRY_S = 2.0
_LINGER_S = 0.05
"""How long a post may wait for others to share its transaction; a commit costs 0.4 ms of CPU."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    future: Future[Any] | None
    patient: bool
    """Whether it is kept for a better moment when the store cannot be written."""
    hurried: bool
    """Whether somebody waits for it, so that it must not linger for others to share its transaction."""


Durability = Literal["FULL", "OFF"]
"""FULL survives a power cut; OFF survives kill -9 but not a power cut, for what may be lost, such as rate limits."""


class Store:
    """One SQLite file. Open it, `post` or `submit` writes, `read`, and close it in the end.

    Args:
        migrations: SQL scripts; the first makes version 1 of an empty file, each further one the next version.
        shrinks: Whether the file may give space back (`PRAGMA incremental_vacuum`); decided when it is made.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str], *, durability: Durability = "FULL", shrinks: bool = False
    ) -> None:
        self.path = path
        self._migrations = migrations
        self._durability = durability
        self._shrinks = shrinks
        self._queue: queue.Queue[_Write | None] = queue.Queue(_MOST_WAITING)
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._hurry = threading.Event()
        self.problem: str | None = None
        """Why writes do not arrive at the moment; None when they do."""
        self.lost = 0
        """Writes dropped because the queue was full."""

    def post(self, operation: Operation[Any]) -> None:
        """Write some time soon; survives a store that is locked or full for a while. Never blocks, never raises."""
        self._start()
        try:
            self._queue.put_nowait(_Write(operation, None, patient=True, hurried=False))
        except queue.Full:
            self.lost += 1

    def submit(self, operation: Operation[T], *, patient: bool = False, hurried: bool = True) -> Future[T]:
        """Write in the next transaction; the future has the result, or a StoreError.

        Args:
            patient: Wait, like a post, for a store that is locked or full.
            hurried: False: nobody waits for the result, so others may share its transaction, like a post's.
        """
        self._start()
        future: Future[T] = Future()
        self._queue.put(_Write(operation, future, patient=patient, hurried=hurried))
        if hurried:
            self._hurry.set()
        return future

    def read(self, operation: Operation[T]) -> T:
        """Run a query on a connection of its own; blocks.

        Raises:
            StoreError: The file cannot be read; the message says why.
        """
        if not self.path.exists():
            self.submit(lambda connection: None).result()
        try:
            connection = self._connect()
            try:
                return operation(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(explain(error)) from error

    def close(self) -> None:
        """Write what waits, as far as the store takes it, and stop."""
        self._closed.set()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            self._hurry.set()
            writer.join(_BUSY_S)

    def _start(self) -> None:
        with self._lock:
            if self._writer is None and not self._closed.is_set():
                self._writer = threading.Thread(target=self._run, name="moot-store", daemon=True)
                self._writer.start()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        waiting: list[_Write] = []
        stopping = False
        while not stopping or waiting:
            fresh, stopping = self._gather(block=not waiting and not stopping)
            if fresh and not stopping and not any(write.hurried for write in fresh):
                stopping = self._linger(fresh)
            waiting += fresh
            try:
                connection = connection or self._open()
                self._commit(connection, waiting)
                waiting, self.problem = [], None
            except sqlite3.Error as error:
                waiting = self._keep(waiting, error)
                if connection is not None:
                    with suppress(sqlite3.Error):
                        connection.close()
                    connection = None
                if stopping or self._closed.wait(_RETRY_S):
                    _give_up(waiting, self.problem)
                    break
        if connection is not None:
            connection.close()

    def _gather(self, *, block: bool) -> tuple[list[_Write], bool]:
        """What waits in the queue, and whether that is the end of it."""
        gathered: list[_Write] = []
        self._hurry.clear()  # before looking: whoever comes after that sets it again
        try:
            item = self._queue.get() if block else self._queue.get_nowait()
            while len(gathered) < _MOST_AT_ONCE:
                if item is None:
                    return gathered, True
                gathered.append(item)
                item = self._queue.get_nowait()
            if item is None:
                return gathered, True
            gathered.append(item)
        except queue.Empty:
            pass
        return gathered, False

    def _linger(self, batch: list[_Write]) -> bool:
        """Let further posts join *batch* for a moment; at once over when somebody waits for a result, or at the end.

        This thread sleeps meanwhile: woken by each post, it would take turns with the thread that posts.
        """
        self._hurry.wait(_LINGER_S)
        more, stopping = self._gather(block=False)
        batch += more
        return stopping

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        """All of *batch* in one transaction; where one fails, once more, and that one is undone alone."""
        try:
            results = self._transact(connection, batch, one_by_one=False)
        except sqlite3.OperationalError:
            raise  # the disk or the file, not the operation
        except Exception:
            results = self._transact(connection, batch, one_by_one=True)
        for future, result, failure in results:
            if future.set_running_or_notify_cancel():  # whoever waited may be gone
                future.set_exception(failure) if failure else future.set_result(result)

    def _transact(
        self, connection: sqlite3.Connection, batch: list[_Write], *, one_by_one: bool
    ) -> list[tuple[Future[Any], Any, Exception | None]]:
        results: list[tuple[Future[Any], Any, Exception | None]] = []
        run = _undone_alone if one_by_one else _run
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                result, failure = run(connection, write)
                if write.future is not None:
                    results.append((write.future, result, failure))
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return results

    def _keep(self, batch: list[_Write], error: sqlite3.Error) -> list[_Write]:
        """Answer those who wait for a result; keep the posts for a better moment."""
        reason = explain(error)
        if self.problem is None:
            log.warning("%s", reason)
        self.problem = reason
        for write in batch:
            if not write.patient and write.future is not None and write.future.set_running_or_notify_cancel():
                write.future.set_exception(StoreError(reason))
        kept = [write for write in batch if write.patient]
        self.lost += len(kept[:-_MOST_WAITING])
        return kept[-_MOST_WAITING:]

    def _open(self) -> sqlite3.Connection:
        """A connection to a file of the current version, migrated if need be."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        connection = self._connect()
        if self._shrinks:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of use only before the first table
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute(f"PRAGMA synchronous = {self._durability}")
        connection.execute("BEGIN IMMEDIATE")  # several processes may start at once
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(self._migrations):
                raise sqlite3.NotSupportedError("written by a newer version of Moot")
            for number, script in enumerate(self._migrations[version:], version + 1):
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection


def _run(connection: sqlite3.Connection, write: _Write) -> tuple[Any, None]:
    return write.operation(connection), None


def _undone_alone(connection: sqlite3.Connection, write: _Write) -> tuple[Any, Exception | None]:
    """What the operation gave, or its failure, with nothing of it left."""
    result, failure = None, None
    connection.execute("SAVEPOINT one")
    try:
        result = write.operation(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        failure = error
        if write.future is None:
            log.exception("A write to the store failed")
    connection.execute("RELEASE one")
    return result, failure


def _give_up(writes: list[_Write], problem: str | None) -> None:
    for write in writes:
        if write.future is not None and write.future.set_running_or_notify_cancel():
            write.future.set_exception(StoreError(problem or "The store is closed."))


def explain(error: sqlite3.Error) -> str:
    """One sentence for what SQLite says, with the next step."""
    words = str(error).lower()
    if "locked" in words or "busy" in words:
        return "The store is locked by another program. Calls go on; what is not recorded yet will be."
    if "full" in words:
        return "The disk is full, so nothing can be recorded. Free some space; what is waiting will be recorded then."
    if "readonly" in words or "unable to open" in words or "permission" in words:
        return "The store cannot be written. Check the permissions of Moot's data folder, or set MOOT_HOME."
    if "malformed" in words or "not a database" in words or "corrupt" in words:
        return "The store is damaged. Run: moot doctor; it says how to set it aside and start a new one."
    if "newer version" in words:
        return "The store was written by a newer version of Moot. Update Moot; until then nothing is recorded."
    return f"The store cannot be used ({type(error).__name__}). Run: moot doctor"


def now() -> float:
    """Wall-clock seconds: what several processes can compare."""
    return time.time()
