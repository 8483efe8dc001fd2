"""The usage ledger, fed by the event bus as in a running app."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from scripted_ai import Hold, scripted_app

from ai.runs.app import open_app
from core.config import AIConfig, Config
from core.errors import AIError, OverloadedError, RateLimitedError, StoreError, TruncatedError
from core.events import CallAnswered, CallFailed, CallFinished, CallStarted, EventBus, RunFinished, RunStarted, Token
from core.usage.ledger import Ledger, usage_report
from core.usage.rows import Entry, insert, values
from core.values import Answer, Failure, Request, Usage

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "moot.db")
    yield ledger
    ledger.close()


def bus_of(ledger: Ledger) -> EventBus:
    bus = EventBus()
    bus.add_sink(ledger)
    return bus


def answer(ai: str = "a", **changes: Any) -> Answer:
    told: dict[str, Any] = {"usage": Usage(100, 20, 60, 5), "cost_usd": 0.25, "provider": "openai"}
    return Answer(**({"ai": ai, "model": "gpt-1-0301", "text": "Hi.", "latency_s": 2.0} | told | changes))


def finish(bus: EventBus, call: str, found: Answer | AIError, *, run: str = "r1", cancelled: bool = False) -> None:
    bus.publish(CallStarted(run, call, "a", "gpt-1", "judge"))
    bus.publish(Token(run, call, "Hi."))
    if isinstance(found, Answer):
        bus.publish(CallFinished(run, call, found))
    else:
        bus.publish(CallFailed(run, call, Failure("a", found, 0.5), cancelled))


def _path(ledger: Ledger) -> Path:
    return ledger._store.path  # type: ignore[attr-defined,no-any-return]


def rows(ledger: Ledger) -> list[dict[str, Any]]:
    ledger.flush()
    with sqlite3.connect(_path(ledger)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM calls ORDER BY id")]


def test_a_call_is_recorded_with_everything_that_is_known(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    bus.publish(RunStarted("r1", "debate"))
    finish(bus, "c1", answer(first_token_s=0.4, answered_by="b", key="work"))
    bus.publish(RunFinished("r1", "done"))
    (row,) = rows(ledger)
    assert abs(datetime.fromisoformat(row.pop("at")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert row == {
        "id": 1,
        "run": "r1",
        "tool": "debate",
        "ai": "a",
        "provider": "openai",
        "model": "gpt-1-0301",
        "key_alias": "work",
        "role": "judge",
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 60,
        "reasoning_tokens": 5,
        "cost_usd": 0.25,
        "latency_s": 2.0,
        "first_token_s": 0.4,
        "outcome": "ok",
        "answered_by": "b",
        "cached": 0,
        "person": "",
    }


def test_an_unknown_price_is_null_and_a_free_one_is_zero(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    finish(bus, "c1", answer(cost_usd=None, usage=Usage()))
    finish(bus, "c2", answer(cost_usd=0.0))
    assert [(row["cost_usd"], row["input_tokens"]) for row in rows(ledger)] == [(None, None), (0.0, 100)]


def test_a_failure_is_recorded_as_its_kind_and_costs_nothing_only_if_nothing_was_accepted(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    finish(bus, "c1", RateLimitedError("slow down", provider="openai"))
    finish(bus, "c2", TruncatedError("broke off", partial="Half an"))
    finish(bus, "c3", AIError("The call was cancelled."), cancelled=True)
    bus.publish(CallStarted("r1", "c4", "keyless", ""))
    bus.publish(CallFailed("r1", "c4", Failure("keyless", AIError("No key."))))
    finish(bus, "c5", OverloadedError("busy after all", partial="Half an"))
    found = [(row["outcome"], row["model"], row["cost_usd"]) for row in rows(ledger)]
    assert found == [
        ("rate_limited", "gpt-1", 0.0),
        ("truncated", "gpt-1", None),
        ("cancelled", "gpt-1", None),
        ("ai", "", 0.0),
        ("overloaded", "gpt-1", None),
    ]


def test_sums_leave_unknown_costs_out_and_say_so(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    finish(bus, "c1", answer(latency_s=1.0, first_token_s=0.5))
    finish(bus, "c2", answer(latency_s=3.0, cost_usd=None))
    finish(bus, "c3", RateLimitedError("slow down"))
    finish(bus, "c4", answer("a", answered_by="b", cost_usd=1.0))
    finish(bus, "c5", answer(cached=True, cost_usd=0.0, latency_s=2.0))
    ledger.flush()
    b, a = ledger.usage(*ALWAYS, by="ai")
    assert (b.key, b.calls, b.cost_usd, b.cost_complete) == ("b", 1, 1.0, True)
    assert (a.key, a.calls, a.failed, a.cost_usd, a.cost_complete) == ("a", 4, 1, 0.25, False)
    assert (a.input_tokens, a.output_tokens, a.cached_tokens, a.reasoning_tokens) == (200, 40, 120, 10)
    assert (a.latency_s, a.first_token_s) == (2.0, 0.5)
    assert list(a.calls_by_day.values()) == [4] and list(a.cost_by_day.values()) == [0.25]


def test_a_cost_nobody_knows_is_none_not_zero(ledger: Ledger) -> None:
    finish(bus_of(ledger), "c1", answer(cost_usd=None))
    ledger.flush()
    (row,) = ledger.usage(*ALWAYS, by="model")
    assert (row.key, row.cost_usd, row.cost_complete) == ("gpt-1-0301", None, False)


def test_since_is_included_and_until_is_not(ledger: Ledger) -> None:
    finish(bus_of(ledger), "c1", answer())
    at = datetime.fromisoformat(rows(ledger)[0]["at"])
    assert len(ledger.usage(at, at + timedelta(milliseconds=1), by="day")) == 1
    assert ledger.usage(at - timedelta(days=1), at, by="day") == []


def test_days_come_in_order_and_a_report_has_them_and_the_ais(ledger: Ledger) -> None:
    finish(bus_of(ledger), "c1", answer())
    ledger.flush()
    with sqlite3.connect(_path(ledger)) as connection:
        connection.execute("INSERT INTO calls SELECT NULL, '2026-01-02T10:00:00.000Z', run, tool, ai, provider, model, "
                           "key_alias, role, 1, 1, 0, 0, 5.0, 1, 1, 'ok', NULL, 0, person FROM calls")  # fmt: skip
        connection.execute("UPDATE calls SET at = '2026-01-03T23:59:59.999Z' WHERE id = 1")
    days = ledger.usage(*ALWAYS, by="day")
    assert [(day.key, day.calls, day.cost_usd) for day in days] == [("2026-01-02", 1, 5.0), ("2026-01-03", 1, 0.25)]
    report = usage_report(ledger, datetime(2026, 1, 3, 23, 59, 59, tzinfo=UTC))
    assert [row["day"] for row in report["by_day"]] == ["2026-01-02", "2026-01-03"]
    assert [(row["ai"], row["calls"], row["cost_usd"]) for row in report["by_ai"]] == [("a", 2, 5.25)]


def test_nothing_exists_before_the_first_call_and_reading_makes_nothing(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    ledger = Ledger(tmp_path / "new" / "moot.db")
    bus_of(ledger).publish(RunStarted("r1", "ask_one"))
    assert ledger.usage(*ALWAYS, by="ai") == []
    ledger.close()
    assert not (tmp_path / "new").exists()
    assert set(threading.enumerate()) == before


def test_what_is_over_is_not_kept_in_memory(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    bus.publish(RunStarted("r1", "ask_one"))
    finish(bus, "c1", answer())
    finish(bus, "c2", RateLimitedError("slow down"))
    bus.publish(RunFinished("r1", "done"))
    assert (ledger._started, ledger._tools) == ({}, {})


def test_an_event_it_does_not_know_is_ignored(ledger: Ledger) -> None:
    ledger(object())  # type: ignore[arg-type]


def test_calls_made_while_the_store_is_locked_are_recorded_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.sqlite._BUSY_S", 0.02)
    monkeypatch.setattr("core.stores.writer._RETRY_S", 0.01)
    bus = bus_of(ledger)
    finish(bus, "c1", answer())
    ledger.flush()
    blocker = sqlite3.connect(_path(ledger), isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    finish(bus, "c2", answer())
    with pytest.raises(StoreError, match="locked"):
        ledger.flush()
    assert "locked" in (ledger.problem or "")
    blocker.execute("ROLLBACK")
    blocker.close()
    assert len(rows(ledger)) == 2
    assert ledger.problem is None


async def test_a_damaged_store_stops_no_call_and_is_told(
    tmp_path: Path, isolated: Path, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    home = isolated / "home"
    await anyio.to_thread.run_sync(home.mkdir)
    await anyio.to_thread.run_sync((home / "moot.db").write_bytes, b"not a database at all" * 100)
    row = AIConfig(provider="openai_compatible", base_url=provider.base_url, model="tokens=2")
    async with open_app(Config(rows={"a": row})) as app:
        for _ in range(3):
            assert isinstance(await app.caller.call("a", Request.of("Well?")), Answer)
        with pytest.raises(StoreError):
            await anyio.to_thread.run_sync(app.ledger.flush)
        assert any("damaged" in warning for warning in app.warnings())
    told = [record.message for record in caplog.records if "damaged" in record.message]
    assert len(told) == 1 and "moot doctor" in told[0]


async def test_a_running_app_records_every_call_and_its_end_writes_them(isolated: Path, provider: FakeProvider) -> None:
    row = AIConfig(provider="openai_compatible", base_url=provider.base_url, model="tokens=2")
    broken = row.model_copy(update={"model": "status=400,say=no"})
    async with open_app(Config(rows={"fine": row, "broken": broken})) as app:
        async with app.run("ask_many") as run:
            await run.ask_many([("fine", Request.of("Well?")), ("broken", Request.of("Well?"))])
    ledger = Ledger()
    found = await anyio.to_thread.run_sync(lambda: ledger.usage(*ALWAYS, by="tool"))
    assert [(row.key, row.calls, row.failed) for row in found] == [("ask_many", 2, 1)]


async def test_a_cancelled_call_is_recorded_as_cancelled(ledger: Ledger) -> None:
    hold = Hold("never")
    async with scripted_app({"a": [hold]}) as app:
        app.bus.add_sink(ledger)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.caller.call, "a", Request.of("Well?"))
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
    (row,) = await anyio.to_thread.run_sync(rows, ledger)
    assert row["outcome"] == "cancelled" and row["cost_usd"] is None


async def test_a_locked_store_holds_up_no_answer_and_not_the_end(
    isolated: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("core.usage.ledger._CLOSE_S", 0.01)
    row = AIConfig(provider="openai_compatible", base_url=provider.base_url, model="tokens=2")
    first = Ledger()
    await anyio.to_thread.run_sync(first.flush)

    def lock() -> sqlite3.Connection:
        blocker = sqlite3.connect(_path(first), isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN EXCLUSIVE")
        return blocker

    blocker = await anyio.to_thread.run_sync(lock)
    with anyio.fail_after(5):
        async with open_app(Config(rows={"a": row})) as app:
            assert isinstance(await app.caller.call("a", Request.of("Well?")), Answer)
    assert "moot doctor" in caplog.text
    await anyio.to_thread.run_sync(blocker.close)
    await anyio.to_thread.run_sync(first.close)


def test_a_model_whose_name_is_no_text_costs_no_row_and_none_of_the_others(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    finish(bus, "c1", answer(model="\ud800m\0"))
    finish(bus, "c2", answer(model="plain"))
    assert [row["model"] for row in rows(ledger)] == ["\ufffdm", "plain"]


@pytest.mark.parametrize(
    "line", ['["dead", "2", ["\\ud800"], 1.0]', '["dead", "x", {}, 1.0]', '["dead", "2", null, 1.0]']
)
def test_a_line_that_is_no_row_keeps_no_other_out(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "usage"
    folder.mkdir()
    whole = Entry(1.0, "r", "t", "a", "p", "\ud800m", "", None, 1.0, "ok")
    good = json.dumps(["dead", "1", list(values(whole)), 1.0])
    (folder / "usage-dead.0.spool").write_text(f"{good}\n{line}\n")
    ledger = Ledger(tmp_path / "moot.db")
    finish(bus_of(ledger), "c1", answer(model="plain"))
    assert [row["model"] for row in rows(ledger)] == ["\ufffdm", "plain"]
    ledger.close()


def test_the_file_of_one_who_dies_while_others_are_taken_over_is_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(name: str) -> None:
        row = values(Entry(1_800_000_000.0, "r", "t", "a", "p", name, "", None, 1.0, "ok"))
        (tmp_path / "usage" / f"usage-{name}.0.spool").write_text(f"{json.dumps([name, '1', list(row), 1.0])}\n")

    def take_over_while_one_dies(*args: Any) -> Any:
        taken = take_over(*args)
        die("late")
        return taken

    ledger = Ledger(tmp_path / "moot.db")
    finish(bus_of(ledger), "c1", answer(model="plain"))
    ledger.flush()
    die("early")
    take_over = ledger._spool.take_over
    with monkeypatch.context() as patch:
        patch.setattr(ledger._spool, "take_over", take_over_while_one_dies)
        assert {row.key for row in ledger.usage(*ALWAYS, by="model")} == {"plain", "early"}
    assert {row.key for row in ledger.usage(*ALWAYS, by="model")} == {"plain", "early", "late"}
    ledger.close()


def test_whoever_takes_over_the_rows_of_the_dead_removes_their_files(tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    folder.mkdir()
    row = values(Entry(1_800_000_000.0, "r", "t", "a", "p", "left", "", None, 1.0, "ok"))
    (folder / "usage-dead.0.spool").write_text(f"{json.dumps(['dead', '1', list(row), 1.0])}\n")
    (folder / "usage-dead.1.spool").write_text("")
    ledger = Ledger(tmp_path / "moot.db")
    finish(bus_of(ledger), "c1", answer(model="plain"))
    assert [row["model"] for row in rows(ledger)] == ["left", "plain"]
    ledger.flush()  # a further transaction: whatever comes after the one before has happened
    assert not list(folder.glob("usage-dead.*"))
    ledger.close()


def test_a_job_s_call_is_recorded_before_its_answer_is_kept_and_only_once(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    bus.publish(CallStarted("r", "c1", "a", "m"))
    bus.publish(CallAnswered("r", "c1", answer()))
    assert len(rows(ledger)) == 1, "a kill while the journal is written costs no row"
    bus.publish(CallFinished("r", "c1", answer()))
    assert len(rows(ledger)) == 1 and not ledger._started


def test_a_commit_that_nobody_heard_of_and_that_is_tried_again_doubles_nothing(ledger: Ledger) -> None:
    bus = bus_of(ledger)
    finish(bus, "c1", answer(model="one"))
    ledger.flush()
    line = ledger._spool.put(values(Entry(1.0, "r", "t", "a", "p", "two", "", None, 1.0, "ok")), 1.0)
    for _ in range(2):
        ledger._store.submit(lambda connection: ledger._spool.written(connection, [line], insert)).result(10)
    finish(bus, "c2", answer(model="three"))
    assert [row["model"] for row in rows(ledger)] == ["one", "two", "three"]
