"""A picture that is piped in lies on the disk while it is needed, however the program ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from moot_program import ENTRY
from provider_process import provider_process
from samples import PNG

HOLDS_ONE = """
import signal, sys
sys.path.insert(0, {root!r})
from server.cli.asking.pictures import picture_from_input
from server.cli.interrupt import end_on_interrupt
end_on_interrupt()
with picture_from_input() as path:
    print(path, flush=True)
    signal.pause()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def holder(place: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """A program that holds a piped picture until it is told to end."""
    root = str(Path(ENTRY).parents[1])
    environment = {"PATH": os.environ["PATH"], "MOOT_HOME": str(place.parent / "home"), "TMPDIR": str(place)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE.format(root=root)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    process.stdin.write(PNG)
    process.stdin.close()
    path = Path(process.stdout.readline().decode().strip())
    assert path.read_bytes() == PNG
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    return process, path


def ended(process: subprocess.Popen[bytes], number: int) -> int:
    process.send_signal(number)
    with process:
        return process.wait(60)


def test_a_hard_ctrl_c_leaves_nothing(place: Path) -> None:
    process, path = holder(place)

    assert ended(process, signal.SIGINT) == 130

    assert not path.exists() and list(place.iterdir()) == []
    assert list((place.parent / "home" / "input").iterdir()) == []


def test_what_a_killed_program_left_goes_with_the_next_and_what_a_living_one_needs_stays(place: Path) -> None:
    killed, left = holder(place)
    ended(killed, signal.SIGKILL)
    assert left.exists()
    living, needed = holder(place)
    assert not left.parent.exists()

    third, _ = holder(place)

    assert needed.exists()
    for process in (living, third):
        ended(process, signal.SIGINT)
    assert list(place.iterdir()) == []


def test_a_job_does_not_take_what_will_be_gone_when_it_reads_it(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, ENTRY, "ask", "what is it?", "-a", "local-plain", "-i", "-", "--background"],
        env={"PATH": os.environ["PATH"], "MOOT_HOME": str(place.parent / "home"), "TMPDIR": str(place)},
        input=PNG,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2 and b"Save what is piped in, and give it: -i FILE" in done.stderr


@pytest.mark.slow
def test_whenever_ctrl_c_comes_nothing_is_left(place: Path) -> None:
    home = place.parent / "home"
    home.mkdir()
    with provider_process() as url:
        row = f'{{"provider": "openai_compatible", "base_url": "{url}", "api_key": "k-1234567", "model": "%s"}}'
        credentials = home / "credentials.json"
        credentials.write_text('{"ais": {"gpt": ' + row % "tokens=2000,gap=0.02" + "}}")
        credentials.chmod(0o600)
        with subprocess.Popen(
            [sys.executable, ENTRY, "ask", "what is it?", "-i", "-"],
            env={"PATH": os.environ["PATH"], "MOOT_HOME": str(home), "TMPDIR": str(place), "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin and process.stdout
            process.stdin.write(PNG)
            process.stdin.close()
            process.stdout.read(4)
            assert [folder.name[:11] for folder in place.iterdir()] == ["moot-input-"]
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):  # faster than anybody's keyboard, slower than a flood
                    process.wait(0.005)
            process.kill()
    assert process.returncode == 130
    assert list(place.iterdir()) == []
