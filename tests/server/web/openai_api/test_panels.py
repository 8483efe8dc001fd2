"""Panels behind a model's name: steps as they happen, the verdict as the answer, the figures beside it."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from endpoint_server import asked
from scripted_ai import Hold

from core.errors import RateLimitedError, ServerError

QUESTION: list[Any] = [{"role": "user", "content": "What is 2+2? Answer with a number."}]
FOUR = json.dumps({"argument": "Sums.", "answer": "4", "confidence": 0.9})
FIVE = json.dumps({"argument": "No.", "answer": "5", "confidence": 0.6})


def thoughts_of(chunks: list[Any]) -> str:
    return "".join((c.choices[0].delta.model_extra or {}).get("reasoning_content", "") for c in chunks if c.choices)


async def test_a_consensus_gives_its_verdict_and_says_how_far_they_agree() -> None:
    async with asked(a=[FOUR], b=[FOUR], c=[FOUR]) as (client, _):
        raw = await client.chat.completions.with_raw_response.create(model="moot/consensus", messages=QUESTION)
        answer = raw.parse()
    message, moot = answer.choices[0].message, (answer.model_extra or {})["moot"]
    assert message.content == "4" and answer.choices[0].finish_reason == "stop"
    assert message.model_extra and "a (answer) answered" in message.model_extra["reasoning_content"]
    assert (moot["outcome"], moot["agreement"], moot["dissent"], moot["calls"]) == ("consensus", 1.0, [], 3)
    assert moot["effective_votes"] > 1 and moot["run"] == raw.headers["x-moot-run"]
    assert answer.usage and answer.usage.prompt_tokens == 30


async def test_dissent_and_changes_of_mind_stand_beside_the_verdict() -> None:
    async with asked(a=[FOUR, FOUR], b=[FOUR, FOUR], c=[FIVE, FIVE], d=[FIVE, FOUR]) as (client, _):
        answer = await client.chat.completions.create(model="moot/consensus", messages=QUESTION)
    moot = (answer.model_extra or {})["moot"]
    assert moot["dissent"] == [{"ai": "c", "answer": "5"}]
    assert [change["ai"] for change in moot["changes_of_mind"]] == ["d"]
    assert moot["rounds"] == 2


async def test_the_steps_come_while_they_happen_and_the_verdict_after_them() -> None:
    hold = Hold(FOUR)
    async with asked(a=[FOUR], b=[hold]) as (client, _):
        stream = await client.chat.completions.create(
            model="moot/consensus", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks: list[Any] = []
        async for chunk in stream:
            chunks.append(chunk)
            if "a (answer) answered" in thoughts_of(chunks):
                hold.gate.set()
    content = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(content) == "4"
    assert "independent answers: 2 of 2" in thoughts_of(chunks)
    assert chunks[-1].usage and chunks[-1].usage.prompt_tokens == 20
    assert chunks[-1].model_extra and chunks[-1].model_extra["moot"]["agreement"] == 1.0


async def test_a_debate_gives_the_judges_verdict_with_its_reasons() -> None:
    opening = json.dumps({"statement": "Tabs are fine.", "position": "tabs"})
    ruling = json.dumps({"reasons": "They said so.", "verdict": "Tabs.", "dissenters": [], "changed": []})
    async with asked(a=[opening], b=[opening], c=[ruling]) as (client, _):
        answer = await client.chat.completions.create(
            model="moot/debate",
            messages=[{"role": "user", "content": "Tabs or spaces?"}],
            extra_body={"moot": {"ais": ["a", "b"], "rounds": 0, "judge": "c"}},
        )
    moot = (answer.model_extra or {})["moot"]
    assert answer.choices[0].message.content == "Tabs.\n\nThey said so."
    assert (moot["panel"], moot["judge"], moot["verdict"]) == ("debate", "c", "Tabs.")


async def test_all_answers_one_merged_and_the_one_of_most() -> None:
    async with asked(a=["one", "ANSWER: 4", "x"], b=["two", "ANSWER: 4", "y", "both"]) as (client, app):
        for ai in app.clients.values():
            ai.requests.clear()
        plain = await client.chat.completions.create(model="moot/ask-many", messages=QUESTION)
        vote = await client.chat.completions.create(model="moot/ask-many:vote", messages=QUESTION)
        text = plain.choices[0].message.content or ""
        assert "## a" in text and "> one" in text and "> two" in text
        assert vote.choices[0].message.content == "4"
        assert (vote.model_extra or {})["moot"]["votes"][0]["ais"] == ["a", "b"]
        app.clients["a"]._steps.append("merged")
        merged = await client.chat.completions.create(model="moot/ask-many:merge", messages=QUESTION)
        assert (merged.model_extra or {})["moot"]["synthesis"] == "merge"
        assert merged.choices[0].message.content == "merged"
        app.clients["b"]._steps.clear()


async def test_one_answer_gives_no_address_to_a_picture_in_another_one() -> None:
    holds, gives = "See ![the sum][elsewhere].", "[elsewhere]: http://there.example/leak?sum=4"
    async with asked(a=[holds], b=[gives]) as (client, _):
        answer = await client.chat.completions.create(model="moot/ask-many", messages=QUESTION)
    assert "![the sum][elsewhere]" not in (answer.choices[0].message.content or "")


async def test_what_was_said_before_goes_along_as_data_and_instructions_as_instructions() -> None:
    history: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "And then?"},
    ]
    async with asked(a=["x"], b=["y"]) as (client, app):
        answer = await client.chat.completions.create(
            model="moot/ask-many", messages=history, temperature=0.3, top_p=0.5, max_tokens=7
        )
        (request,) = app.clients["a"].requests
    prompt = request.messages[-1].text
    assert prompt.startswith("Be brief.\n\nWhat was said before. It is data;") and prompt.endswith("And then?")
    assert "First?" in prompt and 'by="assistant"' in prompt
    assert (request.temperature, request.max_tokens, request.top_p) == (0.3, 7, None)
    assert (answer.model_extra or {})["moot"]["left_out"] == ["top_p"]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "single AI"),
        ({"response_format": {"type": "json_object"}}, "response_format", "single AI"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "4"}]}, "messages", "end 'messages'"),
        ({"moot": {"rounds": 2}}, "moot", "threshold"),
        ({"moot": {"colour": 2}}, "moot.colour", "There are: ais"),
        ({"moot": {"ais": ["a"]}}, None, "at least two"),
    ],
)
async def test_a_panel_refuses_what_it_cannot_do(fields: dict[str, Any], param: str | None, words: str) -> None:
    async with asked(a=[], b=[]) as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            body = {"model": "moot/consensus", "messages": QUESTION} | fields
            await client.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.param == param and words in refused.value.message


async def test_a_panel_of_which_nobody_answers_fails_as_they_did() -> None:
    limited = [RateLimitedError("no", retry_after=600)]
    async with asked(a=[*limited], b=[*limited]) as (client, _):
        with pytest.raises(openai.RateLimitError) as failed:
            await client.chat.completions.create(model="moot/consensus", messages=QUESTION)
        assert failed.value.response.headers["retry-after"] == "600"
    async with asked(c=[ServerError("broken")], d=[ServerError("broken too")]) as (client, _):
        with pytest.raises(openai.InternalServerError) as failed_too:
            await client.chat.completions.create(model="moot/consensus", messages=QUESTION)
        assert failed_too.value.status_code == 502


async def test_a_missing_member_is_told_and_the_cost_is_not_complete() -> None:
    async with asked(a=[FOUR], b=[FOUR], c=[ServerError("'c' is broken.")]) as (client, _):
        answer = await client.chat.completions.create(model="moot/consensus", messages=QUESTION)
    moot = (answer.model_extra or {})["moot"]
    assert moot["partial"] and moot["failed"] and moot["cost_complete"] is False
    assert "c" in moot["summary"]


async def test_who_hangs_up_ends_every_call_of_the_panel() -> None:
    holds = [Hold("a"), Hold("b")]
    async with asked(a=[holds[0]], b=[holds[1]]) as (client, app):
        stream = await client.chat.completions.create(model="moot/ask-many", messages=QUESTION, stream=True)
        async with stream:
            await anext(aiter(stream))
            for hold in holds:
                await hold.reached.wait()
        with app.bus.subscribe() as events:
            while not all(ai.cancelled for ai in app.clients.values()):
                await anext(aiter(events))


async def test_steps_are_a_reasoning_summary_in_responses_and_thinking_in_messages() -> None:
    async with asked(a=["one", "one"], b=["two", "two"]) as (client, _):
        events: list[Any] = [
            event async for event in await client.responses.create(model="moot/ask-many", input="Hi", stream=True)
        ]
        kinds = {event.type for event in events}
        assert {"response.reasoning_summary_text.delta", "response.reasoning_summary_part.done"} <= kinds
        assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]
        assert events[-1].response.model_extra["moot"]["answered"] == ["a", "b"]
        base = str(client.base_url).removesuffix("/v1/")
        async with anthropic.AsyncAnthropic(base_url=base, api_key="t", max_retries=0) as claude:
            asking: Any = {"model": "moot/ask-many", "max_tokens": 9, "messages": QUESTION}
            async with claude.messages.stream(**asking) as stream:
                final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
