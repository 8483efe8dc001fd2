"""`moot doctor`, in process; the server it shakes hands with and the provider are processes of their own."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import fake_provider
import pytest
from click.testing import CliRunner, Result

from core.config import AIConfig, Config
from core.errors import StoreError
from core.limits import budget
from core.paths import data_dir
from core.stores.sqlite import Store
from core.usage.ledger import Ledger
from core.usage.schema import MIGRATIONS
from server.cli.main import cli
from server.doctor import checks as doctor
from server.doctor.checks import Patient, examine, examine_clock, examine_lists
from server.doctor.diagnosis import Diagnosis
from server.doctor.probe import ask_everybody
from server.doctor.store_check import examine_database
from server.setup.hosts import HOSTS
from server.setup.programs import programs_on_path
from server.toolbox import RECIPES

KEY = "very-secret-key-1"


@pytest.fixture
def home(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's empty home, with an empty PATH."""
    monkeypatch.setenv("HOME", str(isolated))
    monkeypatch.setenv("PATH", str(isolated / "bin"))
    for name in ("APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(isolated)
    (isolated / "home").mkdir()
    return isolated


def configure(home: Path, ais: dict[str, Any]) -> Path:
    path = home / "home" / "credentials.json"
    path.write_text(json.dumps({"ais": ais}))
    path.chmod(0o600)
    return path


def findings(*checks: str, probe: bool = False) -> list[Diagnosis]:
    patient = Patient(probe=probe)
    return [finding for check in checks for finding in getattr(doctor, check)(patient)]


def states(found: list[Diagnosis]) -> dict[str, str]:
    return {finding.name: finding.state for finding in found}


def program(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "moot"
    path.write_text(f"#!/bin/sh\necho moot, version {version}\n")
    path.chmod(0o755)
    return path


def moot_doctor(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["doctor", *arguments])


def test_a_healthy_installation_is_exit_code_0_with_a_mark_on_every_line(home: Path) -> None:
    configure(home, {"gpt": {"provider": "openai", "api_key": KEY}})
    result = moot_doctor()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert {line[0] for line in lines} <= {"✓", "!"}
    assert "✓ AI gpt: gpt-6.1-sol via openai, its key is set." in lines
    listed = f"✓ MCP handshake: `moot serve` listed {len(RECIPES)} tools and answered a call. ("
    assert any(line.startswith(listed) for line in lines)
    assert KEY not in result.output and "\x1b" not in result.stdout


def test_json_has_every_check_and_a_failure_is_exit_code_1(home: Path) -> None:
    configure(home, {"grok": {"provider": "xai"}, "gpt": {"provider": "openai", "api_key": KEY}})
    result = moot_doctor("--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    by_name = {check["name"]: check for check in told["checks"]}
    assert told["ok"] is False
    assert by_name["AI grok"]["state"] == "fail" and "XAI_API_KEY" in by_name["AI grok"]["sentence"]
    assert by_name["AI gpt"]["state"] == "ok" and KEY not in result.output
    assert {
        "python",
        "moot on PATH",
        "credentials",
        "embedded model",
        "store",
        "disk",
        "MCP handshake",
        "clock",
    } <= set(by_name)


def test_a_probe_asks_each_ai_once_and_tells_the_latency(home: Path, base_url: str) -> None:
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": KEY}
    configure(home, {"fine": row | {"model": "tokens=1"}, "refused": row | {"model": f"status=401,say=bad {KEY}"}})
    assert findings("_probe") == []
    fine, refused = findings("_probe", probe=True)
    assert (fine.name, fine.state) == ("probe fine", "ok") and fine.seconds is not None
    assert (refused.name, refused.state) == ("probe refused", "fail") and KEY not in refused.sentence


def test_a_model_that_was_switched_off_fails_and_one_that_will_be_warns(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"provider": "openai", "api_key": KEY}
    configure(home, {"old": row | {"model": "gpt-4"}, "ageing": row | {"model": "gpt-5.1"}})
    old, ageing = findings("_ais")
    assert (old.state, ageing.state) == ("fail", "warn")
    assert "use 'gpt-6.1-terra' instead" in old.sentence


def test_credentials_that_others_can_read_are_told_with_the_command(home: Path) -> None:
    assert states(findings("_credentials")) == {"credentials": "ok"}
    path = configure(home, {})
    path.chmod(0o644)
    (found,) = findings("_credentials")
    assert found.state == "warn" and found.sentence.endswith(f"chmod 600 {path}")
    path.write_text("{")
    assert states(findings("_credentials")) == {"credentials": "fail"}


def test_another_version_on_path_is_told(home: Path) -> None:
    assert "uv tool install" in findings("_on_path")[0].sentence
    other = program(home / "bin", "0.0.1")
    (found,) = findings("_on_path")
    assert found.state == "warn" and f"{other} has version 0.0.1" in found.sentence


def test_two_versions_on_path_are_told_and_links_to_one_are_not_two(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = program(home / "bin", doctor.version("moot-mcp"))
    (home / "links").mkdir()
    (home / "links" / "moot").symlink_to(first)
    path = f"{home / 'bin'}:{home / 'links'}"
    assert programs_on_path("moot", path) == [str(first)]
    monkeypatch.setenv("PATH", path)
    assert findings("_on_path")[0].state == "ok"
    program(home / "other", "0.0.1")
    monkeypatch.setenv("PATH", f"{path}:{home / 'other'}")
    (found,) = findings("_on_path")
    assert found.state == "warn" and found.sentence.startswith("Several versions: ")


def test_a_damaged_store_fails_and_says_how_to_set_it_aside(home: Path) -> None:
    path = home / "home" / "moot.db"
    path.write_bytes(b"not a database at all" * 100)
    (found,) = findings("_store")
    assert found.state == "fail" and found.sentence.endswith(f"mv {path} {path}.damaged")
    command = found.sentence.partition(": ")[2]
    subprocess.run(["/bin/sh", "-c", command], check=True, env={"PATH": "/usr/bin:/bin"})
    assert findings("_store")[0].sentence.endswith("does not exist yet; the first call makes it.")


def test_a_page_overwritten_inside_the_store_is_noticed(home: Path) -> None:
    path = home / "home" / "moot.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 50)
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    assert findings("_store")[0].state == "fail"


def test_a_store_is_told_as_whole_locked_or_newer(home: Path) -> None:
    ledger = Ledger()
    ledger.flush()
    ledger.close()
    whole = examine_database(data_dir() / "moot.db")
    assert whole.state == "ok" and f"version {len(MIGRATIONS)}" in whole.sentence
    other = sqlite3.connect(data_dir() / "moot.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert examine_database(data_dir() / "moot.db").state == "warn"
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize("name", ["moot.db", "jobs.db", "threads.db", "track.db", "limits.db", "budget.db", "cache.db"])
def test_a_store_of_a_newer_version_is_told_whichever_it_is(home: Path, name: str) -> None:
    with sqlite3.connect(data_dir() / name) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    newer = examine_database(data_dir() / name)
    assert newer.state == "fail" and "newer Moot" in newer.sentence


def test_a_store_that_lost_a_table_is_damaged(home: Path) -> None:
    store = Store(data_dir() / "budget.db", budget.MIGRATIONS)
    store.submit(lambda connection: None).result(5)
    store.close()
    assert examine_database(data_dir() / "budget.db").state == "ok"
    with sqlite3.connect(data_dir() / "budget.db") as connection:
        connection.execute("DROP TABLE totals")
    connection.close()
    found = examine_database(data_dir() / "budget.db")
    assert found.state == "fail" and "is damaged. Set it aside" in found.sentence
    store = Store(data_dir() / "budget.db", budget.MIGRATIONS)
    with pytest.raises(StoreError, match="The store budget.db is damaged"):
        store.read(lambda connection: connection.execute("SELECT * FROM totals").fetchall())
    store.close()


def test_an_ai_that_a_setting_names_and_nobody_has_is_told(home: Path) -> None:
    path = configure(home, {})
    path.write_text(json.dumps({"ais": {"ollama": {"fallback": ["ghost"]}}, "defaults": {"judge": "j"}}))
    sentences = [finding.sentence for finding in findings("_ais") if finding.state == "warn"]
    assert any("ais.ollama.fallback names 'ghost'" in sentence for sentence in sentences)
    assert any("defaults.judge names 'j'" in sentence for sentence in sentences)


def test_a_row_with_a_key_is_not_said_to_need_none(home: Path) -> None:
    row = {"provider": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-some-key-123"}
    configure(home, {"gateway": row})
    (finding,) = findings("_ais")
    assert finding.sentence.endswith("its key is set.")


def test_a_clock_that_is_wrong_or_jumps_is_told() -> None:
    now = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))
    assert examine_clock(now, 3.0, 3.0).state == "ok"
    assert examine_clock(0.0, 3.0, 3.0).state == "fail"
    jumped = examine_clock(now, -3_600.0, 3.0)
    assert jumped.state == "warn" and "-3603 s" in jumped.sentence


def test_lists_older_than_sixty_days_are_told_with_their_dates() -> None:
    made = {"prices": date(2026, 11, 10), "models that end": date(2026, 11, 28)}
    young = examine_lists(date(2027, 1, 9), made)
    assert young.state == "ok" and "2026-11-10" in young.sentence and "2026-11-28" in young.sentence
    old = examine_lists(date(2027, 1, 10), made)
    assert old.state == "warn" and "older than 60 days: prices." in old.sentence and "Update" in old.sentence
    assert "prices and models that end" in examine_lists(date(2027, 3, 1), made).sentence
    assert states(findings("_lists")).keys() == {"lists"}


def test_hosts_are_found_and_whether_they_mention_moot(home: Path) -> None:
    assert states(findings("_hosts")) == {"hosts": "warn"}
    for host, text in (("cursor", '{"mcpServers": {"moot": {}}}'), ("codex", "smooth = true")):
        path = HOSTS[host].path()
        assert path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cursor, codex = findings("_hosts")
    assert cursor.sentence.endswith("mcp.json mentions Moot.") and codex.sentence.endswith("does not mention Moot.")


def test_a_server_that_does_not_answer_is_a_failed_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._list_tools([sys.executable, "-c", "print('hello')"]) is None
    monkeypatch.setattr(doctor, "_PROGRAM_S", 0.2)
    assert doctor._list_tools([sys.executable, "-c", "import sys; sys.stdin.read()"]) is None


def test_a_check_that_breaks_is_a_finding_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken(patient: Patient) -> Iterator[Diagnosis]:
        raise RuntimeError("no such luck")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (_broken, doctor._clock))
    broken, clock = examine(Patient())
    assert (broken.name, broken.state, clock.name) == ("broken", "fail", "clock")
    assert "no such luck" in broken.sentence


def test_an_installation_without_compiled_modules_is_told_with_the_command(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "cache_from_source", lambda path: str(home / "missing.pyc"))
    (found,) = findings("_quick_start")
    assert found.state == "warn" and "--compile-bytecode" in found.sentence
    (home / "missing.pyc").touch()
    (home / "home" / "credentials.json").write_text('{"future": "setting"}')
    told = findings("_quick_start")
    assert [one.state for one in told] == ["ok", "ok"] and "makes one" in told[0].sentence


async def test_of_several_keys_each_one_that_is_refused_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).lower()
        known = b"bearer new-key-000002" in asked
        body = fake_provider.whole_answer(1, "OK") if known else b'{"error": {"message": "Invalid API key"}}'
        head = fake_provider.head(200 if known else 401, "application/json", len(body), "connection: close\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    keys = [{"alias": "old", "key": "old-key-000001"}, {"alias": "new", "key": "new-key-000002"}]
    row = AIConfig.model_validate(
        {"provider": "openai_compatible", "base_url": base_url, "model": "m", "api_keys": keys}
    )
    found = await ask_everybody(Config(rows={"gpt": row}), "gpt")
    server.close()
    assert [finding.state for finding in found] == ["ok", "fail"]
    assert found[1].sentence.startswith("Key 'old' is rested") and "refused the key" in found[1].sentence
