"""Group commit: one thread, one connection, and everything that has gathered in one transaction.

Works for any database that speaks BEGIN, SAVEPOINT and COMMIT. What cannot be written for the moment is kept for
better times, or refused at once, as whoever posts it wishes. Nothing here runs on the event loop.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from core.errors import StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[Any], T]

_MOST_AT_ONCE = 512
_MOST_WAITING = 50_000
_RETRY_S = 2.0
_CLOSE_S = 10.0


class Database(Protocol):
    """Where a writer writes."""

    errors: tuple[type[Exception], ...]
    """What it may raise."""
    outages: tuple[type[Exception], ...]
    """Those that are no fault of the operation: the disk, the file, the connection."""
    linger_s: float
    """How long a post may wait for others to share its transaction."""
    spacing_s: float
    """How far apart transactions are at least while there are only posts, for each costs the same, full or not."""

    calm_s: float
    """How long after a transaction whoever waits for the next one has others join it; nobody waits for the first."""

    def open(self) -> Any:
        """A connection to tables of the current version."""

    def begin(self, connection: Any) -> None: ...

    def explain(self, error: Exception) -> str:
        """One sentence for what it raised, with the next step."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    future: Future[Any] | None
    patient: bool
    """Whether it is kept for a better moment when the store cannot be written."""
    hurried: bool
    """Whether somebody waits for it, so that it must not linger for others to share its transaction."""


class Writer:
    """Writes into *database*. Its thread starts with the first write; `close` it in the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[_Write | None] = queue.Queue(_MOST_WAITING)
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._hurry = threading.Event()
        self._not_before = self._calm_until = 0.0
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

    def close(self) -> None:
        """Write what waits, as far as the store takes it, and stop."""
        self._closed.set()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            self._hurry.set()
            writer.join(_CLOSE_S)

    def _start(self) -> None:
        with self._lock:
            if self._writer is None and not self._closed.is_set():
                self._writer = threading.Thread(target=self._run, name="moot-store", daemon=True)
                self._writer.start()

    def _run(self) -> None:
        connection: Any = None
        waiting: list[_Write] = []
        stopping = False
        while not stopping or waiting:
            fresh, stopping = self._gather(block=not waiting and not stopping)
            if fresh and not stopping:
                stopping = self._linger(fresh)
            waiting += fresh
            try:
                connection = self._database.open() if connection is None else connection
                self._commit(connection, waiting)
                waiting, self.problem = [], None
                self._not_before = time.monotonic() + self._database.spacing_s
                self._calm_until = time.monotonic() + self._database.calm_s
            except self._database.errors as error:
                waiting = self._keep(waiting, error)
                if connection is not None:
                    with suppress(*self._database.errors):
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
        if not any(write.hurried for write in batch):
            self._hurry.wait(max(self._database.linger_s, self._not_before - time.monotonic()))
        if (left_s := self._calm_until - time.monotonic()) > 0:
            self._closed.wait(left_s)
        more, stopping = self._gather(block=False)
        batch += more
        return stopping

    def _commit(self, connection: Any, batch: list[_Write]) -> None:
        """All of *batch* in one transaction; where one fails, once more, and that one is undone alone."""
        try:
            results = self._transact(connection, batch, one_by_one=False)
        except self._database.outages:
            raise  # the disk, the file or the connection, not the operation
        except Exception:
            results = self._transact(connection, batch, one_by_one=True)
        for future, result, failure in results:
            if future.set_running_or_notify_cancel():  # whoever waited may be gone
                future.set_exception(failure) if failure else future.set_result(result)

    def _transact(
        self, connection: Any, batch: list[_Write], *, one_by_one: bool
    ) -> list[tuple[Future[Any], Any, Exception | None]]:
        results: list[tuple[Future[Any], Any, Exception | None]] = []
        run = self._undone_alone if one_by_one else _run
        self._database.begin(connection)
        try:
            for write in batch:
                result, failure = run(connection, write)
                if write.future is not None:
                    results.append((write.future, result, failure))
            connection.execute("COMMIT")
        except BaseException:
            with suppress(*self._database.errors):
                connection.execute("ROLLBACK")
            raise
        return results

    def _undone_alone(self, connection: Any, write: _Write) -> tuple[Any, Exception | None]:
        """What the operation gave, or its failure, with nothing of it left."""
        result, failure = None, None
        connection.execute("SAVEPOINT one")
        try:
            result = write.operation(connection)
        except self._database.outages:
            raise
        except Exception as error:
            connection.execute("ROLLBACK TO one")
            failure = error
            if write.future is None:
                log.exception("A write to the store failed")
        connection.execute("RELEASE one")
        return result, failure

    def _keep(self, batch: list[_Write], error: Exception) -> list[_Write]:
        """Answer those who wait for a result; keep the posts for a better moment."""
        reason = self._database.explain(error)
        if self.problem is None:
            log.warning("%s", reason)
        self.problem = reason
        for write in batch:
            if not write.patient and write.future is not None and write.future.set_running_or_notify_cancel():
                write.future.set_exception(StoreError(reason))
        kept = [write for write in batch if write.patient]
        self.lost += len(kept[:-_MOST_WAITING])
        return kept[-_MOST_WAITING:]


def _run(connection: Any, write: _Write) -> tuple[Any, None]:
    return write.operation(connection), None


def _give_up(writes: list[_Write], problem: str | None) -> None:
    for write in writes:
        if write.future is not None and write.future.set_running_or_notify_cancel():
            write.future.set_exception(StoreError(problem or "The store is closed."))
