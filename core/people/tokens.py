"""The tokens by which people are known: `people.db`, or the database of a fleet. Only hashes are kept.

A token is 32 random bytes, so its SHA-256 cannot be guessed back and needs no salt. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import InvalidInputError
from core.people.person import LONGEST_NAME, Person
from core.people.schema import MIGRATIONS
from core.stores.choose import AnyStore, open_store

PREFIX = "moot_"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
_LONGEST_TOKEN = 200
_MARK_LETTERS = 16


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed; what it is made of is known to its holder alone."""

    person: Person
    created: str


class Tokens:
    """All people that may use this Moot besides its owner."""

    def __init__(self, store: AnyStore | None = None) -> None:
        self._store = store or open_store("people", MIGRATIONS)

    def add(self, person: Person) -> str:
        """A new token for *person*; it cannot be shown again.

        Raises:
            InvalidInputError: The name cannot be one, or is taken; or the amount is none.
            StoreError: It cannot be kept.
        """
        check_person(person)
        token = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (person.name, hashed(token), now, json.dumps(person.ais), person.per_day_usd, int(person.admin))

        def insert(connection: Any) -> bool:
            added = connection.execute(
                "INSERT INTO tokens (name, hash, created, ais, per_day_usd, admin) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO NOTHING",
                row,
            )
            return bool(added.rowcount)

        if not self._store.submit(insert).result():
            raise InvalidInputError(
                f"There is a token for {person.name!r}. Take it back first: moot tokens revoke {person.name}"
            )
        return token

    def all(self) -> list[TokenInfo]:
        """Every token, by name."""
        if not self._store.exists():
            return []
        query = "SELECT * FROM tokens ORDER BY name"
        return [
            TokenInfo(_person(row), row["created"])
            for row in self._store.read(lambda connection: connection.execute(query).fetchall())
        ]

    def revoke(self, name: str) -> bool:
        """Take the token of *name* back, and what they allowed apps; whether there was one."""
        if not self._store.exists():
            return False

        def delete(connection: Any) -> bool:
            connection.execute("DELETE FROM app_grants WHERE person = ? AND person <> ''", (name,))
            return bool(connection.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount)

        return self._store.submit(delete).result()

    def who(self, token: str) -> Person | None:
        """Whose *token* is; None: nobody's."""
        if not token.startswith(PREFIX) or len(token) > _LONGEST_TOKEN:
            return None
        return self._found("hash", hashed(token))

    def named(self, name: str) -> Person | None:
        """The person called *name*; None: there is no token of theirs any more."""
        return self._found("name", name)

    def mark(self, name: str) -> str:
        """What tells the token of *name* from any other they had before or get later; empty: they have none.

        It tells nothing of the token.
        """
        row = self._row("name", name)
        return "" if row is None else hashed(f"mark {row['hash']}")[:_MARK_LETTERS]

    def close(self) -> None:
        """Write what waits."""
        self._store.close()

    def _found(self, column: str, value: str) -> Person | None:
        row = self._row(column, value)
        return None if row is None else _person(row)

    def _row(self, column: str, value: str) -> Any:
        if not self._store.exists():
            return None
        query = f"SELECT * FROM tokens WHERE {column} = ?"  # noqa: S608 - ours
        return self._store.read(lambda connection: connection.execute(query, (value,)).fetchone())


def hashed(token: str) -> str:
    """What is kept of *token*."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check_person(person: Person) -> None:
    """Raise InvalidInputError unless somebody can be called and allowed so."""
    if len(person.name) > LONGEST_NAME or not _NAME.fullmatch(person.name):
        raise InvalidInputError(
            f"{person.name[:80]!r} cannot be a person's name. Take small letters, digits, hyphens and underscores, "
            f"at most {LONGEST_NAME}, such as 'ada'."
        )
    amount = person.per_day_usd
    if amount is not None and not (math.isfinite(amount) and amount >= 0):
        raise InvalidInputError("'per_day_usd' must be an amount in dollars, such as 5, and not below 0.")


def _person(row: Any) -> Person:
    return Person(row["name"], tuple(json.loads(row["ais"])), row["per_day_usd"], bool(row["admin"]))
