"""Schemathesis asks everything that /openapi.json describes, rightly and wrongly, of the real program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from web_house import configured, web_program

from core.people.person import Person
from core.people.tokens import Tokens

_SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "5xx"]
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]
"""
"""What no schema can know is 422, such as an option that another agent takes; 400 is for what the schema forbids. A
body that is too large altogether is refused as such, before anybody looks into it."""


@pytest.mark.slow
def test_what_is_described_is_what_is_done(tmp_path: Path, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, {"gpt": f"{base_url} tokens=3", "claude": f"{base_url} tokens=3,word=yes"})
    monkeypatch.setenv("MOOT_HOME", str(tmp_path))
    tokens = Tokens()
    token = tokens.add(Person("ada"))
    tokens.close()
    (tmp_path / "schemathesis.toml").write_text(_SETTINGS)
    with web_program(tmp_path) as program:
        checked = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "run",
                f"{program.url}/openapi.json",
                *("-H", f"Authorization: Bearer {token}"),
                *("--max-examples", "25"),
                *(("--seed", "1") if os.environ.get("CI") else ()),  # the same anew, as hypothesis does there
                *("--checks", "all"),
                *("--exclude-path", "/api/events"),  # a stream, which does not end
                "--no-color",
            ],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    assert checked.returncode == 0, _failures(checked.stdout)


def _failures(said: str) -> str:
    """What is wrong and how it is asked again, which stands between two headings, and the seed."""
    return said.partition(" FAILURES ")[2].partition(" WARNINGS ")[0][:8_000] + said[-500:]
