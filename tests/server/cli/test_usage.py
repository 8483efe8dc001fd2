"""`moot usage` over a ledger that real events filled."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.errors import InvalidInputError, RateLimitedError
from core.events import CallFailed, CallFinished, CallStarted, RunStarted
from core.usage.ledger import Ledger
from core.values import Answer, Failure, Usage
from server.cli.main import cli
from server.cli.showing.usage import cost_text, parse_since, spark

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)


def usage(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["usage", *arguments])


@pytest.fixture
def record() -> Callable[..., None]:
    """Record calls as a run of ask_many does: an AI's name and what it cost, or the error it ended with."""

    def write(*calls: tuple[str, float | RateLimitedError | None]) -> None:
        ledger = Ledger()
        ledger(RunStarted("r", "ask_many"))
        for number, (ai, found) in enumerate(calls):
            ledger(CallStarted("r", f"c{number}", ai, f"model-of-{ai}"))
            if isinstance(found, RateLimitedError):
                ledger(CallFailed("r", f"c{number}", Failure(ai, found)))
            else:
                answer = Answer(ai, f"model-of-{ai}", "Hi.", 1.5, Usage(1_000, 200), found, first_token_s=0.5)
                ledger(CallFinished("r", f"c{number}", answer))
        ledger.flush()
        ledger.close()

    return write


def test_the_table_has_a_line_per_ai_the_dearest_first_and_a_total(record: Callable[..., None]) -> None:
    record(("gpt", 0.25), ("claude", 1.5), ("claude", 1.5), ("gpt", RateLimitedError("slow down")))
    result = usage()
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert lines[0][:5] == ["ai", "calls", "failed", "input", "output"]
    table = {line[0]: line[1:] for line in lines[2:]}
    assert [line[0] for line in lines[2:]][:2] == ["claude", "gpt"]
    assert table["claude"][:6] == ["2", "0", "2,000", "400", "0", "0"]
    assert "$3.00" in table["claude"] and table["claude"][-1] == "█"
    assert table["gpt"][:2] == ["2", "1"] and "$0.2500" in table["gpt"]
    assert table["total"][:2] == ["4", "1"] and "$3.25" in table["total"]


def test_a_cost_that_is_not_known_is_a_question_mark_and_a_total_says_at_least(record: Callable[..., None]) -> None:
    record(("gateway", None), ("gpt", 2.0))
    lines = {line.split()[0]: line for line in usage().stdout.splitlines() if line.strip()}
    assert " ? " in lines["gateway"] and "$" not in lines["gateway"]
    assert "at least $2.00" in lines["total"]


def test_a_narrow_terminal_gets_fewer_columns_and_whole_numbers(
    record: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(("an-ai-with-a-rather-long-name", 1234.5), ("b", 0.5))
    wide = usage().stdout
    monkeypatch.setattr("server.cli.showing.usage._PIPED_WIDTH", 60)
    narrow = usage().stdout
    assert "reasoning" in wide and "reasoning" not in narrow
    assert "an-ai-with-a-rather-long-name" in narrow and "$1,234.50" in narrow and "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 60


@pytest.mark.parametrize("by", ["day", "ai", "tool", "model"])
def test_json_and_csv_have_the_same_rows_for_every_grouping(record: Callable[..., None], by: str) -> None:
    record(("a", None), ("b", 0.5))
    rows = json.loads(usage("--by", by, "--json").stdout)["rows"]
    lines = list(csv.DictReader(io.StringIO(usage("--by", by, "--csv").stdout)))
    assert [row[by] for row in rows] == [line[by] for line in lines]
    assert sum(row["calls"] for row in rows) == sum(int(line["calls"]) for line in lines) == 2
    expected: dict[str, Any] = {"day": [0.5], "ai": [0.5, None], "tool": [0.5], "model": [0.5, None]}
    assert [row["cost_usd"] for row in rows] == expected[by]
    assert [line["cost_usd"] for line in lines] == [str(cost or "") for cost in expected[by]]


def test_an_empty_ledger_says_what_to_do(isolated: Path) -> None:
    result = usage()
    assert (result.exit_code, result.stdout) == (
        0,
        "No calls are recorded yet. Ask something, for example: moot ask 'Hello'\n",
    )
    assert json.loads(usage("--json").stdout)["rows"] == []
    assert not (isolated / "home").exists()


def test_calls_before_since_are_left_out(record: Callable[..., None], isolated: Path) -> None:
    record(("a", 0.5))
    with sqlite3.connect(isolated / "home" / "moot.db") as connection:
        connection.execute("UPDATE calls SET at = '2020-01-01T00:00:00.000Z'")
    assert "No calls are recorded since" in usage().stdout
    assert "a" in [line.split()[0] for line in usage("--since", "2019-12-31").stdout.splitlines() if line.strip()]


@pytest.mark.parametrize("since", ["yesterday", "0d", "-3d", "7", "99999999999d", "2026-13-01", ""])
def test_a_bad_since_is_wrong_usage_in_one_sentence(since: str) -> None:
    result = usage("--since", since)
    assert result.exit_code == 2
    assert f"--since {since!r} is neither a number of days such as 7d nor a date" in result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr


def test_since_counts_whole_days_with_today() -> None:
    assert parse_since("1d", NOW) == datetime(2026, 11, 21, tzinfo=UTC)
    assert parse_since("7d", NOW) == datetime(2026, 11, 15, tzinfo=UTC)
    assert parse_since("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(InvalidInputError):
        parse_since("50000d" + "0", NOW - timedelta(days=1))


def test_a_damaged_ledger_is_one_sentence_and_exit_code_1(isolated: Path) -> None:
    (isolated / "home").mkdir()
    (isolated / "home" / "moot.db").write_bytes(b"not a database at all" * 100)
    result = usage()
    assert result.exit_code == 1
    assert "damaged" in result.stderr and "moot doctor" in result.stderr and result.stdout == ""


def test_a_spark_line_is_as_high_as_its_values() -> None:
    assert spark([0, 1, 4, 8]) == " ▁▄█"
    assert spark([0, 0]) == "  " and spark([]) == ""


def test_costs_are_told_as_they_are_known() -> None:
    assert cost_text(None, complete=False) == "?"
    assert cost_text(0.0, complete=True) == "$0.00"
    assert cost_text(0.0, complete=False) == "?"
    assert cost_text(0.0123, complete=True) == "$0.0123"
    assert cost_text(1234.5, complete=False) == "at least $1,234.50"


def test_a_model_named_like_a_formula_cannot_run_in_a_spreadsheet(record: Callable[..., None]) -> None:
    record(("=cmd()", 0.5))
    assert usage("--csv").stdout.splitlines()[1].startswith("'=cmd()")


def test_a_model_whose_name_holds_terminal_codes_cannot_use_them(record: Callable[..., None]) -> None:
    record(("\x1b[2Jgone", 0.5))
    for form in ((), ("--csv",), ("--json",)):
        result = usage("--by", "model", *form)
        assert "gone" in result.stdout and "\x1b" not in result.stdout


def test_a_ledger_that_takes_nothing_is_told_beside_what_it_holds(record: Callable[..., None], isolated: Path) -> None:
    record(("gpt", 0.25))
    with sqlite3.connect(isolated / "home" / "moot.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    result = usage("--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert "newer version of Moot" in found["problem"] and found["rows"][0]["ai"] == "gpt"
    assert "moot: The store moot.db was written by a newer version" in result.stderr
