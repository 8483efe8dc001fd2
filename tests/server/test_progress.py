from __future__ import annotations

import anyio
import pytest
from scripted_ai import Hold, scripted_app

from core.events import Subscription
from core.values import Request
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


async def test_an_error_in_the_block_comes_out_as_itself() -> None:
    async def show(events: Subscription) -> None:
        async for _ in events:
            pass

    async with scripted_app({}) as app:
        with pytest.raises(KeyError):
            async with watched(app.bus, "r", show):
                raise KeyError("x")
