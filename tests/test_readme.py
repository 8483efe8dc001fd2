"""Every snippet of the README and of docs/ is run, or read by the code it is meant for."""

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
from moot_program import ENTRY
from samples import PNG, pdf

from ai.providers.catalog import PROVIDERS
from ai.roster.roster import Roster
from core.config import AIConfig, AuthConfig, Defaults, load_config
from core.memory.threads import USER, Threads, Turn
from core.tooling import McpServerConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
ELSEWHERE = ("fleet.md", "library.md", "extending.md", "endpoint.md")
"""Pages with tests of their own, in tests/core/jobs, tests/moot and tests/server/web."""
ALL = "\n".join([README, *(text for name, text in PAGES.items() if name not in ELSEWHERE)])
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", ALL, re.M | re.S)


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
    moot.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ENTRY}" "$@"\n')
    moot.chmod(0o755)
    row = {"provider": "openai_compatible", "base_url": base_url, "model": "tokens=3"}
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"ais": {"gpt": row, "claude": row}, "groups": {"fast": ["gpt", "claude"]}}))
    credentials.chmod(0o600)
    project = tmp_path / "project"
    project.mkdir()
    (project / "plan.md").write_text("Ship on Friday.")
    (project / "questions.jsonl").write_text('"What is 2+2?"\n{"prompt": "Name a prime."}\n')
    (project / "articles.csv").write_text("title,text\nBees,They dance.\n")
    (project / "other-plan.md").write_text("Ship on Monday.")
    for folder in ("src", "docs"):
        (project / folder).mkdir()
    (project / "src" / "parser.py").write_text("def parse(text):\n    return text.split()\n")
    (project / "docs" / "guide.md").write_text("Read it twice.\n")
    (project / "paper.pdf").write_bytes(pdf("All of it."))
    (project / "chart.png").write_bytes(PNG)
    _history(project)
    threads = Threads(tmp_path / "home" / "threads.db")
    threads.add("pricing", [Turn(USER, "Is 8 dollars a month too much?")]).result(5)
    threads.close()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MOOT_HOME": str(tmp_path / "home"),
        "MOOT_CREDENTIALS": str(credentials),
        "PYTHONPATH": str(ROOT),
    }
    return project, environment


def _history(project: Path) -> None:
    """Four commits on main, then one on a branch, then a change."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)
    for number in range(5):
        if number == 4:
            subprocess.run(["git", "checkout", "-q", "-b", "topic"], cwd=project, check=True)
        (project / "plan.md").write_text(f"Ship on Friday {number}.\n")
        subprocess.run(["git", "add", "."], cwd=project, check=True)
        subprocess.run(["git", *who, "commit", "-q", "-m", str(number)], cwd=project, check=True)
    (project / "plan.md").write_text("Ship on Friday.\n")


def test_the_quick_start_has_exactly_two_commands_of_one_line() -> None:
    section = README[README.index("## Quick start") : README.index("## Install")]
    commands = re.findall(r"^```\w*\n(.*?)^```", section, re.M | re.S)
    assert [command.count("\n") for command in commands] == [1, 1]
    assert commands[0].rstrip().endswith("uv run --no-dev moot demo")
    assert commands[1].rstrip().endswith("uv run pytest")


def test_the_readme_is_short_and_every_page_is_in_the_index() -> None:
    assert len(README.splitlines()) <= 200
    for name in PAGES:
        assert name == "README.md" or f"]({name})" in PAGES["README.md"], name


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_every_link_leads_somewhere(page: str) -> None:
    place = ROOT / page
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", place.read_text()):
        assert (place.parent / target).exists(), target


LINES = list(dict.fromkeys(line for block in blocks("bash") for line in block.splitlines()))


@pytest.mark.parametrize("line", LINES)
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
    some = 3 if "moot review" in line else 0  # the AIs of this test can talk, but not review
    assert done.returncode in (0, some), done.stderr
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


def test_the_lines_for_hosts_connect_and_disconnect_them(sandbox: tuple[Path, dict[str, str]]) -> None:
    project, _ = sandbox
    for folder in (".cursor", ".codex"):
        (project.parent / folder).mkdir()
    cursor = project.parent / ".cursor" / "mcp.json"
    lines = [line for line in SHELL if line.startswith("moot connect") and "--http" not in line]
    lines = list(dict.fromkeys(lines))
    assert [shell(line, sandbox).returncode for line in lines] == [1, 0, 1, 0, 1], "without --yes nothing is written"
    assert json.loads(cursor.read_text())["mcpServers"]["moot"]["args"][-1] == "serve"
    assert (project.parent / ".codex" / "config.toml").exists()
    assert shell("moot connect cursor --remove --yes", sandbox).returncode == 0
    assert json.loads(cursor.read_text()) == {"mcpServers": {}}


def test_the_lines_for_keys_store_list_and_forget_one(sandbox: tuple[Path, dict[str, str]]) -> None:
    project, environment = sandbox
    environment["MOOT_CREDENTIALS"] = str(project.parent / "mine" / "credentials.json")
    store, listed, _, forget = dict.fromkeys(line for line in SHELL if line.startswith("moot keys"))
    assert shell(store, sandbox, input="sk-very-secret-1").returncode == 0
    assert shell(listed, sandbox).stdout == "openai: credentials.json\n"
    assert shell(forget, sandbox).returncode == 0


GOING_ON = ("moot ask -c", "moot history", "moot show", "moot again", "moot prompt", "moot ask -p", 'echo "Hello"')


def test_the_lines_that_go_on_with_others_work_one_after_the_other(sandbox: tuple[Path, dict[str, str]]) -> None:
    assert shell("moot ask -a gpt 'Is a bloom filter good?'", sandbox).returncode == 0
    lines = [line for line in SHELL if line.startswith(GOING_ON)]
    assert {begun for begun in GOING_ON for line in lines if line.startswith(begun)} == set(GOING_ON)
    for line in lines:
        done = shell(line, sandbox)
        assert done.returncode == 0 and (done.stdout + done.stderr).strip(), (line, done.stderr)


def test_the_lines_for_ais_add_and_remove_one(sandbox: tuple[Path, dict[str, str]]) -> None:
    project, environment = sandbox
    environment["MOOT_CREDENTIALS"] = str(project.parent / "mine" / "credentials.json")
    add, _, remove = [line for line in SHELL if line.startswith("moot ai")]
    added = shell(add, sandbox)
    assert added.returncode == 0, added.stderr
    assert "mine: my-model via openai_compatible" in shell("moot ai list", sandbox).stdout
    assert shell(remove, sandbox).returncode == 0


def shell(line: str, sandbox: tuple[Path, dict[str, str]], input: str = "") -> subprocess.CompletedProcess[str]:
    project, environment = sandbox
    return subprocess.run(
        ["bash", "-c", line], cwd=project, env=environment, input=input, capture_output=True, text=True, check=False
    )


def host_entries() -> list[dict[str, Any]]:
    documents = [json.loads(text) for text in blocks("json")] + [tomllib.loads(text) for text in blocks("toml")]
    return [
        document[table]["moot"]
        for document in documents
        for table in ("mcpServers", "servers", "mcp_servers")
        if "moot" in document.get(table, {})
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
    examples = [text for text in blocks("json") if '"ais"' in text or '"mcp_servers"' in text]
    assert len(examples) >= 2
    for text in (*examples, (ROOT / "credentials.example.json").read_text()):
        path = tmp_path / "credentials.json"
        path.write_text(text)
        path.chmod(0o600)
        config = load_config(path)
        assert config.problems == ()
        assert set(Roster.open(config).problems) <= {"gemini"}, "only a row that waits for its key may be unusable"


def test_every_setting_and_provider_is_documented() -> None:
    section = PAGES["configuration.md"]
    for name in [*AIConfig.model_fields, *Defaults.model_fields, *PROVIDERS]:
        assert f"`{name}`" in section or f'"{name}"' in section, name
    assert all(f"`{name}`" in PAGES["http.md"] for name in AuthConfig.model_fields)
    assert all(f"`{name}`" in PAGES["tools.md"] for name in McpServerConfig.model_fields)
    for provider in PROVIDERS.values():
        for key in provider.env_keys[:1]:
            assert key in section or key == "OLLAMA_API_KEY", key
