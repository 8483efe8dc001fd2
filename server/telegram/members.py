"""Who may use the bot: nobody, until its owner pairs with a code from the terminal and invites others.

Codes are random and kept as hashes. A code of the owner is worth five wrong tries of anybody, all wrong codes of one
account within an hour are counted, and every code ends. Everything here blocks.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from typing import Any

from core.errors import InvalidInputError
from core.people.tokens import hashed
from core.untrusted import one_line
from server.telegram.store import TelegramStore
from server.telegram.values import Member

PAIRING_S = 600.0
INVITATION_S = 7 * 86_400.0
MOST_TRIES = 5
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Without those that are taken for others."""
_TYPED = 10
_GUESSES_S = 3_600.0
_OWN = -1
_LONGEST_NAME = 64


class TooManyGuessesError(InvalidInputError):
    """One account tried too many wrong codes."""


class OwnCodeError(InvalidInputError):
    """The owner sent an invitation, which is for somebody else: it is good still."""


class Members:
    """Everybody who may use the bot, in private and in which groups."""

    def __init__(self, kept: TelegramStore) -> None:
        self._kept = kept

    def all(self) -> list[Member]:
        return [_member(row) for row in self._kept.read("SELECT * FROM people ORDER BY owner DESC, since")]

    def of(self, id: int) -> Member | None:
        return next(map(_member, self._kept.read("SELECT * FROM people WHERE id = ?", id)), None)

    def owner(self) -> Member | None:
        return next((one for one in self.all() if one.owner), None)

    def remove(self, id: int) -> bool:
        """Let *id* use the bot no more; whether they could."""
        return bool(self._kept.change(lambda c: c.execute("DELETE FROM people WHERE id = ?", (id,)).rowcount))

    def groups(self) -> list[tuple[int, str]]:
        """The groups in which the bot answers, each with its title."""
        return [(row["chat"], row["title"]) for row in self._kept.read("SELECT * FROM groups ORDER BY since")]

    def allows(self, chat: int) -> bool:
        return bool(self._kept.read("SELECT 1 FROM groups WHERE chat = ?", chat))

    def allow_group(self, chat: int, title: str) -> None:
        """Let the bot answer in the group *chat*."""
        row = (chat, one_line(title, _LONGEST_NAME), self._kept.store.clock())
        statement = (
            "INSERT INTO groups (chat, title, since) VALUES (?, ?, ?) "
            "ON CONFLICT (chat) DO UPDATE SET title = excluded.title"
        )
        self._kept.change(lambda connection: connection.execute(statement, row))

    def forget_group(self, chat: int) -> bool:
        """Answer in the group *chat* no more; whether the bot did."""
        return bool(self._kept.change(lambda c: c.execute("DELETE FROM groups WHERE chat = ?", (chat,)).rowcount))

    def pairing_code(self) -> str:
        """A code that makes whoever sends it to the bot its owner; earlier ones end."""
        return self._new_code(owner=True, label="", ais=(), per_day_usd=None, seconds=PAIRING_S)

    def invitation(self, label: str, ais: tuple[str, ...] = (), per_day_usd: float | None = None) -> str:
        """A code for one person, who may ask *ais* (none: all) and spend so much in a day.

        Raises:
            InvalidInputError: The amount is none.
        """
        if per_day_usd is not None and not (math.isfinite(per_day_usd) and per_day_usd >= 0):
            raise InvalidInputError("'per_day_usd' must be an amount in dollars, such as 5, and not below 0.")
        return self._new_code(owner=False, label=label, ais=ais, per_day_usd=per_day_usd, seconds=INVITATION_S)

    def redeem(self, said: str, id: int, name: str) -> Member | None:
        """Let *id* in by the code they *said*; None: it is none, or not any more.

        Raises:
            TooManyGuessesError: They tried too many.
            OwnCodeError: They own the bot, and the code invites somebody else.
        """
        now = self._kept.store.clock()
        letters = _typed(said)
        if len(letters) != _TYPED:  # not a guess, but some other link's
            return None

        def look(connection: Any) -> Member | int | None:
            connection.execute("DELETE FROM codes WHERE until < ?", (now,))
            connection.execute("DELETE FROM guesses WHERE at < ?", (now - _GUESSES_S,))
            tried = connection.execute("SELECT COUNT(*) AS n FROM guesses WHERE who = ?", (id,)).fetchone()["n"]
            if tried >= MOST_TRIES:
                return int(tried)
            row = connection.execute("SELECT * FROM codes WHERE hash = ?", (hashed(letters),)).fetchone()
            if row is None:
                connection.execute("INSERT INTO guesses (who, at) VALUES (?, ?)", (id, now))
                connection.execute("UPDATE codes SET tries = tries - 1 WHERE owner")
                connection.execute("DELETE FROM codes WHERE owner AND tries <= 0")
                return None
            if not row["owner"] and connection.execute("SELECT 1 FROM people WHERE id = ? AND owner", (id,)).fetchone():
                return _OWN
            connection.execute("DELETE FROM codes WHERE hash = ?", (row["hash"],))
            return _let_in(connection, row, id, name, now)

        found = self._kept.change(look)
        if found == _OWN:
            raise OwnCodeError("This code invites somebody else. Send it to them.")
        if isinstance(found, int):
            raise TooManyGuessesError("Too many wrong codes. Try again in an hour.")
        return found if isinstance(found, Member) else None

    def _new_code(
        self, *, owner: bool, label: str, ais: tuple[str, ...], per_day_usd: float | None, seconds: float
    ) -> str:
        code = "".join(secrets.choice(_LETTERS) for _ in range(_TYPED))
        until = self._kept.store.clock() + seconds
        row = (
            hashed(code),
            int(owner),
            one_line(label, _LONGEST_NAME),
            json.dumps(ais),
            per_day_usd,
            MOST_TRIES,
            until,
        )

        def insert(connection: Any) -> None:
            if owner:
                connection.execute("DELETE FROM codes WHERE owner")
            connection.execute(
                "INSERT INTO codes (hash, owner, label, ais, per_day_usd, tries, until) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

        self._kept.change(insert)
        return f"{code[:5]}-{code[5:]}"


def looks_like_code(text: str, *, exactly: bool) -> bool:
    """Whether somebody seems to have typed a code and nothing else.

    Args:
        exactly: Only as it is printed; else in small letters, and with another dash or none, too.
    """
    bare = text.strip()
    if exactly:
        return re.fullmatch(f"[{_LETTERS}]{{5}}-[{_LETTERS}]{{5}}", bare) is not None
    return re.fullmatch(f"[{_LETTERS}]{{5}}[\\W_]?[{_LETTERS}]{{5}}", bare.upper()) is not None


def _typed(said: str) -> str:
    return "".join(letter for letter in said[:100].upper() if letter.isalnum() and letter.isascii())


def _let_in(connection: Any, code: Any, id: int, name: str, now: float) -> Member:
    called = one_line(code["label"] or name, _LONGEST_NAME)
    if code["owner"]:
        connection.execute("DELETE FROM people WHERE owner")
    row = (id, called, code["owner"], code["ais"], code["per_day_usd"], now)
    connection.execute(
        "INSERT OR REPLACE INTO people (id, name, owner, ais, per_day_usd, since) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    return _member(connection.execute("SELECT * FROM people WHERE id = ?", (id,)).fetchone())


def _member(row: Any) -> Member:
    return Member(row["id"], row["name"], bool(row["owner"]), tuple(json.loads(row["ais"])), row["per_day_usd"])
