"""Turns by their words: BM25 over what FTS5 finds, counted within the scope that is searched.

FTS5's own `bm25()` counts over the whole file and takes ten times as long where that is large. A turn is short, so
that a word stands in it or does not; how often matters little.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from core.memory.ranking import ordered
from core.memory.scope import ANY_TOPIC, Scope
from core.memory.words import gram_terms, terms

_MOST_ROWS = 500
"""Turns that are looked at for one word, the newest: one that stands in more tells little."""
Known = dict[tuple[str, str], Sequence[int]]
"""Turns that hold a word, by the index and the word."""
_FLAT = 0.75
"""BM25's b: how much a long turn has to hold for its length."""


@dataclass(frozen=True, slots=True)
class Where:
    """A scope as the file knows it.

    Args:
        threads: Their numbers; None: all there are.
        spot: What the index by words is asked for beside the words; empty: nothing.
        turns: How many there are in all, of all that there is about so many.
    """

    threads: tuple[int, ...] | None
    spot: str
    turns: int


def resolve(connection: Any, scope: Scope) -> Where | None:
    """Where *scope* is; None where nothing was said yet."""
    (whole,) = connection.execute("SELECT COALESCE(MAX(id), 0) FROM turns").fetchone()
    if scope.everything:
        return Where(None, "", whole) if whole else None
    values: tuple[str, ...]
    if scope.thread is not None:
        query, values = "SELECT id, place FROM threads WHERE name = ?", (scope.thread,)
    elif scope.topic == ANY_TOPIC:
        query, values = "SELECT id, place FROM threads WHERE channel = ?", (scope.channel or "",)
    else:
        query = "SELECT id, place FROM threads WHERE channel = ? AND topic = ?"
        values = (scope.channel or "", scope.topic)
    rows = connection.execute(query, values).fetchall()
    if not rows:
        return None
    threads = tuple(row[0] for row in rows)
    marks = ", ".join("?" * len(threads))
    (turns,) = connection.execute(f"SELECT COUNT(*) FROM turns WHERE thread IN ({marks})", threads).fetchone()  # noqa: S608
    if turns == whole:
        return Where(threads, "", turns)
    spots = [f"t{row[0]}" for row in rows] if scope.thread is not None else {f"p{row[1]}" for row in rows}
    return Where(threads, f"spot : ({' OR '.join(sorted(spots))})", turns)


def by_words(connection: Any, where: Where, question: str, known: Known) -> dict[int, float]:
    """Turns that hold words of *question*, by how much that tells; *known* is what this search has found already."""
    scores: dict[int, float] = {}
    for table, column, wanted in (("words", "text", terms(question)), ("grams", "pairs", gram_terms(question))):
        for word in wanted:
            if (found := known.get((table, word))) is None:
                begins = (
                    "*" if table == "grams" and len(word) == 1 else ""
                )  # a sign alone: every pair that begins with it
                wanted_here = f'{column} : "{word}"{begins}'
                found = known[table, word] = _holding(connection, table, wanted_here, where.spot)
            weight = math.log(1 + (where.turns - len(found) + 0.5) / (len(found) + 0.5))
            for turn in found:
                scores[turn] = scores.get(turn, 0.0) + weight
    return _for_length(connection, scores)


def _holding(connection: Any, table: str, wanted: str, spot: str) -> Sequence[int]:
    asked = f"{spot} AND {wanted}" if spot else wanted
    query = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rowid DESC LIMIT {_MOST_ROWS}"  # noqa: S608
    return [row[0] for row in connection.execute(query, (asked,))]


_MOST_WEIGHED = 80


def _for_length(connection: Any, scores: dict[int, float]) -> dict[int, float]:
    """The best of *scores* less what a turn holds for its length alone."""
    chosen = ordered(scores, _MOST_WEIGHED)
    lengths = dict(rows_of(connection, "id, length(text)", chosen))
    mean = sum(lengths.values()) / max(1, len(lengths)) or 1
    return {
        turn: scores[turn] * 2.2 / (1 + 1.2 * (1 - _FLAT + _FLAT * lengths[turn] / mean))
        for turn in chosen
        if turn in lengths
    }


def rows_of(connection: Any, columns: str, turns: Collection[int]) -> list[Any]:
    """*columns* of *turns*."""
    marks = ", ".join("?" * len(turns))
    found = connection.execute(f"SELECT {columns} FROM turns WHERE id IN ({marks})", tuple(turns))  # noqa: S608 - ours
    return list(found.fetchall())
