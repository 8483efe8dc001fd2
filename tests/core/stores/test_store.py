from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import StoreError
from core.stores.sqlite import Store

ROOT = Path(__file__).parents[3]
NOTES = ("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",)


def add(text: str) -> object:
    return lambda connection: connection.execute("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid


def texts(store: Store) -> list[str]:
    return store.read(
        lambda connection: [row["text"] for row in connection.execute("SELECT text FROM notes ORDER BY id")]
    )


def test_what_is_written_is_there_and_the_file_is_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "home" / "moot.db", NOTES)
    assert store.submit(add("one")).result(5) == 1  # type: ignore[arg-type]
    store.post(add("two"))  # type: ignore[arg-type]
    store.close()
    again = Store(tmp_path / "home" / "moot.db", NOTES)
    assert texts(again) == ["one", "two"]
    again.close()
    assert (tmp_path / "home" / "moot.db").stat().st_mode & 0o077 == 0
    with sqlite3.connect(tmp_path / "home" / "moot.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal"


def test_reading_a_store_that_does_not_exist_yet_makes_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "moot.db", NOTES)
    assert texts(store) == []
    store.close()


def test_a_failing_write_is_undone_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "moot.db", NOTES)

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes (text) VALUES ('half')")
        raise ValueError("no")

    failed = store.submit(broken)
    fine = store.submit(add("whole"))  # type: ignore[arg-type]
    fine.result(5)
    with pytest.raises(ValueError, match="no"):
        failed.result(5)
    assert texts(store) == ["whole"]
    store.close()


def test_an_older_file_is_migrated_and_a_newer_one_is_left_alone(tmp_path: Path) -> None:
    first = Store(tmp_path / "moot.db", NOTES)
    first.submit(add("old")).result(5)  # type: ignore[arg-type]
    first.close()
    grown = Store(tmp_path / "moot.db", (*NOTES, "ALTER TABLE notes ADD COLUMN mood TEXT DEFAULT 'calm'"))
    grown.submit(lambda connection: None).result(5)
    assert grown.read(lambda c: tuple(c.execute("SELECT text, mood FROM notes").fetchone())) == ("old", "calm")
    grown.close()
    behind = Store(tmp_path / "moot.db", NOTES)
    with pytest.raises(StoreError, match="newer version of Moot"):
        behind.submit(add("lost")).result(5)  # type: ignore[arg-type]
    assert texts(behind) == ["old"]
    behind.close()


def test_posts_wait_out_a_lock_and_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stores.sqlite._BUSY_S", 0.05)
    monkeypatch.setattr("core.stores.writer._RETRY_S", 0.01)
    store = Store(tmp_path / "moot.db", NOTES)
    store.submit(lambda connection: None).result(5)
    blocker = sqlite3.connect(tmp_path / "moot.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    store.post(add("patient"))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="locked"):
        store.submit(add("impatient")).result(5)  # type: ignore[arg-type]
    assert "locked" in (store.problem or "")
    blocker.execute("ROLLBACK")
    store.submit(lambda connection: None).result(5)
    assert texts(store) == ["patient"]
    assert store.problem is None
    blocker.close()
    store.close()


def test_a_damaged_file_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "moot.db").write_bytes(b"not a database at all" * 100)
    store = Store(tmp_path / "moot.db", NOTES)
    store.post(add("x"))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="moot doctor"):
        store.submit(add("y")).result(5)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="damaged"):
        texts(store)
    store.close()


def test_a_process_killed_while_it_writes_leaves_whole_rows_only(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from core.stores.sqlite import Store
store = Store(Path({str(tmp_path / "moot.db")!r}), {NOTES!r})
number = 0
while True:
    number += 1
    store.submit(lambda c, n=number: c.execute("INSERT INTO notes (text) VALUES (?)", (str(n),))).result()
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        confirmed = [int(process.stdout.readline()) for _ in range(20)][-1]
        os.kill(process.pid, signal.SIGKILL)
    store = Store(tmp_path / "moot.db", NOTES)
    found = texts(store)
    assert found == [str(number) for number in range(1, len(found) + 1)]
    assert len(found) >= confirmed
    store.close()


def test_several_stores_on_one_file_lose_nothing(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "moot.db", NOTES) for _ in range(4)]

    def write(store: Store) -> None:
        for number in range(25):
            store.submit(add(str(number))).result(30)  # type: ignore[arg-type]

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(texts(stores[0])) == 100
    for store in stores:
        store.close()


def test_a_folder_that_cannot_be_written_is_one_sentence_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "file" / "moot.db", NOTES)
    with pytest.raises(StoreError, match="cannot be written. Check the permissions"):
        store.submit(add("one")).result(5)  # type: ignore[arg-type]
    assert "cannot be written" in (store.problem or "")
    store.close()


@pytest.mark.parametrize("name", ["moot.db", "jobs.db", "history.db", "threads.db", "cache.db", "limits.db"])
def test_what_cannot_be_written_is_called_by_its_name_and_never_by_its_path(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).mkdir()
    store = Store(tmp_path / name, NOTES)
    with pytest.raises(StoreError) as caught:
        store.submit(add("one")).result(5)  # type: ignore[arg-type]
    store.close()
    told = f"The store {name} cannot be written. Check the permissions of Moot's data folder, or set MOOT_HOME."
    assert str(caught.value) == store.problem == told
    assert [record.getMessage() for record in caplog.records] == [told]


def test_a_full_disk_under_a_new_file_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    store = Store(tmp_path / "moot.db", NOTES)
    with pytest.raises(StoreError, match="disk is full"):
        store.submit(add("one")).result(5)  # type: ignore[arg-type]
    store.close()
