"""Slots of an AI that a fleet shares: several processes' layers on one real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.client import Emit, ignore
from ai.layers.concurrency import Concurrency
from core.limits.bucket import MIGRATIONS
from core.limits.buckets import open_buckets
from core.limits.slots import SlotGrant, Slots, fair_shares
from core.stores.choose import AnyStore, open_store
from core.values import Request, Response

HI = Request.of("hi")


@given(
    st.integers(1, 500),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=6), st.integers(0, 300), min_size=1, max_size=12),
    st.integers(0, 9),
)
def test_shares_are_fair_and_leave_nothing_that_is_wanted(ceiling: int, wants: dict[str, int], turn: int) -> None:
    shares = fair_shares(ceiling, wants, turn=turn)
    assert sum(shares.values()) == min(ceiling, sum(wants.values()))
    for one, share in shares.items():
        assert 0 <= share <= wants[one]
        if share < wants[one]:
            assert share >= max(shares.values()) - 1, "nobody who wants more has less than another"


def test_what_does_not_divide_evenly_goes_round() -> None:
    wants = {"a": 5, "b": 5, "c": 5}
    had = {name for turn in range(40) for name, share in fair_shares(1, wants, turn=turn).items() if share}
    assert had == set(wants)


class CountedSlots(Slots):
    exchanges = 0

    def exchange(self, ai: str, **demand: int) -> Future[SlotGrant]:
        self.exchanges += 1
        return super().exchange(ai, **demand)


class Process:
    """One process's layer for the AI, with calls that end when they are told to."""

    def __init__(self, store: AnyStore, ceiling: int) -> None:
        self.slots = CountedSlots(store)
        self.layer = Concurrency(ceiling, lease=self.slots.lease("a"))
        self.gate = anyio.Event()
        self.most = 0

    async def call(self) -> None:
        await self.layer(HI, ignore, self._answer)

    async def _answer(self, request: Request, emit: Emit) -> Response:
        self.most = max(self.most, self.layer.in_flight)
        await self.gate.wait()
        return Response("fine", "m")


def open_limits() -> AnyStore:
    return open_store("limits", MIGRATIONS, durability="OFF", serial=True)


class Fleet:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.processes: list[Process] = []

    def start(self, ceiling: int = 10) -> Process:
        self.processes.append(Process(self._stack.enter_context(closing(open_limits())), ceiling))
        return self.processes[-1]

    @property
    def under_way(self) -> list[int]:
        return [process.layer.in_flight for process in self.processes]

    async def until(self, *under_way: int) -> None:
        with anyio.fail_after(20):
            while self.under_way != list(under_way):
                assert sum(self.under_way) <= 10, f"{self.under_way}"
                await anyio.sleep(0.005)


@pytest.fixture
def fleet(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    with ExitStack() as stack:
        yield Fleet(stack)


async def test_the_ceiling_holds_over_all_processes_and_a_late_one_gets_its_share(fleet: Fleet) -> None:
    first, second = fleet.start(), fleet.start()
    async with anyio.create_task_group() as tasks:
        for _ in range(14):
            tasks.start_soon(first.call)
        await fleet.until(10, 0)
        for _ in range(14):
            tasks.start_soon(second.call)
        while second.slots.exchanges < 3:  # it asks again and again, and gets nothing yet
            assert fleet.under_way == [10, 0]
            await anyio.sleep(0.005)
        first.gate.set()  # its calls end, and what still waits there may begin: but only within its share
        with anyio.fail_after(20):
            while second.layer.in_flight < 5:
                assert sum(fleet.under_way) <= 10
                await anyio.sleep(0.005)
        second.gate.set()
    assert first.most + second.most >= 15


async def test_one_call_after_the_other_asks_once_in_a_while(fleet: Fleet) -> None:
    process = fleet.start()
    process.gate.set()
    for _ in range(300):
        await process.call()
    assert process.slots.exchanges <= 5


async def test_idle_slots_go_back_and_what_a_lost_process_held_lapses(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.limits.slots.LEASE_S", 1.5)
    lost, other = fleet.start(), fleet.start()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(lost.call)
        await fleet.until(10, 0)
        lost.slots.closed = True  # nobody hears of it any more
        for _ in range(10):
            tasks.start_soon(other.call)
        with anyio.fail_after(20):
            while other.layer.in_flight < 10:
                await anyio.sleep(0.005)
        other.gate.set()
        lost.gate.set()
    third = fleet.start()
    async with anyio.create_task_group() as tasks:  # the other one gave its slots back by itself
        for _ in range(10):
            tasks.start_soon(third.call)
        with anyio.fail_after(1.4):
            while third.layer.in_flight < 10:
                await anyio.sleep(0.005)
        third.gate.set()


async def test_more_processes_than_slots_take_turns(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.limits.slots._TURN_S", 0.3)
    processes = [fleet.start(1) for _ in range(3)]
    done = [0, 0, 0]

    async def work(number: int) -> None:
        processes[number].gate.set()
        while min(done) < 3:
            await processes[number].call()
            done[number] += 1
            assert sum(fleet.under_way) <= 1
            await anyio.sleep(0.002)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(work, number)


async def test_without_the_database_each_process_goes_by_its_own_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_STORE", "postgresql://moot:" + "word@127.0.0.1:1/moot")
    store = open_limits()
    process = Process(store, 3)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(process.call)
        with anyio.fail_after(10):
            while process.layer.in_flight < 3:
                await anyio.sleep(0.005)
        process.gate.set()
    assert process.most == 3
    await anyio.to_thread.run_sync(store.close)


def test_on_one_machine_every_process_keeps_its_own() -> None:
    with closing(open_buckets()) as buckets:
        assert buckets.lease("a") is None
