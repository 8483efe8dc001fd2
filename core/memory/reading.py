"""One connection for many reads: a store opens one for each, which is most of what a short search costs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from core.errors import StoreError
from core.stores.sqlite import Store

T = TypeVar("T")
_CACHE_KB = 16_000


class Reader:
    """Reads of *store*, one after the other. Close it in the end; it opens again when it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def read(self, operation: Callable[[Any], T]) -> T:
        """What *operation* makes of a connection. Blocks.

        Raises:
            StoreError: The file cannot be read; the message says why.
        """
        with self._lock:
            try:
                return operation(self._opened())
            except (sqlite3.Error, OSError) as error:
                self._shut()
                raise StoreError(self._store.explain(error)) from error

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _opened(self) -> sqlite3.Connection:
        state = self._store.path.stat() if self._store.path.exists() else None
        file = (state.st_dev, state.st_ino) if state else None
        if self._connection is None or file != self._file:  # it was set aside, and a new one made
            self._shut()
            self._store.read(lambda connection: None)  # of this version from now on
            self._connection = self._store.connect()
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
            state = self._store.path.stat()
            self._file = (state.st_dev, state.st_ino)
        return self._connection

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
