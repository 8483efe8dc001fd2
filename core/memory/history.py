"""Runs that are over, to be found, shown, gone on with and asked again: `history.db`, for its owner alone.

What files held is never kept, only their names; nor is a run in which something was read that may not leave this
machine (`files.local_only`). Everything here blocks but `add`.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from core.errors import InvalidInputError
from core.memory.copies import TELLING, Copies
from core.paths import data_dir
from core.stores.sqlite import Store
from core.untrusted import clean

State = Literal["done", "partial", "failed", "cancelled"]
Setting = Literal["on", "off"] | bool | int
LAST = "last"
_SENT_ALONG = re.compile(r"\n\n\[sent along: [^\n]*\]\Z")
"""What a turn has behind its question (`tools/recipe/context.py`), and the question of a past run has not."""
_FEW = 2_000
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_SIGNS = _LETTERS + "23456789"
_NAME_LENGTH = 5

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, at TEXT NOT NULL, tool TEXT NOT NULL, state TEXT NOT NULL,
        question TEXT NOT NULL, ais TEXT NOT NULL, arguments TEXT NOT NULL, answers TEXT NOT NULL, result TEXT NOT NULL,
        usd REAL, thread TEXT, door TEXT NOT NULL
    );
    CREATE INDEX runs_by_time ON runs (at);
    CREATE VIRTUAL TABLE words USING fts5 (question, answers, tokenize = 'unicode61 remove_diacritics 2')
    """,
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run as it is kept; `answers` are author and words, `result` is what its tool returned."""

    tool: str
    question: str
    ais: tuple[str, ...]
    answers: tuple[tuple[str, str], ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    state: State = "done"
    usd: float | None = None
    """What is known of its cost; None: nothing."""
    thread: str | None = None
    door: str = "cli"
    name: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A run in a list; `excerpt` is where the words stand that were searched for."""

    name: str
    at: str
    tool: str
    state: str
    question: str
    ais: tuple[str, ...]
    usd: float | None
    excerpt: str = ""


class History:
    """All runs of the user that are kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = Store(path or data_dir() / "history.db", MIGRATIONS)

    def add(self, run: PastRun, *, days: int | None = None) -> Future[str]:
        """Keep *run*, and forget those older than *days*; the future has its name, or a StoreError. Never blocks."""
        return self._store.submit(lambda connection: _add(connection, run, days))

    def latest(self, *, limit: int = 20, tools: Sequence[str] = ()) -> list[Found]:
        """The latest runs, newest first; of *tools* alone where some are named."""
        if not self._store.exists():
            return []
        among = f"WHERE tool IN ({', '.join('?' * len(tools))})" if tools else ""
        query = f"SELECT *, '' AS excerpt FROM runs {among} ORDER BY id DESC LIMIT ?"  # noqa: S608 - ours
        return self._found(query, (*tools, limit))

    def search(self, words: str, *, limit: int = 20) -> list[Found]:
        """The runs that hold all *words*, or words that begin so, best first.

        Raises:
            InvalidInputError: There is no word in it.
        """
        terms = re.findall(r"\w+", words)
        if not terms:
            raise InvalidInputError("Nothing to search for: give at least one word.")
        if not self._store.exists():
            return []
        query = (
            "SELECT runs.*, snippet(words, -1, '<<', '>>', ' ... ', 16) AS excerpt FROM words "
            "JOIN runs ON runs.id = words.rowid WHERE words MATCH ? ORDER BY rank LIMIT ?"
        )
        return self._found(query, (" ".join(f'"{term}"*' for term in terms), limit))

    def get(self, said: str) -> PastRun:
        """The run called *said*, or whose name alone begins so; `last` is the latest.

        Raises:
            InvalidInputError: There is none, or there are several.
        """
        rows = self._named(said) if self._store.exists() else []
        exact = [row for row in rows if row["name"] == said] or rows
        if len(exact) > 1:
            names = ", ".join(row["name"] for row in exact[:5])
            raise InvalidInputError(f"{said!r} could be {names}. Give more letters.")
        if not exact and said == "last":
            raise InvalidInputError('No run is kept. Ask something first: moot "What is 2+2?"')
        if not exact:
            raise InvalidInputError(f"There is no run {said!r}. To list them: moot history")
        return _past(exact[0])

    def knows(self, said: str) -> bool:
        """Whether *said* is the name of a run, or the beginning of one."""
        return self._store.exists() and bool(self._named(said))

    def set_thread(self, name: str, thread: str) -> None:
        """Remember that the run called *name* goes on in *thread*."""
        self._store.submit(
            lambda connection: connection.execute("UPDATE runs SET thread = ? WHERE name = ?", (thread, name))
        ).result()

    def forget(self, *, name: str | None = None, older_than_days: float | None = None) -> int:
        """Forget the run called *name*, those older than so many days, or all; how many there were."""
        if not self._store.exists():
            return 0
        if name is not None:
            return self._store.submit(lambda c: _delete(c, "name = ?", (self.get(name).name,))).result()
        before = _days_ago(older_than_days) if older_than_days is not None else "9999"
        return self._store.submit(lambda c: _delete(c, "at < ?", (before,))).result()

    def forget_said(self, threads: Sequence[str], texts: Sequence[str], *, kept: Sequence[str] = ()) -> int:
        """Forget the runs that went on in *threads*, and those that hold what was said in *texts*; none of the threads
        *kept*, where the same is still remembered."""
        if not self._store.exists():
            return 0
        return self._store.submit(lambda connection: _forget_said(connection, threads, texts, set(kept))).result()

    def close(self) -> None:
        """Write what waits."""
        self._store.close()

    def _named(self, said: str) -> list[sqlite3.Row]:
        if said.casefold() == LAST:
            return self._store.read(lambda c: c.execute("SELECT * FROM runs ORDER BY id DESC LIMIT 1").fetchall())
        if not re.fullmatch(r"[a-z0-9]{1,20}", said.casefold()):
            return []
        query = "SELECT * FROM runs WHERE name LIKE ? LIMIT 6"
        return self._store.read(lambda c: c.execute(query, (f"{said.casefold()}%",)).fetchall())

    def _found(self, query: str, values: Sequence[Any]) -> list[Found]:
        rows = self._store.read(lambda connection: connection.execute(query, values).fetchall())
        return [
            Found(
                row["name"],
                row["at"],
                row["tool"],
                row["state"],
                _line(row["question"]),
                tuple(json.loads(row["ais"])),
                row["usd"],
                _line(row["excerpt"]),
            )
            for row in rows
        ]


def chat_lines() -> Path:
    """The file with the lines typed in `moot chat`, which the setting `history` speaks of too."""
    return data_dir() / "chat_lines"


def days_kept(setting: Setting) -> int | None:
    """How many days runs are kept by the setting `history`; None: for good; 0: not at all."""
    if isinstance(setting, bool | str):
        return None if setting in (True, "on") else 0
    return setting


def _add(connection: sqlite3.Connection, run: PastRun, days: int | None) -> str:
    if days is not None:
        _delete(connection, "at < ?", (_days_ago(days),))
    name = _free_name(connection)
    row = (
        name,
        run.at or datetime.now(UTC).isoformat(timespec="seconds"),
        run.tool,
        run.state,
        run.question,
        json.dumps(run.ais),
        json.dumps(run.arguments, ensure_ascii=False),
        json.dumps(run.answers, ensure_ascii=False),
        json.dumps(run.result, ensure_ascii=False),
        run.usd,
        run.thread,
        run.door,
    )
    marks = ", ".join("?" * len(row))
    columns = "name, at, tool, state, question, ais, arguments, answers, result, usd, thread, door"
    added = connection.execute(f"INSERT INTO runs ({columns}) VALUES ({marks})", row)  # noqa: S608 - ours
    said = "\n\n".join(text for _, text in run.answers)
    connection.execute(
        "INSERT INTO words (rowid, question, answers) VALUES (?, ?, ?)", (added.lastrowid, run.question, said)
    )
    return name


def _free_name(connection: sqlite3.Connection) -> str:
    while True:
        name = secrets.choice(_LETTERS) + "".join(secrets.choice(_SIGNS) for _ in range(_NAME_LENGTH - 1))
        if name != LAST and not connection.execute("SELECT 1 FROM runs WHERE name = ?", (name,)).fetchone():
            return name


def _delete(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> int:
    found = connection.execute(f"SELECT id FROM runs WHERE {where}", values)  # noqa: S608 - ours
    return _delete_all(connection, [row[0] for row in found])


def _delete_all(connection: sqlite3.Connection, gone: Sequence[int]) -> int:
    connection.executemany("DELETE FROM words WHERE rowid = ?", [(one,) for one in gone])
    connection.executemany("DELETE FROM runs WHERE id = ?", [(one,) for one in gone])
    if gone:  # a deletion only adds a mark; merged into one piece, the index drops the words, too
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    return len(gone)


def _forget_said(connection: sqlite3.Connection, threads: Sequence[str], texts: Sequence[str], kept: Set[str]) -> int:
    names = set(threads)
    said = {_SENT_ALONG.sub("", text).strip() for text in texts} - {""}
    long = [text for text in said if len(text) >= TELLING]
    words = Copies([("", text) for text in long])
    long = long if len(long) <= _FEW else []  # each with each would take minutes; the words are compared anyway
    copies = []
    for row in connection.execute("SELECT id, question, answers, thread FROM runs"):
        if row[3] in kept:
            continue
        parts = [clean(part).strip() for part in (row[1], *(text for _, text in json.loads(row[2])))]
        if row[3] in names or any(part in said or _holds(part, long) or words.told_by(part) for part in parts):
            copies.append(row[0])
    return _delete_all(connection, copies)  # at once: each time the whole index by words is merged


def _holds(part: str, texts: Sequence[str]) -> bool:
    """Whether *part* holds one of *texts*, or is a part of one that tells anything."""
    return any(text in part or (len(part) >= TELLING and part in text) for text in texts)


def _past(row: sqlite3.Row) -> PastRun:
    return PastRun(
        tool=row["tool"],
        question=row["question"],
        ais=tuple(json.loads(row["ais"])),
        answers=tuple((author, text) for author, text in json.loads(row["answers"])),
        arguments=json.loads(row["arguments"]),
        result=json.loads(row["result"]),
        state=row["state"],
        usd=row["usd"],
        thread=row["thread"],
        door=row["door"],
        name=row["name"],
        at=row["at"],
    )


def _days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=min(days, 36_500))).isoformat(timespec="seconds")


def _line(text: str) -> str:
    return " ".join(text.split())
