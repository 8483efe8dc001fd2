"""Apps that people connected by OAuth: who may ask, who asks, and what was allowed. Lies beside the tokens.

Of codes and tokens only hashes are kept. What an app was allowed is one row with one access token and one refresh
token, each new one in place of the old, so nothing grows with use. A refresh token names its row: one that was used
before, or was taken from somebody, ends what it belongs to. Everything here blocks.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.people.schema import MIGRATIONS
from core.people.tokens import hashed
from core.stores.choose import AnyStore, open_store

ACCESS = "moota_"
REFRESH = "mootr_"
CODE = "mootc_"
REQUEST_S = 600.0
CODE_S = 60.0
ACCESS_S = 3_600
REFRESH_S = 60 * 86_400
MOST_TRIES = 5
_MOST_CLIENTS = 500
_MOST_REQUESTS = 50
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Without those that are taken for others."""
_TYPED = 8
_LONGEST_TOKEN = 200


@dataclass(frozen=True, slots=True)
class Client:
    """An app that may ask to be connected.

    Args:
        id: What it was given, or the address of the document that describes it.
        name: What it calls itself.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of an app that waits for a person's word.

    Args:
        host: Where the person and the code would be sent.
        explicit: Whether the request named `redirect_uri`, which then must be named again.
    """

    client: str
    name: str
    host: str
    redirect_uri: str
    explicit: bool
    state: str | None
    challenge: str
    resource: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What an app was allowed: to act for `person`, who owns the installation where that is empty.

    Args:
        label: What it is called where people see it; the name of no person.
        until: When the code or token by which it was found ends.
    """

    id: str
    label: str
    person: str
    asked: Asked
    created: float
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a code that a person typed: the app's code if it was right."""

    outcome: Literal["allowed", "wrong", "gone"]
    asked: Asked | None = None
    code: str = ""
    left: int = 0


class Apps:
    """All apps that may ask, that ask, and that are connected."""

    def __init__(self, store: AnyStore | None = None, clock: Callable[[], float] | None = None) -> None:
        self._store = store or open_store("people", MIGRATIONS)
        self._clock = clock or self._store.clock

    def close(self) -> None:
        """Write what waits."""
        self._store.close()

    # Who may ask

    def keep_client(self, client: Client) -> None:
        """Let *client* ask. Of too many the oldest that nobody allowed anything are forgotten."""
        now = self._clock()
        told = json.dumps(asdict(client))

        def keep(connection: Any) -> None:
            connection.execute(
                "INSERT INTO app_clients (id, told, at) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET told = excluded.told, at = excluded.at",
                (client.id, told, now),
            )
            many = connection.execute("SELECT COUNT(*) AS n FROM app_clients").fetchone()["n"] - _MOST_CLIENTS
            if many > 0:
                connection.execute(
                    "DELETE FROM app_clients WHERE id IN (SELECT id FROM app_clients "
                    "WHERE id NOT IN (SELECT client FROM app_grants) "
                    "AND id NOT IN (SELECT client FROM app_requests) ORDER BY at LIMIT ?)",
                    (many,),
                )

        self._store.submit(keep).result()

    def client(self, id: str) -> tuple[Client, float] | None:
        """The app called *id*, and how many seconds ago it was heard of; None: there is none."""
        row = self._one("SELECT * FROM app_clients WHERE id = ?", id)
        if row is None:
            return None
        told = json.loads(row["told"])
        uris, kinds = tuple(told["redirect_uris"]), tuple(told["grant_types"])
        return Client(told["id"], told["name"], uris, kinds), self._clock() - row["at"]

    # Who asks

    def ask(self, asked: Asked) -> tuple[str, str]:
        """Have *asked* wait; by what it is found again, and the code that allows it."""
        request, code, now = secrets.token_urlsafe(32), _code(), self._clock()
        row = (hashed(request), asked.client, json.dumps(asdict(asked)), now, _typed(hashed(request), code), now)

        def insert(connection: Any) -> None:
            self._forget_old(connection, now)
            connection.execute(
                "INSERT INTO app_requests (hash, client, told, at, code, code_at) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            connection.execute(
                "DELETE FROM app_requests WHERE hash IN "
                "(SELECT hash FROM app_requests ORDER BY at DESC, hash LIMIT 1000 OFFSET ?)",
                (_MOST_REQUESTS,),
            )

        self._store.submit(insert).result()
        return request, code

    def asked(self, request: str) -> Asked | None:
        """What waits under *request*; None: nothing, or not any more."""
        row = self._one("SELECT * FROM app_requests WHERE hash = ?", hashed(request))
        return None if row is None or self._clock() > row["at"] + REQUEST_S else _asked(row["told"])

    def new_codes(self) -> list[tuple[Asked, str]]:
        """Everything that waits, the newest first, each with a new code in place of the one it had."""
        now = self._clock()

        def renew(connection: Any) -> list[tuple[Asked, str]]:
            self._forget_old(connection, now)
            found = []
            for row in connection.execute("SELECT * FROM app_requests ORDER BY at DESC, hash").fetchall():
                code = _code()
                connection.execute(
                    "UPDATE app_requests SET code = ?, code_at = ? WHERE hash = ?",
                    (_typed(row["hash"], code), now, row["hash"]),
                )
                found.append((_asked(row["told"]), code))
            return found

        return self._store.submit(renew).result() if self._store.exists() else []

    def allow(self, request: str, code: str | None, person: str) -> Said:
        """Allow what waits under *request* for *person*, if *code* is the one for it.

        Args:
            code: What was typed; None: the person has shown in another way who they are.
        """
        now, key = self._clock(), hashed(request)

        def decide(connection: Any) -> Said:
            counted = connection.execute(
                "UPDATE app_requests SET tries = tries + 1 WHERE hash = ? AND at > ?", (key, now - REQUEST_S)
            )
            if not counted.rowcount:
                return Said("gone")
            row = connection.execute("SELECT * FROM app_requests WHERE hash = ?", (key,)).fetchone()
            right = code is None or (
                now <= row["code_at"] + REQUEST_S and hmac.compare_digest(row["code"], _typed(key, code))
            )
            if right or row["tries"] >= MOST_TRIES:
                connection.execute("DELETE FROM app_requests WHERE hash = ?", (key,))
            if not right:
                left = MOST_TRIES - row["tries"]
                return Said("wrong", _asked(row["told"]), left=left) if left > 0 else Said("gone")
            return Said("allowed", _asked(row["told"]), self._granted(connection, row, person, now))

        return self._store.submit(decide).result()

    def refuse(self, request: str) -> Asked | None:
        """Forget what waits under *request*; what it was."""
        asked = self.asked(request)
        if asked is not None:
            self._write("DELETE FROM app_requests WHERE hash = ?", hashed(request))
        return asked

    # What was allowed

    def by_code(self, code: str, client: str) -> Grant | None:
        """What *code* stands for, if it is *client*'s and unused. One that was used before ends what came of it."""
        row = self._by_id(code, CODE)
        if row is None or row["code"] != hashed(code) or row["client"] != client:
            return None
        if row["access"] is not None:
            self._end(row["id"])
            return None
        until = row["created"] + CODE_S
        return _grant(row, until) if self._clock() <= until else None

    def exchange(self, code: str) -> tuple[str, str] | None:
        """The access and the refresh token for *code*; None: it was used meanwhile, which ends what it was for."""
        return self._renewed(_id(code, CODE), "code = ? AND access IS NULL", hashed(code))

    def by_refresh(self, token: str, client: str) -> Grant | None:
        """What *token* renews. One that is not the newest ends it, for somebody has it who should not."""
        row = self._by_id(token, REFRESH)
        if row is None or row["refresh"] is None:
            return None
        if not hmac.compare_digest(row["refresh"], hashed(token)):
            self._end(row["id"])
            return None
        return None if row["client"] != client or self._clock() > row["refresh_at"] else _grant(row, row["refresh_at"])

    def renew(self, token: str) -> tuple[str, str] | None:
        """New tokens for the refresh token *token*; None: it was used in the meantime, which ends what it was for."""
        return self._renewed(_id(token, REFRESH), "refresh = ?", hashed(token))

    def by_access(self, token: str) -> Grant | None:
        """What *token* allows; None: nothing, or not any more."""
        if not token.startswith(ACCESS) or len(token) > _LONGEST_TOKEN:
            return None
        row = self._one("SELECT * FROM app_grants WHERE access = ?", hashed(token))
        return None if row is None or self._clock() > row["access_at"] else _grant(row, row["access_at"])

    def all(self) -> list[Grant]:
        """Every app that is connected, the oldest first."""
        if not self._store.exists():
            return []
        query = "SELECT * FROM app_grants WHERE refresh_at > ? ORDER BY created, id"
        rows = self._store.read(lambda connection: connection.execute(query, (self._clock(),)).fetchall())
        return [_grant(row, row["refresh_at"]) for row in rows]

    def stands(self, grant: Grant) -> bool:
        """Whether *grant* was not taken back; that its tokens were renewed does not matter."""
        return self._one("SELECT * FROM app_grants WHERE id = ?", grant.id) is not None

    def end(self, grant: Grant) -> None:
        """Take back what was allowed by *grant*."""
        self._end(grant.id)

    def revoke(self, label: str) -> Grant | None:
        """Take back what is called *label*; what it was."""
        row = self._one("SELECT * FROM app_grants WHERE label = ?", label)
        if row is None:
            return None
        self._end(row["id"])
        return _grant(row)

    def _granted(self, connection: Any, row: Any, person: str, now: float) -> str:
        key = secrets.token_hex(16)
        code = f"{CODE}{key}.{secrets.token_urlsafe(32)}"
        connection.execute(
            "INSERT INTO app_grants (id, label, person, client, told, created, code) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, f"app:{secrets.token_hex(5)}", person, row["client"], row["told"], now, hashed(code)),
        )
        return code

    def _renewed(self, id: str, holds: str, value: str) -> tuple[str, str] | None:
        access = ACCESS + secrets.token_urlsafe(32)
        refresh = f"{REFRESH}{id}.{secrets.token_urlsafe(32)}"
        now = self._clock()

        def renew(connection: Any) -> bool:
            done = connection.execute(
                "UPDATE app_grants SET access = ?, access_at = ?, refresh = ?, refresh_at = ? "  # noqa: S608 - ours
                f"WHERE id = ? AND {holds}",
                (hashed(access), now + ACCESS_S, hashed(refresh), now + REFRESH_S, id, value),
            )
            if not done.rowcount:
                connection.execute("DELETE FROM app_grants WHERE id = ?", (id,))
            return bool(done.rowcount)

        return (access, refresh) if self._store.submit(renew).result() else None

    def _forget_old(self, connection: Any, now: float) -> None:
        connection.execute("DELETE FROM app_requests WHERE at <= ?", (now - REQUEST_S,))
        connection.execute("DELETE FROM app_grants WHERE access IS NULL AND created < ?", (now - CODE_S,))
        connection.execute("DELETE FROM app_grants WHERE refresh_at < ?", (now,))

    def _by_id(self, token: str, prefix: str) -> Any:
        key = _id(token, prefix)
        return self._one("SELECT * FROM app_grants WHERE id = ?", key) if key else None

    def _end(self, id: str) -> None:
        self._write("DELETE FROM app_grants WHERE id = ?", id)

    def _one(self, query: str, value: str) -> Any:
        if not self._store.exists():
            return None
        return self._store.read(lambda connection: connection.execute(query, (value,)).fetchone())

    def _write(self, statement: str, value: str) -> int:
        def write(connection: Any) -> int:
            return int(connection.execute(statement, (value,)).rowcount)

        return self._store.submit(write).result()


def _id(token: str, prefix: str) -> str:
    """The row that *token* names; empty where it is none of ours."""
    if not token.startswith(prefix) or len(token) > _LONGEST_TOKEN:
        return ""
    return token.removeprefix(prefix).partition(".")[0]


def _code() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_TYPED))
    return f"{letters[:4]}-{letters[4:]}"


def _typed(request: str, code: str) -> str:
    """What is kept of *code*, whichever way it is typed; it is worth something for *request* alone."""
    letters = "".join(letter for letter in code[:100].upper() if letter.isalnum())
    return hashed(f"{request} {letters}")


def _asked(told: str) -> Asked:
    return Asked(**json.loads(told))


def _grant(row: Any, until: float = 0.0) -> Grant:
    return Grant(row["id"], row["label"], row["person"], _asked(row["told"]), row["created"], until)
