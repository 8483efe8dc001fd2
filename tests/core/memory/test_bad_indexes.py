"""Indexes that lie, forget or change under our feet: words are searched all the same, and the reason is said."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import StoreError
from core.memory import chroma_index
from core.memory.chroma_index import ChromaIndex
from core.memory.memory import Memory
from core.memory.scope import Scope
from core.memory.threads import USER, Threads, Turn

A = Scope.of_thread("a")


class Constant:
    """An embedder for which all texts are alike."""

    name = "constant"
    at_hand = True
    floor = 0.0

    def __init__(self, wide: int = 64) -> None:
        self._wide = wide

    def embed(self, texts: Sequence[str]) -> Any:
        return np.full((len(texts), self._wide), self._wide**-0.5, np.float32)


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    opened.add("a", [Turn(USER, "The boat is blue.")]).result(5)
    opened.add("b", [Turn(USER, "The zebracanary of b.")]).result(5)
    yield opened
    opened.close()


class Fake:
    """A server that answers each kind of request with a text of its own."""

    def __init__(self, **replies: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                body = (replies.get(self.path.rsplit("/", 1)[1]) or replies["other"]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = do  # noqa: N815 - as the library wants them

            def log_message(self, *ignored: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Fake:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def near(told: str, far: str = "0.1") -> dict[str, str]:
    collection = json.dumps({"id": "c-1", "name": "n"})
    return {"other": collection, "query": f'{{"metadatas": [[{told}]], "distances": [[{far}]]}}'}


@pytest.mark.parametrize(
    "replies",
    [
        {"other": "null"},
        {"other": "[]"},
        {"other": "{}"},
        {"other": "5"},
        {"other": "<html>"},
        {"other": "[" * 100_000},
        {"other": '{"id": [1], "name": "n"}'},
        {"other": '{"id": "../../../heartbeat?", "name": "n"}'},
        near('{"turn": 1e999, "part": 0}'),
        near('{"turn": 1000000000000000000000000000000, "part": 0}'),
        near('{"turn": 1, "part": -7}'),
        near('{"turn": 1, "part": 0}', "9" * 400),
        near('{"turn": "x", "part": 0}'),
        near("null"),
        near('{"turn": 1, "part": 0}, {"turn": 2, "part": 0}'),
    ],
)
def test_a_server_that_answers_nonsense_is_said_and_words_go_on(threads: Threads, replies: dict[str, str]) -> None:
    with Fake(**replies) as fake:
        memory = Memory(threads, index=ChromaIndex(fake.url, threads.store), embedder=Constant())
        found = memory.search(A, "Which boat?")
        assert [one.text for one in found.passages] == ["The boat is blue."]
        assert [note.split(":")[0] for note in found.notes] == ["Only words were searched"]
        gone = memory.forget(A)
        assert gone.turns == 1
        memory.close()


def test_the_numbers_of_another_thread_bring_none_of_its_words(threads: Threads) -> None:
    with Fake(**near('{"turn": 2, "part": 0}')) as fake:
        memory = Memory(threads, index=ChromaIndex(fake.url, threads.store), embedder=Constant())
        assert [one.text for one in memory.search(A, "Which boat?").passages] == ["The boat is blue."]
        memory.close()


def test_a_server_that_says_nothing_holds_up_one_question_alone(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.memory.chroma_index._TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        memory = Memory(threads, index=ChromaIndex(url, threads.store), embedder=Constant())
        for _ in range(3):
            found = memory.search(A, "Which boat?")
            assert [one.text for one in found.passages] == ["The boat is blue."]
            assert "does not answer" in found.notes[0]
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
        memory.close()


@pytest.mark.parametrize("bound", ["_LARGEST", "_LONGEST_S"])
def test_a_reply_without_an_end_is_broken_off(threads: Threads, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(chroma_index, bound, 1_000 if bound == "_LARGEST" else -1.0)
    with Fake(other="[" + " " * 100_000 + "]") as fake:
        index = ChromaIndex(fake.url, threads.store)
        with pytest.raises(StoreError, match="CHROMA_URL"):
            index.forget([1])
        index.close()


def test_all_collections_of_a_server_are_listed_though_it_lists_a_few_at_once(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_index, "_LISTED", 2)
    pages = {f"collections?limit=2&offset={at}": _page(at) for at in (0, 2, 4)}
    with Fake(**pages, other="null") as fake:
        index = ChromaIndex(fake.url, threads.store)
        assert list(index._listed()) == ["n0", "n1", "n2", "n3", "n4"]
        index.close()


def _page(at: int) -> str:
    return json.dumps([{"id": f"c-{number}", "name": f"n{number}"} for number in range(at, min(at + 2, 5))])


def test_an_index_that_was_emptied_is_made_anew(threads: Threads) -> None:
    memory = Memory(threads, embedder=Constant())
    assert memory.search(A, "vessel").passages[0].by == ("meaning",)
    memory.index.drop("constant")
    lost = memory.search(A, "vessel")
    assert (lost.passages, lost.notes[0].split(",")[0]) == ((), "Only words were searched")
    assert memory.search(A, "vessel").passages[0].by == ("meaning",)
    memory.index.drop("constant")
    assert (memory.mend(), memory.mend()) == (True, False)
    assert memory.catch_up() == 0
    assert memory.index.count("constant") == 2


def test_vectors_of_another_length_under_the_same_name_are_made_anew(threads: Threads) -> None:
    Memory(threads, embedder=Constant(64)).catch_up()
    memory = Memory(threads, embedder=Constant(128))
    assert "made anew" in memory.search(A, "vessel").notes[0]
    assert memory.search(A, "vessel").passages[0].text == "The boat is blue."
