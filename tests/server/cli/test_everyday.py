"""What one does every day: pipes, files, other models, groups, history, prompts, chat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.memory.history import History
from server.cli.complete import _ROLES
from server.cli.main import cli


@pytest.fixture
def moot(base_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(isolated)

    def run(*arguments: str, input: str = "", ais: dict[str, str] | None = None, **more: Any) -> Result:
        rows = {
            name: {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-123456", "model": model}
            for name, model in (ais or {"gpt": "tokens=2", "claude": "tokens=3"}).items()
        }
        path = isolated / "credentials.json"
        path.write_text(json.dumps({"ais": rows, "groups": {"fast": ["claude", "gpt"]}, **more}))
        path.chmod(0o600)
        monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
        return CliRunner().invoke(cli, arguments, input=input, prog_name="moot")

    return run


def test_asking_is_the_default(moot: Any) -> None:
    for arguments in (("What is it?",), ("-a", "gpt", "what"), ("what", "is", "love")):
        assert moot(*arguments).stdout == "tok tok \n", arguments


def test_names_ignore_case_and_blanks_and_may_be_listed_by_comma(moot: Any) -> None:
    result = moot("ask", "-a", "GPT, Claude ,gpt", "hi", "--json")
    assert [reply["ai"] for reply in json.loads(result.stdout)["replies"]] == ["gpt", "claude"]


def test_another_model_is_asked_for_one_call(moot: Any) -> None:
    for arguments in (("-a", "gpt", "-m", "tokens=5"), ("-a", "gpt/tokens=5"), ("-a", "openai_compatible/tokens=5")):
        assert moot("ask", "hi", *arguments).stdout == "tok " * 5 + "\n"
    assert moot("ask", "hi", "-m", "tokens=4").stdout == "tok " * 4 + "\n"
    assert moot("ask", "hi", "-m", "claude").stdout == "tok " * 3 + "\n"
    status = json.loads(moot("status", "--json").stdout)
    assert [ai["name"] for ai in status["ais"]] == ["gpt", "claude"]


def test_a_group_is_everybody_in_it(moot: Any) -> None:
    replies = json.loads(moot("ask", "-a", "@fast", "hi", "--json").stdout)["replies"]
    assert [reply["ai"] for reply in replies] == ["claude", "gpt"]


def test_an_answer_goes_into_a_file_for_the_asking(moot: Any, isolated: Path) -> None:
    result = moot("ask", "hi", "-o", "answer.md")
    assert (result.exit_code, result.stdout, (isolated / "answer.md").read_text()) == (0, "", "tok tok \n")
    assert "written to answer.md" in result.stderr


def test_the_last_code_block_is_printed_alone(moot: Any) -> None:
    word = "```sh\nls\n```\nThen:\n~~~py\nprint(1)\n~~~\n"
    result = moot("ask", "hi", "-x", ais={"gpt": f"tokens=1,word={word}"})
    assert (result.exit_code, result.stdout) == (0, "print(1)\n")
    without = moot("ask", "hi", "-x")
    assert without.stdout == "tok tok \n" and "no code block" in without.stderr


def test_an_answer_has_to_fit_the_schema(moot: Any) -> None:
    fits = moot("ask", "hi", "--schema", "n int", ais={"gpt": 'tokens=1,word={"n": 1}'})
    assert (fits.exit_code, json.loads(fits.stdout)) == (0, {"n": 1})
    other = moot("ask", "hi", "--schema", "n int")
    assert other.exit_code == 3 and "not JSON" in other.stderr


def test_what_was_asked_is_found_shown_gone_on_with_and_asked_again(moot: Any) -> None:
    moot("ask", "-a", "gpt", "Which colour has the sky?")
    assert "Which colour has the sky?" in moot("history").stdout
    assert "gpt" in moot("history", "search", "colour").stdout
    assert moot("show").stdout == "tok tok \n"
    moot("ask", "-c", "And at night?")
    (last, first) = History().latest()
    assert (last.question, last.ais) == ("And at night?", ("gpt",))
    assert History().get(last.name).thread == History().get(first.name).thread
    assert "Which colour has the sky?" in moot("threads", "show", f"run {first.name}").stdout
    assert moot("again", first.name[:4], "-a", "claude").stdout == "tok tok tok \n"
    both = moot("again", first.name, "--all")
    assert both.stdout.startswith("2 of 2 AIs answered")


def test_nothing_is_kept_of_what_may_not_leave_this_machine_or_when_history_is_off(moot: Any, isolated: Path) -> None:
    (isolated / "note.txt").write_text("private\n")
    rows = {"files": {"local_only": ["note.txt"], "roots": [str(isolated)]}}
    refused = moot("ask", "hi", "-f", "note.txt", **rows)
    assert refused.exit_code == 2
    moot("ask", "hi", defaults={"history": "off"})
    moot("ask", "hi", "--dry-run")
    assert History().latest() == []


def test_a_saved_prompt_is_asked_with_its_variables(moot: Any) -> None:
    assert moot("prompt", "save", "sql", "Review {table} for {what}.").exit_code == 0
    assert moot("prompt", "show", "sql").stdout == "Review {table} for {what}.\n"
    assert moot("ask", "-p", "sql", "--var", "table=users", "--var", "what=speed").exit_code == 0
    assert History().get("last").question == "Review users for speed."


def test_a_chat_goes_on_in_a_thread_and_takes_commands(moot: Any, isolated: Path) -> None:
    said = "Hello\n/ai claude\nAnd you?\n/nonsense\n/cost\n/save talk.md\n/quit\nnever asked\n"
    result = moot("chat", "-a", "gpt", "--thread", "talk", input=said)
    assert (result.exit_code, result.stdout) == (0, "tok tok \ntok tok tok \n")
    assert "/nonsense is no command" in result.stderr and "cost is unknown" in result.stderr
    text = (isolated / "talk.md").read_text()
    assert "Hello" in text and "And you?" in text and "never asked" not in text


def test_models_are_grouped_by_endpoint_and_searched(moot: Any) -> None:
    result = moot("models", "--search", "FAKE 2")
    assert result.stdout == "gpt, claude:\n  fake-2\n"
    assert moot("models", "-q", "none such").exit_code == 1


def test_every_role_is_completed() -> None:
    from core.roles import all_roles

    assert list(_ROLES) == list(all_roles({}))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(moot: Any, shell: str) -> None:
    result = moot("completion", shell)
    assert result.exit_code == 0 and "_MOOT_COMPLETE" in result.stdout
