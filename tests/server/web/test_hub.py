"""The stream of events: numbered, without gap or double, for each person alone, and slowed by nobody."""

from __future__ import annotations

import json
from typing import Any, get_args

import anyio
import pytest

from core.errors import ServerError
from core.events import (
    CallAnswered,
    CallFailed,
    CallFinished,
    CallRetrying,
    CallStarted,
    Event,
    RunFinished,
    RunStarted,
    StepDone,
    Token,
)
from core.people.person import Person, acting_as
from core.values import Answer, Failure, Usage
from server.web.stream.blocks import Blocks
from server.web.stream.frames import _SHAPES, TYPES
from server.web.stream.hub import Hub
from server.web.stream.markdown import trees
from server.web.stream.subscription import Subscription, Wanted


def answer(text: str = "Hi there.", cost: float | None = 0.5) -> Answer:
    return Answer("gpt", "m", text, 1.0, Usage(1, 2), cost)


def talk(hub: Hub, run: str = "r", call: str = "c1", text: str = "Hi there.") -> None:
    hub(RunStarted(run, "ask_one"))
    hub(CallStarted(run, call, "gpt", "m"))
    for word in text.split():
        hub(Token(run, call, f"{word} "))
    hub(CallFinished(run, call, answer(text)))
    hub(RunFinished(run, "done"))


async def events(subscription: Subscription) -> list[dict[str, Any]]:
    """What waits, once nothing more will come."""
    subscription.close()
    found = []
    while piece := await subscription.next():
        found += described_in(piece)
    return found


def described_in(piece: bytes) -> list[dict[str, Any]]:
    """The events in some frames."""
    return [json.loads(line[6:]) for line in piece.decode().split("\n") if line.startswith("data: ")]


ALL = Wanted("")
_INLINE = {"span", "a", "code", "strong", "em", "s", "br"}
_TABLE = {"table", "thead", "tbody", "tr", "th", "td", "th.r", "td.r"}
_TAGS = {"p", "pre", "ul", "ol", "li", "blockquote", "hr", "h1", "h2", "h3", "h4", "h5", "h6"} | _INLINE | _TABLE


def test_every_event_has_a_shape() -> None:
    assert set(_SHAPES) == set(get_args(Event)) - {CallAnswered}
    assert {name for name, _ in _SHAPES.values()} < set(TYPES)


async def test_a_run_is_told_from_start_to_end_with_its_cost() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as watching:
        talk(hub)
        told = await events(watching)
    assert [one["type"] for one in told if one["type"] != "token"] == [
        "run_started",
        "call_started",
        "call_finished",
        "cost",
        "run_finished",
    ]
    assert "".join(one["text"] for one in told if one["type"] == "token") == "Hi there. "
    cost = next(one for one in told if one["type"] == "cost")
    assert (cost["call_usd"], cost["run_usd"], cost["complete"]) == (0.5, 0.5, True)


async def test_who_comes_back_gets_the_rest_without_gap_or_double() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as whole:
        talk(hub, text="one two three four five")
        told = await events(whole)
    for position, last in enumerate(told):
        with hub.subscribe(ALL, after=last["id"]) as again:
            assert await events(again) == told[position + 1 :]


@pytest.mark.parametrize("after", ["x", "x-1", "-", "9", "dead-beef-3"])
async def test_who_had_what_nobody_knows_any_more_is_told_to_begin_anew(after: str) -> None:
    hub = Hub()
    talk(hub)
    with hub.subscribe(ALL, after=after) as watching:
        hub(StepDone("r2", "more"))
        told = await events(watching)
    assert [one["type"] for one in told] == ["reset", "step"]
    assert told[0]["id"] == f"{hub.name}-{int(told[1]['id'].rpartition('-')[2]) - 1}"


async def test_what_is_too_long_ago_cannot_be_continued() -> None:
    hub = Hub(kept=3)
    talk(hub, text="a b c d e f g")
    with hub.subscribe(ALL, after=f"{hub.name}-1") as watching:
        assert [one["type"] for one in await events(watching)] == ["reset"]


async def test_a_number_that_was_never_given_cannot_be_continued() -> None:
    hub = Hub()
    with hub.subscribe(ALL, after=f"{hub.name}-99") as watching:
        assert [one["type"] for one in await events(watching)] == ["reset"]


async def test_one_run_is_told_from_its_start_also_to_who_comes_late() -> None:
    hub = Hub()
    talk(hub, "r1")
    talk(hub, "r2", "c2")
    with hub.subscribe(Wanted("", runs=frozenset({"r2"}))) as watching:
        told = await events(watching)
    assert told[0]["type"] == "run_started"
    assert {one["run"] for one in told} == {"r2"}


async def test_types_can_be_chosen() -> None:
    hub = Hub()
    with hub.subscribe(Wanted("", types=frozenset({"cost", "step"}))) as watching:
        talk(hub)
        assert [one["type"] for one in await events(watching)] == ["cost"]


async def test_everybody_hears_of_their_own_alone() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as owner, hub.subscribe(Wanted("ada")) as ada:
        with acting_as(Person("ada")):
            talk(hub, "hers")
        talk(hub, "ours", "c2")
        assert {one["run"] for one in await events(owner)} == {"ours"}
        assert {one["run"] for one in await events(ada)} == {"hers"}
    with hub.subscribe(Wanted("", runs=frozenset({"hers"}))) as owner:
        assert await events(owner) == []


async def test_text_that_comes_within_a_moment_is_one_event_and_the_first_comes_at_once() -> None:
    hub = Hub()
    with hub.subscribe(Wanted("", types=frozenset({"token"}))) as watching:
        talk(hub, text="one two three four")
        assert [one["text"] for one in await events(watching)] == ["one ", "two three four "]


async def test_gathered_text_comes_by_itself() -> None:
    hub = Hub()
    with anyio.fail_after(5), hub.subscribe(Wanted("", types=frozenset({"token"}))) as watching:
        hub(CallStarted("r", "c1", "gpt", "m"))
        for word in ("one ", "two ", "three "):
            hub(Token("r", "c1", word))
        assert b'"one "' in await watching.next()
        assert b'"two three "' in await watching.next()


async def test_text_of_an_attempt_that_failed_is_void() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as watching:
        hub(CallStarted("r", "c1", "gpt", "m"))
        hub(Token("r", "c1", "wrong "))
        hub(CallRetrying("r", "c1", 2, 0.5, "broken"))
        hub(Token("r", "c1", "right "))
        told = await events(watching)
        assert hub.live(told[0]["call"]) == ("right ", 4)
    assert [one["type"] for one in told] == ["call_started", "token", "retry", "token"]


async def test_a_failure_tells_what_had_arrived() -> None:
    hub = Hub()
    error = ServerError("It broke.", status=500)
    error.partial = "Half of"
    with hub.subscribe(ALL) as watching:
        hub(CallStarted("r", "c1", "gpt", "m"))
        hub(CallFailed("r", "c1", Failure("gpt", error, 1.0)))
        failed = (await events(watching))[-1]
    assert (failed["text"], failed["kind"], failed["cancelled"]) == ("Half of", error.kind, False)


async def test_one_that_does_not_read_is_cut_off_and_can_go_on_behind_what_it_has() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as lazy:
        for number in range(3_000):
            hub(StepDone("r", str(number)))
        told = await events(lazy)
    assert lazy.cut_off
    assert len(told) == 2_000
    with hub.subscribe(ALL, after=told[-1]["id"]) as again:
        rest = await events(again)
    assert [one["step"] for one in told + rest] == [str(number) for number in range(3_000)]


async def test_odd_text_is_sent_as_something_that_can_be_read() -> None:
    hub = Hub()
    with hub.subscribe(ALL) as watching:
        hub(StepDone("r", "half \ud800 \x1b[31mred\n\ndata: no"))
        (told,) = await events(watching)
    assert "\x1b" not in told["step"]


async def test_blocks_are_those_of_the_whole_text_whenever_one_comes() -> None:
    text = "# Title\n\nSome *text* here.\n\n- one\n- two\n\n```py\ncode\n```\n\nEnd."
    for cut in (0, 1, 12, 30, len(text)):
        hub = Hub()
        hub(CallStarted("r", "c1", "gpt", "m"))
        for sign in text[:cut]:
            hub(Token("r", "c1", sign))
        hub._flush_all()
        with hub.subscribe(Wanted("", blocks=True)) as watching:
            for sign in text[cut:]:
                hub(Token("r", "c1", sign))
            hub._flush_all()
            told = await events(watching)
        drawn: list[Any] = []
        for one in told:
            assert one["type"] == "blocks"
            drawn[one["from"] :] = one["blocks"]
        if cut < len(text):
            assert [block for block in drawn if block] == [[tree] for tree in trees(text)]


async def test_a_finished_answer_has_all_its_blocks() -> None:
    hub = Hub()
    with hub.subscribe(Wanted("", blocks=True, types=frozenset({"call_finished"}))) as watching:
        talk(hub, text="One.\n\nTwo.")
        (told,) = await events(watching)
    assert "text" not in told
    assert [tree for block in told["blocks"] for tree in block] == trees("One.\n\nTwo.")


def test_a_long_answer_costs_what_it_is_long() -> None:
    blocks, sent = Blocks(), 0
    for number in range(200):
        blocks.write(f"Paragraph {number} of some words.\n\n")
        sent += len(json.dumps(blocks.changes().trees))
    whole = len(json.dumps(trees("".join(f"Paragraph {n} of some words.\n\n" for n in range(200)))))
    assert sent < 4 * whole


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,x)",
        "![x](http://evil.example/?d=1)",
        "[x](//evil.example)",
        "<img src=x onerror=alert(1)>",
        "[x](vbscript:x)",
        "[a][b]\n\n[b]: javascript:x",
        "<javascript:alert(1)>",
        "[x](\x01javascript:x)",
        "> " * 500 + "x",
        "*" * 10_000,
        "| a |\n|---:|\n| b |",
    ],
)
def test_nothing_of_a_hostile_answer_can_run_or_be_fetched(text: str) -> None:
    def check(node: Any) -> None:
        if isinstance(node, str):
            return
        tag = node[0]
        assert tag in _TAGS
        inside = node[1:]
        if tag == "a":
            assert node[1].split(":")[0] in ("http", "https", "mailto")
            inside = node[2:]
        for child in inside:
            check(child)

    for tree in trees(text):
        check(tree)


async def test_whoever_begins_now_can_have_told_what_is_under_way() -> None:
    hub = Hub()
    talk(hub, "over", "c1")
    hub(RunStarted("on", "debate"))
    hub(CallStarted("on", "c2", "gpt", "m", "opening"))
    hub(CallFinished("on", "c2", answer("First.")))
    hub(StepDone("on", "opening statements"))
    hub(CallStarted("on", "c3", "gpt", "m", "round 1"))
    hub(Token("on", "c3", "So far "))
    with hub.subscribe(Wanted("", blocks=True, under_way=True)) as told, hub.subscribe(ALL) as plain:
        before = described_in(await told.next())
        hub(Token("on", "c3", "and on."))
        with anyio.fail_after(5):
            after, without = described_in(await told.next()), described_in(await plain.next())

    kinds = ["run_started", "call_started", "call_finished", "cost", "step", "call_started"]
    assert [one["type"] for one in before] == kinds
    assert {one["run"] for one in before} == {"on"}
    assert [one["blocks"] for one in after] == [[[["p", "So far and on."]]]]
    assert [one["type"] for one in without] == ["token"]


async def test_a_run_that_is_over_is_not_under_way() -> None:
    hub = Hub()
    talk(hub)
    with hub.subscribe(Wanted("", under_way=True)) as told:
        assert await events(told) == []
