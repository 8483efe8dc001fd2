"""Functions for models that know none: what they are asked, and how what they write is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scripted_ai import ScriptedClient

from ai.client import Signal, Thinking
from ai.layers.emulation import EmulatedFunctions
from ai.wire.functions.emulation import Emulation
from core.values import Message, Request, Response, Text, ToolCall, ToolChoice, ToolResult, ToolSpec

WEATHER = ToolSpec("weather", "Of a town.", {"type": "object", "properties": {"town": {"type": "string"}}})
ADD = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
ASKED = Request.of("Hi", system="Be brief.", tools=(WEATHER, ADD))
EMULATION = Emulation()


def heard(text: str, request: Request = ASKED, **more: Any) -> Response:
    return EMULATION.heard(Response(text, "m", **more), request)


def test_the_form_allows_calls_of_what_is_offered_or_an_answer_and_stands_in_words_too() -> None:
    asked = EMULATION.asked(ASKED)
    assert asked.tools == () and asked.json_schema is not None and asked.system is not None
    calls, answer = asked.json_schema["anyOf"]
    forms = calls["properties"]["calls"]["items"]["anyOf"]
    assert [form["properties"]["tool"]["enum"] for form in forms] == [["weather"], ["add"]]
    assert forms[1]["properties"]["arguments"]["required"] == ["a"]
    assert answer["required"] == ["answer"]
    assert asked.system.startswith("Be brief.\n\nYou can call functions.") and "- add: Adds." in asked.system


@pytest.mark.parametrize(
    ("choice", "tools", "forms", "most"),
    [
        (ToolChoice("required"), 2, 1, 8),
        (ToolChoice("required", "add"), 1, 1, 8),
        (ToolChoice(parallel=False), 2, 2, 1),
    ],
)
def test_a_choice_is_in_the_form(choice: ToolChoice, tools: int, forms: int, most: int) -> None:
    form: Any = EMULATION.asked(Request.of("Hi", tools=(WEATHER, ADD), tool_choice=choice)).json_schema
    calls = form["anyOf"][0]["properties"]["calls"]
    assert len(form["anyOf"]) == forms and calls["maxItems"] == most
    assert len(calls["items"].get("anyOf", [1])) == tools


def test_who_may_call_nothing_is_asked_plainly() -> None:
    asked = EMULATION.asked(Request.of("Hi", tools=(ADD,), tool_choice=ToolChoice("none")))
    assert asked == Request.of("Hi")
    plain = Request.of("Hi", json_schema={"type": "object"})
    assert EMULATION.asked(plain) is plain


def test_earlier_turns_are_told_in_the_form_and_results_in_fences() -> None:
    request = Request(
        (
            Message.user("Add."),
            Message("assistant", (ToolCall("c1", "add", {"a": 1}), ToolCall("c2", "add", {}, broken="{oh"))),
            Message("user", (ToolResult("c1", "</result> 2", name="add"), ToolResult("c2", "no JSON", True, "add"))),
            Message("user", (Text("And?"),)),
        ),
        tools=(ADD,),
    )
    first, turn, results = EMULATION.asked(request).messages
    assert first == Message.user("Add.")
    assert turn.text == '{"calls": [{"tool": "add", "arguments": {"a": 1}}]}\n{oh'
    assert "</result> 2" in results.text and "Error: no JSON" in results.text and results.text.endswith("And?")
    assert results.text.count("<result-") == 2 and "</result-" in results.text


@pytest.mark.parametrize(
    "said",
    [
        '{"calls": [{"tool": "add", "arguments": {"a": 1}}]}',
        '```json\n{"calls": [{"tool": "add", "arguments": {"a": 1}}]}\n```',
        'I add them.\n{"calls": [{"tool": "add", "arguments": {"a": 1}}]} Done.',
        '{"tool": "add", "arguments": {"a": 1}}',
        '{"name": "add", "parameters": {"a": 1}}',
        '[{"name": "add", "arguments": "{\\"a\\": 1}"}]',
        '{"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}]}',
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>',
    ],
)
def test_a_call_is_read_in_whatever_form_models_write_it(said: str) -> None:
    response = heard(said)
    assert response.tool_calls == (ToolCall("call_1_0", "add", {"a": 1}),)
    assert (response.text, response.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ('{"answer": "It is 2."}', "It is 2."),
        ('```\n{"answer": "It is 2."}\n```', "It is 2."),
        ('{"answer": {"sum": 2}}', '{"sum": 2}'),
        ("It is 2. Set {x} aside.", "It is 2. Set {x} aside."),
        ("42", "42"),
    ],
)
def test_an_answer_is_read_and_plain_prose_is_one(said: str, text: str) -> None:
    response = heard(said)
    assert (response.text, response.tool_calls, response.finish_reason) == (text, (), "stop")


@pytest.mark.parametrize(
    "said",
    [
        '{"calls": [{"tool": "add", "argum',
        '{"calls": []}',
        '{"temperature": 21}',
        "[1, 2]",
        'Sure: "tool": "add"',
        "<tool_call>add(1)</tool_call>",
        "{oh no",
    ],
)
def test_what_is_neither_goes_back_as_a_call_that_nobody_could_read(said: str) -> None:
    (call,) = heard(said).tool_calls
    assert call.broken == said and call.arguments == {}


def test_arguments_that_are_no_object_are_told_too() -> None:
    good, bad = heard(
        '{"calls": [{"tool": "add", "arguments": {"a": 1}}, {"tool": "add", "arguments": [1]}]}'
    ).tool_calls
    assert not good.broken and bad.name == "add" and json.loads(bad.broken)["arguments"] == [1]
    assert {good.id, bad.id} == {"call_1_0", "call_1_1"}


def test_prose_is_no_call_where_one_has_to_be_made_and_a_cut_answer_stays_cut() -> None:
    must = Request.of("Hi", tools=(ADD,), tool_choice=ToolChoice("required"))
    assert heard("I would rather not.", must).tool_calls[0].broken
    assert heard('{"calls": [{"tool": "ad', finish_reason="length").finish_reason == "length"


def test_a_small_model_calls_one_at_a_time_and_can_only_answer_once_it_has_a_result() -> None:
    small = Emulation((9, 2))
    form: Any = small.asked(ASKED).json_schema
    assert form["anyOf"][0]["properties"]["calls"]["maxItems"] == 1
    after = Request((*ASKED.messages, Message("user", (ToolResult("c", "2", name="add"),))), tools=(ADD,))
    assert list(small.asked(after).json_schema["anyOf"][0]["properties"]) == ["answer"]  # type: ignore[index]


async def test_nothing_is_told_until_it_is_known_to_be_text() -> None:
    signals: list[Signal] = []
    client = ScriptedClient(
        '{"answer": "two words"}', '{"calls": [{"tool": "add", "arguments": {"a": 1}}]}', "plain text"
    )
    layer = EmulatedFunctions(EMULATION)
    assert (await layer(ASKED, signals.append, client.complete)).text == "two words"
    assert [signal for signal in signals if signal != Thinking("")] == ["two words"]
    signals.clear()
    assert (await layer(ASKED, signals.append, client.complete)).tool_calls[0].name == "add"
    assert set(signals) == {Thinking("")}
    signals.clear()
    await layer(Request.of("Hi"), signals.append, client.complete)
    assert signals == ["plain ", "text "]


def test_an_answer_may_quote_the_tags_of_calls() -> None:
    said = 'Models write <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call> for it.'
    response = heard(json.dumps({"answer": said}))
    assert response.text == said and not response.tool_calls


def test_null_is_an_answer_only_where_the_schema_may_have_it() -> None:
    assert heard('{"answer": null}').text == ""
    schema = {"type": ["integer", "null"]}
    asked = Request.of("How many?", tools=(ADD,), json_schema=schema)
    assert heard('{"answer": null}', asked).text == "null"


@pytest.mark.parametrize("between", ["\n", "", ", ", "\n```\n```json\n"])
@pytest.mark.parametrize(
    "one", ['{"calls": [{"tool": "add", "arguments": {"a": %d}}]}', '{"tool": "add", "arguments": {"a": %d}}']
)
def test_several_objects_in_a_row_are_several_calls(one: str, between: str) -> None:
    said = f"```json\n{one % 1}{between}{one % 2}\n```"
    assert [dict(call.arguments) for call in heard(said).tool_calls] == [{"a": 1}, {"a": 2}]


ADDED = '{"tool": "add", "arguments": {"a": 1}}'


@pytest.mark.parametrize(
    "said",
    [
        f'{{"calls": [{ADDED}, {{"tool": "add", "argu',
        f'{{"calls": [{{"tool": "add", "arguments": {{a: 1}}}}, {ADDED}]}}',
        '{"calls": [{"tool": "add", "arguments": {"a": 1, "a": 2}}]}',
        '{"calls": [{"tool": "add", "arguments": {"a": NaN}}]}',
        f'{{"calls": [{ADDED}], "calls": [{ADDED}]}}',
    ],
)
def test_of_calls_that_can_be_read_only_in_part_none_is_made(said: str) -> None:
    (call,) = heard(said).tool_calls
    assert call.broken == said and not call.name


@pytest.mark.parametrize(
    ("said", "other"),
    [
        (f'[{ADDED}, {{"tool": "subtract", "arguments": {{}}}}]', "subtract"),
        (f'<tool_call>{ADDED}</tool_call><tool_call>{{"name": "subtract", "arguments": {{}}}}</tool_call>', "subtract"),
        (f"<tool_call>{ADDED}</tool_call><tool_call>{{oh}}</tool_call>", ""),
        (f"<tool_call>{ADDED}<tool_call>{{oh", ""),
    ],
)
def test_a_call_of_nobody_knows_what_is_told_beside_a_good_one(said: str, other: str) -> None:
    good, bad = heard(said).tool_calls
    assert (good.name, good.arguments) == ("add", {"a": 1})
    assert bad.name == other and bool(bad.broken) == (not other)


@pytest.mark.parametrize(
    "call", ['{"tool": "add", "a": 1}', '{"tool": "add", "arguments": {}, "parameters": {"a": 1}}']
)
def test_arguments_in_the_wrong_place_are_not_left_out(call: str) -> None:
    (made,) = heard(f'{{"calls": [{call}]}}').tool_calls
    assert made.name == "add" and json.loads(made.broken) == json.loads(call)


def test_a_call_beside_an_answer_is_made_whichever_comes_first() -> None:
    for said in (f'{{"answer": "Wait."}}\n{ADDED}', f'{ADDED}\n{{"answer": "2"}}'):
        assert [call.name for call in heard(said).tool_calls] == ["add"]


@pytest.mark.parametrize(
    "said", ['{"a": 1} ' * 200_000 + '"calls":', '"calls":' + "[{" * 50_000, "<tool_call>{" * 50_000]
)
def test_much_that_is_no_call_is_gone_through_once(said: str) -> None:
    (call,) = heard(said).tool_calls
    assert call.broken.endswith("(cut)")
