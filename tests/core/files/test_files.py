"""Files of our own: private, whole, and never written through what somebody has planted."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from core.batch.output import Sidecar
from core.files.atomic import close_to_others, new_private_file, private_folder, put_in_place, write_atomically


@pytest.fixture(autouse=True)
def an_open_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_and_all_that_leads_to_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b" / "c")
    assert [mode(place) for place in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    folder.chmod(0o755)
    assert mode(private_folder(folder)) == 0o700


def test_a_new_file_is_private_and_takes_no_place_of_another(tmp_path: Path) -> None:
    new_private_file(tmp_path / "x", "one")
    assert mode(tmp_path / "x") == 0o600
    with pytest.raises(FileExistsError):
        new_private_file(tmp_path / "x", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("write", [put_in_place, new_private_file])
def test_nothing_is_written_through_a_planted_link(tmp_path: Path, write: object) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for target in (victim, tmp_path / "not there yet"):
        place = tmp_path / "place"
        place.unlink(missing_ok=True)
        place.symlink_to(target)
        with suppress(FileExistsError):
            write(place, "theirs")  # type: ignore[operator]
        assert victim.read_text() == "mine"
        assert not (tmp_path / "not there yet").exists()


@pytest.mark.parametrize("planted", ["FILE.moot.new", "FILE.moot", "FILE.moot.tmp"])
def test_the_sidecar_of_a_batch_is_not_written_through_a_planted_link(tmp_path: Path, planted: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / planted).symlink_to(victim)
    Sidecar({"prompts": "1"}).write(tmp_path / "FILE")
    assert victim.read_text() == "mine"
    assert Sidecar.of(tmp_path / "FILE") == Sidecar({"prompts": "1"})


def test_many_may_write_one_sidecar_at_once(tmp_path: Path) -> None:
    problems: list[Exception] = []
    claimed: list[Sidecar] = []
    ready = threading.Barrier(8)

    def work(number: int) -> None:
        ready.wait()
        try:
            claimed.append(Sidecar({"prompts": str(number)}).claim(tmp_path / "out"))
            for _ in range(40):
                Sidecar({"prompts": str(number)}, job="x" * 5_000).write(tmp_path / "out")
                assert Sidecar.of(tmp_path / "out")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [path.name for path in tmp_path.iterdir()] == ["out.moot"]


def test_of_many_that_claim_an_output_one_wins_and_all_know_it(tmp_path: Path) -> None:
    ready = threading.Barrier(8)
    claimed: list[Sidecar] = []

    def work(number: int) -> None:
        ready.wait()
        claimed.append(Sidecar({"prompts": str(number)}).claim(tmp_path / "out"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.run["prompts"] for one in claimed}) == 1


def test_a_file_of_the_users_keeps_its_link_and_its_mode(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("old")
    real.chmod(0o644)
    (tmp_path / "link").symlink_to(real)
    write_atomically(tmp_path / "link", "new")
    assert (real.read_text(), mode(real), (tmp_path / "link").is_symlink()) == ("new", 0o644, True)


def test_what_others_have_made_is_closed_to_others(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "program").touch()
    (inner / "program").chmod(0o755)
    (inner / "link").symlink_to(tmp_path)
    tmp_path.chmod(0o755)
    close_to_others(tmp_path / "a")
    assert [mode(path) for path in (tmp_path, tmp_path / "a", inner, inner / "program")] == [0o755, 0o700, 0o700, 0o700]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_file_is_written_into_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (pipe, tmp_path / "link"):
            write_atomically(path, "new")
            assert os.read(reader, 10) == b"new"
            assert stat.S_ISFIFO(pipe.stat().st_mode)
    finally:
        os.close(reader)
