"""Threads: conversations that go on across tools, AIs and restarts, kept in `threads.db` with a full-text index.

A thread has a name, and turns with an author: the user, or whoever answered. Everything here blocks but `add`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import InvalidInputError
from core.paths import data_dir
from core.pictures import without_pictures
from core.stores.sqlite import Store
from core.untrusted import clean, quoted

USER = "user"
_NAME = re.compile(r"[\w][\w .-]{0,63}", re.UNICODE)
_LISTED = 200

MIGRATIONS = (
    """
    CREATE TABLE threads (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, started TEXT NOT NULL, updated TEXT NOT NULL
    );
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY, thread INTEGER NOT NULL REFERENCES threads (id),
        at TEXT NOT NULL, tool TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL
    );
    CREATE INDEX turns_by_thread ON turns (thread, id);
    CREATE VIRTUAL TABLE words USING fts5 (text, content = 'turns', content_rowid = 'id',
        tokenize = 'unicode61 remove_diacritics 2')
    """,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What *author* said through *tool*."""

    author: str
    text: str
    tool: str = ""
    at: str = ""


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
            "SELECT author, text, tool, turns.at FROM turns JOIN threads ON threads.id = thread "
            "WHERE name = ? ORDER BY turns.id"
        )
        return [Turn(*row) for row in self._store.read(lambda c: c.execute(query, (name,)).fetchall())]

    def add(self, name: str, turns: Sequence[Turn]) -> Future[None]:
        """Append *turns* to thread *name*, which begins with them when it is new.

        Never blocks; the future is done when they are written, or has a StoreError.
        """
        check_name(name)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._store.submit(lambda connection: _add(connection, name, turns, now))

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
            "SELECT name, author, turns.at, snippet(words, 0, '<<', '>>', ' ... ', 24) FROM words "
            "JOIN turns ON turns.id = words.rowid JOIN threads ON threads.id = turns.thread "
            "WHERE words MATCH ? ORDER BY rank LIMIT ?"
        )
        wanted = " ".join(f'"{term}"' for term in terms)
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

    def close(self) -> None:
        """Write what waits."""
        self._store.close()


def check_name(name: str) -> None:
    """Raise InvalidInputError unless a thread can be called *name*."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"'thread' is {name[:80]!r}; a name has at most 64 letters, digits, blanks, dots, hyphens and underscores."
        )


def _add(connection: sqlite3.Connection, name: str, turns: Sequence[Turn], now: str) -> None:
    connection.execute("INSERT OR IGNORE INTO threads (name, started, updated) VALUES (?, ?, ?)", (name, now, now))
    connection.execute("UPDATE threads SET updated = ? WHERE name = ?", (now, name))
    (thread,) = connection.execute("SELECT id FROM threads WHERE name = ?", (name,)).fetchone()
    for turn in turns:
        row = (thread, turn.at or now, turn.tool, turn.author, clean(turn.text))
        added = connection.execute("INSERT INTO turns (thread, at, tool, author, text) VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (added.lastrowid, row[-1]))


def _delete(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT id FROM threads WHERE name = ?", (name,)).fetchone()
    if found is None:
        return False
    turns = connection.execute("SELECT id, text FROM turns WHERE thread = ?", (found[0],)).fetchall()
    connection.executemany("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", [tuple(t) for t in turns])
    connection.execute("DELETE FROM turns WHERE thread = ?", (found[0],))
    connection.execute("DELETE FROM threads WHERE id = ?", (found[0],))
    return True


def _line(text: str) -> str:
    return " ".join(text.split())
