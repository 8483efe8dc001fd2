"""The tables of `moot.db`, as migrations: each script makes the next version.

Append to the list; a script that was released never changes.
"""

from __future__ import annotations

_CALLS = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    run TEXT NOT NULL,
    tool TEXT NOT NULL,
    ai TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    key_alias TEXT NOT NULL,
    role TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd REAL,
    latency_s REAL NOT NULL,
    first_token_s REAL,
    outcome TEXT NOT NULL,
    answered_by TEXT,
    cached INTEGER NOT NULL
);
CREATE INDEX calls_by_time ON calls (at)
"""

_SPOOLED = """
CREATE TABLE spooled (owner TEXT PRIMARY KEY, number INTEGER NOT NULL)
"""
"""Up to which line of its spool the rows of a process are in `calls`."""

_PERSON = "ALTER TABLE calls ADD COLUMN person TEXT NOT NULL DEFAULT ''"

MIGRATIONS: tuple[str, ...] = (_CALLS, _SPOOLED, _PERSON)
