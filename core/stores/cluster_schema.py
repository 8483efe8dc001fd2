"""The tables of a fleet's database, as migrations: for each store a PostgreSQL schema, where one machine has a file.

Append to a list; a script that was released never changes, and each only ever adds.
"""

from __future__ import annotations

_LEDGER_SPOOLED = """
CREATE TABLE spooled (owner TEXT PRIMARY KEY, number BIGINT NOT NULL)
"""
_LEDGER = """
CREATE TABLE calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at text NOT NULL,
    run text NOT NULL,
    tool text NOT NULL,
    ai text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    key_alias text NOT NULL,
    role text NOT NULL,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double precision,
    latency_s double precision NOT NULL,
    first_token_s double precision,
    outcome text NOT NULL,
    answered_by text,
    cached boolean NOT NULL
);
CREATE INDEX calls_by_time ON calls (at)
"""

_LIMITS = """
CREATE TABLE buckets (
    key text NOT NULL, kind text NOT NULL, amount double precision NOT NULL, period_s double precision NOT NULL,
    level double precision NOT NULL, at double precision NOT NULL,
    PRIMARY KEY (key, kind)
) WITH (fillfactor = 50);
CREATE TABLE rests (
    key text PRIMARY KEY, until double precision NOT NULL, seconds double precision NOT NULL, reason text NOT NULL
)
"""

_SLOTS = """
CREATE TABLE slots (
    ai text NOT NULL, owner text NOT NULL, ceiling bigint NOT NULL, held bigint NOT NULL, wanted bigint NOT NULL,
    until double precision NOT NULL,
    PRIMARY KEY (ai, owner)
) WITH (fillfactor = 50)
"""

_BUDGET = """
CREATE TABLE holds (
    id text PRIMARY KEY, owner text NOT NULL, open boolean NOT NULL,
    day text NOT NULL, run text NOT NULL, ai text NOT NULL, usd double precision NOT NULL, tokens bigint NOT NULL
);
CREATE INDEX holds_open ON holds (owner) WHERE open;
CREATE TABLE totals (
    span text NOT NULL, value text NOT NULL, ai text NOT NULL,
    day text NOT NULL, usd double precision NOT NULL, tokens bigint NOT NULL,
    PRIMARY KEY (span, value, ai)
)
"""

_JOBS = """
CREATE TABLE jobs (
    id text PRIMARY KEY,
    kind text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL DEFAULT '',
    creator text NOT NULL,
    owner text,
    fence bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    calls_at_claim bigint NOT NULL DEFAULT 0,
    cancel text,
    calls bigint NOT NULL DEFAULT 0,
    total bigint,
    bytes bigint NOT NULL DEFAULT 0,
    created double precision NOT NULL,
    started double precision,
    finished double precision,
    entry bigint,
    parent text
) WITH (fillfactor = 80);
CREATE TABLE texts (job text PRIMARY KEY, arguments text NOT NULL, result text);
CREATE INDEX jobs_by_age ON jobs (created);
CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;
CREATE TABLE calls (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    at double precision NOT NULL,
    UNIQUE (job, key)
);
CREATE INDEX calls_in_order ON calls (job, seq)
"""

_PROGRESS = "ALTER TABLE jobs ADD COLUMN progress text"

_APART = "CREATE TABLE apart (worker bigint PRIMARY KEY)"

_LEASES = """
ALTER TABLE jobs ADD COLUMN leased double precision NOT NULL DEFAULT 0;
CREATE INDEX jobs_open ON jobs (id) WHERE state IN ('queued', 'running')
"""

_PERSON = """
ALTER TABLE jobs ADD COLUMN person text NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN request_key text;
CREATE INDEX jobs_by_person ON jobs (person, created);
CREATE UNIQUE INDEX jobs_by_request ON jobs (person, request_key)
"""

_BLAME = """
ALTER TABLE jobs ADD COLUMN blame double precision NOT NULL DEFAULT 0;
CREATE TABLE deaths (owner text PRIMARY KEY, jobs bigint NOT NULL)
"""

_LEDGER_PERSON = "ALTER TABLE calls ADD COLUMN person text NOT NULL DEFAULT ''"

_BUDGET_PERSON = "ALTER TABLE holds ADD COLUMN person text NOT NULL DEFAULT ''"

_PEOPLE = """
CREATE TABLE tokens (
    name text PRIMARY KEY, hash text NOT NULL UNIQUE, created text NOT NULL,
    ais text NOT NULL, per_day_usd double precision, admin bigint NOT NULL
)
"""

_APPS = """
CREATE TABLE app_clients (id text PRIMARY KEY, told text NOT NULL, at double precision NOT NULL);
CREATE TABLE app_requests (
    hash text PRIMARY KEY, client text NOT NULL, told text NOT NULL, at double precision NOT NULL,
    code text NOT NULL, code_at double precision NOT NULL, tries bigint NOT NULL DEFAULT 0
);
CREATE TABLE app_grants (
    id text PRIMARY KEY, label text NOT NULL UNIQUE, person text NOT NULL, client text NOT NULL, told text NOT NULL,
    created double precision NOT NULL, code text NOT NULL, access text UNIQUE, access_at double precision,
    refresh text, refresh_at double precision
)
"""

_MEMORY = """
CREATE TABLE vectors (
    store text NOT NULL, embedder text NOT NULL, thread bigint NOT NULL, turn bigint NOT NULL, part bigint NOT NULL,
    halves bytea,
    PRIMARY KEY (store, embedder, turn, part)
);
CREATE INDEX vectors_by_thread ON vectors (store, embedder, thread)
"""

SCHEMAS: dict[str, tuple[str, ...]] = {
    "moot": (_LEDGER, _LEDGER_SPOOLED, _LEDGER_PERSON),
    "limits": (_LIMITS, _SLOTS),
    "budget": (_BUDGET, _BUDGET_PERSON),
    "jobs": (_JOBS, _PROGRESS, _APART, _LEASES, _PERSON, _BLAME),
    "people": (_PEOPLE, _APPS),
    "memory": (_MEMORY,),
}
"""Migrations by the name of the store, which on one machine is a file `NAME.db`."""
