"""`moot tools`: what other servers lend, tried and accepted by hand, and taken over from hosts."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import borrowed_server
import pytest
from borrowed_server import SEARCH
from click.testing import CliRunner, Result

from core.paths import credentials_path, data_dir
from server.cli.main import cli
from server.entry import ENTRY
from server.setup.hosts import HOSTS

SECRET = "a-key-of-another-server"


@pytest.fixture
def listed(isolated: Path) -> Path:
    """The file with what the server `docs` lists; it is set up in credentials.json."""
    file = isolated / "listed.json"
    row = {"command": sys.executable, "args": [borrowed_server.__file__, "told", str(file)]}
    write({"mcp_servers": {"docs": row, "off": {"command": "x", "enabled": False}}})
    show(file, SEARCH)
    return file


def write(settings: dict[str, Any]) -> None:
    path = credentials_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    path.chmod(0o600)


def show(file: Path, *tools: dict[str, Any]) -> None:
    file.write_text(json.dumps({"pages": [tools]}))


def moot(*arguments: str, input: str = "") -> Result:
    return CliRunner().invoke(cli, ["tools", *arguments], input=input, prog_name="moot")


def test_servers_are_listed_with_what_they_lend(listed: Path) -> None:
    result = moot()
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith(f"docs: 1 tool  ({sys.executable} ")
    assert result.stdout.splitlines()[1] == "off: switched off  (x)"
    whole = moot("list", "docs").stdout
    assert "search: says that it only reads, and asks until accepted. Find documents by words." in whole


def test_where_none_is_set_up_the_next_step_is_told(isolated: Path) -> None:
    result = moot()
    assert "no MCP server is set up. Take some over: moot tools import cursor" in result.stderr


def test_a_tool_is_tried_by_hand(listed: Path) -> None:
    result = moot("try", "docs", "search", '{"words": "x"}')
    assert (result.exit_code, result.stdout.split("\n")[0]) == (0, '{"words": "x"}')
    assert moot("try", "docs", "search", "words").exit_code == 2
    assert "has no tool 'find'" in moot("try", "docs", "find").stderr


def test_a_change_is_shown_and_accepted(listed: Path) -> None:
    moot()
    show(listed, SEARCH | {"description": "Find it\u200b."})
    held = json.loads(moot("--json").stdout)["servers"][0]["held"]
    assert [one["name"] for one in held] == ["search"]
    refused = moot("try", "docs", "search")
    assert "held back: it is not as it was taken" in refused.stderr
    said_no = moot("accept", "docs")
    assert said_no.exit_code == 2
    assert "Say yes with --yes" in said_no.stderr
    accepted = moot("accept", "docs", "search", "--yes")
    assert '~ description: "Find documents by words." -> "Find it\\u200b."' in accepted.stdout
    assert "hides 1 characters" in accepted.stdout
    assert "1 tool of 'docs' accepted." in accepted.stderr
    told = json.loads(moot("--json").stdout)["servers"][0]
    assert (told["held"], told["tools"][0]["accepted"], told["tools"][0]["claims_read_only"]) == ([], True, True)


def test_pins_that_cannot_be_read_are_made_anew_by_accepting(listed: Path) -> None:
    moot()
    (pins,) = (data_dir() / "tool_pins").iterdir()
    pins.write_text("{")
    broken = moot()
    assert "What was pinned of the MCP server 'docs' cannot be read" in broken.stdout
    assert moot("accept", "docs", "--yes").exit_code == 0
    assert moot().exit_code == 0


def test_a_server_that_cannot_be_used_is_told_with_its_last_words(isolated: Path) -> None:
    write({"mcp_servers": {"bad": {"command": sys.executable, "args": [borrowed_server.__file__, "dies"]}}})
    result = moot()
    assert result.exit_code == 1
    assert "exit code 7" in result.stdout
    assert "Its last words: no such database" in result.stdout


def test_a_server_is_removed_with_its_pins(listed: Path) -> None:
    moot()
    assert moot("remove", "docs", "--yes").exit_code == 0
    assert list(json.loads(credentials_path().read_text())["mcp_servers"]) == ["off"]
    assert list((data_dir() / "tool_pins").iterdir()) == []
    assert "has no MCP server 'docs'" in moot("remove", "docs", "--yes").stderr


ENTRIES: dict[str, dict[str, Any]] = {
    "cursor": {
        "GitHub (work)": {"command": "npx", "args": ["-y", "server-github"], "env": {"TOKEN": SECRET}},
        "far": {"url": "https://mcp.example/mcp", "headers": {"Authorization": f"Bearer {SECRET}"}},
        "filled": {"command": "x", "env": {"TOKEN": "${env:TOKEN}"}},
        "old": {"type": "sse", "url": "https://mcp.example/sse"},
        "off": {"command": "y", "disabled": True},
        "moot": {"command": "moot", "args": ["serve"]},
        "me": {"command": sys.executable, "args": [str(ENTRY), "serve"]},
        "docs": {"command": "z"},
        "empty": {},
    },
    "codex": {"far": {"url": "https://mcp.example/mcp", "http_headers": {"X-Key": SECRET}, "tool_timeout_sec": 60}},
    "opencode": {"local": {"type": "local", "command": ["uvx", "it"], "environment": {"A": "b"}, "enabled": True}},
    "windsurf": {"far": {"serverUrl": "https://mcp.example/mcp"}},
}


def host_file(host: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = HOSTS[host].path()
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {HOSTS[host].table: ENTRIES[host]}
    if HOSTS[host].syntax == "toml":
        import tomlkit

        path.write_text(tomlkit.dumps(document))
    else:
        path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("host", "rows"),
    [
        ("codex", {"far": {"url": "https://mcp.example/mcp", "headers": {"X-Key": SECRET}}}),
        ("opencode", {"local": {"command": "uvx", "args": ["it"], "env": {"A": "b"}}}),
        ("windsurf", {"far": {"url": "https://mcp.example/mcp"}}),
    ],
)
def test_servers_of_every_shape_are_taken_over(
    host: str, rows: dict[str, Any], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_file(host, monkeypatch, isolated)
    assert moot("import", host).exit_code == 0
    assert json.loads(credentials_path().read_text()) == {"mcp_servers": rows}


def test_what_cannot_be_taken_over_is_told_and_nothing_is_overwritten(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_file("cursor", monkeypatch, isolated)
    write({"ais": {"gpt": {}}, "mcp_servers": {"docs": {"command": "mine"}}})
    result = moot("import", "cursor")
    kept = json.loads(credentials_path().read_text())
    assert kept == {
        "ais": {"gpt": {}},
        "mcp_servers": {
            "docs": {"command": "mine"},
            "GitHub-work": {"command": "npx", "args": ["-y", "server-github"], "env": {"TOKEN": SECRET}},
            "far": {"url": "https://mcp.example/mcp", "headers": {"Authorization": f"Bearer {SECRET}"}},
            "off": {"command": "y", "enabled": False},
        },
    }
    assert SECRET not in result.output
    left_out = {line.partition(":")[0]: line for line in result.stdout.splitlines() if "left out" in line}
    assert list(left_out) == ["filled", "old", "moot", "me", "docs", "empty"]
    assert "has a server 'docs' already" in left_out["docs"]
    assert "an old transport" in left_out["old"]
    assert stat.S_IMODE(credentials_path().stat().st_mode) == 0o600
    again = moot("import", "cursor", "--json")
    assert [one["name"] for one in json.loads(again.stdout)["servers"]] == [""] * 9


def test_a_server_called_as_a_built_in_tool_is_taken_over_under_another_name(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRIES, "cursor", {"git": {"command": "uvx"}, "far": {"url": "http://h/mcp", "cwd": "/"}})
    host_file("cursor", monkeypatch, isolated)
    assert moot("import", "cursor").exit_code == 0
    rows = json.loads(credentials_path().read_text())["mcp_servers"]
    assert rows == {"git-server": {"command": "uvx"}, "far": {"url": "http://h/mcp"}}


def test_a_host_without_a_file_is_one_sentence(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(isolated))
    assert "so there is nothing to take over" in moot("import", "kiro").stderr
    assert "is not known" in moot("import", "cursr").stderr
