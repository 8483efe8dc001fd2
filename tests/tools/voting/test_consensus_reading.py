"""What a consensus does with answers that nobody marked, that cannot be the same, or that come as JSON."""

from __future__ import annotations

import json
import re

import pytest
from scripted_ai import Step, scripted_app

from ai.providers.catalog import PROVIDERS
from core.values import Request
from tools.consensus import consensus
from tools.voting.referee_prompts import read_matching
from tools.voting.result import Consensus


def says(answer: str, sure: int | str = 80, why: str = "Because.", convinced: str = "none") -> str:
    return f"{why}\nANSWER: {answer}\nCONFIDENCE: {sure}\nCONVINCED BY: {convinced}"


async def ask(script: dict[str, list[Step]], run_id: str = "r", **arguments: object) -> Consensus:
    async with scripted_app(script) as app, app.run("consensus", run_id=run_id) as run:
        return await consensus(run, "What?", **arguments)  # type: ignore[arg-type]


THINKS = (
    "Let me think step by step. There are {n} of them when all is said, and more of it follows. Then we count again."
)


async def test_five_that_think_aloud_and_mark_no_answer_are_no_consensus() -> None:
    texts = {name: THINKS.format(n=n) for name, n in zip("abcde", (17, 23, 42, 18, 99), strict=True)}
    result = await ask({name: [text, text] if name in "ab" else [text] for name, text in texts.items()})
    assert (result.outcome, result.verdict, result.agreement, result.positions) == ("not read", None, None, [])
    assert result.summary.startswith(
        "PARTIAL: 5 of 5 AIs answered, 5 not read, since no final answer could be found in what they say: no verdict"
    )
    assert all(seat.unread and seat.answers == [None] for seat in result.seats)
    assert "Let me think" in result.markdown() and "abstains" not in result.markdown()


async def test_what_nobody_marked_a_referee_may_read_and_it_may_leave_out_what_says_nothing() -> None:
    def read(request: Request) -> str:
        text = request.messages[0].text
        numbers = {word: re.findall(rf'number="(\d+)">\n[^<]*?\b{word}\b', text)[0] for word in ("17", "23", "nothing")}
        assert f"Of answer {', '.join(sorted(numbers.values()))} no final answer could be read" in text
        fives = [int(n) for n in re.findall(r'number="(\d+)">\n17\n', text)] + [int(numbers["17"])]
        positions = [{"position": "17", "answers": fives}, {"position": "23", "answers": [int(numbers["23"])]}]
        return json.dumps({"positions": positions, "claims": []})

    ais: dict[str, list[Step]] = {
        "a": [THINKS.format(n=17)],
        "b": [says("17")],
        "c": [says("17")],
        "d": [THINKS.format(n=23)],
        "e": [THINKS.format(n="nothing")],
        "ref": [read],
    }
    ais["b"][0] = "Because.\nANSWER: 17"
    result = await ask(ais, ais=list("abcde"), threshold=0.6)
    assert (result.verdict, result.agreement, result.outcome) == ("17", 0.75, "partial")
    assert "1 not read" in result.summary and result.summary.startswith("PARTIAL")
    assert {seat.ai: seat.answers for seat in result.seats} == {
        "a": ["17"],
        "b": ["17"],
        "c": ["17"],
        "d": ["23"],
        "e": [None],
    }
    assert {seat.ai: seat.unread for seat in result.seats}["e"] and result.calls == 6


async def test_a_referee_that_makes_one_of_values_that_differ_is_not_believed() -> None:
    lies = json.dumps({"positions": [{"position": "17", "answers": [1, 2, 3, 4]}], "claims": []})
    ais: dict[str, list[Step]] = {"a": [says("17"), lies], "b": [says("23")], "c": [says("many")], "d": [says("a lot")]}
    result = await ask(ais | {"ref": [lies]}, ais=list("abcd"))
    assert result.outcome == "ungrouped" and result.verdict is None
    assert result.failed[0] == "ref as referee: its reply makes one of answers that differ; not counted."


async def test_bounds_with_other_signs_disagree() -> None:
    result = await ask({"a": [says("x > 5")] * 2, "b": [says("x < 5")] * 2})
    assert (result.outcome, result.verdict, result.agreement, result.calls) == ("tie", None, 0.5, 4)


async def test_a_seat_of_json_and_a_plain_one_are_asked_equally_often_and_read_alike() -> None:
    plain: dict[str, list[Step]] = {name: [says("5 km")] for name in "abc"}
    held: dict[str, list[Step]] = {
        name: ['{"reasons": "Because.", "answer": "5,000 m", "confidence": 80}'] for name in "abc"
    }
    results = []
    for script, provider in ((plain, "command"), (held, "openai")):
        async with scripted_app(script) as app:
            for seat in app.roster.seats.values():
                seat.provider = PROVIDERS[provider]
            async with app.run("consensus") as run:
                results.append(await consensus(run, "How far?"))
            schemas = {bool(client.requests[0].json_schema) for client in app.clients.values()}
            assert schemas == {provider == "openai"}
    assert [(r.outcome, r.calls, r.agreement, r.seats[0].confidence) for r in results] == [
        ("consensus", 3, 1.0, 0.8)
    ] * 2
    assert results[1].seats[0].statements[0].text == "Because."


async def test_an_option_called_unknown_is_an_answer() -> None:
    script: dict[str, list[Step]] = {name: [says("Unknown")] for name in "ab"}
    async with scripted_app(script) as app, app.run("consensus") as run:
        result = await consensus(run, "Is it true?\nA) Yes\nB) No\nC) Unknown")
    assert (result.outcome, result.verdict) == ("consensus", "Unknown")


@pytest.mark.parametrize(
    "text",
    [
        "POSITION: 1 | x\nPOSITION: 2 | y\nCLAIM: 1 | none | z",
        "**POSITION 1:** 1 | x\n**POSITION 2:** 2 | y\n- CLAIM: 1 | none | z",
        "> POSITION : 1 | x\n> POSITION : 2 | y\n# CLAIM: 1 | | z",
        '{"positions": [{"position": "x", "answers": [1]}, {"position": "y", "answers": [2]}], '
        '"claims": [{"claim": "z", "by": [1]}]}',
    ],
)
def test_a_referee_is_read_line_by_line(text: str) -> None:
    found = read_matching(text, [True, True])
    assert found is not None and (found.groups, found.wording) == ((0, 1), ("x", "y"))
    assert [(point.claim, point.by, point.against) for point in found.points] == [("z", (0,), ())]
