"""One search: what words, meaning and time find in a scope, put in order, as passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from core.memory.finding import Known, Where, by_words, rows_of
from core.memory.found import Passage
from core.memory.passages import fitting, parts
from core.memory.ranking import by_matter, fused, like_it, ordered, telling, with_span
from core.memory.scope import Scope
from core.memory.threads import USER
from core.memory.times import Asked, Span
from core.memory.words import terms

CANDIDATES = 60
"""Turns that each way of finding has a say with."""
_MEANT = 1.2
"""How much more it counts that those said it whose words are asked for: some ten places."""
_CHANGED, _OTHERS = 2, 8
"""Where it is asked what changed: of how many turns other statements are looked for, and how many."""
_COLUMNS = "turns.id, threads.name, turns.thread, author, person, message, turns.at, text"


@dataclass(frozen=True, slots=True)
class Look:
    """One search through the file."""

    scope: Scope
    where: Where
    asked: Asked
    question: str
    similar: Mapping[int, tuple[int, float]]
    believed: str = "9999"
    """Until when times are believed: what was said later than now was said when a clock was wrong."""
    known: Known = field(default_factory=dict)

    def found(self, connection: Any, most: int) -> tuple[Passage, ...]:
        overall = by_words(connection, self.where, self.question, self.known)
        order = self._joined(connection, overall)
        inside = dict[int, None]()
        rows = self._rows(connection, order[: 4 * most])
        order = [turn for turn in order if turn in rows]
        if self.asked.newest or self.asked.oldest:
            order = self._with_others(connection, rows, order)
        order = self._of_one_matter(rows, order[:most])
        if self.asked.span is not None:
            told = by_words(connection, self.where, self.asked.rest, self.known) if self.asked.rest.strip() else {}
            inside = _said_in(connection, self.where, self.asked.span, self._joined(connection, told), most)
            ahead = list(inside)
            rows |= self._rows(connection, ahead[: 4 * most])
            order = with_span(self._of_one_matter(rows, [turn for turn in ahead if turn in rows][:most]), order)
        return tuple(self._passage(rows[turn], overall, turn in inside) for turn in order[:most])

    def _with_others(self, connection: Any, rows: dict[int, Any], order: Sequence[int]) -> list[int]:
        """*order*, with what else was said of the same matter, in much the same words, right behind the first ones."""
        found: list[int] = []
        for turn in order[:_CHANGED]:
            sentence = telling(rows[turn]["text"], self.asked.rest)
            like = ordered(by_words(connection, self.where, sentence, self.known), _OTHERS)
            rows |= self._rows(connection, [other for other in like if other not in rows])
            others = [other for other in like if other in rows and other != turn]
            texts = {other: rows[other]["text"] for other in others}
            found += [turn, *like_it(sentence, others, texts, self.asked.rest)]
        return list(dict.fromkeys([*found, *order]))

    def _of_one_matter(self, rows: Mapping[int, Any], order: Sequence[int]) -> list[int]:
        texts = {turn: rows[turn]["text"] for turn in order}
        when = {turn: rows[turn]["at"] for turn in order}
        return by_matter(
            order, texts, {turn: at if at < self.believed else "" for turn, at in when.items()}, self.asked
        )

    def _joined(self, connection: Any, told: Mapping[int, float]) -> list[int]:
        """The turns of *told* and those of like meaning, best first."""
        scores = fused((ordered(told, CANDIDATES), 1.0), (list(self.similar), 1.0))
        if self.asked.who != "anybody":
            people = {row[0]: row[1] == USER for row in rows_of(connection, "id, author", scores)}
            meant = self.asked.who == "people"
            scores = {turn: score * (_MEANT if people.get(turn) == meant else 1.0) for turn, score in scores.items()}
        return ordered(scores)

    def _rows(self, connection: Any, turns: Sequence[int]) -> dict[int, Any]:
        """The turns by number; none that is outside of the scope, whatever an index says."""
        marks = ", ".join("?" * len(turns))
        query = f"SELECT {_COLUMNS} FROM turns JOIN threads ON threads.id = turns.thread WHERE turns.id IN ({marks})"  # noqa: S608
        found = connection.execute(query, tuple(turns)).fetchall()
        allowed = None if self.where.threads is None else set(self.where.threads)
        return {
            row["id"]: row
            for row in found
            if (allowed is None or row["thread"] in allowed) and self.scope.person in ("", row["person"])
        }

    def _passage(self, row: Any, told: Mapping[int, float], in_span: bool) -> Passage:
        text, turn = row["text"], row["id"]
        pieces = parts(text)
        part = self.similar[turn][0] if turn in self.similar else fitting(text, terms(self.question))
        start, end = pieces[max(0, min(part, len(pieces) - 1))]
        ways = (("words", turn in told), ("meaning", turn in self.similar), ("time", in_span))
        return Passage(
            turn=turn,
            thread=row["name"],
            author=row["author"],
            person=row["person"],
            message=row["message"],
            at=row["at"],
            text=text[start:end].strip(),
            whole=len(pieces) == 1,
            by=tuple(name for name, holds in ways if holds),
            start=end - len(text[start:end].lstrip()),
        )


Spot = tuple[int, int, int, Sequence[str]]
"""A passage without its words: the number of the turn, where it begins there, its length, and by what it was found."""


def placed(passage: Passage) -> Spot:
    """Where *passage* stands."""
    return passage.turn, passage.start, len(passage.text), passage.by


def again(connection: Any, places: Sequence[Spot]) -> tuple[Passage, ...]:
    """The passages at *places*; none of what was forgotten meanwhile."""
    marks = ", ".join("?" * len(places))
    query = f"SELECT {_COLUMNS} FROM turns JOIN threads ON threads.id = turns.thread WHERE turns.id IN ({marks})"  # noqa: S608
    rows = {row["id"]: row for row in connection.execute(query, [turn for turn, *_ in places]).fetchall()}
    return tuple(
        Passage(
            turn=turn,
            thread=row["name"],
            author=row["author"],
            person=row["person"],
            message=row["message"],
            at=row["at"],
            text=row["text"][start : start + length],
            whole=length == len(row["text"].strip()),
            by=tuple(by),
            start=start,
        )
        for turn, start, length, by in places
        if (row := rows.get(turn)) is not None
    )


def _said_in(connection: Any, where: Where, span: Span, turns: Sequence[int], most: int) -> dict[int, None]:
    """Those of *turns* that were said in *span*, and where these are few, others that were."""
    start, end = (moment.astimezone(UTC).isoformat(timespec="seconds") for moment in span)
    said = dict(map(tuple, rows_of(connection, "id, at", turns)))
    found = dict.fromkeys(turn for turn in turns if start <= said.get(turn, "") < end)
    if len(found) < most:
        among = "" if where.threads is None else f" AND thread IN ({', '.join('?' * len(where.threads))})"
        query = f"SELECT id FROM turns WHERE at >= ? AND at < ?{among} ORDER BY at LIMIT {2 * most}"  # noqa: S608 - marks
        found |= {row[0]: None for row in connection.execute(query, (start, end, *(where.threads or ())))}
    return found
