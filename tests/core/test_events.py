from __future__ import annotations

import anyio
import pytest

from core import events as events_module
from core.events import CallStarted, Event, EventBus, RunFinished, RunStarted, StepDone, Thought, Token
from core.view import RunView


async def test_a_subscription_gets_the_events_of_its_run_only() -> None:
    bus = EventBus()
    with bus.subscribe("a") as subscription:
        bus.publish(RunStarted("b", "ask_one"))
        bus.publish(RunStarted("a", "debate"))
        subscription.close()
        assert [event async for event in subscription] == [RunStarted("a", "debate")]


async def test_a_slow_view_loses_tokens_but_no_other_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_MAX_QUEUED_TOKENS", 2)
    bus = EventBus()
    with bus.subscribe() as subscription:
        for number in range(5):
            bus.publish(Token("r", "c", str(number)))
        bus.publish(RunFinished("r", "done"))
        subscription.close()
        received = [event async for event in subscription]
    assert received == [Token("r", "c", "0"), Token("r", "c", "1"), RunFinished("r", "done")]
    assert subscription.lost_tokens == 3


async def test_a_view_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_MAX_QUEUED_EVENTS", 3)
    bus = EventBus()
    with bus.subscribe() as subscription:
        for number in range(10):
            bus.publish(StepDone("r", str(number)))
        assert [event.step async for event in subscription if isinstance(event, StepDone)] == ["0", "1", "2"]


async def test_a_reader_that_waits_is_woken_by_the_next_event() -> None:
    bus = EventBus()
    received: list[Event] = []
    with bus.subscribe() as subscription, anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                received.append(await subscription.__anext__())

            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            bus.publish(StepDone("r", "x"))
    assert received == [StepDone("r", "x")]


def test_who_hears_a_run_gets_all_its_tokens_and_nothing_of_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_MAX_QUEUED_TOKENS", 2)
    bus, heard = EventBus(), list[Event | Thought]()
    assert not bus.hears_tokens
    with bus.hearing("r", heard.append), bus.hearing("r", heard.append):
        assert bus.hears_tokens
        for number in range(3):
            bus.publish(Token("r", "c", str(number)))
            bus.publish(Token("other", "c", str(number)))
    bus.publish(Token("r", "c", "after"))
    bus.think("r", "c", "after")
    assert heard == [Token("r", "c", str(number)) for number in (0, 0, 1, 1, 2, 2)]
    assert not bus.hears_tokens


def test_thoughts_reach_who_hears_the_run_and_no_view() -> None:
    bus, heard, seen = EventBus(), list[Event | Thought](), list[Event]()
    bus.add_sink(seen.append)
    with bus.subscribe() as view, bus.hearing("r", heard.append, tokens=False):
        bus.think("r", "c", "hm")
        bus.publish(Token("r", "c", "x"))
        bus.publish(StepDone("r", "y"))
        view.close()
    assert heard == [Thought("r", "c", "hm"), StepDone("r", "y")]
    assert seen == [Token("r", "c", "x"), StepDone("r", "y")]


def test_a_sink_that_raises_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus()
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("broken")

    bus.add_sink(broken)
    bus.add_sink(seen.append)
    bus.publish(StepDone("r", "x"))
    assert seen == [StepDone("r", "x")]
    assert "An event sink failed" in caplog.text


def test_text_written_before_a_retry_is_void() -> None:
    view = RunView.replay(
        [
            CallStarted("r", "c", "gpt", "m"),
            Token("r", "c", "half an ans"),
            events_module.CallRetrying("r", "c", 2, 1.0, "overloaded"),
            Token("r", "c", "whole"),
        ]
    )
    assert view.calls["c"].text == "whole"
    assert view.calls["c"].state == "writing"
