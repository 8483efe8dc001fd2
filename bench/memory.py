"""What is found again of what was said, how much of it goes along, and how long that takes.

`_long_talks.py` makes talks in the shape of LongMemEval from a seed: six kinds of question, 50 sessions of filler for
each person. Recall at 5 means that all turns that answer a question are among the first five. Four ways are compared
on the same turns and questions: plain BM25 by FTS5 (every word of the question, joined by OR), ours by words alone,
with static vectors, and with MiniLM. Of a question about what changed, the newest statement has to stand before the old
one. The same is asked of the three indexes, and PostgreSQL is searched exactly and by HNSW in turns. Then 100,000
messages in 200 chats are searched, in one chat and in all.

Fetches the vectors once (`moot memory install`), and a Chroma server, where it can.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import platformdirs
from _long_talks import KINDS, NOW, Asked, Talks, people
from _measure import ROOT, Figure, exact, figure, main
from _postgres_vectors import in_postgres

if TYPE_CHECKING:
    from core.memory.index import Embedder, VectorIndex
    from core.memory.memory import Memory
    from core.memory.threads import Threads

SEED = 20_260_617
PEOPLE = 4
"""For each round; MiniLM runs on the first of them alone, since it takes minutes."""
MESSAGES, CHATS, SEARCHES = 100_000, 200, 200
TOKENS = 2_000


@dataclass
class Score:
    """How many questions of each kind had all their answers among the first five."""

    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tokens: int = 0

    def add(self, question: Asked, keys: dict[str, int], found: Sequence[int], *, in_order: bool = True) -> None:
        wanted = [keys[key] for key in question.answers]
        right = set(wanted) <= set(found)
        if right and in_order and question.kind == "update":
            right = found.index(wanted[0]) < found.index(wanted[1])
        self.right[question.kind] += right
        self.asked[question.kind] += 1

    def percent(self, *kinds: str) -> float:
        some = kinds or KINDS
        return 100 * sum(self.right[kind] for kind in some) / max(1, sum(self.asked[kind] for kind in some))

    def __str__(self) -> str:
        return ", ".join(f"{kind} {self.percent(kind):.0f}" for kind in KINDS)


@dataclass
class Kept:
    """The talks of one person in a file."""

    talks: Talks
    threads: Threads
    keys: dict[str, int]


def measure(rounds: int) -> list[Figure]:
    _install()
    with tempfile.TemporaryDirectory(prefix="moot-memory-") as folder, ExitStack() as stack:
        many = PEOPLE * rounds
        kept = [stack.enter_context(_written(Path(folder) / f"{n}.db", t)) for n, t in enumerate(people(SEED, many))]
        static, minilm = _embedders()
        scores = {
            "plain BM25": _plain(kept),
            "words alone": _ours(kept, None),
            "static vectors": _ours(kept, static),
        }
        some = kept[: max(1, rounds)]
        pair = _plain(some), _ours(some, minilm)
        figures = _found(scores, pair, len(kept))
        figures += _alike(kept, static, scores["static vectors"], stack)
        try:
            figures += in_postgres(Path(folder), stack)
        except ImportError as error:
            print(f"PostgreSQL is not measured: {error}", file=sys.stderr)
        return figures + _times(Path(folder) / "large.db", static)


def _found(scores: dict[str, Score], pair: tuple[Score, Score], many: int) -> list[Figure]:
    questions = sum(scores["plain BM25"].asked.values())
    figures = [
        exact(
            f"recall at 5 by {way}, of {questions} questions of {many} people",
            score.percent(),
            unit="%",
            note=str(score),
        )
        for way, score in scores.items()
    ]
    plain, minilm = pair
    asked = sum(plain.asked.values())
    figures += [
        exact(f"recall at 5 by plain BM25, of {asked} questions", plain.percent(), unit="%", note=str(plain)),
        exact(f"recall at 5 by MiniLM, of {asked} questions", minilm.percent(), unit="%", note=str(minilm)),
    ]
    base = scores["plain BM25"].percent()
    for way in ("words alone", "static vectors"):
        lost = base - scores[way].percent()
        figures.append(exact(f"plain BM25 finds more than {way}, points", lost, bound=0, unit="points"))
    figures.append(
        exact("plain BM25 finds more than MiniLM, points", plain.percent() - minilm.percent(), bound=-2, unit="points")
    )
    for way, score in (*((way, scores[way]) for way in ("words alone", "static vectors")), ("MiniLM", minilm)):
        missed = 100 - score.percent("temporal", "update")
        figures.append(exact(f"questions about time and change missed by {way}", missed, bound=5, unit="%"))
    tokens = max(score.tokens for score in (*scores.values(), minilm))
    return [*figures, exact("most tokens recalled for a question", tokens, bound=TOKENS, unit="tokens")]


def _plain(kept: Sequence[Kept]) -> Score:
    """FTS5 as it comes."""
    score = Score()
    for one in kept:
        base = sqlite3.connect(":memory:")
        base.execute("CREATE VIRTUAL TABLE said USING fts5 (text)")
        turns = one.threads.store.read(lambda c: [tuple(row) for row in c.execute("SELECT id, text FROM turns")])
        base.executemany("INSERT INTO said (rowid, text) VALUES (?, ?)", turns)
        for question in one.talks.questions:
            words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question.question))
            rows = base.execute("SELECT rowid FROM said WHERE said MATCH ? ORDER BY rank LIMIT 5", (words,))
            score.add(question, one.keys, [row[0] for row in rows], in_order=False)
        base.close()
    return score


def _ours(
    kept: Sequence[Kept], embedder: Embedder | None, index: Callable[[Threads], VectorIndex] | None = None
) -> Score:
    from core.memory.memory import Memory
    from core.memory.scope import Scope
    from core.usage.tokens import text_tokens

    score = Score()
    for one in kept:
        memory: Memory = Memory(one.threads, embedder=embedder, index=index(one.threads) if index else None)
        while memory.catch_up():
            pass
        for question in one.talks.questions:
            found = memory.search(Scope.of_everything(), question.question, now=NOW)
            assert not found.notes, found.notes
            score.add(question, one.keys, [passage.turn for passage in found.passages])
            along = memory.recall(Scope.of_everything(), question.question, text_tokens, tokens=TOKENS, now=NOW)
            score.tokens = max(score.tokens, sum(text_tokens(passage.text) for passage in along.passages))
    return score


def _alike(kept: Sequence[Kept], static: Embedder, here: Score, stack: ExitStack) -> list[Figure]:
    """How far the indexes elsewhere are from the one in the file, in points."""
    figures = []
    for name, opened in (("Chroma", _chroma), ("pgvector", _postgres)):
        try:
            index = opened(stack)
        except Exception as error:  # which of many things is missing is only told
            print(f"{name} is not compared: {error}", file=sys.stderr)
            continue
        apart = abs(_ours(kept, static, index).percent() - here.percent())
        figures.append(
            exact(f"recall with {name} differs from that in the file, points", apart, bound=2, unit="points")
        )
    return figures


def _chroma(stack: ExitStack) -> Callable[[Threads], VectorIndex]:
    sys.path.append(str(ROOT / "tests" / "support"))
    from chroma_server import chroma_server

    from core.memory.chroma_index import ChromaIndex

    url = stack.enter_context(chroma_server())

    def index(threads: Threads) -> VectorIndex:
        return ChromaIndex(url, threads.store)

    return index


def _postgres(stack: ExitStack) -> Callable[[Threads], VectorIndex]:
    sys.path.append(str(ROOT / "tests" / "support"))
    from postgres_server import postgres_server

    from core.memory.pgvector_index import PostgresIndex

    url = stack.enter_context(postgres_server()).database(ready=False)

    def index(threads: Threads) -> VectorIndex:
        made = PostgresIndex(url, threads.store)
        stack.callback(made.close)
        return made

    return index


def _times(path: Path, static: Embedder) -> list[Figure]:
    from core.memory.memory import Memory
    from core.memory.scope import Scope

    with _large(path) as threads:
        memory = Memory(threads, embedder=static)
        while memory.catch_up(most=5_000):
            pass
        questions = [question.question for talks in people(SEED + 1, 4) for question in talks.questions][:SEARCHES]
        figures = []
        for name, scope_of in (
            ("one chat of 500", lambda n: Scope.of_chat(f"chat {n % CHATS}")),
            ("all of them", lambda n: Scope.of_everything()),
        ):
            samples, busy = [], []
            for number, question in enumerate(questions):
                started, worked = time.perf_counter(), time.thread_time()
                memory.search(scope_of(number), question, now=NOW)
                samples.append(1_000 * (time.perf_counter() - started))
                busy.append(1_000 * (time.thread_time() - worked))
            label = f"a search among {MESSAGES:,} messages, in {name}, 95th percentile"
            after = slice(5, None)  # what was opened for the first ones is kept
            cpu, wall = quantiles(busy[after], n=20)[-1], quantiles(samples[after], n=20)[-1]
            note = f"median {median(busy):.1f} ms"
            figures.append(figure(f"CPU of {label}", [cpu], bound=10, unit="ms", note=note))
            figures.append(figure(f"{label}, on a clock", [wall], unit="ms", note=f"median {median(samples):.1f} ms"))
        return figures


@contextmanager
def _large(path: Path) -> Iterator[Threads]:
    """A file with MESSAGES turns of talks in CHATS chats."""
    from core.memory.scope import Place
    from core.memory.threads import Threads, Turn

    threads = Threads(path)
    turns: list[Any] = []
    for talks in people(SEED + 2, 10_000):
        turns += [Turn(s.author, s.text, at=s.at.isoformat(timespec="seconds")) for day in talks.sessions for s in day]
        if len(turns) >= MESSAGES:
            break
    each = MESSAGES // CHATS
    for chat in range(CHATS):
        some = turns[chat * each : (chat + 1) * each]
        threads.add(f"chat {chat}", some, place=Place(f"chat {chat}")).result()
    try:
        yield threads
    finally:
        threads.close()


@contextmanager
def _written(path: Path, talks: Talks) -> Iterator[Kept]:
    from core.memory.threads import Threads, Turn

    threads, keys, number = Threads(path), dict[str, int](), 0
    for day, session in enumerate(talks.sessions):
        turns = [Turn(said.author, said.text, at=said.at.isoformat(timespec="seconds")) for said in session]
        threads.add(f"session {day}", turns).result()
        for said in session:
            number += 1
            if said.key:
                keys[said.key] = number
    try:
        yield Kept(talks, threads, keys)
    finally:
        threads.close()


def _install() -> None:
    """The vectors, in a cache that outlives this measurement."""
    from ai.local.vectors import MINILM, STATIC, install_vectors

    os.environ["MOOT_HOME"] = str(Path(platformdirs.user_cache_dir("moot-bench")) / "memory")
    for model in (STATIC, MINILM):
        install_vectors(lambda line: print(line, file=sys.stderr), model)


def _embedders() -> tuple[Embedder, Embedder]:
    from ai.local.vectors import MINILM, STATIC, find_vectors
    from core.memory.minilm import MiniLM
    from core.memory.static_vectors import StaticVectors

    return StaticVectors(*find_vectors(STATIC).values()), MiniLM(*find_vectors(MINILM).values())


if __name__ == "__main__":
    main(measure, rounds=1)
