from __future__ import annotations

import anyio
import pytest
from scripted_ai import Hold, scripted_app

from core.errors import AIError
from core.events import (
    CallAnswered,
    CallFailed,
    CallFellBack,
    CallFinished,
    CallRetrying,
    CallStarted,
    CallWaiting,
    Event,
    RunFinished,
    RunStarted,
    StepDone,
    Subscription,
    Token,
    ToolFinished,
    ToolStarted,
)
from core.values import Answer, Failure, Request, Usage
from server.progress import report, watched


async def test_a_long_silence_is_broken_by_a_sign_of_life() -> None:
    hold = Hold("done")
    lines: list[str] = []
    silent = anyio.Event()

    async def send(_: float, whole: float | None, line: str) -> None:
        lines.append(line)
        silent.set()

    async def show(events: Subscription) -> None:
        await report(events, send, heartbeat_s=0.01)

    async with scripted_app({"a": [hold]}) as app:
        with anyio.fail_after(5):
            async with watched(app.bus, "r", show), app.run("ask_one", run_id="r") as run:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run.ask, "a", Request.of("hi"))
                    await silent.wait()
                    hold.gate.set()
    assert lines[0] == "Waiting for a (thinking)"
    assert lines[-1].startswith("a answered in")


_RUN: list[Event] = [
    RunStarted("r", "agent"),
    CallStarted("r", "c1", "a", "m"),
    CallWaiting("r", "c1", 1.0, "its turn"),
    CallRetrying("r", "c1", 1, 0.1, "overloaded"),
    CallFellBack("r", "c1", "b", "gone"),
    Token("r", "c1", "Yes"),
    CallAnswered("r", "c1", Answer("a", "m", "Yes", 0.1, Usage(1, 1), None)),
    CallFinished("r", "c1", Answer("a", "m", "Yes", 0.1, Usage(1, 1), None)),
    ToolStarted("r", "t1", "a", "write", "{}"),
    ToolFinished("r", "t1", "a", "write", success=True, note="done", latency_s=0.1),
    CallStarted("r", "c2", "a", "m"),
    CallFailed("r", "c2", Failure("a", AIError("no"))),
    StepDone("r", "checked"),
    RunFinished("r", "done"),
]


@pytest.mark.parametrize("first", range(len(_RUN)))
async def test_whoever_comes_later_is_told_of_what_began_since(first: int) -> None:
    events, lines = Subscription("r"), list[str]()

    async def send(_: float, whole: float | None, line: str) -> None:
        lines.append(line)

    for event in _RUN[first:]:
        events.offer(event)
    events.close()
    await report(events, send)
    began = {event.ai for event in _RUN[first:] if isinstance(event, CallStarted)}
    assert any("answered in" in line for line in lines) == (first <= 1)
    assert any("failed: ai" in line for line in lines) == bool(began)
    assert any("gave done" in line for line in lines) == (first <= 9)


async def test_an_error_in_the_block_comes_out_as_itself() -> None:
    async def show(events: Subscription) -> None:
        async for _ in events:
            pass

    async with scripted_app({}) as app:
        with pytest.raises(KeyError):
            async with watched(app.bus, "r", show):
                raise KeyError("x")
