"""HNSW in PostgreSQL: what it finds, and that it comes and goes without anybody noticing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postgres_server import PostgresServer

from core.memory import pgvector_index, pgvector_near
from core.memory.index import Part
from core.memory.pgvector_index import PostgresIndex
from core.memory.pgvector_near import Approximate, Maker
from core.memory.threads import USER, Threads, Turn
from core.stores.pg_connection import Address, Connection


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.database(ready=False)


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "t.db")
    opened.add("a", [Turn(USER, "x")]).result(5)
    yield opened
    opened.close()


@pytest.fixture
def index(url: str, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresIndex]:
    monkeypatch.setattr(pgvector_index, "MANY", 100)
    opened = PostgresIndex(url, threads.store)
    monkeypatch.setattr(opened._at.maker, "soon", lambda one: None)
    yield opened
    opened.close()


@pytest.fixture
def connection(url: str, index: PostgresIndex) -> Iterator[Connection]:
    index.count("e")  # makes the tables
    opened = Connection(Address(url).connect("moot_memory"))
    yield opened
    opened.close()


def rows(many: int, wide: int, seed: int = 1) -> Any:
    made = np.random.default_rng(seed).normal(size=(many, wide)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def parts(many: int) -> list[Part]:
    return [Part(turn % 10, turn) for turn in range(1, many + 1)]


@pytest.mark.parametrize(("wide", "kind"), [(64, "vector_cosine_ops"), (2_100, "halfvec_cosine_ops")])
def test_it_finds_what_an_exact_look_finds(index: PostgresIndex, connection: Connection, wide: int, kind: str) -> None:
    vectors = rows(400, wide)
    index.add("e", parts(400), vectors)
    exact = [[near.turn for near in index.nearest("e", None, one, most=5)] for one in vectors[:20]]
    narrow = [[near.turn for near in index.nearest("e", [1, 2, 3], one, most=5)] for one in vectors[:20]]
    made = Approximate("e", wide)
    made.make(connection)
    assert made.stands(connection)
    (written,) = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = ?", (made.name,)).fetchone() or (
        "",
    )
    assert kind in written
    for scope, before in ((None, exact), ([1, 2, 3], narrow)):
        now = [[near.turn for near in index.nearest("e", scope, one, most=5)] for one in vectors[:20]]
        same = sum(len(set(one) & set(other)) for one, other in zip(now, before, strict=True))
        assert same >= 98
    index.forget([1])
    assert 1 not in [near.turn for near in index.nearest("e", None, vectors[0], most=5)]


def test_it_is_made_beside_a_search_that_would_have_needed_it(
    index: PostgresIndex, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(index._at.maker, "soon", lambda one: asked.append(one.name))
    index.add("e", parts(90), rows(90, 64))
    index.nearest("e", None, rows(1, 64)[0], most=5)
    assert asked == []
    index.add("e", parts(200), rows(200, 64))
    index.nearest("e", None, rows(1, 64)[0], most=5)
    assert asked == [Approximate("e", 64).name]


def test_a_thread_makes_it_and_none_does_once_all_is_closed(
    index: PostgresIndex, connection: Connection, url: str
) -> None:
    index.add("e", parts(200), rows(200, 64))
    made, maker = Approximate("e", 64), Maker(Address(url), "moot_memory")
    maker.close()
    maker._make(made)
    assert not made.stands(connection)
    Maker(Address(url), "moot_memory")._make(made)
    assert made.stands(connection)


def test_one_that_cannot_be_made_is_not_tried_at_every_search(
    url: str, index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, begun = Maker(Address(url), "moot_memory"), list[str]()
    monkeypatch.setattr(maker, "_make", lambda one: begun.append(one.name))
    monkeypatch.setattr(pgvector_near.threading, "Thread", AtOnce)
    for _ in range(3):
        maker.soon(Approximate("e", 64))
        maker.soon(Approximate("f", 64))
        maker.soon(Approximate("f", 5_000))
    assert begun == [Approximate("e", 64).name, Approximate("f", 64).name]


class AtOnce:
    """A thread that is over when it has started."""

    def __init__(self, *, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> None:
        self._work = lambda: target(*args)

    def start(self) -> None:
        self._work()


def test_one_that_was_broken_off_is_made_anew(index: PostgresIndex, connection: Connection) -> None:
    index.add("e", parts(200), rows(200, 64))
    made = Approximate("e", 64)
    made.make(connection)
    connection.execute("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = ?::regclass", (made.name,))
    assert not made.stands(connection)
    assert len(index.nearest("e", None, rows(1, 64)[0], most=5)) == 5
    made.make(connection)
    assert made.stands(connection)


def test_vectors_of_another_length_do_not_disturb_it(index: PostgresIndex, connection: Connection) -> None:
    index.add("e", parts(200), rows(200, 64))
    Approximate("e", 64).make(connection)
    index.add("e", [Part(1, 999)], rows(1, 32))
    assert len(index.nearest("e", None, rows(1, 64)[0], most=5)) == 5


def test_a_name_that_cannot_be_written_into_a_definition_and_one_that_is_too_long_are_compared_exactly() -> None:
    assert not Approximate("e'; DROP TABLE vectors; --", 64).possible
    assert not Approximate("e", 4_001).possible
    assert Approximate("openai:text-embedding-3-large", 3_072).possible


def test_vectors_of_another_length_alone_are_told_of(index: PostgresIndex) -> None:
    index.add("e", parts(5), rows(5, 32))
    with pytest.raises(ValueError, match="another length"):
        index.nearest("e", None, rows(1, 64)[0], most=5)


def test_the_transcripts_of_a_process_share_their_connections(
    url: str, index: PostgresIndex, threads: Threads, tmp_path: Path
) -> None:
    other = Threads(tmp_path / "other.db")
    other.add("a", [Turn(USER, "x")]).result(5)
    second = PostgresIndex(url, other.store)
    assert second._base is index._base
    second.close()
    second.close()
    index.add("e", parts(5), rows(5, 32))
    assert index.count("e") == 5
    other.close()
