"""Every index does the same: in the file, on a Chroma server, in PostgreSQL with pgvector and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chroma_server import NoChromaError, chroma_server
from postgres_server import PostgresServer

from core.errors import ConfigError, StoreError
from core.memory import pgvector_index
from core.memory.chroma_index import ChromaIndex
from core.memory.index import Part, VectorIndex
from core.memory.pgvector_index import PostgresIndex
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import USER, Threads, Turn

KINDS = ("sqlite", "chroma", "pgvector", "postgres")
Opened = Callable[[str], tuple[VectorIndex, Threads]]


@pytest.fixture(scope="session")
def chroma() -> Iterator[str]:
    try:
        with chroma_server() as url:
            yield url
    except NoChromaError as error:
        pytest.skip(str(error))


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens the index of a file with ten turns in two threads."""
    with _closing() as closing:
        if request.param in ("pgvector", "postgres"):
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.database(ready=False)
            if request.param == "postgres":
                monkeypatch.setattr(pgvector_index, "_extended", lambda connection: None)
        elif request.param == "chroma":
            url = request.getfixturevalue("chroma")

        def index(name: str) -> tuple[VectorIndex, Threads]:
            threads = Threads(tmp_path / f"{name}.db")
            closing.append(threads)
            for thread in ("a", "b"):
                threads.add(thread, [Turn(USER, f"turn {number}") for number in range(5)]).result(5)
            kinds: dict[str, Callable[[], Any]] = {
                "sqlite": lambda: SqliteIndex(threads),
                "chroma": lambda: ChromaIndex(url, threads.store),
                "pgvector": lambda: PostgresIndex(url, threads.store),
                "postgres": lambda: PostgresIndex(url, threads.store),
            }
            made: VectorIndex = kinds[request.param]()
            closing.append(made)
            return made, threads

        yield index


@contextmanager
def _closing() -> Iterator[list[Any]]:
    things: list[Any] = []
    yield things
    for thing in reversed(things):
        thing.close()


def rows(many: int, seed: int = 1, wide: int = 64) -> Any:
    made = np.random.default_rng(seed).normal(size=(many, wide)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def parts() -> list[Part]:
    return [Part(1 if turn <= 5 else 2, turn) for turn in range(1, 11)]


def test_the_nearest_of_the_scope_are_found_best_first(opened: Opened) -> None:
    index, _ = opened("one")
    vectors = rows(10)
    index.add("e", parts(), vectors)
    asked = vectors[6]
    exact = sorted(range(10), key=lambda at: -float(vectors[at] @ asked))
    found = index.nearest("e", None, asked, most=10)
    assert [near.turn for near in found] == [at + 1 for at in exact]
    assert found[0].similarity == pytest.approx(1, abs=0.01)
    assert [near.turn for near in index.nearest("e", [1], asked, most=3)] == [at + 1 for at in exact if at < 5][:3]
    assert index.nearest("e", [99], asked, most=3) == []
    assert index.nearest("other", None, asked, most=3) == []


def test_a_turn_of_several_parts_is_found_once_by_its_nearest(opened: Opened) -> None:
    index, _ = opened("one")
    vectors = rows(3)
    index.add("e", [Part(1, 1, 0), Part(1, 1, 1), Part(1, 2, 0)], vectors)
    assert next((near.turn, near.part) for near in index.nearest("e", None, vectors[1], most=2)) == (1, 1)
    assert len(index.nearest("e", None, vectors[1], most=5)) == 2


def test_what_is_forgotten_is_never_found_again(opened: Opened) -> None:
    index, threads = opened("one")
    vectors = rows(10)
    index.add("e", parts(), vectors)
    assert index.count("e") == 10
    threads.store.submit(_gone).result(5)
    index.forget([7, 8])
    assert index.count("e") == 8
    assert not {7, 8} & {near.turn for near in index.nearest("e", None, vectors[6], most=10)}
    index.drop("e")
    assert index.count("e") == 0


def _gone(connection: Any) -> None:
    from core.memory.threads import forget_turns

    forget_turns(connection, [7, 8])


def test_two_files_on_one_server_find_nothing_of_each_other(opened: Opened) -> None:
    (one, _), (two, _) = opened("one"), opened("two")
    vectors = rows(10)
    one.add("e", parts(), vectors)
    assert two.nearest("e", None, vectors[0], most=5) == []
    assert two.nearest("e", [1, 2], vectors[0], most=5) == []
    two.add("e", parts(), rows(10, seed=2))
    two.forget(list(range(1, 11)))
    assert one.count("e") == 10


def test_a_vector_takes_the_place_of_the_one_before(opened: Opened) -> None:
    index, _ = opened("one")
    index.add("e", [Part(1, 1)], rows(1))
    index.add("e", [Part(1, 1)], rows(1, seed=2))
    assert index.count("e") == 1
    assert index.nearest("e", None, rows(1, seed=2)[0], most=1)[0].similarity == pytest.approx(1, abs=0.01)


def test_a_large_file_is_searched_by_signs_and_finds_what_an_exact_look_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(tmp_path / "t.db")
    threads.add("a", [Turn(USER, "x") for _ in range(2_000)]).result(30)
    index = SqliteIndex(threads)
    vectors = rows(2_000, wide=256)
    index.add("e", [Part(1, turn) for turn in range(1, 2_001)], vectors)
    exact = [[near.turn for near in index.nearest("e", [1], one, most=5)] for one in vectors[:20]]
    monkeypatch.setattr("core.memory.sqlite_index._READ_AT_ONCE", 10)
    by_signs = [[near.turn for near in index.nearest("e", [1], one, most=5)] for one in vectors[:20]]
    same = sum(len(set(one) & set(other)) for one, other in zip(exact, by_signs, strict=True))
    assert [one[0] for one in exact] == [one[0] for one in by_signs]
    assert same >= 85  # of chance vectors, the worst there are
    index.add("e", [Part(1, 2_001)], vectors[:1])  # of a turn that is not there
    threads.add("a", [Turn(USER, "new")]).result(5)
    index.add("e", [Part(1, 2_001)], rows(1, seed=9, wide=256))
    assert index.nearest("e", None, rows(1, seed=9, wide=256)[0], most=1)[0].turn == 2_001
    threads.close()


def test_a_chroma_server_that_is_away_is_said(tmp_path: Path) -> None:
    threads = Threads(tmp_path / "t.db")
    threads.add("a", [Turn(USER, "x")]).result(5)
    index = ChromaIndex("http://127.0.0.1:9", threads.store)
    with pytest.raises(StoreError, match="does not answer"):
        index.nearest("e", None, rows(1)[0], most=1)
    with pytest.raises(ConfigError, match="CHROMA_URL must be"):
        ChromaIndex("localhost", threads.store)
    index.close()
    threads.close()
