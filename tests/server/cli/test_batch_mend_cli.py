"""An output that somebody touched after it was paid for: nothing is deleted, and nothing is paid for again unasked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from provider_process import provider_process

from server.cli.main import cli

ROWS = 20
Touch = Callable[[list[bytes]], list[bytes]]


def shuffled(lines: list[bytes]) -> list[bytes]:
    return random.Random(1).sample(lines, len(lines))


TOUCHES: dict[str, Touch] = {
    "reordered": shuffled,
    "one removed": lambda lines: [*lines[:7], *lines[8:]],
    "the first removed": lambda lines: lines[1:],
    "one doubled": lambda lines: [*lines[:3], lines[2], *lines[3:]],
    "one blank": lambda lines: [*lines[:5], b"", *lines[5:]],
    "a bad byte": lambda lines: [*lines[:5], b"\xff" + lines[5], *lines[6:]],
    "a note on top": lambda lines: [b"my results", *lines],
    "cut short": lambda lines: lines[:4],
    "emptied": lambda lines: [],
    "somebody else's file": lambda lines: [b"{}"] * 3,
}


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    with provider_process() as url:
        yield url


@pytest.fixture
def moot(provider_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(isolated)
    Path("in.jsonl").write_text("".join(f'"question {number}"\n' for number in range(ROWS)))

    def run(*arguments: str, model: str = "tokens=1") -> Result:
        row = {"provider": "openai_compatible", "base_url": provider_url, "model": model}
        path = isolated / "credentials.json"
        path.write_text(json.dumps({"ais": {"a": row}, "defaults": {"attempts": 1, "detach": False}}))
        path.chmod(0o600)
        monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
        return CliRunner().invoke(cli, arguments)

    return run


def batch(moot: Any, name: str, *more: str, model: str = "tokens=1") -> Result:
    result: Result = moot("batch", "in.jsonl", "-o", name, "-a", "a", *more, model=model)
    return result


def touched(name: str, touch: Touch) -> bytes:
    """What is left of the output once somebody had it open."""
    heading, *lines = Path(name).read_bytes().split(b"\n")[:-1]
    table = name.endswith(".csv")
    left = touch(lines if table else [heading, *lines])
    data = b"".join(line + b"\n" for line in ([heading, *left] if table and left else left))
    Path(name).write_bytes(data)
    return data


@pytest.mark.parametrize("how", TOUCHES)
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_a_touched_output_is_put_together_again_without_asking_anything(moot: Any, name: str, how: str) -> None:
    assert batch(moot, name).exit_code == 0
    whole = Path(name).read_bytes()
    left = touched(name, TOUCHES[how])
    again = batch(moot, name, model="status=500,say=paid twice")
    assert again.exit_code == 0, again.output
    assert again.stdout.startswith(f"{ROWS} of {ROWS} answered")
    assert Path(name).read_bytes() == whole
    kept = sorted(Path().glob(f"{name}.moot-kept-*"))
    if how in ("cut short", "emptied"):
        assert kept == [], "the beginning of the output is no damage"
    else:
        assert [one.read_bytes() for one in kept] == [left]
        assert kept[0].name in again.stdout
    assert "was changed since it was written" in again.stderr
    assert batch(moot, name, model="status=500").stdout.startswith(f"{ROWS} of {ROWS} answered")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_what_is_gone_everywhere_is_asked_again_only_after_a_yes_that_names_the_price(moot: Any, name: str) -> None:
    assert batch(moot, name).exit_code == 0
    whole = [line for line in Path(name).read_text().splitlines() if "question" not in line]
    assert moot("jobs", "clean", "--words").exit_code == 0
    left = touched(name, lambda lines: [*lines[:3], *lines[5:9], lines[10], *lines[11:]])
    refused = batch(moot, name, model="tokens=2")
    assert refused.exit_code == 2, refused.output
    assert f"17 of its {ROWS} records can be placed" in refused.stderr
    assert "3 answers are gone, and would be paid for again: 3 calls" in refused.stderr and "--yes" in refused.stderr
    assert Path(name).read_bytes() == left and not list(Path().glob("*.moot-kept-*"))
    mended = batch(moot, name, "--yes", model="tokens=2")
    assert mended.exit_code == 0, mended.output
    assert len(Path(name).read_text().splitlines()) == len(whole)
    again = [json.loads(line)["text"] for line in Path(name).read_text().splitlines()] if name == "out.jsonl" else []
    assert again.count("tok tok ") == (3 if again else 0), "only what was gone was asked"
    assert [one.read_bytes() for one in Path().glob("*.moot-kept-*")] == [left]


def test_an_edit_that_leaves_every_record_in_its_place_is_the_users_own(moot: Any) -> None:
    batch(moot, "out.jsonl")
    edited = Path("out.jsonl").read_text().replace('"text": "tok "', '"text": "mine"', 1)
    Path("out.jsonl").write_text(edited)
    again = batch(moot, "out.jsonl", model="status=500")
    assert again.exit_code == 0 and again.stderr.count("changed") == 0
    assert Path("out.jsonl").read_text() == edited
    Path("out.jsonl").write_bytes(edited.replace("\n", "\r\n").encode())
    assert batch(moot, "out.jsonl", model="status=500").stdout.startswith(f"{ROWS} of {ROWS} answered")


def test_failed_rows_of_a_touched_output_are_asked_again_and_no_others(moot: Any) -> None:
    assert batch(moot, "out.jsonl", model="status=400,say=no").exit_code == 1
    assert batch(moot, "out.jsonl", "--retry-failed", model="tokens=2").exit_code == 0
    whole = Path("out.jsonl").read_bytes()
    touched("out.jsonl", shuffled)
    again = batch(moot, "out.jsonl", "--retry-failed", model="status=400,say=no")
    assert again.exit_code == 0, again.output
    assert Path("out.jsonl").read_bytes() == whole
