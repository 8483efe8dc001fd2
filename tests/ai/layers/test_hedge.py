from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from ai.client import Emit, Retrying, Signal, ignore
from ai.layers.hedge import Hedge
from core.errors import AIError, ServerError
from core.values import Request, Response

HI = Request.of("hi")
Attempt = Callable[[Emit], Awaitable[Response]]


class Client:
    """Its attempts, in order; strict: none may be left over, none may be missing."""

    def __init__(self, *attempts: Attempt) -> None:
        self._attempts = list(attempts)
        self.cancelled = 0

    async def __call__(self, request: Request, emit: Emit) -> Response:
        attempt = self._attempts.pop(0)
        try:
            return await attempt(emit)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise

    def check(self) -> None:
        assert not self._attempts


async def answers(emit: Emit) -> Response:
    emit("yes")
    return Response("yes", "m")


async def hangs(emit: Emit) -> Response:
    await anyio.sleep_forever()
    raise AssertionError


async def fails(emit: Emit) -> Response:
    raise ServerError("down", status=500)


async def test_a_call_that_answers_is_asked_once() -> None:
    client = Client(answers)
    assert (await Hedge(60)(HI, ignore, client)).text == "yes"
    client.check()


async def test_silence_is_asked_a_second_time_and_the_loser_is_cancelled() -> None:
    signals: list[Signal] = []
    client = Client(hangs, answers)
    with anyio.fail_after(5):
        response = await Hedge(0.01)(HI, signals.append, client)
    assert response.text == "yes"
    assert client.cancelled == 1
    assert isinstance(signals[0], Retrying) and signals[1:] == ["yes"]
    client.check()


async def test_once_an_attempt_has_begun_to_write_only_its_words_are_heard() -> None:
    begun = anyio.Event()

    async def late(emit: Emit) -> Response:
        await begun.wait()
        emit("late")
        return Response("late", "m")

    async def slow(emit: Emit) -> Response:
        emit("slow ")
        begun.set()
        await anyio.lowlevel.checkpoint()
        emit("but first")
        return Response("slow but first", "m")

    signals: list[Signal] = []
    with anyio.fail_after(5):
        response = await Hedge(0.01)(HI, signals.append, Client(late, slow))
    assert response.text == "slow but first"
    assert [signal for signal in signals if isinstance(signal, str)] == ["slow ", "but first"]


async def test_a_failure_before_the_second_request_is_told_at_once() -> None:
    client = Client(fails)
    with pytest.raises(ServerError):
        await Hedge(60)(HI, ignore, client)
    client.check()


async def test_when_one_of_two_fails_the_other_still_may_answer() -> None:
    second_failed = anyio.Event()

    async def waits(emit: Emit) -> Response:
        await second_failed.wait()
        return await answers(emit)

    async def fails_second(emit: Emit) -> Response:
        second_failed.set()
        return await fails(emit)

    with anyio.fail_after(5):
        assert (await Hedge(0.01)(HI, ignore, Client(waits, fails_second))).text == "yes"


async def test_when_both_fail_the_call_fails() -> None:
    both = anyio.Event()

    async def waits(emit: Emit) -> Response:
        await both.wait()
        return await fails(emit)

    async def second(emit: Emit) -> Response:
        both.set()
        return await fails(emit)

    with anyio.fail_after(5), pytest.raises(AIError):
        await Hedge(0.01)(HI, ignore, Client(waits, second))


async def test_without_leave_nothing_is_asked_twice() -> None:
    waited = anyio.Event()

    def never() -> bool:
        waited.set()
        return False

    async def slow(emit: Emit) -> Response:
        await waited.wait()
        return await answers(emit)

    client = Client(slow)
    with anyio.fail_after(5):
        assert (await Hedge(0.01, allow=never)(HI, ignore, client)).text == "yes"
    client.check()


async def test_cancelling_the_call_cancels_both_requests() -> None:
    client = Client(hangs, hangs)
    with anyio.move_on_after(0.05):
        await Hedge(0.01)(HI, ignore, client)
    assert client.cancelled == 2
