"""`moot batch`, in process, against a provider in a process of its own."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.main import cli
from server.cli.running import batch_terminal


@pytest.fixture
def moot(base_url: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `moot batch` in a folder of its own, with AIs that behave as their model names say."""
    monkeypatch.chdir(isolated)

    def run(*arguments: str, ais: dict[str, str] | None = None) -> Result:
        rows = {
            name: {"provider": "openai_compatible", "base_url": base_url, "model": model}
            for name, model in (ais or {"a": "tokens=2", "b": "tokens=3", "bad": "status=400,say=nope"}).items()
        }
        path = isolated / "credentials.json"
        path.write_text(json.dumps({"ais": rows, "defaults": {"attempts": 1, "detach": False}}))
        path.chmod(0o600)
        monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
        return CliRunner().invoke(cli, ["batch", *arguments])

    return run


def write(name: str, *lines: Any) -> str:
    Path(name).write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return name


def rows(name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


ARTICLES = [{"id": f"n{number}", "title": f"title {number}"} for number in range(30)]


def test_a_batch_is_written_in_order_and_the_same_command_asks_nothing_more(moot: Any, isolated: Path) -> None:
    source = write("in.jsonl", *ARTICLES)
    command = (source, "-o", "out.jsonl", "--ai", "a,b", "--concurrency", "7", "--template", "About {title}")
    result = moot(*command)
    assert result.exit_code == 0, result.output
    assert result.stdout == "60 of 60 answered (cost unknown). The results are in out.jsonl.\n"
    assert "60 of 60" in result.stderr and "/s" in result.stderr
    assert [(row["index"], row["id"], row["ai"], row["status"]) for row in rows()] == [
        (number, f"n{number}", ai, "ok") for number in range(30) for ai in "ab"
    ]
    before = Path("out.jsonl").read_bytes()
    again = moot(*command, ais={"a": "status=500", "b": "status=500"})
    assert again.exit_code == 0 and Path("out.jsonl").read_bytes() == before


def test_some_failures_are_exit_code_3_all_are_1_and_retry_asks_them_again(moot: Any) -> None:
    source = write("in.jsonl", '"x"', '"y"')
    some = moot(source, "-a", "a", "-a", "bad", "-o", "some.jsonl")
    assert some.exit_code == 3 and some.stdout.startswith("PARTIAL: 2 of 4 answered")
    assert "nope" in some.stdout and "--retry-failed" in some.stderr
    none = moot(source, "-a", "bad", "-o", "none.jsonl")
    assert none.exit_code == 1
    mended = moot(source, "-a", "bad", "-o", "none.jsonl", "--retry-failed", ais={"bad": "tokens=1"})
    assert mended.exit_code == 0, mended.output
    assert [row["text"] for row in rows("none.jsonl")] == ["tok ", "tok "]


def test_half_a_file_of_broken_lines_runs_only_after_a_yes(moot: Any) -> None:
    source = write("in.jsonl", '"x"', "{broken", '"y"')
    refused = moot(source, "-a", "a", "-o", "out.jsonl")
    assert refused.exit_code == 2 and not Path("out.jsonl").exists()
    assert "line 2: is not valid JSON" in refused.stderr
    assert (
        "1 of 3 rows cannot be asked. Go on without them? Nothing was sent. Say yes with --skip-bad." in refused.stderr
    )
    for flag in ("--skip-bad", "--yes"):
        assert moot(source, "-a", "a", "-o", f"out{flag}.jsonl", flag).exit_code == 0
        assert [row["id"] for row in rows(f"out{flag}.jsonl")] == [1, 3]


def test_a_dry_run_counts_and_prices_and_writes_nothing(moot: Any) -> None:
    source = write("in.jsonl", *[{"prompt": "x" * 100}] * 20, "{broken")
    result = moot(source, "-a", "bad", "-o", "out.jsonl", "--dry-run", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["calls"], told["bad"]) == (0, 20, 1)
    assert "nothing was sent" in told["text"] and not list(Path().glob("out*"))


def test_json_is_one_object_and_nothing_else(moot: Any) -> None:
    result = moot(write("in.jsonl", '"x"'), "-a", "a", "--json")
    assert json.loads(result.stdout)["done"] == 1 and result.stderr == ""
    assert rows("in.jsonl.results.jsonl")[0]["text"] == "tok tok "


def test_csv_in_and_csv_out(moot: Any) -> None:
    source = write("in.csv", "id,title", 'r1,"one, two"')
    assert moot(source, "-a", "a", "-o", "out.csv", "--template", "About {title}").exit_code == 0
    with Path("out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["ai"], row["status"], row["text"]) == ("r1", "a", "ok", "tok tok ")


def test_a_folder_a_template_file_and_a_schema(moot: Any) -> None:
    Path("docs").mkdir()
    write("docs/b.txt", "second")
    write("docs/a.txt", "first")
    write("template.txt", "Sum up {name}: {text}")
    write("schema.json", {"type": "object"})
    result = moot("docs", "-a", "a", "-o", "out.jsonl", "--template", "@template.txt", "--schema", "schema.json")
    assert result.exit_code == 1
    assert [(row["id"], row["error"]) for row in rows()] == [
        ("a.txt", "The answer is not JSON."),
        ("b.txt", "The answer is not JSON."),
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nope.jsonl",), "There is no file 'nope.jsonl'"),
        (("empty.jsonl",), "'empty.jsonl' is empty"),
        (
            ("in.jsonl", "--template", "{nope}"),
            "line 1: has no field 'nope', which the template wants; it has: prompt.",
        ),
        (("in.jsonl", "--template", "@nope.txt"), "--template: 'nope.txt' cannot be read"),
        (("in.jsonl", "--schema", "in.jsonl"), "--schema: 'in.jsonl' is not a JSON Schema"),
        (("in.jsonl", "-a", "nobody"), "No AI named 'nobody'"),
        (("in.jsonl", "-o", "no/out.jsonl"), "The folder of 'out.jsonl' does not exist"),
        (("in.jsonl", "-o", "in.jsonl"), "'in.jsonl' exists and is not of a batch"),
        (("in.jsonl", "--concurrency", "0"), "0 is not in the range"),
        ((".env",), "files of that name hold secrets. Use --send-secrets if it is meant."),
        (("big.jsonl",), "Begin? Nothing was sent. Say yes with --yes."),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_sentence(
    moot: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.setattr("server.cli.running.batch_terminal._MANY", 3)
    write("empty.jsonl")
    write("in.jsonl", '"x"')
    write(".env", "A=b")
    write("big.jsonl", *['"x"'] * 4)
    result = moot(*arguments)
    assert result.exit_code == 2, result.output
    assert complaint in result.stderr and "Traceback" not in result.output and result.stdout == ""


def test_an_output_of_another_run_is_refused(moot: Any) -> None:
    source = write("in.jsonl", '"x"')
    assert moot(source, "-a", "a", "-o", "out.jsonl").exit_code == 0
    other = moot(source, "-a", "b", "-o", "out.jsonl")
    assert other.exit_code == 2 and "belongs to another run: other AIs" in other.stderr


def test_a_background_batch_is_a_job_that_moot_jobs_shows(moot: Any) -> None:
    source = write("in.jsonl", '"x"')
    started = moot(source, "-a", "a", "-o", "out.jsonl", "--background", "--json")
    job = json.loads(started.stdout)["job"]
    assert moot(source, "-a", "a", "-o", "out.jsonl").exit_code == 0
    listed = CliRunner().invoke(cli, ["jobs"])
    assert f"{job}   now  batch by a, done, 1 of 1 rows" in listed.stdout


def test_a_refused_key_pauses_with_the_reason(moot: Any) -> None:
    result = moot(write("in.jsonl", '"x"'), "-a", "a", "-o", "out.jsonl", ais={"a": "status=401"})
    assert result.exit_code == 2 and "Paused: a:" in result.stderr and "same command again" in result.stderr
    assert moot("in.jsonl", "-a", "a", "-o", "out.jsonl").exit_code == 0


def test_an_input_that_takes_long_to_read_is_told_meanwhile(moot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    prepare = batch_terminal.prepare

    def slow(*arguments: Any, **options: Any) -> Any:
        assert told.wait(10), "nobody said what takes so long"
        return prepare(*arguments, **options)

    def say(*words: Any, **options: Any) -> None:
        print(*words, **options)
        told.set()

    monkeypatch.setattr(batch_terminal, "_SILENT_S", 0)
    monkeypatch.setattr(batch_terminal, "prepare", slow)
    monkeypatch.setattr(batch_terminal, "print", say, raising=False)
    result = moot(write("in.jsonl", '"one"'), "-o", "out.jsonl", "-a", "a")
    assert result.exit_code == 0, result.output
    assert "moot: reading all of 'in.jsonl' first" in result.stderr
