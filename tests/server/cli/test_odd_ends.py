"""Odd places that words come from and go to: none of them costs an answer, or says more than it may."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moot_program import ENTRY

from core.memory.history import History, chat_lines
from server.cli.commands import ask as commands
from server.cli.main import cli
from server.cli.options import TAKEN
from server.cli.running.talk import _editing
from server.toolbox import RECIPES


@pytest.fixture
def moot(base_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(isolated)

    def run(*arguments: str, input: str = "", **more: Any) -> Result:
        row = {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-123456", "model": "tokens=2"}
        path = isolated / "credentials.json"
        path.write_text(json.dumps({"ais": {"gpt": row}, **more}))
        path.chmod(0o600)
        monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
        return CliRunner().invoke(cli, arguments, input=input, prog_name="moot")

    return run


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_note_that_cannot_be_written_costs_no_answer(moot: Any, isolated: Path) -> None:
    moot("status")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, ENTRY, "ask", "hi", "-o", "answer.md"]
        done = subprocess.run(command, stderr=full, stdin=subprocess.DEVNULL, cwd=isolated, check=False)
    assert (done.returncode, (isolated / "answer.md").read_text()) == (0, "tok tok \n")


def test_a_hyphen_is_standard_output_and_no_name_is_a_complaint(moot: Any, isolated: Path) -> None:
    assert moot("ask", "hi", "-o", "-").stdout == "tok tok \n"
    assert not (isolated / "-").exists()
    assert "the name of the file is empty" in moot("ask", "hi", "-o", "").stderr


def test_a_group_of_nobody_says_so(moot: Any) -> None:
    result = moot("ask", "hi", "-a", "@none", groups={"none": []})
    assert result.exit_code == 2 and "Nobody is in the group '@none'" in result.stderr


@pytest.mark.parametrize(
    "schema", ['{"type": "nonsense"}', '{"type": "object", "properties": []}', "name [str", "a str]"]
)
@pytest.mark.parametrize("many", [(), ("--all",)])
def test_what_is_no_schema_is_refused_before_anybody_is_paid(moot: Any, schema: str, many: tuple[str, ...]) -> None:
    result = moot("ask", "hi", *many, "--schema", schema)
    assert (result.exit_code, result.stdout) == (2, "") and "schema" in result.stderr


def test_a_prompt_that_is_no_text_is_not_kept(moot: Any) -> None:
    result = moot("prompt", "save", "sql", "h\udcff")
    assert result.exit_code == 2 and "not valid UTF-8" in result.stderr


@pytest.mark.parametrize(("history", "kept"), [("on", True), (7, True), ("off", False)])
def test_the_lines_of_a_chat_are_kept_as_history_says_and_cleaned_with_it(moot: Any, history: Any, kept: bool) -> None:
    readline = pytest.importorskip("readline")
    moot("status", defaults={"history": history})
    with _editing():
        readline.add_history("a secret question")
    assert chat_lines().exists() == kept
    if kept and os.name == "posix":
        assert chat_lines().stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        assert moot("history", "clean", "--yes").exit_code == 0
    assert not chat_lines().exists()


_ELSEWHERE = {"ais", "ai", "prompt", "question", "schema", "synthesize", "samples", "rounds", "judge", "stances"}
_ELSEWHERE |= {"threshold", "referee", "candidates", "judges", "method", "diff", "base", "staged", "paths", "repo"}
_ELSEWHERE |= {"focus", "sarif", "run", "history"}


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_every_command_takes_what_its_recipe_takes(name: str) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    taken = set(inspect.signature(recipe.run).parameters) - _ELSEWHERE
    assert set(TAKEN[name]) == taken
    command = getattr(commands, name.removesuffix("_many"))
    assert taken <= {option.name for option in command.params}


def test_a_chat_takes_what_goes_with_every_question(moot: Any, isolated: Path) -> None:
    said = moot(
        "chat", "-s", "Be brief.", "-t", "0", "--max-tokens", "50", "--timeout", "9", "--effort", "low", input="Hi\n"
    )
    assert (said.exit_code, said.stdout) == (0, "tok tok \n")
    arguments = History().get("last").arguments
    asked = {"system": "Be brief.", "temperature": 0, "max_tokens": 50, "timeout_s": 9, "effort": "low"}
    assert {name: arguments[name] for name in asked} == asked


def test_a_chat_says_what_a_panel_does_not_take(moot: Any) -> None:
    result = moot("chat", "--panel", "debate", "--timeout", "9", "-r", "reviewer")
    assert result.exit_code == 2 and "A debate takes no --timeout and no --role" in result.stderr
    changed = moot("chat", "-s", "Be brief.", input="/panel consensus\n/panel off\n")
    assert "a panel: consensus, without --system." in changed.stderr


def test_where_nothing_is_kept_it_is_said_what_to_do(moot: Any) -> None:
    for command in ("show", "again"):
        result = moot(command)
        assert result.exit_code == 2 and "No run is kept. Ask something first" in result.stderr
    assert "RUN is empty" in moot("show", "").stderr
    unknown = moot("show", "nope")
    assert unknown.exit_code == 2 and "no run 'nope' either" in unknown.stderr
    assert json.loads(moot("show", "nope", "--json").stdout)["error"]


def test_a_variable_of_no_prompt_is_a_complaint(moot: Any) -> None:
    result = moot("ask", "hi", "--var", "a=1")
    assert result.exit_code == 2 and "name that with -p" in result.stderr


def test_a_piped_picture_that_is_none_is_named_without_a_path(moot: Any) -> None:
    result = moot("ask", "hi", "-i", "-", input="no picture")
    assert result.exit_code == 2 and "moot: What is piped in for -i - is no picture" in result.stderr


def test_a_place_that_may_not_be_written_is_refused_before_anybody_is_paid(
    moot: Any, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolated / "home").mkdir()
    monkeypatch.setenv("HOME", str(isolated / "home"))
    (isolated / "kept.md").write_text("kept")
    assert "is a folder. Name a file in it" in moot("ask", "hi", "-o", "~").stderr
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for place in ("kept.md", "new.md"):
        result = moot("ask", "hi", "-o", place)
        assert result.exit_code == 2 and f"'{place}' may not be written" in result.stderr
        review = moot("review", "--sarif", place)
        assert review.exit_code == 2 and f"'{place}' may not be written" in review.stderr
    assert (isolated / "kept.md").read_text() == "kept" and not (isolated / "new.md").exists()


def test_a_conversation_that_cannot_be_written_is_one_sentence(moot: Any) -> None:
    result = moot("chat", input="Hi\n/save no/such/file\n")
    assert "moot: 'no/such/file' cannot be written (No such file or directory). Name another file." in result.stderr
