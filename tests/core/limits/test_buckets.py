from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limits.bucket import MIGRATIONS, Bucket, Grant, Limit
from core.limits.buckets import LONGEST_REST_S, Buckets, key_id
from core.names.naming import module_name
from core.stores.sqlite import Store
from core.values import Priority

ROOT = Path(__file__).parents[3]
SIXTY = {"requests": Limit(60)}
"""One a second; 3% of the bucket are kept back."""

amounts = st.floats(0, 1e9)
times = st.floats(-1e9, 1e10)
limits = st.builds(Limit, st.floats(0.1, 1e9), st.floats(60, 1e6))
buckets = st.builds(Bucket, limits, st.floats(-1e9, 1e9), times)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@given(buckets, times)
def test_a_clock_that_jumps_neither_empties_nor_overfills(bucket: Bucket, now: float) -> None:
    later = bucket.refilled(now)
    gained = bucket.rate * bucket.limit.period_s
    assert min(bucket.level, bucket.capacity) <= later.level <= min(bucket.level + gained * 1.000001, bucket.capacity)
    assert later.refilled(now) == later


@given(buckets, amounts, st.sampled_from(["interactive", "background", "batch"]))
def test_what_is_asked_for_is_there_after_the_wait(bucket: Bucket, amount: float, priority: Priority) -> None:
    wait_s = bucket.wait_s(amount, priority)
    assert wait_s >= 0
    filled = bucket.level + wait_s * bucket.rate
    assert filled >= min(amount, bucket.capacity) - 1e-6 * max(1.0, abs(bucket.level))


@given(buckets, amounts)
def test_the_less_urgent_never_go_first(bucket: Bucket, amount: float) -> None:
    assert bucket.wait_s(amount, "interactive") <= bucket.wait_s(amount, "background") <= bucket.wait_s(amount, "batch")


@given(buckets, st.floats(-1e9, 1e9))
def test_a_correction_moves_the_level_by_one_bucket_at_most(bucket: Bucket, amount: float) -> None:
    level = min(bucket.level, bucket.capacity)
    given_back = bucket.limited(bucket.limit).give(amount).level
    assert level - bucket.capacity * 1.000001 - 1 <= given_back <= bucket.capacity


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.floats(1, 600))
def test_in_no_stretch_of_time_more_goes_out_than_the_limit_allows(pauses: list[float], rpm: float) -> None:
    bucket, now = Bucket.full(Limit(rpm), 0.0), 0.0
    sent: list[float] = []
    for pause in pauses:
        now += pause
        bucket = bucket.refilled(now)
        sent.append(now + bucket.wait_s(1, "interactive"))
        bucket = bucket.take(1)
    assert sent == sorted(sent), "first in, first out"
    for first, start in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= bucket.capacity + bucket.rate * (sent[last] - start) + 1e-6


async def reserve(of: Buckets, key: str = "k", count: int = 1, **options: object) -> list[Grant]:
    return [await of.reserve(key, {"requests": 1}, SIXTY, **options) for _ in range(count)]  # type: ignore[arg-type]


async def opened(tmp_path: Path, clock: Clock) -> Buckets:
    return Buckets(Store(tmp_path / "limits.db", MIGRATIONS, durability="OFF"), clock=clock)


async def closed(*many: Buckets) -> None:
    for one in many:
        await anyio.to_thread.run_sync(one.close)


async def test_the_queue_is_first_in_first_out_across_processes(tmp_path: Path) -> None:
    clock = Clock()
    one, other = await opened(tmp_path, clock), await opened(tmp_path, clock)
    await reserve(one, count=58)
    waits = [(await reserve(of))[0].wait_s for of in (one, other, other, one)]
    assert waits == pytest.approx([0.8, 1.8, 2.8, 3.8])
    await closed(one, other)


async def test_what_is_given_back_is_there_for_the_next(tmp_path: Path) -> None:
    clock = Clock()
    buckets = await opened(tmp_path, clock)
    await reserve(buckets, count=58)
    buckets.give("k", {"requests": 5})
    assert (await reserve(buckets))[0].wait_s == 0
    await closed(buckets)


async def test_small_corrections_of_tokens_wait_for_the_next_write_and_are_not_lost(tmp_path: Path) -> None:
    clock, limit = Clock(), {"tokens": Limit(1_000)}
    buckets = await opened(tmp_path, clock)
    await buckets.reserve("k", {"tokens": 100}, limit)  # type: ignore[arg-type]
    for _ in range(9):
        buckets.give("k", {"tokens": 10})
    grant = await buckets.reserve("k", {"tokens": 0}, limit)  # type: ignore[arg-type]
    assert grant.headroom == pytest.approx(960 / 970)
    buckets.give("k", {"tokens": 10})
    await closed(buckets)
    again = await opened(tmp_path, clock)
    assert (await again.reserve("k", {}, limit)).headroom == 1.0  # type: ignore[arg-type]
    await closed(again)


async def test_background_callers_take_no_debt_and_leave_a_reserve(tmp_path: Path) -> None:
    clock = Clock()
    buckets = await opened(tmp_path, clock)
    taken = [(await reserve(buckets, priority="batch"))[0].taken for _ in range(60)]
    assert sum(taken) == 43, "three quarters of 58"
    assert (await reserve(buckets, priority="background"))[0].taken
    assert (await reserve(buckets))[0] == Grant(True, 0.0, "", pytest.approx(13.2 / 58.2))
    refused = (await reserve(buckets, priority="batch"))[0]
    clock.now += refused.wait_s + 0.001
    assert (await reserve(buckets, priority="batch"))[0].taken
    await closed(buckets)


async def test_a_wait_that_is_too_long_takes_nothing(tmp_path: Path) -> None:
    buckets = await opened(tmp_path, Clock())
    await reserve(buckets, count=58)
    late = [await buckets.reserve("k", {"requests": 1}, SIXTY, longest_s=0.5) for _ in range(3)]
    assert [grant.taken for grant in late] == [False] * 3
    assert late[-1].wait_s == pytest.approx(0.8)
    assert late[-1].reason == "60 requests per minute"
    await closed(buckets)


async def test_the_provider_s_word_lowers_the_level_and_never_raises_it(tmp_path: Path) -> None:
    buckets = await opened(tmp_path, Clock())
    await reserve(buckets)
    buckets.observe("k", SIXTY, {"requests": 3})
    await reserve(buckets, count=3)
    buckets.observe("k", SIXTY, {"requests": 50})
    assert (await reserve(buckets))[0].wait_s == pytest.approx(1.0)
    await closed(buckets)


async def test_a_clock_that_is_set_back_does_not_prolong_a_rest(tmp_path: Path) -> None:
    clock = Clock()
    buckets = await opened(tmp_path, clock)
    buckets.rest("k", 10.0, "the provider asked for a pause")
    clock.now -= 3_600
    assert (await reserve(buckets))[0].wait_s == 10.0
    clock.now += 4
    assert (await reserve(buckets))[0].wait_s == pytest.approx(6.0)
    assert buckets.resting_s("k") == pytest.approx(6.0)
    await closed(buckets)


async def test_the_clock_is_read_when_a_write_has_its_turn_so_that_times_never_cross(tmp_path: Path) -> None:
    """A time from before the last write would count the moments in between twice."""
    clock = Clock()
    buckets = await opened(tmp_path, clock)
    await reserve(buckets, count=58)
    busy, free = threading.Event(), threading.Event()

    def hold_up(connection: sqlite3.Connection) -> None:
        busy.set()
        free.wait(5)

    buckets._store.post(hold_up)
    assert await anyio.to_thread.run_sync(busy.wait, 5)
    asked = asyncio.create_task(reserve(buckets))
    await asyncio.sleep(0)
    clock.now += 0.3
    free.set()
    assert (await asked)[0].wait_s == pytest.approx(0.5)
    await closed(buckets)


async def test_the_headroom_grows_back_without_a_look_into_the_store(tmp_path: Path) -> None:
    clock = Clock()
    buckets = await opened(tmp_path, clock)
    assert buckets.headroom("k") == 1.0
    await reserve(buckets, count=58)
    assert buckets.headroom("k") < 0.01
    clock.now += 30
    assert buckets.headroom("k") == pytest.approx(0.5, abs=0.05)
    await closed(buckets)


@pytest.mark.parametrize(("asked", "rests"), [(7.0, 7.0), (-5.0, 0.0), (1e12, LONGEST_REST_S)])
async def test_a_rested_key_is_left_alone_for_a_sensible_time(tmp_path: Path, asked: float, rests: float) -> None:
    buckets = await opened(tmp_path, Clock())
    buckets.rest("k", asked, "the provider asked for a pause")
    other = await opened(tmp_path, buckets._clock)  # type: ignore[arg-type]
    await reserve(buckets)
    assert (await reserve(other))[0].wait_s == rests
    assert (await reserve(other, key="another"))[0].wait_s == 0
    await closed(buckets, other)


async def test_a_damaged_store_is_told_once_and_calls_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "limits.db").write_bytes(b"this is no database" * 100)
    buckets = await opened(tmp_path, Clock())
    with caplog.at_level(logging.WARNING, module_name("core.limits.buckets")):
        waits = [grant.wait_s for grant in await reserve(buckets, count=60)]
    assert waits[:58] == [0.0] * 58
    assert waits[58:] == pytest.approx([0.8, 1.8]), "kept by this process alone"
    assert [record.name for record in caplog.records].count(module_name("core.limits.buckets")) == 1
    await closed(buckets)


async def test_a_caller_who_is_cancelled_before_it_is_told_its_place_gives_it_back(tmp_path: Path) -> None:
    buckets = await opened(tmp_path, Clock())
    await reserve(buckets, count=57)
    task = asyncio.create_task(buckets.reserve("k", {"requests": 1}, SIXTY))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wrap_future(buckets._store.submit(lambda connection: None))  # what was before it is done
    assert (await reserve(buckets))[0].wait_s == 0
    await closed(buckets)


def test_the_name_of_a_key_is_the_same_in_every_process_and_not_the_key() -> None:
    program = "from core.limits.buckets import key_id; print(key_id('https://api', 'sk-secret'))"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == key_id("https://api", "sk-secret")
    assert "secret" not in said
    assert key_id("ab", "c") != key_id("a", "bc")


async def test_a_locked_store_holds_no_call_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.limits.buckets._STORE_PATIENCE_S", 0.01)
    monkeypatch.setattr("core.stores.sqlite._BUSY_S", 0.1)
    buckets = await opened(tmp_path, Clock())
    await anyio.to_thread.run_sync(buckets._store.read, lambda connection: None)
    with closing(sqlite3.connect(tmp_path / "limits.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        waits = [grant.wait_s for grant in await reserve(buckets, count=60)]
    assert waits[57:] == pytest.approx([0.0, 0.8, 1.8]), "kept by this process alone"
    await closed(buckets)
