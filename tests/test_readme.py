"""Every snippet of the README is run, or read by the code it is meant for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_provider
import pytest

from ai.providers.catalog import PROVIDERS
from ai.roster import Roster
from core.config import AIConfig, Defaults, load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    command = [sys.executable, fake_provider.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture
def sandbox(tmp_path: Path, base_url: str) -> tuple[Path, dict[str, str]]:
    """A git repository with a plan.md, `moot` on PATH, and the AIs the README talks about."""
    programs = tmp_path / "bin"
    programs.mkdir()
    moot = programs / "moot"
    moot.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "moot_entry.py"}" "$@"\n')
    moot.chmod(0o755)
    row = {"provider": "openai_compatible", "base_url": base_url, "model": "tokens=3"}
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"ais": {"gpt": row, "claude": row}}))
    credentials.chmod(0o600)
    project = tmp_path / "project"
    project.mkdir()
    (project / "plan.md").write_text("Ship on Friday.")
    (project / "questions.jsonl").write_text('"What is 2+2?"\n{"prompt": "Name a prime."}\n')
    (project / "articles.csv").write_text("title,text\nBees,They dance.\n")
    (project / "other-plan.md").write_text("Ship on Monday.")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MOOT_HOME": str(tmp_path / "home"),
        "MOOT_CREDENTIALS": str(credentials),
        "PYTHONPATH": str(ROOT),
    }
    return project, environment


def test_the_quick_start_has_exactly_two_commands_of_one_line() -> None:
    section = README[README.index("## Quick start") : README.index("## Install")]
    commands = re.findall(r"^```\w*\n(.*?)^```", section, re.M | re.S)
    assert [command.count("\n") for command in commands] == [1, 1]
    assert commands[0].rstrip().endswith("uv run moot demo")
    assert commands[1].rstrip().endswith("uv run pytest")


@pytest.mark.parametrize("line", [line for block in blocks("bash") for line in block.splitlines()])
def test_every_shell_line_works(sandbox: tuple[Path, dict[str, str]], line: str) -> None:
    project, environment = sandbox
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("program", blocks("python"))
def test_every_python_program_works(sandbox: tuple[Path, dict[str, str]], program: str) -> None:
    project, environment = sandbox
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "tok tok tok" in done.stdout


SHELL = [line for block in blocks("sh") for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in SHELL if " mcp add " in line])
def test_every_host_command_registers_moot_serve(sandbox: tuple[Path, dict[str, str]], line: str) -> None:
    """The hosts are not here: a stand-in of each name shows what it was given. `moot serve` itself is started below."""
    project, environment = sandbox
    for host in ("claude", "codex", "gemini"):
        program = project.parent / "bin" / host
        program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", line], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    words = done.stdout.split()
    assert words[:2] == ["mcp", "add"]
    assert words[-2:] == ["moot", "serve"]
    assert "moot" in words[:-2], "the name it is registered under"


@pytest.mark.slow
def test_the_install_lines_give_a_moot_that_answers(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {
        "MOOT_HOME": str(tmp_path / "home"),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PATH": f"{tmp_path / 'bin'}:{ROOT / '.uv' / 'bin'}:{os.environ['PATH']}",
    }
    lines = [line for line in SHELL if " mcp add " not in line]
    assert len(lines) == 2
    for line in [*lines, "moot ask -a local-plain 'What is 7+5?'"]:
        done = subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "12" in done.stdout


def host_entries() -> list[dict[str, Any]]:
    documents = [json.loads(text) for text in blocks("json")] + [tomllib.loads(text) for text in blocks("toml")]
    return [
        document[table]["moot"]
        for document in documents
        for table in ("mcpServers", "servers", "mcp_servers")
        if table in document
    ]


@pytest.mark.parametrize("entry", host_entries())
def test_every_host_entry_starts_a_server_that_says_hello(
    sandbox: tuple[Path, dict[str, str]], entry: dict[str, Any]
) -> None:
    project, environment = sandbox
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    with subprocess.Popen(
        [entry["command"], *entry["args"]],
        cwd=project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(hello) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        process.stdin.close()
    assert answer["result"]["serverInfo"]["name"] == "moot"


def test_the_example_configurations_are_read_without_complaint(tmp_path: Path) -> None:
    (example,) = [text for text in blocks("json") if '"ais"' in text]
    for text in (example, (ROOT / "credentials.example.json").read_text()):
        path = tmp_path / "credentials.json"
        path.write_text(text)
        path.chmod(0o600)
        config = load_config(path)
        assert config.problems == ()
        assert set(Roster.open(config).problems) <= {"gemini"}, "only a row that waits for its key may be unusable"


def test_every_setting_and_provider_is_documented() -> None:
    section = README[README.index("## Configuration") : README.index("## Library")]
    for name in [*AIConfig.model_fields, *Defaults.model_fields, *PROVIDERS]:
        assert f"`{name}`" in section or f'"{name}"' in section, name
    for provider in PROVIDERS.values():
        for key in provider.env_keys[:1]:
            assert key in section or key == "OLLAMA_API_KEY", key
