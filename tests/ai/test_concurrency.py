from __future__ import annotations

import asyncio

import anyio
import pytest

from ai.client import Emit, ignore
from ai.layers.concurrency import Concurrency
from core.errors import AIError, OverloadedError, RateLimitedError, ServerError
from core.values import Request, Response

HI = Request.of("hi")
OK = Response("fine", "m")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


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
            await anyio.wait_all_tasks_blocked()
            assert begun == [0, 1, 2, 3]
            for gate, then in ((0, 4), (1, 4), (2, 6), (3, 7)):
                gates[gate].set()
                await anyio.wait_all_tasks_blocked()
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
    await anyio.wait_all_tasks_blocked()
    layer.limit = 2
    layer._admit()  # the slot is handed over ...
    unlucky.cancel()  # ... before its new owner has run
    with anyio.fail_after(5):
        assert await patient is OK
        gate.set()
        await holder
    assert unlucky.cancelled()
    assert layer.in_flight == 0
