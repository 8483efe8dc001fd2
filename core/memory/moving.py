"""What was said as JSON lines, to keep elsewhere, and back: a line for each turn, word for word."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, TextIO

from core.errors import InvalidInputError, StoreError
from core.memory.finding import resolve
from core.memory.scope import Place, Scope
from core.memory.threads import NAMES, USER, Threads, Turn, can_be_called
from core.stores.held import held
from core.untrusted import clean, one_line

_FIELDS = ("thread", "channel", "topic", "at", "author", "person", "tool", "message", "text")
_LONGEST = 10_000_000
_LONGEST_NAME = 500
_TOLD = ("author", "person", "tool", "message", "text")
Told = tuple[str, ...]
"""By what a turn is known again, beside its time."""
Kept = dict[tuple[str, Place], dict[Told, Counter[str]]]
"""What is kept: by thread and place, and then by what was said, how often at what time."""
_AT_ONCE = 500
_PATIENCE_S, _LOOK_S = 120.0, 0.05
"""How long an import waits for another one, and how often it looks."""


def exported(threads: Threads, scope: Scope) -> Iterator[dict[str, Any]]:
    """Every turn of *scope*, oldest first: its thread, chat and topic, when, who, and the words. Blocks."""
    if not threads.begun or (where := threads.store.read(lambda c: resolve(c, scope))) is None:
        return
    among = "" if where.threads is None else f" AND thread IN ({', '.join('?' * len(where.threads))})"
    query = (
        "SELECT turns.id, name AS thread, channel, topic, turns.at, author, person, tool, message, text FROM turns "  # noqa: S608
        f"JOIN threads ON threads.id = turns.thread WHERE turns.id > ?{among} ORDER BY turns.id LIMIT {_AT_ONCE}"
    )
    last = 0
    while True:
        values = (last, *(where.threads or ()))
        rows = threads.store.read(partial(_page, query=query, values=values))
        for row in rows:
            if scope.person in ("", row["person"]):
                yield {name: row[name] for name in _FIELDS if row[name] or name in ("thread", "text")}
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]["id"]


def lines_of(file: TextIO) -> Iterator[str]:
    """The lines of *file*; of one that is too long only so much that `take_in` refuses it: it may be of any length."""
    return iter(partial(file.readline, _LONGEST + 1), "")


def take_in(threads: Threads, lines: Iterable[str]) -> int:
    """Keep the turns of *lines*, as `exported` writes them; how many were not there yet. All of them or none.

    Raises:
        InvalidInputError: A line is none, or is of a thread that belongs elsewhere; the message says which.
        StoreError: They cannot be written.
    """
    read = [_read(line, number) for number, line in enumerate(_whole(lines), 1) if line.strip()]
    if not read:
        return 0
    with _alone():
        return _keep(threads, read)


@contextmanager
def _alone() -> Iterator[None]:
    """One import after the other, since each leaves out what is there already.

    Raises:
        StoreError: Another one goes on and on.
    """
    until = time.monotonic() + _PATIENCE_S
    while (lock := held("importing.lock")) is None:
        if time.monotonic() > until:
            raise StoreError("Another moot memory import still writes. Wait for its end, then run this one again.")
        time.sleep(_LOOK_S)
    try:
        yield
    finally:
        lock.close()


def _keep(threads: Threads, read: Sequence[tuple[int, str, Place, Turn]]) -> int:
    known = _kept(threads)
    homes: dict[str, Place] = dict(known.keys())
    for number, name, place, _ in read:
        if homes.setdefault(name, place) != place:
            raise InvalidInputError(
                f"Line {number}: 'thread' {name!r} belongs to another chat or topic. Give it another name there."
            )
    exact_first = sorted(read, key=lambda one: not one[3].at)
    here = {one[0] for one in exact_first if _there(known, *one[1:])}
    fresh = [(name, place, turn) for number, name, place, turn in read if number not in here]
    if fresh:
        grouped = [(*where, [turn for *_, turn in some]) for where, some in groupby(fresh, key=lambda one: one[:2])]
        threads.add_all(grouped).result()
    return len(fresh)


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """*lines*, of a file that is text.

    Raises:
        InvalidInputError: It is not.
    """
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError:
        raise InvalidInputError(
            f"Line {number + 1} or one after it is not valid UTF-8 text. Convert the file to UTF-8, or export it again."
        ) from None


def _there(known: Kept, name: str, place: Place, turn: Turn) -> bool:
    """Whether *turn* is among what is *known*, and is counted off; one without a time is whichever says the same."""
    same = known.get((name, place), {}).get(_told(turn))
    if not same:
        return False
    at = turn.at or next(iter(same))
    if not same[at]:
        return False
    same[at] -= 1
    if not same[at]:
        del same[at]
    return True


def _kept(threads: Threads) -> Kept:
    """What is kept already, so that a file that is imported twice is kept once."""
    found: Kept = {}
    for one in exported(threads, Scope.of_everything()):
        key = one["thread"], Place(one.get("channel", ""), one.get("topic", ""))
        told = tuple(one.get(name, "") for name in _TOLD)
        found.setdefault(key, {}).setdefault(told, Counter())[one.get("at", "")] += 1
    return found


def _told(turn: Turn) -> Told:
    return tuple(getattr(turn, name) for name in _TOLD)


def _page(connection: Any, *, query: str, values: Sequence[Any]) -> list[Any]:
    return list(connection.execute(query, values).fetchall())


def _read(line: str, number: int) -> tuple[int, str, Place, Turn]:
    if len(line) > _LONGEST:
        raise InvalidInputError(f"Line {number} is longer than {_LONGEST:,} characters. Take it out, or cut its text.")
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInputError(f"Line {number} is no JSON. Give a file that moot memory export wrote.") from None
    fields = ", ".join(_FIELDS)
    if not isinstance(raw, dict):
        raise InvalidInputError(f"Line {number} is no turn: it needs 'thread' and 'text', and takes {fields}.")
    if missing := [name for name in ("thread", "text") if name not in raw]:
        raise InvalidInputError(f"Line {number} has no {missing[0]!r}; it needs 'thread' and 'text'. Add it.")
    if odd := [one_line(name, 40) for name in raw if name not in _FIELDS]:
        raise InvalidInputError(f"Line {number}: {odd[0]!r} is no field of a turn; it takes {fields}. Remove it.")
    if bad := [name for name, value in raw.items() if not isinstance(value, str)]:
        raise InvalidInputError(f"Line {number}: {bad[0]!r} must be a text in quotes. Correct it.")
    if bad := [name for name in raw if name != "text" and len(raw[name]) > _LONGEST_NAME]:
        raise InvalidInputError(f"Line {number}: {bad[0]!r} is longer than {_LONGEST_NAME} characters. Shorten it.")
    if not can_be_called(raw["thread"]):
        raise InvalidInputError(f"Line {number}: 'thread' cannot be {one_line(raw['thread'], 80)!r}: {NAMES}.")
    said = {name: one_line(value, _LONGEST_NAME) for name, value in raw.items() if name not in ("thread", "text", "at")}
    turn = Turn(
        author=said.get("author") or USER,
        text=clean(raw["text"]),
        tool=said.get("tool", ""),
        at=_moment(raw.get("at", ""), number),
        person=said.get("person", ""),
        message=said.get("message", ""),
    )
    return number, raw["thread"], Place(said.get("channel", ""), said.get("topic", "")), turn


def _moment(text: str, number: int) -> str:
    """*text* as times are kept, which are compared as texts."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"Line {number}: 'at' is no time such as 2026-03-01T12:00:00+00:00. Correct or remove it."
        ) from None
