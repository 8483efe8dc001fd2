"""A spool that another program removes, replaces or cuts meanwhile: it is noticed, said, and nothing is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.stores.spool import Spool, read_spool


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()
    path.parent.rmdir()


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"something else")
    other.replace(path)


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def move_away_and_put_another(path: Path) -> None:
    move_away(path)
    path.write_bytes(b"{not ours")


TOUCHES = [cut, empty, remove, remove_folder, replace, move_away, move_away_and_put_another]


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_the_store_does_not_have_is_written_again(
    touch: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    spool, path = Spool(tmp_path / "spools", "me"), tmp_path / "spools" / "me.0.spool"
    spool.open()
    segments = [spool.put("job", f"k{n}", str(n), 1.0) for n in range(3)]
    touch(path)
    segments.append(spool.put("job", "k3", "3", 1.0))
    assert [key for _, key, _, _ in read_spool(path)][-4:] == ["k0", "k1", "k2", "k3"]
    assert "was changed by another program" in caplog.text and str(tmp_path) not in caplog.text
    assert len(caplog.records) == 1 and not spool.failed
    segments.append(spool.put("job", "k4", "4", 1.0))
    for segment in segments:
        spool.done(segment)
    spool.close()
    assert not path.exists()
    assert len(caplog.records) == 1


def test_what_is_appended_by_others_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool, path = Spool(tmp_path, "me"), tmp_path / "me.0.spool"
    spool.open()
    spool.put("job", "k0", "0", 1.0)
    with path.open("ab") as file:
        file.write(b"[half a li")
    spool.put("job", "k1", "1", 1.0)
    assert [key for _, key, _, _ in read_spool(path)] == ["k0", "k1"]
    assert not caplog.records
    spool.close()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="without links that are not followed")
def test_a_link_that_was_put_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    spool, path, prey = Spool(tmp_path / "spools", "me"), tmp_path / "spools" / "me.0.spool", tmp_path / "prey"
    prey.write_text("precious")
    spool.open()
    path.unlink()
    path.symlink_to(prey)
    spool.put("job", "k0", "0", 1.0)
    assert prey.read_text() == "precious" and spool.failed
    path.unlink()
    spool.put("job", "k1", "1", 1.0)
    assert [key for _, key, _, _ in read_spool(path)] == ["k0", "k1"] and not spool.failed
    spool.close()


def test_a_line_that_found_no_room_is_written_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, path, write = Spool(tmp_path, "me"), tmp_path / "me.0.spool", os.write
    spool.open()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
        spool.put("job", "k0", "0", 1.0)
    assert spool.failed and not list(read_spool(path))
    spool.put("job", "k1", "1", 1.0)
    assert [key for _, key, _, _ in read_spool(path)] == ["k0", "k1"] and not spool.failed
    spool.close()
