"""What the bot keeps in `telegram.db`: updates until they are handled, turns until they are answered, who may.

An update is kept before Telegram hears that it arrived, and the turns that come of it are kept in the transaction that
forgets its words: so a kill loses nothing and a repetition changes nothing. Everything here blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from core.paths import data_dir
from core.stores.sqlite import Store
from server.telegram.schema import MIGRATIONS
from server.telegram.values import NewTurn, Place, Spot, Turn

_KEPT_S = 2 * 86_400.0
"""How long updates and turns that are done are known, so that one that comes again is; Telegram gives up in a day."""
_TURNS_KEPT_S = 30 * 86_400.0
"""How long the buttons below an answer work."""
_PRUNED_EVERY = 500
Change = Callable[[Any], Any]


class TelegramStore:
    """Opens nothing before it is used."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store(data_dir() / "telegram.db", MIGRATIONS)
        self._since_pruned = 0

    def close(self) -> None:
        """Write what waits."""
        self.store.close()

    def change(self, operation: Change) -> Any:
        """What *operation* returns, once it is written.

        Raises:
            StoreError: It cannot be written now.
        """
        return self.store.submit(operation).result()

    # Updates

    def keep(self, updates: Sequence[tuple[int, str]]) -> list[int]:
        """Keep *updates*, each with its id; those that were not known.

        Raises:
            StoreError: They cannot be kept now: Telegram must not be told that they arrived.
        """
        now = self.store.clock()

        def insert(connection: Any) -> list[int]:
            new = []
            for number, body in updates:
                done = connection.execute(
                    "INSERT OR IGNORE INTO updates (id, body, at) VALUES (?, ?, ?)", (number, body, now)
                )
                if done.rowcount:
                    new.append(number)
            self._prune(connection, now, len(new))
            return new

        found: list[int] = self.change(insert)
        return found

    def unhandled(self) -> list[tuple[int, str]]:
        """The updates that were kept and not handled, in order."""
        query = "SELECT id, body FROM updates WHERE body IS NOT NULL ORDER BY id"
        return [(row["id"], row["body"]) for row in self._rows(query)]

    def handled(
        self, updates: Sequence[int], turns: Sequence[NewTurn] = (), changes: Sequence[Change] = ()
    ) -> list[Turn]:
        """Forget the words of *updates*, and keep in the same moment what comes of them; none where it was done before.

        Raises:
            StoreError: Nothing of it is kept.
        """
        now = self.store.clock()

        def write(connection: Any) -> list[Turn]:
            fresh = [
                connection.execute(
                    "UPDATE updates SET body = NULL WHERE id = ? AND body IS NOT NULL", (number,)
                ).rowcount
                for number in updates
            ]
            if updates and not any(fresh):
                return []
            for change in changes:
                change(connection)
            return [_insert_turn(connection, turn, now) for turn in turns]

        made: list[Turn] = self.change(write)
        return made

    # Turns

    def open_turns(self) -> list[Turn]:
        """What is not answered yet, in order."""
        return [_turn(row) for row in self._rows("SELECT * FROM turns WHERE state = 'waiting' ORDER BY id")]

    def turn(self, id: int) -> Turn | None:
        return next(map(_turn, self._rows("SELECT * FROM turns WHERE id = ?", id)), None)

    def turns_of(self, chat: int, message: int) -> list[Turn]:
        """The turns that answer *message*, the newest first."""
        query = "SELECT * FROM turns WHERE chat = ? AND asked = ? AND kind = 'ask' ORDER BY id DESC"
        return [_turn(row) for row in self._rows(query, chat, message)]

    def shown_by(self, chat: int, message: int) -> Turn | None:
        """The turn that *message* of ours shows."""
        query = (
            "SELECT * FROM turns WHERE chat = ? AND kind = 'ask' "
            "AND EXISTS (SELECT 1 FROM json_each(sent) WHERE value = ?) ORDER BY id DESC LIMIT 1"
        )
        return next(map(_turn, self._rows(query, chat, message)), None)

    def turns_in(self, place: str) -> list[Turn]:
        """The questions of *place*, the newest first."""
        return [
            _turn(row)
            for row in self._rows("SELECT * FROM turns WHERE place = ? AND kind = 'ask' ORDER BY id DESC", place)
        ]

    def asked(self, id: int, job: str) -> None:
        """The turn is the job *job* now, which has its words."""
        self.change(lambda c: c.execute("UPDATE turns SET job = ?, what = NULL WHERE id = ?", (job, id)))

    def sent(self, id: int, messages: Sequence[int]) -> None:
        """The turn is shown by *messages*."""
        self.change(lambda c: c.execute("UPDATE turns SET sent = ? WHERE id = ?", (json.dumps(list(messages)), id)))

    def over(self, id: int) -> None:
        """The turn is answered, or said: nothing of it is to be sent any more."""
        self.change(lambda c: c.execute("UPDATE turns SET state = 'over', what = NULL WHERE id = ?", (id,)))

    # Places

    def place(self, key: str) -> Place | None:
        return next(map(_place, self._rows("SELECT * FROM places WHERE key = ?", key)), None)

    def migrate(self, old: int, new: int) -> None:
        """The group *old* has become the supergroup *new*: everything of it goes on there."""
        self.change(lambda connection: migrate(connection, old, new))

    def fact(self, name: str) -> str:
        """What was noted under *name*; empty: nothing."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

    def note(self, name: str, value: str) -> None:
        """Keep *value* under *name*."""
        statement = (
            "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self.change(lambda connection: connection.execute(statement, (name, value)))

    def read(self, query: str, *values: Any) -> list[Any]:
        """The rows of *query*, which is ours."""
        return self._rows(query, *values)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self.store.read(lambda connection: connection.execute(query, values).fetchall())

    def _prune(self, connection: Any, now: float, added: int) -> None:
        self._since_pruned += added
        if self._since_pruned >= _PRUNED_EVERY:
            self._since_pruned = 0
            connection.execute("DELETE FROM updates WHERE body IS NULL AND at < ?", (now - _KEPT_S,))
            connection.execute("DELETE FROM turns WHERE state = 'over' AND kind = 'say' AND at < ?", (now - _KEPT_S,))
            connection.execute("DELETE FROM turns WHERE state = 'over' AND at < ?", (now - _TURNS_KEPT_S,))


def put_place(place: Place) -> Change:
    """Keep *place* as it is now."""

    def write(connection: Any) -> None:
        connection.execute(
            "INSERT INTO places (key, chat, thread, ai, role, shared) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) "
            "DO UPDATE SET thread = excluded.thread, ai = excluded.ai, role = excluded.role, shared = excluded.shared",
            (place.key, place.chat, place.thread, place.ai, place.role, int(place.shared)),
        )

    return write


def migrate(connection: Any, old: int, new: int) -> None:
    """Let everything of the group *old* be of *new*; what *new* has already stays."""
    connection.execute("UPDATE OR REPLACE groups SET chat = ? WHERE chat = ?", (new, old))
    for row in connection.execute("SELECT key FROM places WHERE chat = ?", (old,)).fetchall():
        key = f"{new}{row['key'].removeprefix(str(old))}"
        connection.execute("DELETE FROM places WHERE key = ?", (key,))
        connection.execute("UPDATE places SET key = ?, chat = ? WHERE key = ?", (key, new, row["key"]))
    for row in connection.execute("SELECT id, place FROM turns WHERE chat = ?", (old,)).fetchall():
        key = f"{new}{row['place'].removeprefix(str(old))}"
        # What asked and showed it is in the old group, whose numbers are those of other messages here
        statement = "UPDATE turns SET chat = ?, place = ?, asked = -ABS(asked), sent = '[]' WHERE id = ?"
        connection.execute(statement, (new, key, row["id"]))


def _insert_turn(connection: Any, turn: NewTurn, now: float) -> Turn:
    spot = turn.spot
    if turn.kind == "ask" and turn.place.startswith(
        str(spot.chat)
    ):  # its thread is remembered, so that it goes on in a supergroup
        place = (turn.place, spot.chat, turn.thread)
        connection.execute("INSERT OR IGNORE INTO places (key, chat, thread) VALUES (?, ?, ?)", place)
    row = (spot.chat, spot.topic, turn.user, turn.asked, turn.place, turn.thread, turn.language, turn.kind)
    told = (json.dumps(turn.what, separators=(",", ":")), now, turn.mark)
    made = connection.execute(
        "INSERT INTO turns (chat, topic, user, asked, place, thread, language, kind, what, at, mark) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, *told),
    )
    return Turn(made.lastrowid, spot, *row[2:], turn.what, mark=turn.mark)


def _turn(row: Any) -> Turn:
    return Turn(
        row["id"],
        Spot(row["chat"], row["topic"]),
        row["user"],
        row["asked"],
        row["place"],
        row["thread"],
        row["language"],
        row["kind"],
        json.loads(row["what"]) if row["what"] else {},
        row["job"],
        tuple(json.loads(row["sent"])),
        row["state"] == "waiting",
        row["mark"],
    )


def _place(row: Any) -> Place:
    return Place(row["key"], row["chat"], row["thread"], row["ai"], row["role"], bool(row["shared"]))
