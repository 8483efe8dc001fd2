"""`moot keys` and `moot init`: what they write, what they never show, and what they leave alone."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.config import load_config
from core.keys import resolve_key
from core.paths import credentials_path
from server.cli.main import cli
from server.setup import credentials_file
from server.setup import init as init_module

KEY = "sk-very-secret-key-1"


@pytest.fixture(autouse=True)
def home(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(isolated))
    monkeypatch.setenv("PATH", str(isolated / "bin"))
    for name in ("APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(init_module, "_LOCAL", {"ollama": ("http://127.0.0.1:9/v1", {})})
    return isolated


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring in memory, with the functions of the real one that are used."""
    stored: dict[tuple[str, str], str] = {}
    module: Any = ModuleType("keyring")
    errors: Any = ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    module.get_password = lambda service, name: stored.get((service, name))
    module.set_password = lambda service, name, key: stored.__setitem__((service, name), key)
    module.delete_password = lambda service, name: stored.pop((service, name))
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return stored


def moot(*arguments: str, input: str = "") -> Result:
    result = CliRunner().invoke(cli, arguments, input=input)
    assert KEY not in result.output and "Traceback" not in result.output
    return result


def configure(text: str) -> Path:
    path = credentials_path()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def stored_key(name: str) -> str | None:
    return resolve_key(None, load_config(credentials_path()).rows[name], (), name=name)


def test_a_key_is_stored_for_its_owner_alone_and_used() -> None:
    path = configure(json.dumps({"defaults": {"ai": "gpt"}, "ais": {"gpt": {"provider": "openai", "model": "m"}}}))
    path.chmod(0o644)
    assert moot("keys", "set", "gpt", input=f"{KEY}\n").exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    written = json.loads(path.read_text())
    assert list(written) == ["defaults", "ais"] and written["ais"]["gpt"]["model"] == "m"
    assert stored_key("gpt") == KEY
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_provider_needs_no_row_and_its_key_can_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moot("keys", "set", "xai", input=KEY).exit_code == 0
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    listed = moot("keys", "list")
    assert listed.exit_code == 0
    assert listed.stdout.splitlines() == ["xai: credentials.json", "mistral: environment (MISTRAL_API_KEY)"]
    assert moot("keys", "remove", "xai").exit_code == 0
    assert json.loads(credentials_path().read_text()) == {"ais": {}}
    again = moot("keys", "remove", "xai")
    assert again.exit_code == 2 and "No key of 'xai' is stored" in again.stderr


def test_a_missing_key_is_listed_with_the_command() -> None:
    configure(json.dumps({"ais": {"grok": {"provider": "xai"}, "ollama": {}}}))
    result = moot("keys", "list", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["keys"] == [{"ai": "grok", "provider": "xai", "key": None}]
    assert "moot keys set grok" in moot("keys", "list").stdout


@pytest.mark.parametrize("key", ["", "  \n", "two words", "a\nb", "x" * 5_000, "\x1b[31m"])
def test_what_is_no_key_is_refused(key: str) -> None:
    result = moot("keys", "set", "openai", input=key)
    assert result.exit_code == 2 and not credentials_path().exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"ais": []}', '{"ais": {"openai": 1}}', '{"ais": {"openai": {"api_keys": ["a"]}}}']
)
def test_a_file_that_is_not_understood_is_left_alone(text: str) -> None:
    path = configure(text)
    assert moot("keys", "set", "openai", input=KEY).exit_code == 2
    assert path.read_text() == text


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    result = moot("keys", "set", "opnai", input=KEY)
    assert result.exit_code == 2 and "Use a row of credentials.json or one of: openai" in result.stderr


def test_a_home_that_cannot_be_written_is_one_sentence(home: Path) -> None:
    (home / "home").write_text("a file where the folder should be")
    result = moot("keys", "set", "openai", input=KEY)
    assert result.exit_code == 2 and "credentials.json cannot be" in result.stderr


def test_a_key_in_the_keyring_is_used_and_not_in_the_file(keyring: dict[tuple[str, str], str]) -> None:
    assert moot("keys", "set", "openai", "--keyring", input=KEY).exit_code == 0
    assert json.loads(credentials_path().read_text()) == {"ais": {"openai": {"keyring": True}}}
    assert stored_key("openai") == KEY and keyring == {("moot", "openai"): KEY}
    assert moot("keys", "list").stdout == "openai: keyring\n"
    assert moot("keys", "remove", "openai").exit_code == 0 and keyring == {}


def test_without_the_extra_the_keyring_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    result = moot("keys", "set", "openai", "--keyring", input=KEY)
    assert result.exit_code == 2 and ".[keyring]" in result.stderr and not credentials_path().exists()
    configure(json.dumps({"ais": {"openai": {"keyring": True}}}))
    assert ".[keyring]" in moot("status").stdout


def test_keys_are_tested_by_asking(base_url: str) -> None:
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": KEY}
    refused = row | {"model": f"status=401,say=bad {KEY}"}
    configure(
        json.dumps({"ais": {"fine": row | {"model": "tokens=1"}, "refused": refused}, "defaults": {"attempts": 1}})
    )
    assert moot("keys", "test", "fine").stdout == "fine: fake-1 answered.\n"
    both = moot("keys", "test")
    assert both.exit_code == 1 and "refused: " in both.stdout


def test_init_proposes_and_writes_nothing_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    result = moot("init")
    assert result.exit_code == 1 and "Nothing was written" in result.stderr
    assert json.loads(result.stdout) == {"ais": {"openai": {"api_key": "..."}}}
    assert not credentials_path().exists()


def test_init_writes_what_it_found_and_connects(base_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(init_module, "_LOCAL", {"ollama": (base_url, {}), "lmstudio": ("http://127.0.0.1:9/v1", {})})
    (home / ".cursor").mkdir()
    result = moot("init", "--yes")
    assert result.exit_code == 0, result.output
    assert json.loads(credentials_path().read_text()) == {"ais": {"openai": {"api_key": KEY}, "ollama": {}}}
    assert credentials_path().stat().st_mode & 0o777 == 0o600
    assert KEY not in (home / ".cursor" / "mcp.json").read_text()
    again = moot("init", "--yes")
    assert again.exit_code == 0 and "Nothing to add" in again.stderr and "already connected" in again.stderr


def test_init_leaves_rows_and_broken_files_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = configure(json.dumps({"ais": {"gpt": {"provider": "openai"}}}))
    assert moot("init", "--yes").exit_code == 0
    assert json.loads(path.read_text()) == {"ais": {"gpt": {"provider": "openai"}}}
    path.write_text("{")
    assert moot("init", "--yes").exit_code == 1 and path.read_text() == "{"


def test_testing_an_ai_nobody_has_is_one_sentence() -> None:
    result = CliRunner().invoke(cli, ["keys", "test", "nobody"])
    assert result.exit_code == 1
    assert result.stderr.startswith("moot: No AI named 'nobody'.")


def test_a_full_disk_is_not_told_as_missing_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(credentials_file, "write_atomically", full)
    result = CliRunner().invoke(cli, ["keys", "set", "openai"], input=f"{KEY}\n")
    assert result.exit_code == 2
    assert "No space left on device. Free some space" in result.stderr
