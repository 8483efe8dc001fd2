"""The snapshot says what the live server says, and is not used for anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS

from core import paths
from server.mcp_server.app import create_mcp_server
from server.stdio import snapshot as answers
from server.stdio.early_answers import Front
from server.stdio.snapshot import BUILT_IN, Answers, data_dir, read_answers, user_snapshot
from server.stdio.take_snapshot import LISTS, save_for_user, take

META = "io.modelcontextprotocol/"


@pytest.fixture
def built_in() -> dict[str, Any]:
    with open(BUILT_IN, encoding="utf-8") as file:
        raw: dict[str, Any] = json.load(file)
    return raw


def test_the_snapshot_of_the_release_is_what_the_live_server_says(built_in: dict[str, Any]) -> None:
    live = anyio.run(take, create_mcp_server())
    assert built_in == live, "Something that is listed has changed. Run: python -m server.stdio.take_snapshot"


@pytest.mark.parametrize("version", KNOWN_PROTOCOL_VERSIONS)
def test_every_version_has_every_list_and_its_own_greeting(version: str) -> None:
    read = read_answers()
    assert read
    greeting = "initialize" if version in HANDSHAKE_PROTOCOL_VERSIONS else "server/discover"
    for method in (greeting, "ping", *LISTS):
        text = read.text(version, method)
        assert text and json.loads(f"{{{text}}}")
    greeted = json.loads(f"{{{read.text(version, greeting)}}}")["result"]
    assert greeted["capabilities"]["resources"]["subscribe"] is True


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"format": 1}', "\x00\xff", "9" * 5000])
def test_a_broken_snapshot_is_no_snapshot(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "snapshot.json"
    broken.write_text(damage)
    monkeypatch.setattr(answers, "BUILT_IN", str(broken))
    assert read_answers() is None
    monkeypatch.setattr(answers, "BUILT_IN", str(tmp_path / "missing.json"))
    assert read_answers() is None


@pytest.mark.parametrize(
    "change",
    [
        {"packages": {"mcp": "2.3.99"}},
        {"packages": {"moot_mcp": "0.0.1"}},
        {"format": 0},
        {"settings": "something"},
        {"handshake": ["2024-11-05"]},
        {"texts": []},
    ],
)
def test_a_snapshot_of_another_version_is_not_used(
    change: dict[str, Any], built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshot.json"
    monkeypatch.setattr(answers, "BUILT_IN", str(path))
    path.write_text(json.dumps(built_in))
    assert read_answers()
    path.write_text(json.dumps(built_in | change))
    assert read_answers() is None


def test_a_setting_that_may_be_listed_makes_a_snapshot_of_its_own(isolated: Path) -> None:
    credentials = isolated / "home" / "credentials.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({"ais": {"ollama": {}}, "defaults": {}}))
    assert read_answers(), "which AIs there are changes no list"
    credentials.write_text(json.dumps({"ais": {}, "roles": {"critic": "Find the flaw."}}))
    assert read_answers() is None
    anyio.run(save_for_user, create_mcp_server())
    assert read_answers()
    assert Path(user_snapshot()).stat().st_mode & 0o077 == 0
    credentials.write_text(json.dumps({"ais": {}, "roles": {"critic": "Find two flaws."}}))
    assert read_answers() is None


def test_an_update_of_moot_outdates_the_users_snapshot(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anyio.run(save_for_user, create_mcp_server())
    other = isolated / "updated.json"
    other.write_text("{}")
    assert read_answers()
    monkeypatch.setattr(answers, "BUILT_IN", str(other))
    assert read_answers() is None


def test_a_home_that_cannot_be_written_stops_nothing(isolated: Path) -> None:
    (isolated / "home").write_text("a file where the folder should be")
    anyio.run(save_for_user, create_mcp_server())
    assert read_answers()


def test_both_ways_to_the_data_folder_lead_to_the_same(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_dir() == str(paths.data_dir())
    monkeypatch.delenv("MOOT_HOME")
    for value in (None, "", str(isolated / "data")):
        monkeypatch.setenv("XDG_DATA_HOME", value) if value is not None else monkeypatch.delenv("XDG_DATA_HOME", False)
        assert data_dir() == str(paths.data_dir())
    monkeypatch.setenv("MOOT_HOME", "~/elsewhere")
    assert data_dir() == str(paths.data_dir())


def test_a_subscription_the_snapshot_does_not_know_is_left_to_the_real_server() -> None:
    raw = anyio.run(take, create_mcp_server())
    del raw["answers"]["2026-07-28"]["subscriptions/listen"]
    front = Front(Answers(raw))
    meta = {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}
    listen = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"_meta": meta, "notifications": {}},
    }
    assert front.hear(json.dumps(listen).encode() + b"\n") == b"" and front.wanted
