"""Codex, Claude Code and Gemini CLI as npm has them, from `moot connect` to the answer their model reads.

Opt-in, since npm fetches some 900 MB once: `uv run pytest -m hosts`. Nothing leaves the machine after that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from host_programs import PROGRAMS, Program
from moot_program import ENTRY
from scripted_model import LAST_WORDS, ScriptedModel

DATA = "Library/Application Support/moot" if sys.platform == "darwin" else ".local/share/moot"


@pytest.fixture
def home(tmp_path: Path, provider: FakeProvider) -> Path:
    """A home with two AIs that say different words, and a project."""
    home = tmp_path / "user"
    (home / "project").mkdir(parents=True)
    credentials = home / DATA / "credentials.json"
    credentials.parent.mkdir(parents=True)
    ais = {
        name: {"provider": "openai_compatible", "base_url": provider.base_url, "model": f"tokens=2,word={name}ern"}
        for name in ("north", "south")
    }
    credentials.write_text(json.dumps({"ais": ais}))
    credentials.chmod(0o600)
    return home


async def run(command: list[str], home: Path, env: dict[str, str]) -> str:
    done = await anyio.run_process(
        command, cwd=home / "project", env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, f"{command[:2]}\n{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-3000:]}"
    return done.stdout.decode()


@pytest.mark.hosts
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.host)
async def test_the_hosts_model_calls_ask_many_in_its_first_turn_and_reads_what_both_ais_said(
    program: Program, home: Path, provider: FakeProvider
) -> None:
    try:
        await anyio.to_thread.run_sync(program.installed)
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    model = ScriptedModel("ask_many", {"prompt": "Which way?", "ais": ["north", "south"]})
    with model.serving(), anyio.fail_after(program.limit_s):
        env = program.variables(home, model.url)
        program.prepare(home)
        await run([sys.executable, ENTRY, "connect", program.host, "--yes"], home, env)
        said = await run(program.command(model.url), home, env)

    first, last = model.turns[0], model.turns[-1]
    assert any(name.endswith("ask_many") for name in first.tools), "the server was not there when the turn began"
    assert len(last.results) == 1
    assert "northern northern" in last.results[0]
    assert "southern southern" in last.results[0]
    assert sorted(asked["model"] for asked in provider.requests) == [
        f"tokens=2,word={n}ern" for n in ("north", "south")
    ]
    assert LAST_WORDS in said
    assert model.refused == []
