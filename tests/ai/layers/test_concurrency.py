from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from ai.client import Emit, ignore
from ai.layers.concurrency import Concurrency, Trend
from core.errors import AIError, OverloadedError, RateLimitedError, ServerError
from core.values import Request, Response

HI = Request.of("hi")
OK = Response("fine", "m")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def settled() -> None:
    """Let everybody who may go ahead do so: slots are handed over one after the other."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


async def fine(request: Request, emit: Emit) -> Response:
    return OK


async def fail(layer: Concurrency, error: AIError) -> None:
    async def failing(request: Request, emit: Emit) -> Response:
        raise error

    with pytest.raises(type(error)):
        await layer(HI, ignore, failing)


@pytest.mark.parametrize("error", [RateLimitedError("x", status=429), OverloadedError("x", status=529)])
async def test_an_ai_that_says_it_is_too_much_gets_half_as_many_at_once(error: AIError) -> None:
    clock = Clock()
    layer = Concurrency(10, clock=clock)
    for expected in (5, 2, 1, 1):
        clock.now += 1.0
        await fail(layer, error)
        assert layer.limit == expected
    assert layer.ceiling == 10


async def test_complaints_within_a_second_count_as_one() -> None:
    clock = Clock()
    layer = Concurrency(10, clock=clock)
    for _ in range(5):
        await fail(layer, RateLimitedError("x"))
        clock.now += 0.19
    assert layer.limit == 5


async def test_other_failures_do_not_slow_it_down() -> None:
    layer = Concurrency(10, clock=Clock())
    await fail(layer, ServerError("x"))
    assert layer.limit == 10


async def test_it_recovers_by_one_for_as_many_successes_as_there_are_slots_and_not_beyond_the_ceiling() -> None:
    layer = Concurrency(4, clock=Clock())
    await fail(layer, OverloadedError("x"))
    grown = []
    for _ in range(12):
        await layer(HI, ignore, fine)
        grown.append(layer.limit)
    assert grown == [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]


async def test_a_lower_limit_holds_back_those_who_wait_and_a_higher_one_lets_them_in() -> None:
    layer = Concurrency(4, clock=Clock())
    gates = [anyio.Event() for _ in range(8)]
    begun: list[int] = []

    async def call(number: int) -> None:
        async def gated(request: Request, emit: Emit) -> Response:
            begun.append(number)
            await gates[number].wait()
            if number == 0:
                raise RateLimitedError("x")
            return OK

        if number == 0:
            with pytest.raises(RateLimitedError):
                await layer(HI, ignore, gated)
        else:
            await layer(HI, ignore, gated)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(call, number)
            await settled()
            assert begun == [0, 1, 2, 3]
            for gate, then in ((0, 4), (1, 4), (2, 6), (3, 7)):
                gates[gate].set()
                await settled()
                assert (gate, len(begun)) == (gate, then)
            for gate in gates:
                gate.set()
    assert begun == list(range(8)), "in the order they came"
    assert layer.in_flight == 0


async def test_a_waiter_cancelled_in_the_moment_it_gets_its_slot_passes_it_on() -> None:
    layer = Concurrency(1)
    gate = anyio.Event()

    async def hold(request: Request, emit: Emit) -> Response:
        await gate.wait()
        return OK

    holder, unlucky, patient = (asyncio.create_task(layer(HI, ignore, client)) for client in (hold, fine, fine))
    await settled()
    layer.limit = 2
    layer.admit()  # the slot is handed over ...
    unlucky.cancel()  # ... before its new owner has run
    with anyio.fail_after(5):
        assert await patient is OK
        gate.set()
        await holder
    assert unlucky.cancelled()
    assert layer.in_flight == 0


async def test_a_request_is_on_its_way_before_the_next_call_of_a_burst_is_prepared() -> None:
    layer = Concurrency(10)
    seen: list[str] = []

    async def client(request: Request, emit: Emit) -> Response:
        name = request.messages[0].text
        seen.append(f"{name} prepared")
        await anyio.lowlevel.checkpoint()  # as aiohttp writes a body: in a task of its own
        seen.append(f"{name} written")
        return OK

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(layer, Request.of(name), ignore, client)
    assert seen == [f"{name} {step}" for name in "abc" for step in ("prepared", "written")]


def test_the_usual_ups_and_downs_keep_every_slot() -> None:
    trend = Trend()
    assert all(trend.add(1.0 if number % 2 else 2.5) == 1.0 for number in range(1_000))


def test_latency_that_rises_and_stays_costs_slots_until_it_has_become_usual() -> None:
    trend = Trend()
    for _ in range(100):
        trend.add(1.0)
    slow = [trend.add(5.0) for _ in range(1_000)]
    assert min(slow) < 0.6
    assert slow[-1] == 1.0


def test_a_single_slow_answer_costs_nothing() -> None:
    trend = Trend()
    for _ in range(100):
        trend.add(1.0)
    assert trend.add(5.0) == 1.0


async def test_an_ai_that_gets_slower_under_load_is_asked_less_at_once() -> None:
    clock = Clock()
    layer = Concurrency(10, clock=clock)

    async def wave(seconds: float) -> None:
        gate = anyio.Event()

        async def client(request: Request, emit: Emit) -> Response:
            await gate.wait()
            return OK

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(layer, HI, ignore, client)
            await settled()
            clock.now += seconds
            gate.set()

    for _ in range(3):
        await wave(1.0)
    assert layer.limit == 10
    await wave(9.0)
    await wave(9.0)
    assert layer.limit < 10
