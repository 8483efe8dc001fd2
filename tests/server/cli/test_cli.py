"""The command line, in process, against a provider in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moot_program import ENTRY

from server.cli.main import cli

KEY = "very-secret-key-1"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def moot(base_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `moot` with the AIs a test wants, each behaving as its model name says."""

    def run(*arguments: str, input: str | bytes = "", ais: dict[str, str] | None = None, **defaults: Any) -> Result:
        rows = {
            name: {"provider": "openai_compatible", "base_url": base_url, "api_key": KEY, "model": model}
            for name, model in (ais if ais is not None else {"a": "tokens=2", "b": "tokens=3"}).items()
        }
        path = isolated / "credentials.json"
        path.write_text(json.dumps({"ais": rows, "defaults": {"attempts": 1, **defaults}}))
        path.chmod(0o600)
        monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
        result = CliRunner().invoke(cli, arguments, input=input)
        assert KEY not in result.output
        return result

    return run


def test_one_question_is_answered_on_stdout_and_progress_goes_to_stderr(moot: Any) -> None:
    result = moot("ask", "hello", "there", "-a", "a,b")
    assert result.exit_code == 0
    assert "## a\n\ntok tok\n" in result.stdout
    assert "a answered in" in result.stderr and "answered in" not in result.stdout


def test_of_one_ai_a_pipe_gets_the_text_alone(moot: Any) -> None:
    for arguments in ((), ("--raw",)):
        result = moot("ask", "hello", *arguments)
        assert (result.exit_code, result.stdout) == (0, "tok tok \n")


def test_piped_input_is_added_to_the_prompt(moot: Any) -> None:
    result = moot("ask", "review this", input="the diff\n", ais={"a": "tokens=1"})
    assert result.exit_code == 0


def test_several_ais_are_asked_and_all_means_all(moot: Any) -> None:
    for arguments in (("-a", "a", "-a", "b"), ("--all",)):
        result = moot("ask", "hi", *arguments)
        assert result.exit_code == 0
        assert result.stdout.startswith("2 of 2 AIs answered")


def test_json_is_one_object_and_nothing_else(moot: Any) -> None:
    result = moot("ask", "--all", "hi", "--json")
    replies = json.loads(result.stdout)["replies"]
    assert [(reply["ai"], reply["model"], reply["ok"]) for reply in replies] == [
        ("a", "fake-1", True),
        ("b", "fake-1", True),
    ]
    assert result.stderr == ""


def test_the_exit_code_says_whether_all_some_or_none_answered(moot: Any) -> None:
    broken, fine = "status=400,say=no such thing", "tokens=1"
    assert moot("ask", "--all", "hi", ais={"a": fine, "b": fine}).exit_code == 0
    some = moot("ask", "--all", "hi", ais={"a": fine, "b": broken})
    assert some.exit_code == 3 and some.stdout.startswith("PARTIAL: 1 of 2")
    none = moot("ask", "--all", "hi", ais={"a": broken, "b": broken})
    assert none.exit_code == 1 and none.stdout == ""
    assert "no such thing" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("ask",), "Nothing to ask: give a prompt, or pipe one in."),
        (("ask", "-a", "nobody", "hi"), "No AI named 'nobody'. Configured: a, b."),
        (("ask", "--all", "-a", "a", "hi"), "either --all or -a"),
        (("ask", "-t", "9", "hi"), "9.0 is not in the range 0<=x<=2"),
        (("debate", "-a", "a", "hi"), "at least two AIs"),
        (("debate", "hi", "--stance", "for"), "not of the form NAME=SIDE"),
        (("ask", "--samples", "3", "hi"), "need to know whom: -a NAME, or --all"),
        (("consensus", "-a", "a", "hi"), "at least two different AIs"),
        (("consensus", "--threshold", "0.1", "hi"), "0.1 is not in the range 0.5<=x<=1"),
        (("judge", "-a", "a", "-a", "b", "hi"), "Nobody may judge"),
        (("judge", "-c", "no-such-file", "hi"), "No such file"),
        (("models", "nobody"), "No AI named 'nobody'"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_sentence(moot: Any, arguments: tuple[str, ...], complaint: str) -> None:
    result = moot(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_error_in_json_is_an_object_too(moot: Any) -> None:
    result = moot("ask", "-a", "nobody", "hi", "--json")
    error = json.loads(result.stdout)["error"]
    assert (error["kind"], error["code"]) == ("unknown_ai", "unknown_ai")


def test_an_ai_s_failure_in_json_says_its_code(moot: Any) -> None:
    result = moot("ask", "-a", "a", "hi", "--json", ais={"a": "status=429,code=insufficient_quota"})
    assert json.loads(result.stdout)["error"]["code"] == "no_credit"
    result = moot("ask", "-a", "a", "-a", "b", "hi", "--json", ais={"a": "status=504", "b": "tokens=1"})
    assert [reply["code"] for reply in json.loads(result.stdout)["replies"]] == ["gateway", None]


def test_status_shows_models_and_problems(moot: Any) -> None:
    result = moot("status", ais={"a": "tokens=1"})
    assert result.exit_code == 0
    assert "1 of 1 AIs can be asked." in result.stdout and "tokens=1 via openai_compatible, ready" in result.stdout


def test_models_lists_what_the_endpoint_offers(moot: Any) -> None:
    assert moot("models", "a").stdout == "a:\n  fake-1\n  fake-2\n"
    assert json.loads(moot("models", "--json").stdout)["models"] == {name: ["fake-1", "fake-2"] for name in ("a", "b")}


def test_a_debate_without_a_verdict_line_still_tells_everything(moot: Any) -> None:
    result = moot("debate", "tabs or spaces?", ais={"a": "tokens=2", "b": "tokens=2", "c": "tokens=2"})
    assert result.exit_code == 0
    assert "2 of 2 AIs debated; c gave no verdict that could be read" in result.stdout
    assert "Not ruled on" in result.stdout


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    program = (
        "import sys\nfrom server.cli.main import cli\n"
        f"try: cli(['{flag}'])\nexcept SystemExit: pass\n"
        "heavy = {'mcp', 'openai', 'anthropic', 'google.genai', 'httpx2', 'aiohttp', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "moot" in done.stdout.lower()


def test_a_broken_file_is_told_by_name_and_place(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = isolated / "credentials.json"
    path.write_text('{"ais": ')
    monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
    result = CliRunner().invoke(cli, ["ask", "hi"])
    assert result.exit_code == 2
    assert "credentials.json is not valid JSON at line 1" in result.stderr


def test_a_row_that_cannot_be_used_is_told_beside_the_answer(moot: Any, isolated: Path) -> None:
    moot("status")
    path = isolated / "credentials.json"
    rows = json.loads(path.read_text())
    rows["ais"]["typo"] = {"provdier": "openai"}
    path.write_text(json.dumps(rows))
    result = CliRunner().invoke(cli, ["ask", "hi"])
    assert result.exit_code == 0
    assert "ais.typo.provdier is not a known setting" in result.stderr
    assert "typo" not in result.stdout


def test_a_consensus_of_equal_answers_is_told_in_the_first_line(moot: Any) -> None:
    result = moot("consensus", "how many?", ais={"a": "tokens=1", "b": "tokens=1"})
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2 of 2 AIs answered: consensus on “tok”")


def test_a_judge_that_cannot_be_read_is_exit_code_3(moot: Any, isolated: Path) -> None:
    paths = [isolated / name for name in ("one.md", "two.md")]
    for path in paths:
        path.write_text(path.name)
    result = moot("judge", "which?", "-c", str(paths[0]), "-c", str(paths[1]), "--judge", "a", ais={"a": "tokens=2"})
    assert result.exit_code == 3 and result.stdout.startswith("PARTIAL: 0 of 1 AIs judged")


def test_samples_and_synthesis_reach_the_recipe(moot: Any) -> None:
    result = moot("ask", "-a", "a", "--samples", "3", "how many?", ais={"a": "tokens=1"})
    assert result.exit_code == 0, result.stderr
    assert "\ntok\n" in result.stdout and "Sample 2 of 2." in result.stdout


def test_refusing_partial_results_is_exit_code_1_with_what_is_there(moot: Any) -> None:
    ais = {"a": "tokens=1", "b": "status=400,say=broken"}
    result = moot("ask", "--all", "--refuse-partial", "hi", ais=ais)
    assert result.exit_code == 1 and result.stdout == ""
    assert "> tok" in result.stderr and "Missing: b" in result.stderr


def test_a_dry_run_sends_nothing_and_is_no_failure(moot: Any) -> None:
    for arguments in (("ask", "hi"), ("ask", "--all", "hi"), ("debate", "hi", "-a", "a", "-a", "b")):
        result = moot(*arguments, "--dry-run", ais={"a": "status=400", "b": "status=400"})
        assert result.exit_code == 0, result.stderr
        assert "nothing was sent" in result.stdout


def test_over_budget_is_exit_code_1_with_the_limit_and_the_fix(moot: Any) -> None:
    result = moot("ask", "hi", "--max-tokens", "500", budget={"per_call_tokens": 100})
    assert result.exit_code == 1
    assert "defaults.budget.per_call_tokens allows 100 tokens" in result.stderr
    assert moot("ask", "hi", "--max-tokens", "50", budget={"per_call_tokens": 100}).exit_code == 0


def test_a_sarif_file_that_cannot_be_is_told_before_anybody_is_paid(moot: Any) -> None:
    result = moot("review", "-f", "x.py", "--sarif", "nowhere/out.sarif")
    assert result.exit_code == 2
    assert "the folder of 'nowhere/out.sarif' does not exist" in result.stderr


def test_a_result_whose_file_cannot_be_written_is_printed_after_all(
    moot: Any, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(isolated)
    (isolated / "x.py").write_text("x = 1\n")

    def full(self: Path, *arguments: Any, **options: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        moot("status")  # writes the configuration, while that still works
        patched.setattr(Path, "write_text", full)
        result = CliRunner().invoke(cli, ["review", "-f", "x.py", "-a", "a", "--sarif", "out.sarif", "--json"])
    assert result.exit_code == 2
    assert "'out.sarif' cannot be written (No space left on device)" in result.stderr
    assert json.loads(result.stdout)["sarif"]["version"] == "2.1.0"


@pytest.mark.parametrize("arguments", [("ask",), ("review", "--diff", "-"), ("judge", "which?", "-c", "-", "-c", "-")])
def test_bytes_that_are_no_text_are_refused_in_one_sentence(moot: Any, arguments: tuple[str, ...]) -> None:
    result = moot(*arguments, input=b"\x88\xff\xfe")
    assert result.exit_code == 2
    assert "UTF-8" in result.stderr or "holds no change" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_takes_nothing_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, ENTRY, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr == "moot: the output cannot be written (No space left on device). Send it to another place.\n"


def test_a_thread_that_is_not_there_is_not_asked_about_and_without_a_terminal_nothing_is_forgotten(moot: Any) -> None:
    assert "There is no thread 'nope'" in moot("threads", "delete", "nope").stderr
    assert moot("ask", "hi", "--thread", "plans", ais={"a": "tokens=1"}).exit_code == 0
    assert "--yes" in moot("threads", "delete", "plans").stderr
    assert "plans" in moot("threads").stdout


def test_an_ai_whose_row_is_wrong_says_that_it_is_not_usable(moot: Any, isolated: Path) -> None:
    moot("status")
    path = isolated / "credentials.json"
    path.write_text(json.dumps({"ais": {"a": {"provider": "openai", "api_key": "k-1234567", "rpm": -1}}}))
    result = CliRunner().invoke(cli, ["ask", "-a", "a", "hi"])
    assert result.exit_code == 1
    assert "not_usable: credentials.json: ais.a.rpm: Input should be greater than 0." in result.stderr


def test_a_person_may_name_any_file_of_theirs_but_secrets_must_be_meant(
    moot: Any, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("project", "elsewhere"):
        (isolated / folder).mkdir()
    monkeypatch.chdir(isolated / "project")
    (isolated / "elsewhere" / "notes.txt").write_text("words\n")
    (isolated / "elsewhere" / ".env").write_text("PASSWORD=hunter2hunter2\n")
    (isolated / "elsewhere" / "code.py").write_text("KEY = '" + "sk-" + "a1B2" * 10 + "'\n")
    for path in ("../elsewhere/notes.txt", str(isolated / "elsewhere" / "notes.txt"), "../elsewhere/*.txt"):
        result = moot("ask", "hi", "-a", "a", "-f", path)
        assert (result.exit_code, "notes.txt (1 line" in result.stderr) == (0, True)
    for name in (".env", "code.py"):
        refused = moot("ask", "hi", "-a", "a", "-f", f"../elsewhere/{name}")
        assert refused.exit_code == 2
        assert "--send-secrets" in refused.output
        meant = moot("ask", "hi", "-a", "a", "-f", f"../elsewhere/{name}", "--send-secrets")
        assert (meant.exit_code, f"{name} (1 line" in meant.stderr) == (0, True)
    missing = moot("ask", "hi", "-a", "a", "-f", "../elsewhere/none.txt")
    assert (missing.exit_code, "does not exist" in missing.output) == (2, True)


def test_a_job_of_a_person_looks_for_files_where_it_was_typed(
    moot: Any, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("project", "elsewhere"):
        (isolated / folder).mkdir()
    monkeypatch.chdir(isolated / "project")
    (isolated / "elsewhere" / "notes.txt").write_text("words\n")
    import_module(
        "server.jobs.background"
    )  # nothing is blocked by an import in the loop of a command, but a test would say so
    begun = moot("ask", "hi", "-a", "a", "-f", "../elsewhere/notes.txt", "--background", "--json", detach=False)
    assert begun.exit_code == 0, begun.output
    job = json.loads(begun.stdout)["job"]["id"]
    monkeypatch.chdir(isolated / "home")
    moot("worker", "--idle-exit", "0.1")
    shown = moot("jobs", "show", job)
    assert "notes.txt (1 line" in shown.stdout


@pytest.mark.parametrize(("name", "text"), [(".env", "A=1\n"), ("notes.txt", "DB_PASSWORD=hunter2hunter2\n")])
def test_an_answer_in_a_file_that_is_a_secret_is_not_judged_unless_that_is_meant(
    moot: Any, isolated: Path, name: str, text: str
) -> None:
    secret, other = isolated / name, isolated / "other.txt"
    secret.write_text(text)
    other.write_text("An answer.\n")
    given = ("judge", "which?", "-c", str(secret), "-c", str(other), "--judge", "a")
    refused = moot(*given)
    assert refused.exit_code == 2 and "--send-secrets" in refused.stderr
    assert moot(*given, "--dry-run", "--send-secrets").exit_code == 0


def test_a_diff_in_a_file_named_like_a_secret_is_not_reviewed(moot: Any, isolated: Path) -> None:
    (isolated / "id_rsa").write_text("--- a/q\n+++ b/q\n@@ -1 +1 @@\n-a\n+b\n")
    refused = moot("review", "--diff", str(isolated / "id_rsa"))
    assert refused.exit_code == 2 and "files of that name hold secrets" in refused.stderr
