"""What was said, found again: by words, by meaning and by time, within a scope, as it was said.

Everything here blocks: call it in a worker thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.errors import MootError
from core.memory.finding import Where, by_words, resolve, rows_of
from core.memory.forgetting import Forgotten, Which, forget
from core.memory.index import Embedder, Part, VectorIndex
from core.memory.passages import fitting, parts
from core.memory.ranking import by_matter, fused, like_it, ordered, telling, with_span
from core.memory.scope import Scope
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import USER, Threads
from core.memory.times import Asked, Span, asked_of
from core.memory.words import terms

log = logging.getLogger(__name__)

TOKENS = 2_000
"""What is recalled for one question at most, by default."""
_CANDIDATES = 60
_IN_SPAN = 4_000
_AT_HAND = 2_000
"""Turns that are indexed before a search where that costs next to nothing: a tenth of a second."""
_SHORTEST = 40
"""Tokens of a passage that is cut to fit: less tells nothing."""
_MEANT = 1.2
"""How much more it counts that those said it whose words are asked for: some ten places."""
_CHANGED, _OTHERS = 2, 8
"""Where it is asked what changed: of how many turns other statements are looked for, and how many."""
_COLUMNS = "turns.id, threads.name, turns.thread, author, person, message, turns.at, text"


@dataclass(frozen=True, slots=True)
class Passage:
    """Something that was said, word for word: a turn, or the part of a long one that fits the question best.

    Args:
        turn: Its number in `threads.db`.
        message: What it is called where it was said.
        whole: Whether `text` is all of the turn.
        by: By what it was found: `words`, `meaning`, `time`.
    """

    turn: int
    thread: str
    author: str
    person: str
    message: str
    at: str
    text: str
    whole: bool
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first; `notes` are sentences on what was not searched, and why."""

    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """How much was said, and how much of it is indexed by meaning.

    Args:
        answering: The index that answers, `sqlite/wordllama-256`; None where words alone do.
        waiting: Turns that are not indexed by the embedder of now.
        unforgotten: Turns whose vectors an index that was away still has.
    """

    index: str
    embedder: str | None
    threads: int = 0
    turns: int = 0
    waiting: int = 0
    answering: str | None = None
    unforgotten: int = 0


class Memory:
    """What is kept in *threads*, by words and by meaning.

    Args:
        index: Where vectors are; None: in the file itself.
        embedder: What makes them; None: words alone are searched, and *lacking* says why.
        older: Finds the embedder of an index made before, by its name; None where it is no longer there.
    """

    def __init__(
        self,
        threads: Threads,
        *,
        index: VectorIndex | None = None,
        embedder: Embedder | None = None,
        older: Callable[[str], Embedder | None] = lambda name: None,
        lacking: str = "",
    ) -> None:
        self.threads = threads
        self.embedder = embedder
        self.index: VectorIndex = index or SqliteIndex(threads.store)
        self._older = older
        self.lacking = lacking

    def search(self, scope: Scope, question: str, *, most: int = 5, now: datetime | None = None) -> Found:
        """What was said in *scope* that matters to *question*, at most *most* passages, best first.

        Raises:
            StoreError: What was said cannot be read. An index that is away is no error but a note.
        """
        if not question.strip() or not self.threads.begun:
            return Found(())
        if (where := self.threads.store.read(lambda c: resolve(c, scope))) is None:
            return Found(())
        asked = asked_of(question, now or datetime.now(UTC).astimezone())
        similar, notes = self._by_meaning(where, asked)
        look = _Look(scope, where, asked, question, similar)
        return Found(self.threads.store.read(lambda c: look.found(c, most)), notes)

    def recall(
        self,
        scope: Scope,
        question: str,
        measure: Callable[[str], int],
        *,
        tokens: int = TOKENS,
        most: int = 12,
        but: Callable[[int], bool] = lambda turn: False,
        now: datetime | None = None,
    ) -> Found:
        """What `search` finds, within *tokens* by *measure*: what goes along with a question.

        Args:
            but: Turns that go along anyway.
        """
        found = self.search(scope, question, most=3 * most, now=now)
        kept: list[Passage] = []
        for passage in found.passages:
            if but(passage.turn) or len(kept) == most:
                continue
            size = measure(passage.text) + 24  # when, who and where it was said
            if size > tokens:
                if tokens < _SHORTEST + 24:
                    break
                share = (tokens - 24) / max(1, size - 24)
                cut = passage.text[: int(len(passage.text) * share * 0.9)]
                kept.append(replace(passage, text=cut, whole=False))
                break
            kept.append(passage)
            tokens -= size
        return Found(tuple(kept), found.notes)

    def catch_up(self, *, most: int = 500) -> int:
        """Index the next *most* turns by meaning; how many are left. A step: call it until none is.

        Raises:
            MootError: The embedder or the index cannot be reached; what was indexed stays.
        """
        if self.embedder is None or not self.threads.begun:
            return 0
        store, name = self.threads.store, self._name(self.embedder)
        self._forget_again()
        upto = store.read(lambda c: _upto(c, name))
        query = "SELECT id, thread, text FROM turns WHERE id > ? ORDER BY id LIMIT ?"
        rows = store.read(lambda c: c.execute(query, (upto, most)).fetchall())
        if rows:
            self._embed(rows)
            upto = rows[-1]["id"]
        left = int(store.read(lambda c: c.execute("SELECT COUNT(*) FROM turns WHERE id > ?", (upto,)).fetchone()[0]))
        store.submit(lambda c: _indexed(c, name, upto, whole=not left)).result()
        if not left:
            self._drop_older(name)
        return left

    def forget(self, scope: Scope, which: Which | None = None) -> Forgotten:
        """Delete *which* of *scope* (None: all) from the transcript and the indexes; what has copies is told of it by
        what comes back: see `core.memory.forgetting.forget_copies` and `ai.recall.forgetting`.

        Raises:
            StoreError: The transcript cannot be written.
        """
        return forget(self.threads, self.index, scope, which or Which())

    def status(self) -> MemoryStatus:
        """What there is, and how far it is indexed.

        Raises:
            StoreError: It cannot be read.
        """
        if not self.threads.begun:
            return MemoryStatus(index=self.index.name, embedder=self.embedder.name if self.embedder else None)
        name = self._name(self.embedder) if self.embedder else ""
        return self.threads.store.read(lambda c: _status(c, self.index.name, self.embedder, name))

    def close(self) -> None:
        self.index.close()

    def _embed(self, rows: Sequence[Any]) -> None:
        assert self.embedder is not None
        pieces: list[Part] = []
        texts: list[str] = []
        for row in rows:
            for number, (start, end) in enumerate(parts(row["text"])):
                pieces.append(Part(row["thread"], row["id"], number))
                texts.append(row["text"][start:end])
        self.index.add(self.embedder.name, pieces, self.embedder.embed(texts))
        turns = [row["id"] for row in rows]
        still = {row[0] for row in self.threads.store.read(lambda c: rows_of(c, "id", turns))}
        if gone := [turn for turn in turns if turn not in still]:
            self.index.forget(gone)  # forgotten while they were embedded

    def _by_meaning(self, where: Where, asked: Asked) -> tuple[dict[int, tuple[int, float]], tuple[str, ...]]:
        """Turns by their nearest part and how near it is; and what there is to say of it."""
        if self.embedder is None:
            return {}, (self.lacking,) if self.lacking else ()
        try:
            if self.embedder.at_hand:
                self.catch_up(most=_AT_HAND)
            index, embedder = self._answering()
            (vector,) = embedder.embed([asked.rest.strip() or " "])
            most = _CANDIDATES if asked.span is None else 5 * _CANDIDATES
            near = index.nearest(embedder.name, where.threads, vector, most=most)
        except MootError as error:
            return {}, (f"Only words were searched: {error}",)
        alike = [one for one in near if one.similarity >= embedder.floor]
        return {one.turn: (one.part, one.similarity) for one in alike}, ()

    def _answering(self) -> tuple[VectorIndex, Embedder]:
        """The index that answers: ours once it was whole; until then one that was, if its embedder is still there."""
        assert self.embedder is not None
        name = self._name(self.embedder)
        query = "SELECT name, whole FROM indexed"
        known = dict(map(tuple, self.threads.store.read(lambda c: c.execute(query).fetchall())))
        if known.get(name):
            return self.index, self.embedder
        for other in [one for one, whole in known.items() if whole]:
            backend, _, embedder = other.partition("/")
            index = self._at(backend)
            if index is not None and (old := self._older(embedder)) is not None:
                return index, old
        return self.index, self.embedder

    def _at(self, backend: str) -> VectorIndex | None:
        if backend == self.index.name:
            return self.index
        return SqliteIndex(self.threads.store) if backend == SqliteIndex.name else None

    def _name(self, embedder: Embedder) -> str:
        return f"{self.index.name}/{embedder.name}"

    def _drop_older(self, name: str) -> None:
        query = "SELECT name FROM indexed WHERE name <> ?"
        for (other,) in self.threads.store.read(lambda c: c.execute(query, (name,)).fetchall()):
            backend, _, embedder = other.partition("/")
            if (index := self._at(backend)) is not None:
                index.drop(embedder)
                self.threads.store.submit(partial(_unlisted, name=other)).result()

    def _forget_again(self) -> None:
        """Have the index forget what it could not be told while it was away."""
        store, name = self.threads.store, self.index.name
        query = "SELECT turn FROM unforgotten WHERE name = ?"
        if turns := [row[0] for row in store.read(lambda c: c.execute(query, (name,)).fetchall())]:
            self.index.forget(turns)
            store.submit(lambda c: c.execute("DELETE FROM unforgotten WHERE name = ?", (name,))).result()


@dataclass(frozen=True, slots=True)
class _Look:
    """One search through the file."""

    scope: Scope
    where: Where
    asked: Asked
    question: str
    similar: Mapping[int, tuple[int, float]]

    def found(self, connection: Any, most: int) -> tuple[Passage, ...]:
        overall = by_words(connection, self.where, self.question)
        order = self._joined(connection, overall)
        inside = dict[int, None]()
        rows = self._rows(connection, order[: 4 * most])
        order = [turn for turn in order if turn in rows]
        if self.asked.newest or self.asked.oldest:
            order = self._with_others(connection, rows, order)
        order = self._of_one_matter(rows, order[:most])
        if self.asked.span is not None:
            inside = _said_in(connection, self.where, self.asked.span)
            told = by_words(connection, self.where, self.asked.rest) if self.asked.rest.strip() else {}
            within = [turn for turn in self._joined(connection, told) if turn in inside]
            ahead = [*within, *(turn for turn in inside if turn not in within)]
            rows |= self._rows(connection, ahead[: 4 * most])
            order = with_span(self._of_one_matter(rows, [turn for turn in ahead if turn in rows][:most]), order)
        return tuple(self._passage(rows[turn], overall, turn in inside) for turn in order[:most])

    def _with_others(self, connection: Any, rows: dict[int, Any], order: Sequence[int]) -> list[int]:
        """*order*, with what else was said of the same matter, in much the same words, right behind the first ones."""
        found: list[int] = []
        for turn in order[:_CHANGED]:
            sentence = telling(rows[turn]["text"], self.asked.rest)
            like = ordered(by_words(connection, self.where, sentence))[:_OTHERS]
            rows |= self._rows(connection, [other for other in like if other not in rows])
            others = [other for other in like if other in rows and other != turn]
            texts = {other: rows[other]["text"] for other in others}
            found += [turn, *like_it(sentence, others, texts, self.asked.rest)]
        return list(dict.fromkeys([*found, *order]))

    def _of_one_matter(self, rows: Mapping[int, Any], order: Sequence[int]) -> list[int]:
        texts = {turn: rows[turn]["text"] for turn in order}
        return by_matter(order, texts, {turn: rows[turn]["at"] for turn in order}, self.asked)

    def _joined(self, connection: Any, told: Mapping[int, float]) -> list[int]:
        """The turns of *told* and those of like meaning, best first."""
        scores = fused((ordered(told)[:_CANDIDATES], 1.0), (list(self.similar), 1.0))
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
        start, end = pieces[min(part, len(pieces) - 1)]
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
        )


def _said_in(connection: Any, where: Where, span: Span) -> dict[int, None]:
    """The turns of *where* that were said in *span*, in order."""
    start, end = (moment.astimezone(UTC).isoformat(timespec="seconds") for moment in span)
    among = "" if where.threads is None else f" AND thread IN ({', '.join('?' * len(where.threads))})"
    query = f"SELECT id FROM turns WHERE at >= ? AND at < ?{among} ORDER BY id LIMIT {_IN_SPAN}"  # noqa: S608 - marks
    return {row[0]: None for row in connection.execute(query, (start, end, *(where.threads or ())))}


def _status(connection: Any, index: str, embedder: Embedder | None, name: str) -> MemoryStatus:
    def count(query: str, *values: Any) -> int:
        return int(connection.execute(f"SELECT COUNT(*) FROM {query}", values).fetchone()[0])  # noqa: S608 - ours

    whole = [
        row[0] for row in connection.execute("SELECT name FROM indexed WHERE whole ORDER BY name = ? DESC", (name,))
    ]
    return MemoryStatus(
        index=index,
        embedder=embedder.name if embedder else None,
        threads=count("threads"),
        turns=count("turns"),
        waiting=count("turns WHERE id > ?", _upto(connection, name)) if embedder else 0,
        answering=whole[0] if whole and embedder else None,
        unforgotten=count("unforgotten"),
    )


def _upto(connection: Any, name: str) -> int:
    found = connection.execute("SELECT upto FROM indexed WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def _unlisted(connection: Any, *, name: str) -> None:
    connection.execute("DELETE FROM indexed WHERE name = ?", (name,))


def _indexed(connection: Any, name: str, upto: int, *, whole: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.execute(
        "INSERT INTO indexed (name, upto, whole, at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "upto = MAX(indexed.upto, excluded.upto), whole = MAX(indexed.whole, excluded.whole), at = excluded.at",
        (name, upto, int(whole), now),
    )
