"""A call that waited for its turn is asked once more whether it may leave, right before it does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from scripted_ai import scripted_seat

from ai.caller import Caller
from ai.client import AsyncAIClient, Emit
from ai.layers.permit import ask_before_sending
from ai.roster.roster import Roster
from ai.runs.memo import Memo
from core.config import Config
from core.events import EventBus
from core.values import Request, Response


class Sending(AsyncAIClient):
    """Every request it gets is sent; the first waits for the gate."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gate = anyio.Event()

    async def complete(self, request: Request, emit: Emit) -> Response:
        self.sent.append(request.messages[-1].text)
        if len(self.sent) == 1:
            await self.gate.wait()
        return Response("fine", "sending-1")


class Licence:
    """What says whether a call may leave: as long as nobody has taken it away."""

    def __init__(self) -> None:
        self.valid = True
        self.asked = 0
        self.given_back = anyio.Event()

    async def __call__(self) -> None:
        self.asked += 1
        if not self.valid:
            await self.given_back.wait()


async def reached(met: Callable[[], bool]) -> None:
    """Once it is so, all that can go on without the world outside goes on."""
    with anyio.fail_after(5):
        while not met():
            await anyio.sleep(0.001)
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_a_call_that_waited_for_a_slot_stays_here_when_it_may_not_leave_any_more() -> None:
    client, licence = Sending(), Licence()
    seat = scripted_seat("a", client, concurrency=1)
    ask_before_sending(licence)
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(seat.complete, Request.of(f"{number}"), lambda signal: None)
        await reached(lambda: client.sent == ["0"])
        licence.valid = False
        client.gate.set()
        await reached(lambda: licence.asked == 2)
        assert client.sent == ["0"], "the slot is free, and nothing leaves"
        licence.given_back.set()
    assert client.sent == ["0", "1", "2"]


class Journal(Licence):
    """Of a job that is taken away from this process after so many questions."""

    waiting = 0

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._answers = answers

    async def ready(self, job: str) -> None:
        assert job == "j"
        self.valid = self.asked < self._answers
        await self()

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        return {}

    def record(self, job: str, key: str, value: Any) -> None:
        return

    async def settle(self) -> None:
        return


@pytest.mark.parametrize(("answers", "sent"), [(0, []), (1, []), (2, ["x"])])
async def test_a_call_of_a_job_asks_when_it_starts_and_again_before_it_leaves(answers: int, sent: list[str]) -> None:
    client, journal, roster = Sending(), Journal(answers), Roster(Config())
    client.gate.set()
    roster.seats["a"] = scripted_seat("a", client)
    memo, caller = Memo(journal, "j"), Caller(roster, EventBus())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(memo.call_many, run="j", role=""), caller, [("a", Request.of("x"))])
        await reached(lambda: journal.asked == min(answers + 1, 2))
        assert client.sent == sent
        tasks.cancel_scope.cancel()
    await roster.aclose()


async def test_outside_of_a_job_nobody_is_asked() -> None:
    client = Sending()
    client.gate.set()
    ask_before_sending(None)
    await scripted_seat("a", client).complete(Request.of("x"), lambda signal: None)
    assert client.sent == ["x"]
