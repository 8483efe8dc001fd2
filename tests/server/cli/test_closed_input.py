"""Standard input that is closed: one sentence, no traceback, and the exit code that goes with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from moot_program import ENTRY


@pytest.fixture
def desk(tmp_path: Path, base_url: str) -> dict[str, str]:
    """A folder with some rows, and one AI."""
    (tmp_path / "rows.jsonl").write_text('"one"\n"two"\n')
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-123456", "model": "tokens=2"}
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"ais": {"gpt": row}}))
    credentials.chmod(0o600)
    home = str(tmp_path / "home")
    return {"PATH": os.environ["PATH"], "HOME": home, "MOOT_HOME": home, "MOOT_CREDENTIALS": str(credentials)}


def closed(line: str, desk: dict[str, str], redirection: str = "<&-") -> subprocess.CompletedProcess[str]:
    """`moot` with the arguments in *line*, its standard input closed."""
    command = f'"{sys.executable}" "{ENTRY}" {line} {redirection}'
    folder = Path(desk["MOOT_CREDENTIALS"]).parent
    done = subprocess.run(
        ["bash", "-c", command], env=desk, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("keys set openai", 2, "No key came: pipe it in, or run this in a terminal and type it."),
        ("ai add mistral", 2, "No key came: pipe it in, type it in a terminal, or add --key-from-env VARIABLE."),
        ("init", 0, "Nothing to add"),
        ("connect cursor", 1, "Cursor was not found here."),
        ("batch rows.jsonl -o out.jsonl", 0, "2 of 2 answered"),
        ("batch - -o out.jsonl", 2, ""),
        ("review --diff -", 2, ""),
        ("judge 'Which?' -c -", 2, ""),
        ("ask 'What is it?' -i -", 2, "Nothing is piped in for -i -"),
        ("ask", 2, "Nothing to ask"),
        ("history clean", 2, "Say yes with --yes."),
        ("chat", 0, ""),
    ],
)
def test_a_closed_standard_input_is_an_empty_one(desk: dict[str, str], line: str, code: int, told: str) -> None:
    done = closed(line, desk)
    assert done.returncode == code, done.stderr
    assert told in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) <= 6


def test_a_question_needs_no_standard_input(desk: dict[str, str]) -> None:
    assert closed("ask 'What is it?'", desk).stdout.strip() == "tok tok"


def test_what_cannot_be_read_is_told_as_that(desk: dict[str, str]) -> None:
    done = closed("keys set openai", desk, "0>written")
    assert done.returncode == 1
    assert done.stderr == ("moot: standard input or output is open the wrong way round. Correct the redirection.\n")


def test_a_key_that_is_no_text_is_refused(desk: dict[str, str]) -> None:
    done = closed("keys set openai", desk, r"< <(printf '\377\376k')")
    assert done.returncode == 2 and done.stderr.startswith("moot: That is no key: it ")
