from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ai.client import Emit, FellBack, Retrying, Signal, Thinking, ignore
from ai.layers.breaker import Breaker
from ai.layers.concurrency import Concurrency
from ai.layers.deadline import Deadline
from ai.layers.fallback import Fallback
from ai.layers.pipeline import Complete, build_pipeline
from ai.layers.retry import Retry, RetryBudget
from core.errors import (
    AIError,
    AITimeoutError,
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    OverloadedError,
    RateLimitedError,
    ServerError,
    TruncatedError,
)
from core.values import Deadlines, Request, Response

HI = Request.of("hi")
OK = Response("fine", "m")


def scripted(*steps: AIError | Response, says: Signal | None = None) -> Complete:
    """A client that goes through *steps*, and fails when asked more often."""
    left = list(steps)

    async def complete(request: Request, emit: Emit) -> Response:
        if says is not None:
            emit(says)
        step = left.pop(0)
        if isinstance(step, AIError):
            raise step
        return step

    return complete


async def no_sleep(seconds: float) -> None:
    return None


class Naps:
    """Remembers how long it was asked to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_layers_run_outermost_first() -> None:
    order: list[str] = []

    def layer(name: str) -> Any:
        async def run(request: Request, emit: Emit, call_next: Complete) -> Response:
            order.append(name)
            return await call_next(request, emit)

        return run

    await build_pipeline([layer("a"), layer("b")], scripted(OK))(HI, ignore)
    assert order == ["a", "b"]


async def test_a_refused_request_is_tried_again_and_the_retry_is_told() -> None:
    heard: list[Signal] = []
    retry = Retry(3, sleep=no_sleep)
    answer = await retry(HI, heard.append, scripted(OverloadedError("busy"), ServerError("oops"), OK))
    assert answer is OK
    assert [(type(s), s.attempt, s.reason) for s in heard if isinstance(s, Retrying)] == [
        (Retrying, 2, "busy"),
        (Retrying, 3, "oops"),
    ]


async def test_the_last_error_goes_up_when_the_tries_are_used_up() -> None:
    with pytest.raises(ServerError, match="second"):
        await Retry(2, sleep=no_sleep)(HI, ignore, scripted(ServerError("first"), ServerError("second")))


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("x"),
        TruncatedError("x"),
        ConnectionFailedError("x", sent=True),
        AITimeoutError("x", phase="first token"),
    ],
)
async def test_what_may_have_been_accepted_or_cannot_get_better_is_not_repeated(error: AIError) -> None:
    with pytest.raises(type(error)):
        await Retry(3, sleep=no_sleep)(HI, ignore, scripted(error))


@pytest.mark.parametrize("signal", ["some text", Thinking("hm")])
async def test_nothing_is_repeated_once_the_model_has_begun(signal: Signal) -> None:
    with pytest.raises(OverloadedError):
        await Retry(3, sleep=no_sleep)(HI, ignore, scripted(OverloadedError("x"), says=signal))


async def test_retry_after_is_honoured() -> None:
    naps = Naps()
    await Retry(2, sleep=naps)(HI, ignore, scripted(RateLimitedError("x", retry_after=7.0), OK))
    assert 7.0 <= naps.seconds[0] <= 7.5


async def test_a_retry_after_longer_than_the_cap_is_not_waited_for() -> None:
    naps = Naps()
    with pytest.raises(RateLimitedError):
        await Retry(2, sleep=naps)(HI, ignore, scripted(RateLimitedError("x", retry_after=3600)))
    assert naps.seconds == []


async def test_backoff_is_jittered_and_capped() -> None:
    naps = Naps()
    errors = [ServerError("x") for _ in range(9)]
    await Retry(10, sleep=naps, cap_s=2.0)(HI, ignore, scripted(*errors, OK))
    assert len(set(naps.seconds)) == 9
    assert all(0 <= nap <= 2.0 for nap in naps.seconds)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_retries_are_at_most_a_fifth_of_the_calls_of_the_last_minute() -> None:
    clock = Clock()
    retry = Retry(3, sleep=no_sleep, budget=RetryBudget(clock=clock))
    for _ in range(50):
        await retry(HI, ignore, scripted(OK))
    retried = 0
    for _ in range(50):
        try:
            await retry(HI, ignore, scripted(OverloadedError("x"), OK))
            retried += 1
        except OverloadedError:
            pass
    assert retried == 20
    clock.now = 61.0
    await retry(HI, ignore, scripted(OverloadedError("x"), OverloadedError("y"), OK))
    with pytest.raises(OverloadedError):
        await retry(HI, ignore, scripted(OverloadedError("x")))


async def fail(breaker: Breaker, error: AIError, times: int) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            await breaker(HI, ignore, scripted(error))


async def test_a_breaker_opens_after_repeated_failures_and_says_why() -> None:
    breaker = Breaker("gpt", threshold=3, clock=Clock())
    await fail(breaker, ServerError("engine on fire"), 3)
    with pytest.raises(CircuitOpenError, match="engine on fire") as caught:
        await breaker(HI, ignore, scripted())
    assert caught.value.retry_after == 30.0
    assert breaker.state == "open"


async def test_an_open_breaker_lets_one_probe_through_and_closes_when_it_succeeds() -> None:
    clock = Clock()
    breaker = Breaker("gpt", threshold=1, rest_s=10, clock=clock)
    await fail(breaker, ServerError("x"), 1)
    clock.now = 10.0
    assert breaker.state == "half-open"
    started, gate = anyio.Event(), anyio.Event()

    async def slow(request: Request, emit: Emit) -> Response:
        started.set()
        await gate.wait()
        return OK

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breaker, HI, ignore, slow)
            await started.wait()
            with pytest.raises(CircuitOpenError):
                await breaker(HI, ignore, scripted())
            gate.set()
    assert breaker.state == "closed"
    assert await breaker(HI, ignore, scripted(OK)) is OK


async def test_a_failed_probe_rests_the_ai_again() -> None:
    clock = Clock()
    breaker = Breaker("gpt", threshold=2, rest_s=10, clock=clock)
    await fail(breaker, ServerError("x"), 2)
    clock.now = 10.0
    await fail(breaker, ServerError("y"), 1)
    assert breaker.state == "open"


async def test_a_cancelled_probe_does_not_lock_the_breaker() -> None:
    clock = Clock()
    breaker = Breaker("gpt", threshold=1, rest_s=10, clock=clock)
    await fail(breaker, ServerError("x"), 1)
    clock.now = 10.0
    with anyio.move_on_after(0):
        await breaker(HI, ignore, lambda request, emit: anyio.sleep_forever())  # type: ignore[arg-type, return-value]
    assert await breaker(HI, ignore, scripted(OK)) is OK


async def test_a_wrong_key_or_a_full_bucket_does_not_open_the_breaker() -> None:
    breaker = Breaker("gpt", threshold=2, clock=Clock())
    await fail(breaker, AuthenticationError("x"), 3)
    await fail(breaker, RateLimitedError("x"), 3)
    assert breaker.state == "closed"


async def test_no_more_calls_than_the_limit_are_under_way_and_the_rest_follow_in_order() -> None:
    layer = Concurrency(2)
    running: list[int] = []
    order: list[int] = []
    most = 0
    gates = [anyio.Event() for _ in range(5)]

    def client(number: int) -> Complete:
        async def complete(request: Request, emit: Emit) -> Response:
            nonlocal most
            running.append(number)
            order.append(number)
            most = max(most, len(running))
            await gates[number].wait()
            running.remove(number)
            return OK

        return complete

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(layer, HI, ignore, client(number))
            for gate in gates:
                for _ in range(20):  # slots are handed over one after the other
                    await anyio.lowlevel.checkpoint()
                assert layer.in_flight == min(2, 5 - gates.index(gate))
                gate.set()
    assert most == 2
    assert order == [0, 1, 2, 3, 4]


async def test_a_cancelled_call_gives_its_slot_back() -> None:
    layer = Concurrency(1)
    with anyio.move_on_after(0):
        await layer(HI, ignore, lambda request, emit: anyio.sleep_forever())  # type: ignore[arg-type, return-value]
    assert layer.in_flight == 0


def stuck(*signals: Signal) -> Complete:
    async def complete(request: Request, emit: Emit) -> Response:
        for signal in signals:
            emit(signal)
        await anyio.sleep_forever()
        raise AssertionError

    return complete


@pytest.mark.parametrize(
    ("limits", "signals", "phase", "partial"),
    [
        (Deadlines(first_token=0.01), (), "first token", ""),
        (Deadlines(idle=0.01), ("he", "llo"), "idle", "hello"),
        (Deadlines(idle=0.01), (Thinking("hm"),), "idle", ""),
        (Deadlines(total=0.01), ("he",), "total", "he"),
        (Deadlines(total=0.01, first_token=None, idle=None), (), "total", ""),
    ],
)
async def test_each_deadline_ends_the_attempt_and_says_which_it_was(
    limits: Deadlines, signals: tuple[Signal, ...], phase: str, partial: str
) -> None:
    with anyio.fail_after(5), pytest.raises(AITimeoutError) as caught:
        await Deadline("gpt", "openai", limits)(HI, ignore, stuck(*signals))
    assert (caught.value.phase, caught.value.partial) == (phase, partial)
    assert isinstance(caught.value, TimeoutError)


async def test_a_request_s_own_deadlines_win() -> None:
    request = Request.of("hi", deadlines=Deadlines(total=0.01))
    with anyio.fail_after(5), pytest.raises(AITimeoutError):
        await Deadline("gpt", "openai", Deadlines())(request, ignore, stuck())


async def test_a_cancellation_from_outside_is_not_taken_for_a_deadline() -> None:
    with anyio.move_on_after(0.01) as scope:
        await Deadline("gpt", "openai", Deadlines())(HI, ignore, stuck())
    assert scope.cancelled_caught


def chain(**others: Complete) -> Callable[[str], Complete]:
    def find(name: str) -> Complete:
        if name not in others:
            raise ConfigError(f"no {name}")
        return others[name]

    return find


@pytest.mark.parametrize(
    "error",
    [CircuitOpenError("x"), RateLimitedError("x"), OverloadedError("x"), ConnectionFailedError("x", sent=False)],
)
async def test_another_ai_takes_over_and_the_answer_says_so(error: AIError) -> None:
    heard: list[Signal] = []
    answer = await Fallback(["b"], chain(b=scripted(OK)))(HI, heard.append, scripted(error))
    assert (answer.text, answer.answered_by, answer.fallback_reason) == ("fine", "b", "x")
    assert heard == [FellBack("b", "x")]


async def test_the_chain_is_followed_past_ais_that_fail_or_cannot_be_used() -> None:
    others = chain(b=scripted(OverloadedError("b too")), d=scripted(OK))
    answer = await Fallback(["b", "c", "d"], others)(HI, ignore, scripted(ServerError("x")))
    assert answer.answered_by == "d"


@pytest.mark.parametrize(
    "error", [TruncatedError("x", partial="half"), ConnectionFailedError("x", sent=True), AuthenticationError("x")]
)
async def test_nobody_else_is_paid_when_the_first_may_be_on_the_bill_or_the_request_is_at_fault(error: AIError) -> None:
    with pytest.raises(type(error)):
        await Fallback(["b"], chain(b=scripted(OK)))(HI, ignore, scripted(error))


async def test_the_first_error_goes_up_when_the_whole_chain_fails() -> None:
    with pytest.raises(ServerError, match="first"):
        await Fallback(["b"], chain(b=scripted(ServerError("second"))))(HI, ignore, scripted(ServerError("first")))
