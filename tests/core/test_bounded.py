"""The process that reads what anybody sent: one answer, whatever a parser does besides."""

from __future__ import annotations

import socket
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from core import bounded
from core.bounded import GivenUpError, OutOfBoundsError, found_by, in_thread


def found(folder: Path, body: str, **beside: str) -> dict[str, object]:
    for name, text in {"reader": f"def read(data, asked):\n    {body}\n", **beside}.items():
        (folder / f"{name}.py").write_text(text)
    return found_by(folder / "reader.py", b"data", memory_bytes=1 << 30, seconds=5)


def test_what_a_parser_prints_is_no_part_of_the_answer(tmp_path: Path) -> None:
    body = "import os; print('noise', flush=True); os.write(1, b'more'); return {'said': data.decode()}"
    assert found(tmp_path, body) == {"said": "data"}


def test_an_odd_error_is_an_answer_too(tmp_path: Path) -> None:
    body = "error = ValueError(); error.problem = object(); raise error"
    assert str(found(tmp_path, body)["problem"]).startswith("<object")
    assert found(tmp_path, "raise SystemExit(3)") == {"problem": "SystemExit"}
    assert found(tmp_path, "return read(data, asked)") == {"problem": "RecursionError"}


def test_a_reader_may_stand_on_what_stands_beside_it(tmp_path: Path) -> None:
    body = "from .other import WORD; return {'said': WORD}"
    assert found(tmp_path, body, other="WORD = 'here'\n") == {"said": "here"}


@pytest.mark.parametrize("body", ["import os; os.abort()", "import os; os._exit(7)", "while True: pass"])
def test_a_process_that_dies_is_out_of_bounds(tmp_path: Path, body: str) -> None:
    with pytest.raises(OutOfBoundsError):
        found_by(written(tmp_path, body), b"", memory_bytes=1 << 30, seconds=1)


def written(folder: Path, body: str) -> Path:
    path = folder / "reader.py"
    path.write_text(f"def read(data, asked):\n    {body}\n")
    return path


CONNECTS = "import socket; s = socket.create_connection(('127.0.0.1', int(data))); s.recv(1)"
"""Tells that it has begun, and waits until somebody ends it."""


async def test_cancelling_ends_the_process_and_whatever_its_thread_would_have_begun(tmp_path: Path) -> None:
    reader, ended = written(tmp_path, CONNECTS), anyio.Event()
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1]).encode()

        def reads_all() -> None:
            try:
                for _ in range(200):
                    try:
                        found_by(reader, port, memory_bytes=1 << 30, seconds=60)
                    except OutOfBoundsError:
                        told.append("went on")
            except GivenUpError:
                told.append("given up")
            anyio.from_thread.run_sync(ended.set)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(in_thread, reads_all)
                joined, _ = await anyio.to_thread.run_sync(server.accept)
                tasks.cancel_scope.cancel()
            with joined:
                assert await anyio.to_thread.run_sync(partial(joined.recv, 1)) == b""  # it is no more
            await ended.wait()
    assert told == ["given up"]


async def test_what_a_thread_reads_is_given() -> None:
    assert await in_thread(lambda: 7) == 7


async def test_of_many_that_read_only_so_many_run_and_the_others_have_their_turn_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, slots = written(tmp_path, f"{CONNECTS}; return {{}}"), threading.BoundedSemaphore(1)
    monkeypatch.setattr(bounded, "_slots", lambda: slots)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1]).encode()
        reads = partial(found_by, reader, port, memory_bytes=1 << 30, seconds=60)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(in_thread, reads)
                for _ in range(3):
                    joined, _ = await anyio.to_thread.run_sync(server.accept)
                    server.setblocking(False)
                    with joined, pytest.raises(BlockingIOError):
                        server.accept()
                    server.setblocking(True)
    assert slots.acquire(blocking=False)


async def test_whoever_waits_for_a_turn_holds_up_nothing_else_and_may_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = threading.BoundedSemaphore(1)
    monkeypatch.setattr(bounded, "_slots", lambda: slots)
    reads = partial(found_by, Path("none.py"), b"", memory_bytes=1 << 30, seconds=60)
    with slots, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(in_thread, reads)
            assert await anyio.to_thread.run_sync(lambda: 7) == 7
            tasks.cancel_scope.cancel()
    assert slots.acquire(blocking=False)
