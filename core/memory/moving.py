"""What was said as JSON lines, to keep elsewhere, and back: a line for each turn, word for word."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from core.errors import InvalidInputError
from core.memory.finding import resolve
from core.memory.scope import Place, Scope
from core.memory.threads import Threads, Turn, check_name

_FIELDS = ("thread", "channel", "topic", "at", "author", "person", "tool", "message", "text")
_LONGEST = 10_000_000
_AT_ONCE = 500


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


def take_in(threads: Threads, lines: Iterable[str]) -> int:
    """Keep the turns of *lines*, as `exported` writes them; how many. All of them are checked before one is kept.

    Raises:
        InvalidInputError: A line is none; the message says which.
    """
    read = [_read(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    for (name, place), some in groupby(read, key=lambda one: one[:2]):
        turns = [turn for _, _, turn in some]
        threads.add(name, turns, place=place).result()
    return len(read)


def _page(connection: Any, *, query: str, values: Sequence[Any]) -> list[Any]:
    return list(connection.execute(query, values).fetchall())


def _read(line: str, number: int) -> tuple[str, Place, Turn]:
    try:
        raw = json.loads(line)
    except ValueError:
        raise InvalidInputError(f"Line {number} is no JSON. Give a file that moot memory export wrote.") from None
    if not isinstance(raw, dict) or not {"thread", "text"} <= raw.keys() <= set(_FIELDS):
        fields = ", ".join(_FIELDS)
        raise InvalidInputError(f"Line {number} is no turn: it needs 'thread' and 'text', and takes {fields}.")
    if bad := [name for name, value in raw.items() if not isinstance(value, str) or len(value) > _LONGEST]:
        raise InvalidInputError(f"Line {number}: {bad[0]!r} must be a text.")
    check_name(raw["thread"])
    turn = Turn(
        author=raw.get("author", "user"),
        text=raw["text"],
        tool=raw.get("tool", ""),
        at=_moment(raw.get("at", ""), number),
        person=raw.get("person", ""),
        message=raw.get("message", ""),
    )
    return raw["thread"], Place(raw.get("channel", ""), raw.get("topic", "")), turn


def _moment(text: str, number: int) -> str:
    try:
        aware = not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise InvalidInputError(f"Line {number}: 'at' is no time such as 2026-03-01T12:00:00+00:00.")
    return text
