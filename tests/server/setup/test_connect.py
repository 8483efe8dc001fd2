"""`moot connect` on files of every shape, and on those it must leave alone."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.main import cli
from server.setup import connect as connect_module
from server.setup.hosts import HOSTS

SECRET = "-".join(("sk", "very", "secret", "value", "1"))


@pytest.fixture
def home(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home and an empty PATH; the project is a folder in it."""
    project = isolated / "project"
    project.mkdir()
    monkeypatch.setenv("HOME", str(isolated))
    monkeypatch.setenv("PATH", str(isolated / "bin"))
    for name in ("APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project)
    return isolated


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["connect", *arguments])


def file_of(host: str, text: str | None = None) -> Path:
    path = HOSTS[host].path()
    assert path
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text)
    return path


def entry_in(host: str, path: Path) -> dict[str, Any]:
    text = path.read_text()
    document = tomllib.loads(text) if HOSTS[host].syntax == "toml" else json.loads(text)
    found: dict[str, Any] = document[HOSTS[host].table]["moot"]
    return found


@pytest.mark.parametrize("host", [name for name, row in HOSTS.items() if row.syntax != "yaml"])
def test_every_host_gets_an_absolute_command_once_and_loses_it_again(host: str, home: Path) -> None:
    path = file_of(host)
    if host == "claude-code":  # its file is in the home folder, which says nothing
        path.write_text("{}")
    assert run(host, "--yes").exit_code == 0
    entry = entry_in(host, path)
    command = entry["command"] if isinstance(entry["command"], list) else [entry["command"], *entry["args"]]
    assert Path(command[0]).is_absolute() and command[-1] == "serve"
    before = path.read_bytes()
    again = run(host, "--yes")
    assert again.exit_code == 0 and "already connected" in again.stderr and path.read_bytes() == before
    assert run(host, "--remove", "--yes").exit_code == 0
    assert "moot" not in path.read_text()


def test_toml_keeps_its_comments_and_order_and_the_file_as_it_was_is_kept(home: Path) -> None:
    text = '# mine\nmodel = "x"  # dear\n\n[mcp_servers.other]\ncommand = "y" # keep\n\n[tui]\na = 1\n'
    path = file_of("codex", text)
    result = run("codex", "--yes")
    assert result.exit_code == 0 and "+[mcp_servers.moot]" in result.stderr
    lines = path.read_text().splitlines()
    assert [line for line in text.splitlines() if line not in lines] == []
    assert entry_in("codex", path)["tool_timeout_sec"] == 600
    (backup,) = path.parent.glob("*.bak")
    assert backup.read_text() == text
    run("codex", "--remove", "--yes")
    assert len(list(path.parent.glob("*.bak"))) == 2 and backup.read_text() == text


def test_json_keeps_its_order_its_indent_and_what_a_person_added(home: Path) -> None:
    mine = {"command": "/old/moot", "args": ["serve"], "env": {"A": "b"}, "disabled": True}
    document = {"z": 1, "mcpServers": {"other": {"command": "x"}, "moot": mine}, "a": "é"}
    path = file_of("cursor", json.dumps(document, indent=4, ensure_ascii=False))
    assert run("cursor", "--yes").exit_code == 0
    text = path.read_text()
    assert list(json.loads(text)) == ["z", "mcpServers", "a"] and '\n    "z": 1' in text and "é" in text
    entry = entry_in("cursor", path)
    assert entry["command"] != "/old/moot" and (entry["env"], entry["disabled"]) == ({"A": "b"}, True)


@pytest.mark.parametrize(
    "text",
    [
        '{\n  // hello\n  "a": 1\n}',
        '{"a": 1,}',
        "{",
        "[]",
        '{"mcpServers": []}',
        '{"mcpServers": {"moot": {}, "moot": {}}}',
        "\ufeff{}",
        "[" * 100_000,
    ],
)
def test_what_cannot_be_changed_without_harm_is_left_alone_and_the_snippet_is_printed(text: str, home: Path) -> None:
    path = file_of("cursor", text)
    result = run("cursor", "--yes")
    assert result.exit_code == 1 and "left alone" in result.stderr and '"moot": {' in result.stderr
    assert path.read_text() == text and list(path.parent.iterdir()) == [path]


def test_broken_toml_text_that_is_not_utf_8_and_yaml_are_left_alone(home: Path) -> None:
    for host, data in (("codex", b"[[["), ("gemini-cli", b"\xff\xfe{}"), ("goose", b"extensions: {}\n")):
        path = file_of(host)
        path.write_bytes(data)
        result = run(host, "--yes")
        assert result.exit_code == 1 and "moot" in result.stderr and path.read_bytes() == data


def test_a_link_is_written_through_and_stays(home: Path) -> None:
    target = home / "dotfiles.json"
    target.write_text("{}\n")
    target.chmod(0o640)
    path = file_of("cursor")
    path.symlink_to(target)
    assert run("cursor", "--yes").exit_code == 0
    assert path.is_symlink() and json.loads(target.read_text())["mcpServers"]["moot"]
    assert target.stat().st_mode & 0o777 == 0o640
    target.unlink()
    assert run("cursor", "--yes").exit_code == 1 and not target.exists()


def test_a_file_of_another_user_is_left_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of("cursor", "{}")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    result = run("cursor", "--yes")
    assert result.exit_code == 1 and "belongs to another user" in result.stderr and path.read_text() == "{}"


def test_a_home_that_cannot_be_written_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of("cursor", "{}")

    def refuse(*args: object, **more: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("core.files.atomic.tempfile.mkstemp", refuse)
    result = run("cursor", "--yes")
    assert result.exit_code == 1 and "Read-only file system" in result.stderr and "Traceback" not in result.output
    assert path.read_text() == "{}"


def test_a_file_that_changes_meanwhile_is_not_overwritten(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of("cursor", "{}")

    def meddle(*args: object) -> bool:
        path.write_text('{"other": 1}')
        return True

    monkeypatch.setattr(connect_module, "_agreed", meddle)
    result = run("cursor")
    assert result.exit_code == 1 and "changed by another program" in result.stderr
    assert path.read_text() == '{"other": 1}'


def test_without_a_terminal_nothing_is_written_unless_told_to(home: Path) -> None:
    path = file_of("cursor", "{}")
    result = run("cursor")
    assert result.exit_code == 1 and "Add --yes" in result.stderr and '+    "moot": {' in result.stderr
    assert path.read_text() == "{}"


def test_a_host_that_is_not_there_or_not_known_changes_nothing(home: Path) -> None:
    result = run("windsurf", "--yes")
    assert result.exit_code == 1 and "was not found here" in result.stderr
    assert run("emacs").exit_code == 2 and "Known are: claude-desktop" in run("emacs").stderr
    assert run("--yes").exit_code == 1
    assert [one.name for one in home.iterdir()] == ["project"]


def test_with_no_host_named_those_that_are_installed_are_connected(home: Path) -> None:
    paths = [file_of("cursor"), file_of("codex")]
    result = run("--yes", "--json")
    assert result.exit_code == 0 and result.stderr == ""
    told = json.loads(result.stdout)["hosts"]
    assert [(one["host"], one["done"]) for one in told] == [("cursor", "connected"), ("codex", "connected")]
    assert all(path.exists() for path in paths)


def test_a_project_has_a_file_of_its_own_which_never_gets_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("vscode", "--project", "--yes").exit_code == 0
    assert json.loads((home / "project" / ".vscode" / "mcp.json").read_text())["servers"]["moot"]["type"] == "stdio"
    assert "keeps no servers in a project" in run("windsurf", "--project").stderr
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert run("vscode", "--project", "--env", "OPENAI_API_KEY").exit_code == 2


def test_a_key_is_written_only_when_told_to_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    path = file_of("cursor")
    assert run("cursor", "--yes").exit_code == 0 and SECRET not in path.read_text()
    result = run("cursor", "--yes", "--env", "OPENAI_API_KEY")
    assert entry_in("cursor", path)["env"] == {"OPENAI_API_KEY": SECRET} and SECRET not in result.output
    assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in run("cursor", "--print", "--env", "OPENAI_API_KEY").output
    assert "is not set here" in run("cursor", "--env", "NOT_SET").stderr


def test_printing_writes_nothing_and_needs_no_host(home: Path) -> None:
    for name in HOSTS:
        result = run(name, "--print")
        assert result.exit_code == 0 and "moot" in result.stdout and "serve" in result.stdout
    assert [one.name for one in home.iterdir()] == ["project"]


def test_another_moot_on_path_is_told(home: Path) -> None:
    file_of("cursor")
    other = home / "bin" / "moot"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho moot, version 0.0.1\n")
    other.chmod(0o755)
    assert f"another Moot at {other} (version 0.0.1)" in run("cursor", "--yes").stderr


@pytest.mark.parametrize(
    ("host", "file", "entry"),
    [
        ("antigravity", ".gemini/config/mcp_config.json", {"command": "m", "args": ["serve"]}),
        (
            "copilot-cli",
            ".copilot/mcp-config.json",
            {"type": "stdio", "command": "m", "args": ["serve"], "tools": ["*"]},
        ),
        ("kiro", ".kiro/settings/mcp.json", {"command": "m", "args": ["serve"]}),
        ("kilo-code", ".config/kilo/kilo.json", {"type": "local", "command": ["m", "serve"], "enabled": True}),
        ("junie", ".junie/mcp/mcp.json", {"command": "m", "args": ["serve"]}),
        ("grok-build", ".grok/config.toml", {"command": "m", "args": ["serve"], "tool_timeout_sec": 600}),
        (
            "kimi",
            ".kimi-code/mcp.json",
            {"transport": "stdio", "command": "m", "args": ["serve"], "toolTimeoutMs": 600_000},
        ),
        ("pi", ".pi/agent/mcp.json", {"command": "m", "args": ["serve"], "requestTimeoutMs": 600_000}),
        ("lm-studio", ".lmstudio/mcp.json", {"command": "m", "args": ["serve"]}),
    ],
)
def test_hosts_get_the_shape_they_read(home: Path, host: str, file: str, entry: dict[str, Any]) -> None:
    assert HOSTS[host].path() == Path.home() / file
    assert HOSTS[host].entry(["m", "serve"], {}) == entry


REMOTE = [name for name, row in HOSTS.items() if row.syntax != "yaml" and row.remote]


@pytest.mark.parametrize("host", REMOTE)
def test_a_host_reaches_a_moot_that_serves_and_goes_back_to_starting_it(
    host: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOT_TOKEN", SECRET)
    path = file_of(host, "{}" if HOSTS[host].syntax == "json" else "")
    assert run(host, "--yes").exit_code == 0
    there = run(host, "--yes", "--http", "http://127.0.0.1:4747", "--token-from-env", "MOOT_TOKEN")
    assert there.exit_code == 0, there.output
    assert SECRET not in there.output
    entry, remote = entry_in(host, path), HOSTS[host].remote
    assert remote
    assert entry[remote.url] == "http://127.0.0.1:4747/mcp"
    assert entry[remote.headers] == {"Authorization": f"Bearer {SECRET}"}
    assert not {"command", "args", "env"} & entry.keys()
    assert (
        "already connected"
        in run(host, "--yes", "--http", "http://127.0.0.1:4747/mcp", "--token-from-env", "MOOT_TOKEN").stderr
    )
    assert run(host, "--yes").exit_code == 0
    entry = entry_in(host, path)
    assert "command" in entry
    assert not {remote.url, remote.headers} & entry.keys()


def test_goose_reaches_a_moot_that_serves(home: Path) -> None:
    shown = run("goose", "--print", "--http", "https://moot.example.org/team/mcp")
    assert 'uri: "https://moot.example.org/team/mcp"' in shown.stdout
    assert 'type: "streamable_http"' in shown.stdout


def test_a_host_whose_file_takes_no_address_says_what_to_do(home: Path) -> None:
    file_of("claude-desktop", "{}")
    refused = run("claude-desktop", "--yes", "--http", "http://127.0.0.1:4747")
    assert refused.exit_code == 1
    assert "connector" in refused.stderr
    assert run("claude-desktop", "--remove", "--yes", "--http", "http://127.0.0.1:4747").exit_code == 0


@pytest.mark.parametrize("url", ["127.0.0.1:4747", "ftp://x", "http://", "http://a@b/mcp", "http://x/mcp?token=1"])
def test_what_is_no_address_is_refused(url: str, home: Path) -> None:
    refused = run("cursor", "--http", url)
    assert refused.exit_code == 2
    assert "is no address" in refused.stderr


@pytest.mark.parametrize(
    "options",
    [("--token-from-env", "X"), ("--http", "http://x", "--env", "X"), ("--http", "http://x", "--token-from-env", "X")],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], home: Path) -> None:
    assert run("cursor", *options).exit_code == 2
