from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config import AIConfig, load_config
from core.keys import resolve_key


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "credentials.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return path


def test_a_missing_file_is_an_empty_configuration(tmp_path: Path) -> None:
    config = load_config(tmp_path / "nothing.json")
    assert config.rows == {} and config.problems == () and config.readable


def test_the_documented_rows_are_read(tmp_path: Path) -> None:
    rows = {
        "gpt": {"provider": "openai", "api_key": "k-1234567", "model": "gpt-6.1-sol"},
        "gateway": {
            "provider": "openai_compatible",
            "base_url": "http://127.0.0.1:1/v1",
            "timeout": 60,
            "concurrency": 10,
        },
        "claude-cli": {"provider": "command", "command": ["claude", "-p"]},
    }
    config = load_config(write(tmp_path, {"ais": rows, "defaults": {"ai": "gpt"}}))
    assert config.problems == ()
    assert config.rows["gateway"].timeout == 60
    assert config.defaults.deadlines(config.rows["gateway"]).total == 60
    assert config.rows["claude-cli"].command == ["claude", "-p"]


def test_malformed_json_names_the_place(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '{"ais": {\n  "gpt": }}'))
    assert not config.readable
    assert config.problems == (
        "credentials.json is not valid JSON at line 2, column 10: Expecting value. Fix it and restart.",
    )


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"timeout": "soon"}, "credentials.json: ais.gpt.timeout: Input should be a valid number"),
        ({"api_kye": "x"}, "credentials.json: ais.gpt.api_kye is not a known setting"),
        ({"command": "claude -p"}, "credentials.json: ais.gpt.command: Input should be a valid list"),
        ({"base_url": "localhost:1"}, "credentials.json: ais.gpt.base_url: String should match"),
        ({"timeout": True}, "credentials.json: ais.gpt.timeout: Input should be a number."),
        ({"rpm": False}, "credentials.json: ais.gpt.rpm: Input should be a number."),
        ({"rpm": 1e30}, "credentials.json: ais.gpt.rpm: Input should be a smaller number."),
        ({"budget": "a lot"}, "credentials.json: ais.gpt.budget: Input should be an object in braces."),
        (["openai"], "credentials.json: ais.gpt: Input should be an object in braces"),
    ],
)
def test_a_bad_row_is_one_sentence_naming_file_and_key_and_spares_the_others(
    tmp_path: Path, row: object, sentence: str
) -> None:
    config = load_config(write(tmp_path, {"ais": {"gpt": row, "good": {"provider": "openai"}}}))
    assert list(config.rows) == ["good"]
    assert config.bad_rows["gpt"].startswith(sentence)
    assert config.problems == (config.bad_rows["gpt"],)


def test_a_complaint_never_shows_the_value(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"ais": {"gpt": {"api_key": ["hunter2hunter2"]}}}))
    assert "hunter2" not in config.bad_rows["gpt"]


@pytest.mark.parametrize("content", ["[]", '"x"', "null", "3"])
def test_a_file_that_holds_no_object_says_so(tmp_path: Path, content: str) -> None:
    config = load_config(write(tmp_path, content))
    assert not config.readable and "must hold a JSON object" in config.problems[0]


def test_an_unknown_top_level_key_is_told_and_does_no_harm(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"ai": {}, "ais": {}}))
    assert config.problems == (
        "credentials.json: unknown key 'ai'; "
        "known are: ais, defaults, roles, files, groups, agents, mcp_servers, auth, telegram, memory.",
    )


def test_a_file_others_can_read_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, {"ais": {}})
    path.chmod(0o644)
    assert "chmod 600" in load_config(path).problems[0]


def test_a_key_comes_from_the_argument_then_the_file_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "from-environment")
    row = AIConfig.model_validate({"api_key": "from-file"})
    assert resolve_key("explicit", row, ("SOME_KEY",)) == "explicit"
    assert resolve_key(None, row, ("SOME_KEY",)) == "from-file"
    assert resolve_key(None, AIConfig(), ("OTHER", "SOME_KEY")) == "from-environment"
    assert resolve_key(None, AIConfig(), ("OTHER",)) is None
