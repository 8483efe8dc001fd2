"""Forgetting what was said, so that no byte of it is left: the transcript, both its indexes, what was uploaded along,
and the copies among past runs. Jobs are forgotten above, by `ai/recall/forgetting.py`, which knows them by `Forgotten`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InvalidInputError, MootError, StoreError
from core.files.atomic import write_atomically
from core.memory.finding import resolve
from core.memory.history import History
from core.memory.index import VectorIndex
from core.memory.indexing import backends_behind, forget_late
from core.memory.scope import Scope
from core.memory.threads import Threads, forget_turns

_BEYOND = 2**63
"""From where on no number is a turn's: none that a store takes."""
_UNCONFIGURED = "{} is not configured any more. Configure it once more, and run: moot memory reindex"


@dataclass(frozen=True, slots=True)
class Which:
    """What to forget of a scope; nothing named: all of it.

    Args:
        turn: A turn by its number.
        message: What was said in the message of that name.
        since, until: What was said in that time, the second excluded.
        messages: What was said in any of these messages, at once.
    """

    turn: int | None = None
    message: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    messages: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise InvalidInputError(f"'{name}' names no time zone. Add one, such as +00:00.")
        if self.turn is not None and not 0 < self.turn < _BEYOND:
            raise InvalidInputError("'turn' is the number of no turn. To see the numbers: moot memory search WORDS")
        if self.named is not None and "" in self.named:
            raise InvalidInputError("'message' is empty, and names no message. Give its number, or leave it out.")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidInputError("'since' is not before 'until', so that nothing was said in between. Correct one.")

    @property
    def everything(self) -> bool:
        return (self.turn, self.named, self.since, self.until) == (None, None, None, None)

    @property
    def named(self) -> tuple[str, ...] | None:
        """The messages of which what was said is meant; None: whichever they are."""
        return self.messages if self.message is None else (self.message,)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is gone from the transcript, for whoever has copies of it.

    Args:
        turns: How many there were.
        threads: Threads of which nothing is left.
        jobs: Jobs whose journals hold it.
        files: What was uploaded with it, below the data folder.
        said: When each was said, and its words, in memory alone, to find copies by.
        notes: Sentences on what could not be forgotten yet, and when it will be.
    """

    turns: int = 0
    threads: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    said: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    whole: bool = False
    """Whether everything of the file was forgotten."""
    kept_jobs: tuple[str, ...] = ()
    """Jobs of what is still remembered."""
    kept_threads: tuple[str, ...] = ()
    """Threads of which nothing is forgotten."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The words, each text once."""
        return tuple(dict.fromkeys(text for _, text in self.said))


def forget(
    threads: Threads,
    index: VectorIndex,
    scope: Scope,
    which: Which,
    elsewhere: Callable[[str], VectorIndex | None] = lambda backend: None,
) -> Forgotten:
    """Delete *which* of *scope* from the transcript and the indexes.

    Args:
        elsewhere: Opens a backend that was used before, by its name; None where it is not configured any more.

    Raises:
        StoreError: The transcript cannot be written. An index that is away forgets later, and `notes` says so.
    """
    if not threads.begun:
        return Forgotten()
    gone: Forgotten
    gone, turns = threads.store.submit(partial(_forget, scope=scope, which=which)).result()
    if not turns:
        return gone
    notes = []
    for backend in backends_behind(threads):
        try:
            at = index if backend == index.name else elsewhere(backend)
            forget_late(threads, backend, at)
            why = "" if at is not None else _UNCONFIGURED.format(backend)
        except MootError as error:
            why = str(error)
        if why:
            notes.append(f"The index by meaning still has the numbers, not the words, of what was forgotten: {why}")
    return replace(gone, notes=tuple(notes))


def forget_copies(gone: Forgotten, folder: Path, history: History | None = None) -> None:
    """Delete what else in *folder*, a person's, holds what is *gone*: what was uploaded with it, and past runs.

    Raises:
        StoreError: Something cannot be written.
    """
    for name in gone.files:
        _remove(folder, name)
    if history is not None and gone.turns:
        history.forget_said(gone.threads, gone.texts, kept=gone.kept_threads)
    lines = folder / "chat_lines"
    if gone.turns and lines.is_file():
        _without_lines(lines, gone.texts)


def meant(threads: Threads, scope: Scope, which: Which) -> Forgotten:
    """What `forget` would delete of *scope*, which is all there still.

    Raises:
        StoreError: The transcript cannot be read.
    """
    return threads.store.read(partial(_meant, scope=scope, which=which))[0] if threads.begun else Forgotten()


def _forget(connection: Any, *, scope: Scope, which: Which) -> tuple[Forgotten, list[int]]:
    told, turns = _meant(connection, scope=scope, which=which)
    if turns:
        forget_turns(connection, turns)
        connection.execute("DELETE FROM threads WHERE id NOT IN (SELECT thread FROM turns)")
    return told, turns


def _meant(connection: Any, *, scope: Scope, which: Which) -> tuple[Forgotten, list[int]]:
    where = resolve(connection, scope)
    if where is None:
        return Forgotten(), []
    tests, values = _tests(scope, which)
    if where.threads is not None:
        tests.append(f"thread IN ({', '.join('?' * len(where.threads))})")
        values += where.threads
    query = f"SELECT id, thread, at, text, job, files FROM turns WHERE {' AND '.join(tests) or 'TRUE'} ORDER BY id"  # noqa: S608 - ours
    rows = connection.execute(query, values).fetchall()
    turns = [row["id"] for row in rows]
    if not turns:
        return Forgotten(), []
    known, of_each = set(turns), Counter(row["thread"] for row in rows)
    counted = "SELECT threads.id, name, COUNT(turns.id) FROM threads LEFT JOIN turns ON thread = threads.id GROUP BY 1"
    every = connection.execute(counted).fetchall()
    left = [(name, many - of_each[number]) for number, name, many in every]
    jobs = connection.execute("SELECT id, job FROM turns WHERE job <> '' ORDER BY id").fetchall()
    told = Forgotten(
        turns=len(turns),
        threads=tuple(name for name, many in left if not many),
        jobs=tuple(dict.fromkeys(row["job"] for row in rows if row["job"])),
        files=tuple(dict.fromkeys(name for row in rows for name in json.loads(row["files"]))),
        said=tuple((row["at"], row["text"]) for row in rows),
        whole=not any(many for _, many in left),
        kept_jobs=tuple(dict.fromkeys(job for number, job in jobs if number not in known)),
        kept_threads=tuple(name for number, name, many in every if many and number not in of_each),
    )
    return told, turns


def _tests(scope: Scope, which: Which) -> tuple[list[str], list[Any]]:
    wanted = (
        ("id = ?", which.turn),
        ("message IN (SELECT value FROM json_each(?))", None if which.named is None else json.dumps(which.named)),
        ("at >= ?", which.since and _as_kept(which.since)),
        ("at < ?", which.until and _as_kept(which.until)),
        ("person = ?", scope.person or None),
    )
    return [test for test, value in wanted if value is not None], [value for _, value in wanted if value is not None]


def _as_kept(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _remove(folder: Path, name: str) -> None:
    """The file *name* below *folder*; a name that leads elsewhere is none of ours."""
    path = folder / name
    if path.parent.resolve().is_relative_to(folder.resolve()):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            text = (
                f"An uploaded file cannot be deleted ({error.strerror}). Check the permissions of Moot's data folder."
            )
            raise StoreError(text) from error


def _without_lines(path: Path, texts: Sequence[str]) -> None:
    said = {line.strip() for text in texts for line in text.splitlines() if line.strip()}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if line.strip() not in said and not any(line.strip() == text for text in texts)]
    if len(kept) < len(lines):
        write_atomically(path, "".join(f"{line}\n" for line in kept), private=True)
