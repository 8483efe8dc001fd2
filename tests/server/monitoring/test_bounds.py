"""When somebody is told that something is too much, and when that it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from scripted_ai import scripted_app

from core.errors import StoreError
from core.usage.ledger import Ledger
from server.monitoring.bounds import Alarms, watch
from server.monitoring.recorder import Recorder, Vitals

WELL = Vitals(
    at=0.0,
    uptime_s=1.0,
    cpu=0.1,
    memory=0.2,
    disk=0.3,
    disk_free_bytes=10**9,
    process_memory_bytes=10**8,
    loop_lag_s=0.001,
    jobs={"queued": 0},
)


def told(*looks: Vitals) -> list[list[str]]:
    alarms = Alarms()
    return [alarms.of(look) for look in looks]


def test_a_moment_is_nothing_and_three_looks_are_told_once() -> None:
    full = replace(WELL, disk=0.97)
    assert told(full, full, WELL, full, full, full, full, full) == [
        [],
        [],
        [],
        [],
        [],
        ["The disk is 97% full. Free some space: moot jobs clean --words"],
        [],
        [],
    ]


def test_it_is_over_only_well_below_the_bound_and_may_come_again() -> None:
    high, less, well = (replace(WELL, cpu=share) for share in (0.99, 0.9, 0.5))
    assert told(high, high, high, less, well, high, high, high)[2:] == [
        ["The processor is at 99%."],
        [],
        ["Over: processor is at 0.5 again."],
        [],
        [],
        ["The processor is at 99%."],
    ]


def test_what_is_not_known_is_neither_too_much_nor_over() -> None:
    high, unknown = replace(WELL, memory=0.99), replace(WELL, memory=None)
    assert told(high, high, unknown, high)[3] and told(unknown, unknown, unknown, unknown)[3] == []


def test_a_few_failed_calls_are_no_alarm() -> None:
    few = replace(WELL, calls=2, errors={"timeout": 2})
    many = replace(WELL, calls=20, errors={"timeout": 15})
    assert told(few, few, few)[2] == []
    assert told(many, many, many)[2] == ["75% of the calls of the last hour failed. Look at: moot status"]


async def test_one_look_has_the_machine_the_jobs_and_the_calls_of_the_last_hour() -> None:
    async with scripted_app({"gpt": []}) as app:
        vitals = await Recorder(app).look()
    assert vitals.memory is not None and 0 < vitals.memory <= 1 and vitals.process_memory_bytes
    assert [one.name for one in vitals.ais] == ["gpt"] and vitals.jobs["queued"] == 0
    text = "\n".join(vitals.lines())
    assert "AIs: gpt 0/" in text and "Calls of the last hour: 0; errors: none" in text
    assert vitals.to_json()["ais"][0]["limit"] > 0


async def test_a_ledger_that_cannot_be_read_is_said_and_the_rest_is_there(monkeypatch: Any) -> None:
    def away(self: Ledger, since: datetime) -> dict[str, int]:
        assert datetime.now(UTC) - since > timedelta(minutes=59)
        raise StoreError("The ledger cannot be read.")

    monkeypatch.setattr(Ledger, "outcomes", away)
    async with scripted_app({"gpt": []}) as app:
        vitals = await Recorder(app).look()
    assert vitals.problem == "The ledger cannot be read." and vitals.memory is not None
    assert vitals.lines()[-1] == "Not read: The ledger cannot be read."


async def test_whoever_watches_is_told_as_it_happens() -> None:
    class Busy(Recorder):
        async def look(self) -> Vitals:
            return replace(WELL, loop_lag_s=2.0)

    heard: list[str] = []
    async with scripted_app({}) as app:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def tell(sentence: str) -> None:
                    heard.append(sentence)
                    tasks.cancel_scope.cancel()

                await watch(Busy(app), tell, every_s=0)
    assert heard == ["The event loop is 2.0 s late: answers come slowly."]
