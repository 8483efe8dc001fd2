"""Finished calls in `jobs.db`: a job is a number there, and a key is found by its end: a small answer stays small.

In a table with a job's id and the whole key in each of its indexes, two thirds of the space were ids and keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from core.jobs import rows
from core.jobs.rows import SQL
from core.jobs.values import KeptCall

KEPT = """
CREATE TABLE numbers (number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL UNIQUE);
CREATE TABLE kept (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL,
    key TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL
);
INSERT INTO numbers (job) SELECT DISTINCT job FROM calls;
INSERT INTO kept SELECT seq, (SELECT number FROM numbers WHERE numbers.job = calls.job), key, value, at FROM calls;
CREATE INDEX kept_in_order ON kept (job);
CREATE INDEX kept_by_key ON kept (job, substr(key, -12));
DROP TABLE calls
"""
FORGET = "DELETE FROM kept WHERE job = (SELECT number FROM numbers WHERE job = ?)"
_END = 12
"""Characters of a key that its index has; two keys of one end are told apart by the rest."""
_AT_ONCE = 200
"""SQLite takes a thousand values in one statement. A statement for each call would have its thread and the event loop
hand the interpreter lock to and fro for each."""


def keep_calls(connection: SQL, job: str, calls: Sequence[tuple[str, str, float]]) -> None:
    """Keep key, value and time of *calls*: the first value of each key, unless the job was deleted meanwhile."""
    if connection.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone() is None:
        return
    connection.execute("INSERT OR IGNORE INTO numbers (job) VALUES (?)", (job,))
    number = _number(connection, job)
    for start in range(0, len(calls), _AT_ONCE):
        some = calls[start : start + _AT_ONCE]
        fresh: dict[str, tuple[str, str, float]] = {}
        for call in some:
            fresh.setdefault(call[0], call)
        for row in _rows(connection, "key", number, list(fresh)):
            del fresh[row["key"]]
        if not fresh:
            continue
        new = list(fresh.values())
        marks = ", ".join(["(?, ?, ?, ?)"] * len(new))
        insert = f"INSERT INTO kept (job, key, value, at) VALUES {marks}"  # noqa: S608 - only marks
        connection.execute(insert, [field for call in new for field in (number, *call)])
        size = sum(len(key) + len(value) for key, value, _ in new)
        connection.execute("UPDATE jobs SET calls = calls + ?, bytes = bytes + ? WHERE id = ?", (len(new), size, job))


def note(connection: SQL, job: str, key: str, value: str, at: float) -> bool:
    """Keep one value; False where there is one already."""
    if memo(connection, job, [key]):
        return False
    keep_calls(connection, job, [(key, value, at)])
    return True


def memo(connection: SQL, id: str, keys: Sequence[str]) -> dict[str, Any]:
    number = _number(connection, id)
    found: dict[str, Any] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        found |= {row["key"]: json.loads(row["value"]) for row in _rows(connection, "key, value", number, some)}
    return found


def kept(connection: SQL, id: str, prefix: str) -> dict[str, Any]:
    """The values of the keys that begin with *prefix*."""
    query = "SELECT key, value FROM kept WHERE job = ? AND substr(key, 1, ?) = ?"
    found = connection.execute(query, (_number(connection, id), len(prefix), prefix))
    return {row["key"]: json.loads(row["value"]) for row in found}


def calls_after(connection: SQL, id: str, after: int, limit: int) -> list[KeptCall]:
    rows.get(connection, id)
    query = (
        "SELECT seq, key, value, at FROM kept INDEXED BY kept_in_order WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"
    )
    found = connection.execute(query, (_number(connection, id), after, limit))
    return [KeptCall(row["seq"], row["key"], json.loads(row["value"]), row["at"]) for row in found]


def sweep(connection: SQL) -> None:
    """Drop the numbers of jobs that are gone."""
    connection.execute("DELETE FROM numbers WHERE job NOT IN (SELECT id FROM jobs)")


def _number(connection: SQL, job: str) -> int:
    row = connection.execute("SELECT number FROM numbers WHERE job = ?", (job,)).fetchone()
    return int(row[0]) if row else 0


def _rows(connection: SQL, columns: str, number: int, keys: Sequence[str]) -> Iterable[Any]:
    if not keys:
        return ()
    ends = {key[-_END:] for key in keys}
    short, whole = (", ".join("?" * len(some)) for some in (ends, keys))
    query = f"SELECT {columns} FROM kept WHERE job = ? AND substr(key, -{_END}) IN ({short}) AND key IN ({whole})"  # noqa: S608
    return connection.execute(query, (number, *ends, *keys)).fetchall()  # type: ignore[no-any-return]
