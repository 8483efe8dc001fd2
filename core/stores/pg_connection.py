"""Connections to a fleet's database that take the queries written for SQLite, and one sentence for what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import psycopg
import psycopg.conninfo

from core.errors import ConfigError, StoreError
from core.redact import redact, register_secret

_CONNECT_S = 5


class Row(tuple[Any, ...]):
    """One row, by position or by name, as `sqlite3.Row` is."""

    _names: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self._names[key] if isinstance(key, str) else key)

    def keys(self) -> Iterator[str]:
        return iter(self._names)


def _rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
    names = {column.name: position for position, column in enumerate(cursor.description or ())}
    return type("Row", (Row,), {"_names": names})


class Connection:
    """A connection that takes the queries written for SQLite."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def execute(self, query: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        return self.raw.execute(_marks(query), parameters or None)

    def executemany(self, query: str, rows: Sequence[Sequence[Any]], /) -> None:
        self.raw.cursor().executemany(_marks(query), rows)

    def close(self) -> None:
        self.raw.close()


@lru_cache(maxsize=256)
def _marks(query: str) -> bytes:
    return query.replace("?", "%s").encode()


OPTIONS: dict[str, Any] = {"autocommit": True, "cursor_factory": psycopg.ClientCursor, "row_factory": _rows}


class Address:
    """The server and database that MOOT_STORE names; its text never shows the password.

    Raises:
        ConfigError: It cannot be understood.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise ConfigError(
                "MOOT_STORE cannot be read. Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special "
                "characters of the password percent-encoded."
            ) from None
        if password := parts.get("password"):
            register_secret(str(password))
        self._info = psycopg.conninfo.make_conninfo(url, **{**_DEFAULTS, **parts, **_ALWAYS})  # type: ignore[arg-type]
        self._shown = f"{parts.get('host') or 'localhost'}/{parts.get('dbname') or parts.get('user') or ''}"

    def __str__(self) -> str:
        return self._shown

    @property
    def conninfo(self) -> str:
        """For connecting alone: the password is in it."""
        return self._info

    def connect(self, schema: str) -> psycopg.Connection[Any]:
        """Raises:
        psycopg.Error: It cannot be reached.
        StoreError: It cannot keep every character.
        """
        raw = psycopg.Connection.connect(self._info, **OPTIONS)
        try:
            self._check_encoding(raw)
            configure(raw, schema)
        except BaseException:
            raw.close()
            raise
        return raw

    def _check_encoding(self, raw: psycopg.Connection[Any]) -> None:
        encoding = raw.info.parameter_status("server_encoding")
        if encoding not in _ENCODINGS:
            raise StoreError(
                f"PostgreSQL ({self}) keeps text as {encoding}, which lacks most characters. Create a database in UTF8 "
                "(createdb -T template0 -E UTF8) and name that one in MOOT_STORE."
            )


_ENCODINGS = ("UTF8", "SQL_ASCII")
"""The second keeps what it is given, byte by byte; what it is given is UTF-8."""
_ALWAYS = {"client_encoding": "UTF8"}
_DEFAULTS = {
    "connect_timeout": _CONNECT_S,
    "application_name": "moot",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def schema_of(name: str) -> str:
    return f"moot_{name}"


def configure(raw: psycopg.Connection[Any], schema: str) -> None:
    raw.execute(f"SET search_path TO {schema}, public".encode())


_REASONS = (
    (r"invalid (integer )?(value|port)|invalid sslmode", "has an option in MOOT_STORE that cannot be read"),
    (r"password authentication failed|no password supplied|authentication failed", "refuses the user or password"),
    (r"role .* does not exist", "knows no such user"),
    (r"database .* does not exist", "has no such database"),
    (r"name or service not known|translate host name|nodename nor servname|no address", "cannot be found"),
    (r"too many (clients|connections)|remaining connection slots", "has no connection left"),
    (r"permission denied|must be owner", "does not let this user make or write its tables"),
    (r"no space left|disk full", "has a full disk"),
    (r"read-only|recovery is in progress", "is a standby that cannot be written"),
)
_STEPS = {
    "has an option in MOOT_STORE that cannot be read": "Correct it; a port is a number.",
    "refuses the user or password": "Correct them in MOOT_STORE.",
    "knows no such user": "Correct it in MOOT_STORE.",
    "has no such database": "Create it (createdb), or correct MOOT_STORE.",
    "cannot be found": "Correct the host in MOOT_STORE.",
    "has no connection left": "Raise max_connections, or run fewer workers.",
    "does not let this user make or write its tables": "Grant CREATE on the database to that user.",
    "has a full disk": "Free some space; what is waiting will be recorded then.",
    "is a standby that cannot be written": "Name the primary in MOOT_STORE.",
}


def explain(error: Exception, address: Address) -> str:
    """One sentence for what PostgreSQL says, with the next step; never with the password."""
    if isinstance(error, StoreError):
        return str(error)
    words = str(error).lower()
    for pattern, reason in _REASONS:
        if re.search(pattern, words):
            return redact(f"PostgreSQL ({address}) {reason}. {_STEPS[reason]}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return redact(
            f"PostgreSQL ({address}) does not answer. Start it, or correct MOOT_STORE; "
            "what is waiting is recorded as soon as it is back."
        )
    return redact(f"PostgreSQL ({address}) refuses a write ({type(error).__name__}). Run: moot doctor")
