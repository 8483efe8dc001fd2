"""Whether a fleet's database can be used: reachable, of a version we know, with workers alive. Blocks."""

from __future__ import annotations

import time
from typing import Literal

import psycopg

from core.errors import StoreError
from core.jobs.fleet.leases import LEASE_S
from core.jobs.fleet.rows import workers
from core.stores.cluster_schema import SCHEMAS
from core.stores.pg_connection import Address, Connection, explain, schema_of
from core.stores.postgres import written_by

State = Literal["ok", "warn", "fail"]


def examine(url: str) -> tuple[State, str]:
    """How the database at *url* stands, in one sentence with the next step; changes nothing there.

    Raises:
        ConfigError: *url* cannot be understood.
    """
    address = Address(url)
    started = time.perf_counter()
    try:
        with address.connect(schema_of("jobs")) as raw:
            took_ms = (time.perf_counter() - started) * 1e3
            return _examined(Connection(raw), f"PostgreSQL ({address}) answers in {took_ms:.0f} ms")
    except (psycopg.Error, StoreError) as error:
        return "fail", explain(error, address)


def _examined(connection: Connection, answers: str) -> tuple[State, str]:
    versions = {name: written_by(connection, name) for name in SCHEMAS}
    newer = [name for name, version in versions.items() if version > len(SCHEMAS[name])]
    if newer:
        return "fail", f"{answers}, but was written by a newer Moot ({', '.join(newer)}). Update this one."
    if not versions["jobs"]:
        return "ok", f"{answers}; its tables are made with the first job or call."
    alive = workers(connection, LEASE_S)
    if not alive:
        return "warn", f"{answers}, but no worker is alive. Start one on any machine with this MOOT_STORE: moot worker"
    return "ok", f"{answers}, version {versions['jobs']}; {alive} {'worker is' if alive == 1 else 'workers are'} alive."
