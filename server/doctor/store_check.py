"""Looks at one of Moot's SQLite files, for `moot doctor`."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ai.layers import cache
from core.jobs import schema as jobs_schema
from core.limits import bucket, budget_rows
from core.memory import history
from core.memory import schema as threads_schema
from core.people import schema as people_schema
from core.stores.sqlite import DAMAGED, explain, result_code
from core.usage import schema, track_record
from server.doctor.diagnosis import Diagnosis

_LOCK_S = 1.0
_MIGRATIONS: dict[str, Sequence[str]] = {
    "moot.db": schema.MIGRATIONS,
    "jobs.db": jobs_schema.MIGRATIONS,
    "threads.db": threads_schema.MIGRATIONS,
    "history.db": history.MIGRATIONS,
    "track.db": track_record.MIGRATIONS,
    "limits.db": bucket.MIGRATIONS,
    "budget.db": budget_rows.MIGRATIONS,
    "cache.db": cache.MIGRATIONS,
    "people.db": people_schema.MIGRATIONS,
}


def examine_database(path: Path) -> Diagnosis:
    """Whether the SQLite file at *path* is whole, free to write, and of a version we know."""
    name = f"store {path.name}"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", timeout=_LOCK_S, uri=True)) as connection:
            connection.isolation_level = None
            (written_by,) = connection.execute("PRAGMA user_version").fetchone()
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            migrations = _MIGRATIONS.get(path.name, ())
            known = migrations[:written_by] if written_by <= len(migrations) else ()  # a newer one may have others
            if verdict != "ok" or _tables_of(known) - _tables(connection):
                return Diagnosis(name, "fail", _set_aside(path))
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        code = result_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Diagnosis(name, "warn", f"{path} is locked by another program; calls are recorded when it lets go.")
        return Diagnosis(name, "fail", _set_aside(path) if code in DAMAGED else f"{path}: {explain(error, path.name)}")
    if path.name in _MIGRATIONS and written_by > len(_MIGRATIONS[path.name]):
        return Diagnosis(name, "fail", f"{path} was written by a newer Moot (version {written_by}). Update this one.")
    return Diagnosis(name, "ok", f"{path} is whole, free to write, version {written_by}.")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _tables_of(migrations: Sequence[str]) -> set[str]:
    """What a file that was made by *migrations* has."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for script in migrations:
            fresh.executescript(script)
        return _tables(fresh)


def _set_aside(path: Path) -> str:
    here, there = shlex.quote(str(path)), shlex.quote(f"{path}.damaged")
    return f"{path} is damaged. Set it aside, and a new one is made: mv {here} {there}"
