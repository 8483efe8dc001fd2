"""What programs hear: one stream of frozen records, from one open Moot or from all of the process."""

from __future__ import annotations

import dataclasses

import pytest

import moot
from moot.testing import ScriptedAI, scripted


async def test_an_open_one_tells_of_every_call_in_order() -> None:
    heard: list[moot.Event] = []
    with scripted(a=ScriptedAI("so so", "later")):
        async with moot.open(on_event=heard.append) as m:
            await m.ask("hi", ai="a")
        await moot.ask("outside", ai="a")
    kinds = [moot.RunStarted, moot.CallStarted, moot.Token, moot.Token, moot.CallFinished, moot.RunFinished]
    assert [type(event) for event in heard] == kinds
    assert len({event.run for event in heard}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        heard[0].run = "other"  # type: ignore[misc]


async def test_without_tokens_all_but_those_are_told() -> None:
    heard: list[moot.Event] = []
    with scripted(a=ScriptedAI("so so")):
        async with moot.open(on_event=heard.append, tokens=False) as m:
            await m.ask("hi", ai="a")
    assert moot.Token not in [type(event) for event in heard] and len(heard) == 4


async def test_a_subscriber_hears_the_whole_process_until_its_block_ends() -> None:
    heard: list[moot.Event] = []
    with scripted(a=ScriptedAI("1", "2", "3"), b=ScriptedAI("4")):
        with moot.subscribe(heard.append, tokens=False):
            await moot.ask("hi", ai="a")
            await moot.call_ai_async("b", "hi")
            moot.sync.call_ai("a", "hi")
        await moot.ask("unheard", ai="a")
    finished = [event.answer.text for event in heard if isinstance(event, moot.CallFinished)]
    assert finished == ["1", "4", "2"]


async def test_a_subscriber_that_raises_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: moot.Event) -> None:
        raise ZeroDivisionError

    with scripted(a=ScriptedAI("1")), moot.subscribe(broken):
        assert (await moot.ask("hi", ai="a")).text == "1"
    assert "An event sink failed" in caplog.text


async def test_text_is_heard_as_it_arrives_where_only_a_subscriber_listens() -> None:
    heard: list[str] = []

    def hear(event: moot.Event) -> None:
        if isinstance(event, moot.Token):
            heard.append(event.text)

    with scripted(a=ScriptedAI("one two")), moot.subscribe(hear):
        await moot.call_ai_async("a", "hi")
    assert heard == ["one ", "two "]
