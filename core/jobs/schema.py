"""The tables of `jobs.db`, as migrations: each script makes the next version, and loses nothing.

Append to the list; a script that was released never changes.
"""

from __future__ import annotations

from core.jobs.packed import KEPT

_JOBS = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    creator TEXT NOT NULL,
    owner TEXT,
    fence INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    calls_at_claim INTEGER NOT NULL DEFAULT 0,
    cancel TEXT,
    calls INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    bytes INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    finished REAL
);
CREATE TABLE texts (job TEXT PRIMARY KEY, arguments TEXT NOT NULL, result TEXT);
CREATE INDEX jobs_open ON jobs (created) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_age ON jobs (created);
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (job, key)
);
CREATE INDEX calls_in_order ON calls (job, seq)
"""

_PROGRESS = "ALTER TABLE jobs ADD COLUMN progress TEXT"

_PERSON = """
ALTER TABLE jobs ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN request_key TEXT;
CREATE INDEX jobs_by_person ON jobs (person, created);
CREATE UNIQUE INDEX jobs_by_request ON jobs (person, request_key)
"""

_BLAME = """
ALTER TABLE jobs ADD COLUMN blame REAL NOT NULL DEFAULT 0;
CREATE TABLE deaths (owner TEXT PRIMARY KEY, jobs INTEGER NOT NULL)
"""

MIGRATIONS: tuple[str, ...] = (_JOBS, _PROGRESS, KEPT, _PERSON, _BLAME)
