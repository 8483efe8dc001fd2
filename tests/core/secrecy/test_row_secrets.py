from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config import Config, load_config
from core.errors import ConfigError
from core.keys import environment_key, resolve_key
from core.redact import redact

KEY = "k-a1B2c3D4e5F6"


def read(tmp_path: Path, **rows: Any) -> Config:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ais": rows}))
    path.chmod(0o600)
    return load_config(path)


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\t{}", "\n\n{}\n\n", "\u00a0{}\u00a0", "\u3000{}"])
@pytest.mark.parametrize("place", ["api_key", "api_keys", "environment", "argument"])
def test_blanks_and_line_ends_around_a_key_are_dropped(
    tmp_path: Path, around: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = around.format(KEY)
    if place == "api_keys":
        assert read(tmp_path, it={"api_keys": [key, "other-key-1"]}).rows["it"].keys[0][1] == KEY
        return
    row = read(tmp_path, it={"api_key": key} if place == "api_key" else {}).rows["it"]
    monkeypatch.setenv("IT_KEY", key)
    names = ["IT_KEY"] if place == "environment" else []
    assert resolve_key(key if place == "argument" else None, row, names, name="it") == KEY
    assert redact(f"{KEY}!") == "[redacted]!"


WRONG = {
    "a line break": ["\n", "\r\n", "\u2028", "\u0085"],
    "a blank": [" ", "\t", "\u00a0", "\u2003"],
    "a character that does not show": [
        "\u200b",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\0",
        "\x1b",
        "\u00ad",
        "\u202e",
        "\u0301",
    ],
    "a quotation mark": ["“", "”", "‘", "’", "„", "«", '"', "'", "`"],
    "the character": ["é", "–", "…", "日", "😀", "\x7f"][:5],
}


@pytest.mark.parametrize(("what", "letter"), [(what, letter) for what, letters in WRONG.items() for letter in letters])
def test_what_no_key_has_is_refused_with_the_name_of_the_row_and_leaves_the_others(
    tmp_path: Path, what: str, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"k-a1B2{letter}c3D4e5F6"
    config = read(tmp_path, it={"api_key": key}, several={"api_keys": ["good-key-1", key]}, good={"api_key": KEY})
    assert list(config.rows) == ["good"]
    assert config.bad_rows["it"].startswith(f"credentials.json: ais.it.api_key: holds {what}")
    assert "ais.several.api_keys" in config.bad_rows["several"]
    assert "c3D4" not in json.dumps(config.problems)
    if "\0" not in letter:
        monkeypatch.setenv("IT_KEY", key)
        with pytest.raises(ConfigError, match=f"^The key of 'it' holds {what}"):
            resolve_key(None, config.rows["good"].model_copy(update={"api_key": None}), ["IT_KEY"], name="it")
        assert environment_key(["IT_KEY"])


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Key": "a\nb"}, "X-Key holds a line break"),
        ({"X-Key": "a\u200bb"}, "X-Key holds a character that does not show"),
        ({"X-Key": "“a”"}, "X-Key holds a quotation mark"),
        ({"X Key": "a"}, "X Key is no name of a header"),
        ({"": "a"}, " is no name of a header"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(tmp_path: Path, headers: dict[str, str], said: str) -> None:
    assert f"ais.it.headers: {said}" in read(tmp_path, it={"headers": headers}).bad_rows["it"]


def test_a_header_is_sent_without_the_blanks_around_it(tmp_path: Path) -> None:
    assert read(tmp_path, it={"headers": {"X-A": " b c\n"}}).rows["it"].headers == {"X-A": "b c"}


@pytest.mark.parametrize(
    "row",
    [
        {"headers": {"Authorization": "Bearer plain-word-key"}},
        {"headers": {"X-Api-Key": "plain-word-key"}},
        {"headers": {"Cookie": "session=plain-word-key"}},
        {"headers": {"X-Anything": "rnd0mLooking4711value"}},
        {"base_url": "https://joe:plain-word-key@127.0.0.1/v1"},
        {"base_url": "https://127.0.0.1/v1?api-key=plain-word-key"},
        {"extra": {"api_key": "plain-word-key"}},
        {"extra": {"auth": {"inner": ["plain-word-key"]}}},
        {"extra": {"deep": [{"client_secret": "plain-word-key"}]}},
        {"extra": {"anything": "rnd0mLooking4711value"}},
        {"command": ["x", "--api-key", "plain-word-key"]},
        {"command": ["x", "--token=plain-word-key"]},
        {"query": {"subscription-key": "plain-word-key"}},
        {"key_command": ["vault", "read", "--token", "plain-word-key"]},
        {"command": ["x", "-p", "rnd0mLooking4711value"]},
        {"command": ["env", "API_KEY=plain-word-key", "x"]},
        {"command": ["curl", "-H", "Authorization: Bearer plain-word-key"]},
    ],
)
def test_what_looks_like_a_secret_in_a_row_is_never_shown(tmp_path: Path, row: dict[str, Any]) -> None:
    read(tmp_path, it={"provider": "openai", **row})
    said = redact("it said plain-word-key and rnd0mLooking4711value")
    assert said.count("[redacted]") == 1


def test_ordinary_settings_are_no_secrets(tmp_path: Path) -> None:
    row = {
        "model": "sk-model-a1b2c3d4e5",
        "headers": {"X-Title": "My Project", "User-Agent": "thing/1.0"},
        "extra": {"max_tokens": 5, "service_tier": "flexible", "user": "somebody"},
        "command": ["claude", "-p", "--model", "claude-opus-4-1", "--output-format", "json"],
    }
    read(tmp_path, it=row)
    text = "My Project thing/1.0 flexible somebody claude-opus-4-1 json sk-model-a1b2c3d4e5 --output-format"
    assert redact(text) == text
