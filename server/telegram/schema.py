"""The tables of `telegram.db`. Append to the list; a script that was released never changes."""

from __future__ import annotations

_FIRST = """
CREATE TABLE updates (id INTEGER PRIMARY KEY, body TEXT, at REAL NOT NULL);
CREATE INDEX updates_waiting ON updates (id) WHERE body IS NOT NULL;
CREATE TABLE people (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner INTEGER NOT NULL, ais TEXT NOT NULL, per_day_usd REAL,
    since REAL NOT NULL
);
CREATE TABLE groups (chat INTEGER PRIMARY KEY, title TEXT NOT NULL, since REAL NOT NULL);
CREATE TABLE codes (
    hash TEXT PRIMARY KEY, owner INTEGER NOT NULL, label TEXT NOT NULL, ais TEXT NOT NULL, per_day_usd REAL,
    tries INTEGER NOT NULL, until REAL NOT NULL
);
CREATE TABLE guesses (who INTEGER NOT NULL, at REAL NOT NULL);
CREATE TABLE places (
    key TEXT PRIMARY KEY, chat INTEGER NOT NULL, thread TEXT NOT NULL, ai TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT '', shared INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT, chat INTEGER NOT NULL, topic INTEGER NOT NULL, user INTEGER NOT NULL,
    asked INTEGER NOT NULL, place TEXT NOT NULL, thread TEXT NOT NULL, language TEXT NOT NULL, kind TEXT NOT NULL,
    what TEXT, job TEXT NOT NULL DEFAULT '', sent TEXT NOT NULL DEFAULT '[]', state TEXT NOT NULL DEFAULT 'waiting',
    at REAL NOT NULL
);
CREATE INDEX turns_open ON turns (id) WHERE state = 'waiting';
CREATE INDEX turns_by_question ON turns (chat, asked);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""

_MARKS = "ALTER TABLE turns ADD COLUMN mark TEXT NOT NULL DEFAULT ''"

MIGRATIONS = (_FIRST, _MARKS)
