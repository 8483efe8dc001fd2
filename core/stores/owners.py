"""Who is alive: each process that owns something shared keeps a file locked, and the system unlocks it when it dies.

The lock is SQLite's own on an otherwise empty file, since that is the one OS file lock the standard library offers
alike on POSIX and Windows. A process that hangs or is stopped still holds it; its successor is never mistaken for it.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from core.files.atomic import private_folder


class Owner:
    """This process, as others see it."""

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(8)
        self._folder = folder
        self._guard = threading.Lock()
        self._lock: sqlite3.Connection | None = None

    @property
    def registered(self) -> bool:
        return self._lock is not None

    def register(self) -> bool:
        """Take the lock; True the first time. Blocks for a moment."""
        with self._guard:
            if self._lock is not None:
                return False
            private_folder(self._folder)
            os.close(os.open(self._folder / self.name, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite goes by the umask
            lock = sqlite3.connect(self._folder / self.name, isolation_level=None, check_same_thread=False)
            lock.execute("BEGIN EXCLUSIVE")
            self._lock = lock
            return True

    def alive(self, owner: str) -> bool:
        """Whether the process that registered as *owner* still runs; all who ask at the same time hear the same."""
        if owner == self.name:
            return True
        path = self._folder / owner
        if not path.exists():
            return False
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=0, uri=True)) as probe:
                probe.execute("SELECT 1 FROM sqlite_master")  # a read: two probes must not lock each other out
        except sqlite3.OperationalError:
            return path.exists()  # or somebody has just buried it
        except sqlite3.DatabaseError:  # not one of our files, so nobody holds it
            return False
        return False

    def bury(self, owner: str) -> None:
        """Remove what is left of an owner that is not alive."""
        for name in (owner, f"{owner}-journal"):
            (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the lock go."""
        with self._guard:
            lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()
            self.bury(self.name)
