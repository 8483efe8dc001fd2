"""The tables of `people.db`. Append to the list; a script that was released never changes."""

from __future__ import annotations

_TOKENS = """
CREATE TABLE tokens (
    name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
    ais TEXT NOT NULL, per_day_usd REAL, admin INTEGER NOT NULL
)
"""

_APPS = """
CREATE TABLE app_clients (id TEXT PRIMARY KEY, told TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE app_requests (
    hash TEXT PRIMARY KEY, client TEXT NOT NULL, told TEXT NOT NULL, at REAL NOT NULL,
    code TEXT NOT NULL, code_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE app_grants (
    id TEXT PRIMARY KEY, label TEXT NOT NULL UNIQUE, person TEXT NOT NULL, client TEXT NOT NULL, told TEXT NOT NULL,
    created REAL NOT NULL, code TEXT NOT NULL, access TEXT UNIQUE, access_at REAL, refresh TEXT, refresh_at REAL
)
"""

MIGRATIONS = (_TOKENS, _APPS)
