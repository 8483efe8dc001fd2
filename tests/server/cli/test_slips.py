"""Slips of a user's hand, and of a configuration: each is answered by a sentence that says what to do next."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.main import cli

KEY = "very-secret-key-1"

SLIPS: list[tuple[tuple[str, ...], str]] = [
    (("akk", "hi"), "Did you mean: moot ask?"),
    (("nonsense",), 'To ask it: moot ask "nonsense"'),
    (("histroy",), "Did you mean: moot history?"),
    (("--jsn", "status"), "No such option"),
    (("ask",), "give a prompt, or pipe one in"),
    (("ask", "-a", "gtp", "hi"), "Did you mean 'gpt'?"),
    (("ask", "-a", "nobody", "hi"), "Configured: gpt, claude"),
    (("ask", "-a", "@fats", "hi"), "Groups: @fast"),
    (("ask", "-a", "gpt", "--all", "hi"), "Use either --all or -a"),
    (("ask", "-a"), "requires an argument"),
    (("ask", "--modle", "x", "hi"), "Did you mean one of: '--model'"),
    (("ask", "-t", "9", "hi"), "not in the range 0<=x<=2"),
    (("ask", "-t", "warm", "hi"), "'warm' is not a valid float"),
    (("ask", "--effort", "enormous", "hi"), "is not one of 'none', 'minimal', 'low'"),
    (("ask", "--max-tokens", "0", "hi"), "not in the range x>=1"),
    (("ask", "--timeout", "0", "hi"), "not in the range 0<x<=3600"),
    (("ask", "-f", "missing.py", "hi"), "'missing.py' does not exist. Correct the path."),
    (("ask", "-f", "*.nothing", "hi"), "matches 0 files"),
    (("ask", "-f", ".env", "hi"), "Use --send-secrets if it is meant"),
    (("ask", "-f", "data.bin", "hi"), "is binary"),
    (("ask", "-f", "http://localhost/", "hi"), "is not read"),
    (("ask", "-f", "https://no such page", "hi"), "is no address"),
    (("ask", "-i", "plan.md", "hi"), "is no picture that AIs read: use PNG"),
    (("ask", "-r", "pirate", "hi"), "There is no role 'pirate'. Roles: reviewer"),
    (("ask", "--thread", "a/b", "hi"), "a name has at most 64 letters"),
    (("ask", "-c", "hi"), "There is nothing to go on with"),
    (("ask", "-c", "--thread", "x", "hi"), "Use either -c or --thread"),
    (("ask", "-p", "none", "hi"), "To save one: moot prompt save NAME TEXT"),
    (("ask", "-p", "sql", "hi"), "add --var table=TEXT"),
    (("ask", "-p", "sql", "--var", "table", "hi"), "not of the form NAME=TEXT"),
    (("ask", "-p", "sql", "--var", "tabel=x", "--var", "table=y", "hi"), "It has: table"),
    (("ask", "-o", "no/such/folder/a.md", "hi"), "Create it, or correct the path"),
    (("ask", "--schema", "{not json", "hi"), "--schema is not valid JSON"),
    (("ask", "--schema", "name, age years", "hi"), "'age years' is neither a file nor a field"),
    (("ask", "--schema", "missing.json", "hi"), "cannot be read"),
    (("ask", "--samples", "3", "hi"), "need to know whom: -a NAME, or --all"),
    (("debate", "-a", "gpt", "hi"), "name them with -a"),
    (("debate", "hi", "--stance", "for"), "not of the form NAME=SIDE"),
    (("debate", "hi", "--stance", "nobody=for"), "Debaters: "),
    (("consensus", "-a", "gpt", "hi"), "moot ask -a NAME --samples 3"),
    (("judge", "-c", "missing.md", "hi"), "No such file"),
    (("judge", "-c", "plan.md", "hi"), "needs at least two answers"),
    (("review", "--base", "nowhere"), "git"),
    (("batch", "missing.jsonl"), "missing.jsonl"),
    (("show", "zzzzz"), "zzzzz"),
    (("again", "zzzzz"), "To list them: moot history"),
    (("jobs", "show", "zzz"), "zzz"),
    (("jobs", "cancel"), "Missing argument"),
    (("threads", "show", "none"), "Run: moot threads"),
    (("threads", "delete", "none", "--yes"), "Run: moot threads"),
    (("usage", "--since", "yesterday"), "neither a number of days such as 7d nor a date"),
    (("usage", "--by", "week"), "is not one of 'day', 'ai'"),
    (("connect", "cursr"), "Did you mean 'cursor'?"),
    (("keys", "set", "opnai"), "one of: openai"),
    (("keys", "set", "openai"), "No key came: pipe it in"),
    (("keys", "remove", "openai"), "moot keys list shows where keys come from"),
    (("ai", "add", "mine"), "--provider with one of openai"),
    (("ai", "add", "mine", "--provider", "opnai"), "Did you mean 'openai'?"),
    (("ai", "add", "mine", "--base-url", "localhost:80"), "begins with http://"),
    (("ai", "add", "gpt", "--provider", "ollama"), "Add --replace"),
    (("ai", "add", "mine", "--provider", "openai", "--key-from-env", "NO_SUCH"), "NO_SUCH is not set here"),
    (("ai", "add", "my ai", "--provider", "ollama"), "use letters, digits"),
    (("ai", "remove", "gtp"), "Did you mean 'gpt'?"),
    (("models", "nobody"), "No AI named 'nobody'"),
    (("completion", "tcsh"), "is not one of 'bash', 'zsh', 'fish'"),
    (("prompt", "remove", "none"), "To list them: moot prompt list"),
    (("history", "clean"), "Say yes with --yes"),
]

BAD_SETTINGS: list[tuple[str, str]] = [
    ('{"ais": {', "is not valid JSON at line 1, column"),
    ("[]", "must hold a JSON object"),
    ('{"ai": {}}', "unknown key 'ai'; known are: ais"),
    ('{"ais": []}', "'ais' must be an object"),
    ('{"ais": {"gpt": {"provider": "opnai"}}}', "'opnai' is unknown. Use one of: openai"),
    ('{"ais": {"gpt": {}}}', "ais.gpt.provider is missing"),
    ('{"ais": {"gpt": {"provider": "openai"}}}', "No key for 'gpt'"),
    ('{"ais": {"gpt": {"provider": "openai", "api_key": "k y"}}}', "ais.gpt.api_key"),
    ('{"ais": {"gpt": {"provider": "openai", "modle": "x"}}}', "ais.gpt.modle is not a known setting"),
    ('{"ais": {"gpt": {"provider": "openai_compatible"}}}', "base_url is missing"),
    ('{"ais": {"gpt": {"provider": "openai_compatible", "base_url": "localhost"}}}', "ais.gpt.base_url"),
    ('{"ais": {"g pt": {"provider": "ollama"}}}', "ais.g pt"),
    ('{"ais": {"gpt": {"provider": "ollama", "temperature": "hot"}}}', "ais.gpt.temperature"),
    ('{"ais": {}, "defaults": {"ai": "gtp"}}', "defaults.ai names 'gtp'"),
    ('{"ais": {}, "defaults": {"timout": 3}}', "defaults.timout is not a known setting"),
    ('{"ais": {}, "groups": {"fast": "gpt"}}', "groups.fast must be a list"),
    ('{"ais": {}, "defaults": {"history": "maybe"}}', "defaults.history"),
    ('{"ais": {"c": {"provider": "command"}}}', 'ais.c.command is missing. Example: ["claude", "-p"]'),
]


@pytest.fixture
def moot(base_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": KEY, "model": "tokens=2"}
    path = isolated / "credentials.json"
    path.write_text(json.dumps({"ais": {"gpt": row, "claude": row}, "groups": {"fast": ["gpt"]}}))
    path.chmod(0o600)
    monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
    monkeypatch.setenv("HOME", str(isolated))
    project = isolated / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "plan.md").write_text("Ship it.\n")
    (project / ".env").write_text("A=1\n")
    (project / "data.bin").write_bytes(b"\0\1\2")
    prompts = isolated / "home" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "sql.md").write_text("Review {table}.\n")

    def run(*arguments: str, input: str = "") -> Result:
        return CliRunner().invoke(cli, arguments, input=input, prog_name="moot")

    return run


@pytest.mark.parametrize(("arguments", "told"), SLIPS, ids=[" ".join(slip) for slip, _ in SLIPS])
def test_a_slip_of_the_hand_is_told_in_a_sentence(moot: Any, arguments: tuple[str, ...], told: str) -> None:
    result = moot(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert told in " ".join(result.stderr.split()), result.stderr
    assert result.stdout == ""
    for word in ("'ais'", "'prompt'", "on_partial", "Traceback", "pydantic"):
        assert word not in result.stderr


@pytest.mark.parametrize(("text", "told"), BAD_SETTINGS)
def test_a_slip_in_the_configuration_is_told_where_it_is(moot: Any, text: str, told: str) -> None:
    Path(os.environ["MOOT_CREDENTIALS"]).write_text(text)
    for arguments in (("status",), ("ask", "hi", "--dry-run")):
        result = moot(*arguments)
        assert not isinstance(result.exception, Exception), result.exception
        assert told in " ".join(result.output.split()), result.output
        assert "Traceback" not in result.output and "pydantic" not in result.output
