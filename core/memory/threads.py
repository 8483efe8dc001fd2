"""Threads: conversations that go on across tools, AIs and restarts, kept in `threads.db` with a full-text index.

A thread has a name, and turns with an author: the user, or whoever answered. Everything here blocks but `add`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import InvalidInputError
from core.memory.reading import Reader
from core.memory.schema import MIGRATIONS
from core.memory.scope import Place
from core.paths import data_dir
from core.pictures import without_pictures
from core.stores.sqlite import Store
from core.untrusted import clean, quoted

USER = "user"
_NAME = re.compile(r"[\w][\w .-]{0,63}", re.UNICODE)
NAMES = "a name has at most 64 letters, digits, blanks, dots, hyphens and underscores"
_LISTED = 200
_COLUMNS = "id, thread, place, at, tool, author, text, person, message, job, files"
_LAST = (
    "SELECT MAX((SELECT COALESCE(MAX(id), 0) FROM turns), "
    "(SELECT CAST(value AS INTEGER) FROM notes WHERE key = 'last'))"
)
"""The highest number a turn ever had: one that was forgotten is not given out again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What *author* said through *tool*.

    Args:
        person: Who that was where several people talk, such as `telegram 4711`.
        message: What it is called where it was said, so that it can be shown and forgotten there.
        job: The job whose journal holds it too.
        files: What was uploaded with it, below the data folder.
        id: Its number; 0 until it is kept.
    """

    author: str
    text: str
    tool: str = ""
    at: str = ""
    person: str = ""
    message: str = ""
    job: str = ""
    files: tuple[str, ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    name: str
    turns: int
    updated: str
    opening: str
    """How it began, in a line."""


@dataclass(frozen=True, slots=True)
class Match:
    """A turn that was found; `excerpt` has the words in double angle brackets."""

    thread: str
    author: str
    at: str
    excerpt: str


class Threads:
    """All threads of the user."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = Store(path or data_dir() / "threads.db", MIGRATIONS)
        self._reader = Reader(self._store)
        self.look = self._reader.read
        """`store.read` for those who look often."""
        self._beside: list[Callable[[], None]] = []

    @property
    def store(self) -> Store:
        """The file, for what else is made of it in this room."""
        return self._store

    @property
    def begun(self) -> bool:
        """Whether there is any; looks no further than for the file."""
        return self._store.path.exists()

    def history(self, name: str) -> list[Turn]:
        """The turns of thread *name*, oldest first; none when it is new.

        Raises:
            InvalidInputError: No thread can be called that.
            StoreError: The threads cannot be read.
        """
        check_name(name)
        if not self.begun:
            return []
        query = (
            "SELECT author, text, tool, turns.at, person, message, job, files, turns.id FROM turns "
            "JOIN threads ON threads.id = thread WHERE name = ? ORDER BY turns.id"
        )
        return [turn_of(row) for row in self._store.read(lambda c: c.execute(query, (name,)).fetchall())]

    def add(self, name: str, turns: Sequence[Turn], *, place: Place | None = None) -> Future[None]:
        """Append *turns* to thread *name*, which begins with them when it is new.

        Never blocks; the future is done when they are written, or has a StoreError, or an InvalidInputError where the
        thread belongs elsewhere.

        Args:
            place: The chat and topic the thread belongs to; None: the terminal's.
        """
        check_name(name)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._store.submit(lambda connection: _add(connection, name, turns, now, place or Place()))

    def add_all(self, parts: Sequence[tuple[str, Place, Sequence[Turn]]]) -> Future[None]:
        """Append to several threads, each with the place where it is: as `add`, and all of it or nothing."""
        now = datetime.now(UTC).isoformat(timespec="seconds")

        def write(connection: sqlite3.Connection) -> None:
            for name, place, turns in parts:
                _add(connection, name, turns, now, place)

        return self._store.submit(write)

    def all(self) -> list[ThreadInfo]:
        """The threads, latest first; at most 200."""
        if not self.begun:
            return []
        query = (
            "SELECT name, (SELECT COUNT(*) FROM turns WHERE thread = threads.id), updated, "
            "(SELECT substr(text, 1, 200) FROM turns WHERE thread = threads.id ORDER BY id LIMIT 1) "
            "FROM threads ORDER BY updated DESC, id DESC LIMIT ?"
        )
        rows = self._store.read(lambda c: c.execute(query, (_LISTED,)).fetchall())
        return [ThreadInfo(name, turns, updated, _line(opening or "")) for name, turns, updated, opening in rows]

    def search(self, words: str, *, limit: int = 20) -> list[Match]:
        """The turns that hold all *words*, best first."""
        terms = re.findall(r"\w+", words)
        if not terms:
            raise InvalidInputError("Nothing to search for: give at least one word.")
        if not self.begun:
            return []
        query = (
            "SELECT name, author, turns.at, snippet(words, 1, '<<', '>>', ' ... ', 24) FROM words "
            "JOIN turns ON turns.id = words.rowid JOIN threads ON threads.id = turns.thread "
            "WHERE words MATCH ? ORDER BY rank LIMIT ?"
        )
        wanted = " ".join(f'text : "{term}"' for term in terms)
        rows = self._store.read(lambda c: c.execute(query, (wanted, limit)).fetchall())
        return [Match(name, author, at, _line(excerpt)) for name, author, at, excerpt in rows]

    def delete(self, name: str) -> bool:
        """Forget thread *name*; whether there was one."""
        return self._store.submit(lambda connection: _delete(connection, name)).result() if self.begun else False

    def markdown(self, name: str) -> str:
        """Thread *name* to read or to keep.

        Raises:
            InvalidInputError: There is none of that name.
        """
        turns = self.history(name)
        if not turns:
            raise InvalidInputError(f"There is no thread {name!r}. Run: moot threads")
        parts = [f"# {name}"]
        for turn in turns:
            said = f", {turn.tool}" if turn.tool else ""
            parts.append(f"## {turn.author}\n*{turn.at}{said}*\n\n{quoted(without_pictures(turn.text))}")
        return "\n\n".join(parts) + "\n"

    def close_with(self, close: Callable[[], None]) -> None:
        """Have *close* called when this is closed: an index elsewhere is open for as long as its transcript."""
        self._beside.append(close)

    def close(self) -> None:
        """Write what waits."""
        beside, self._beside = self._beside, []
        for close in beside:
            close()
        self._reader.close()
        self._store.close()


def check_name(name: str) -> None:
    """Raise InvalidInputError unless a thread can be called *name*."""
    if not can_be_called(name):
        raise InvalidInputError(f"'thread' is {name[:80]!r}; {NAMES}.")


def can_be_called(name: str) -> bool:
    """Whether a thread can have *name*."""
    return bool(_NAME.fullmatch(name))


def turn_of(row: sqlite3.Row) -> Turn:
    """The turn of a row with author, text, tool, time, person, message, job, files and number."""
    author, text, tool, at, person, message, job, files, number = row
    return Turn(author, text, tool, at, person, message, job, tuple(json.loads(files)), number)


def _add(connection: sqlite3.Connection, name: str, turns: Sequence[Turn], now: str, place: Place) -> None:
    from core.memory.words import pairs  # whoever only reads needs it not

    thread, at_home = _thread(connection, name, now, place)
    (last,) = connection.execute(_LAST).fetchone()
    for number, turn in enumerate(turns, last + 1):
        text = clean(turn.text)
        row = (number, thread, at_home, turn.at or now, turn.tool, turn.author, text)
        more = (turn.person, turn.message, turn.job, json.dumps(turn.files))
        connection.execute(f"INSERT INTO turns ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *more))  # noqa: S608
        spot = f"t{thread} p{at_home}"
        connection.execute("INSERT INTO words (rowid, spot, text) VALUES (?, ?, ?)", (number, spot, text))
        if signs := pairs(text):
            connection.execute("INSERT INTO grams (rowid, spot, pairs) VALUES (?, ?, ?)", (number, spot, signs))


def _thread(connection: sqlite3.Connection, name: str, now: str, place: Place) -> tuple[int, int]:
    """The numbers of the thread *name* and of its place; it begins here where it is new."""
    found = connection.execute("SELECT id, place, channel, topic FROM threads WHERE name = ?", (name,)).fetchone()
    if found is not None:
        if (found["channel"], found["topic"]) != (place.channel, place.topic):
            raise InvalidInputError(f"The thread {name!r} belongs to another chat or topic. Use another name.")
        connection.execute("UPDATE threads SET updated = ? WHERE id = ?", (now, found["id"]))
        return found["id"], found["place"]
    added = connection.execute(
        "INSERT INTO threads (name, started, updated, channel, topic) VALUES (?, ?, ?, ?, ?)",
        (name, now, now, place.channel, place.topic),
    )
    where = (place.channel, place.topic)
    (first,) = connection.execute("SELECT MIN(id) FROM threads WHERE channel = ? AND topic = ?", where).fetchone()
    number = first if place.channel else 0
    connection.execute("UPDATE threads SET place = ? WHERE id = ?", (number, added.lastrowid))
    return int(added.lastrowid or 0), number


def forget_turns(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Delete the turns of these numbers with their index, so that not even its pages hold a word of them."""
    from core.memory.words import pairs

    if not ids:
        return
    elsewhere = "SELECT DISTINCT substr(name, 1, instr(name, '/') - 1) FROM indexed WHERE name NOT LIKE 'sqlite/%'"
    for (index,) in connection.execute(elsewhere).fetchall():
        connection.executemany("INSERT OR IGNORE INTO unforgotten VALUES (?, ?)", [(index, number) for number in ids])
    connection.execute(
        "UPDATE notes SET value = MAX(CAST(value AS INTEGER), (SELECT MAX(id) FROM turns)) WHERE key = 'last'"
    )
    for number in ids:
        found = connection.execute(
            "SELECT 't' || thread || ' p' || place AS spot, text, thread FROM turns WHERE id = ?", (number,)
        ).fetchone()
        if found is None:
            continue
        row = (number, found["spot"], found["text"])
        connection.execute("INSERT INTO words (words, rowid, spot, text) VALUES ('delete', ?, ?, ?)", row)
        if signs := pairs(found["text"]):
            row = (number, found["spot"], signs)
            connection.execute("INSERT INTO grams (grams, rowid, spot, pairs) VALUES ('delete', ?, ?, ?)", row)
        connection.execute("DELETE FROM turns WHERE id = ?", (number,))
    connection.execute("DELETE FROM vectors WHERE turn NOT IN (SELECT id FROM turns)")
    connection.execute("UPDATE notes SET value = CAST(value AS INTEGER) + 1 WHERE key = 'forgotten'")
    # A deletion only adds a mark; merged into one piece, the index drops both the mark and the words.
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.execute("INSERT INTO grams (grams) VALUES ('optimize')")


def _delete(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT id FROM threads WHERE name = ?", (name,)).fetchone()
    if found is None:
        return False
    turns = connection.execute("SELECT id FROM turns WHERE thread = ?", (found[0],)).fetchall()
    forget_turns(connection, [row[0] for row in turns])
    connection.execute("DELETE FROM threads WHERE id = ?", (found[0],))
    return True


def _line(text: str) -> str:
    return " ".join(text.split())
