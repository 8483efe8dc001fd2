"""A lock among the processes of a data folder, which the system opens when its holder dies."""

from __future__ import annotations

import os
import sqlite3

from core.errors import StoreError
from core.files.atomic import private_folder
from core.paths import data_dir
from core.stores.sqlite import explain, result_code


def held(name: str) -> sqlite3.Connection | None:
    """The lock called *name*, to be closed; None while another process, or another connection of this one, has it.

    Blocks for a moment.

    Raises:
        StoreError: There can be none.
    """
    try:
        path = private_folder(data_dir() / "run") / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite goes by the umask
        lock = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(explain(error, name)) from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if result_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return None
        raise StoreError(explain(error, name)) from error
    return lock
