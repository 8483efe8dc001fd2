"""Functions for models that know none: the request asks for an answer in a form of JSON that can also be a call.

The form goes out as a JSON schema, which small models are held to, and in words, for who has no such thing. An answer
is read as it comes: bare, in a code fence, or behind a few words. What is neither a call nor plainly prose is no
answer: it goes back as a call that nobody could read.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ai.wire.functions.offer import told
from ai.wire.functions.schema import GRAMMAR, adapted
from ai.wire.functions.written import CALL_LISTS, OF_THE_FORM, TAG, plain, values_in
from ai.wire.raw.reading import arguments
from core.errors import NotUsableError
from core.untrusted import Fence, one_line
from core.values import Image, Message, Part, Request, Response, Text, ToolCall, ToolChoice, ToolResult, ToolSpec

_SECRET = secrets.token_hex(16)
"""Of this process: the same prompt has the same marks, which keeps what servers have cached of it."""
_MOST_CALLS = 8
_KEPT_OF_BROKEN = 2_000
_RULE = """\
You can call functions. Write one JSON object and nothing else. To call functions, whose results you are then given:
{"calls": [{"tool": "NAME", "arguments": {}}]}"""
_OR_ANSWER = """
To answer, once you need no function any more:
{"answer": "TEXT"}"""
_CALL_NAMES = ("tool", "name", "function")
_CALL_ARGUMENTS = ("arguments", "parameters", "args")
_BESIDE = {*_CALL_NAMES, *_CALL_ARGUMENTS, "id", "type", "index"}
"""What a call may hold; anything else would be arguments that stand in the wrong place."""


@dataclass(frozen=True, slots=True)
class Emulation:
    """How one AI is asked.

    Attributes:
        longest: Characters of a text and items of a list, for small models, which would not end. They call one function
            at a time, and once they have a result they can only answer: else they call the same one for ever.
    """

    longest: tuple[int, int] | None = None

    def asked(self, request: Request) -> Request:
        """*request* without functions, which asks for an answer in the form that stands for them.

        Raises:
            NotUsableError: The parameters of a function are no JSON Schema.
        """
        choice = request.tool_choice or ToolChoice()
        if not request.tools and all(isinstance(part, Text | Image) for one in request.messages for part in one.parts):
            return request
        plain = replace(request, tools=(), tool_choice=None, messages=_messages(request))
        if not request.tools or choice.mode == "none":
            return plain
        offered = [tool for tool in request.tools if choice.name in ("", tool.name)]
        must = bool(choice.name) or choice.mode == "required"
        answers = self.longest is not None and not must and _has_results(request)
        takes = replace(GRAMMAR, longest=self.longest)
        try:
            schemas = {tool.name: adapted(tool.parameters, takes).schema for tool in offered}
        except ValueError as error:
            text = "The parameters of a function are no JSON Schema. Correct them."
            raise NotUsableError(text, code="tool_schema") from error
        rule = "\n".join([_RULE if must else _RULE + _OR_ANSWER, *(_told(tool) for tool in offered)])
        calls = _calls_form(schemas, _MOST_CALLS if choice.parallel and self.longest is None else 1)
        answer = _answer_form(request.json_schema, self.longest)
        # a choice even of one: such a form goes out as it is, and nulls in it are the model's own
        form = {"anyOf": [calls] if must else [answer] if answers else [calls, answer]}
        return replace(plain, system=f"{request.system}\n\n{rule}" if request.system else rule, json_schema=form)

    def heard(self, response: Response, request: Request) -> Response:
        """*response*, an answer to what `asked` made of *request*, as calls or as text."""
        choice = request.tool_choice or ToolChoice()
        if not request.tools or choice.mode == "none":
            return response
        return _Reading(request, must=bool(choice.name) or choice.mode == "required").of(response)


def _has_results(request: Request) -> bool:
    return any(isinstance(part, ToolResult) for part in request.messages[-1].parts)


def _told(tool: ToolSpec) -> str:
    said = f"- {tool.name}: {tool.description}" if tool.description else f"- {tool.name}"
    return f"{said}\n  arguments: {json.dumps(dict(tool.parameters), ensure_ascii=False)}"


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _calls_form(schemas: Mapping[str, Mapping[str, Any]], most: int) -> dict[str, Any]:
    forms = [
        _object({"tool": {"type": "string", "enum": [name]}, "arguments": schema}) for name, schema in schemas.items()
    ]
    form = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return _object({"calls": {"type": "array", "items": form, "minItems": 1, "maxItems": most}})


def _answer_form(schema: Mapping[str, Any] | None, longest: tuple[int, int] | None) -> dict[str, Any]:
    text = {"type": "string"} | ({"maxLength": 2 * longest[0]} if longest else {})
    return _object({"answer": text if schema is None else dict(schema)})


def _messages(request: Request) -> tuple[Message, ...]:
    """The conversation in texts, with calls as the model wrote them, and results in fences."""
    fence = Fence(random.Random(_SECRET))  # noqa: S311 - the seed is secret
    found: list[Message] = []
    for message in request.messages:
        parts = _own_turn(message, request) if message.role == "assistant" else _others_turn(message, fence)
        if not parts:
            continue
        if found and found[-1].role == message.role == "user":
            found[-1] = replace(found[-1], parts=(*found[-1].parts, Text("\n\n"), *parts))
        else:
            found.append(Message(message.role, parts))
    return tuple(found)


def _own_turn(message: Message, request: Request) -> tuple[Part, ...]:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    text = message.text
    if not calls:
        said = json.dumps({"answer": text}, ensure_ascii=False) if request.tools and text else text
        return (Text(said),) if said else ()
    whole = [{"tool": call.name, "arguments": dict(call.arguments)} for call in calls if not call.broken]
    written = [json.dumps({"calls": whole}, ensure_ascii=False)] if whole else []
    said = "\n".join(filter(None, [text, *written, *(call.broken for call in calls)]))
    return (Text(said),)


def _others_turn(message: Message, fence: Fence) -> tuple[Part, ...]:
    results = [
        fence.around("result", told(part), call=part.call_id, tool=part.name)
        for part in message.parts
        if isinstance(part, ToolResult)
    ]
    rest = tuple(part for part in message.parts if isinstance(part, Text | Image))
    return (*([Text("\n\n".join(results))] if results else []), *rest)


class _Reading:
    """Reads one answer. *must*: it has to be a call."""

    def __init__(self, request: Request, *, must: bool) -> None:
        self._turn = len(request.messages)
        self._names = {tool.name for tool in request.tools}
        self._must = must
        self._free = request.json_schema is None
        """The answer is a text, so that null is none."""

    def of(self, response: Response) -> Response:
        text = response.text
        values = values_in(text)
        calls = self._calls(values)
        answers = [one["answer"] for one in values if isinstance(one, dict) and "answer" in one and not self._must]
        if calls:
            said, made = "", [self._call(number, one) for number, one in enumerate(calls)]
        elif answers:
            said, made = "\n\n".join(map(self._answer, answers)), []
        elif self._is_prose(text, values):
            said, made = text, []
        else:
            said, made = "", [self._unreadable(text)]
        finish = response.finish_reason if response.finish_reason == "length" or not made else "tool_calls"
        return replace(response, text=said, tool_calls=tuple(made), finish_reason=finish, parts=())

    def _calls(self, value: Any) -> Sequence[Mapping[str, Any]]:
        """The calls in *value*: in the form that was asked for, or in one that models were brought up with."""
        if isinstance(value, list):
            found = [self._calls(one) for one in value]
            if not any(found):
                return ()
            return [call for one, calls in zip(value, found, strict=True) for call in calls or _others(one)]
        if not isinstance(value, dict):
            return ()
        for key in CALL_LISTS:
            if isinstance(listed := value.get(key), list):
                return [one if isinstance(one, dict) else {"": one} for one in listed]
        inner = _inner(value)
        return [inner] if _name(inner) in self._names and any(key in inner for key in _CALL_ARGUMENTS) else ()

    def _call(self, number: int, said: Mapping[str, Any]) -> ToolCall:
        inner = _inner(said)
        name = _name(inner)
        given = _given(inner)
        broken = "" if given is not None and name else _cut(plain(said))
        readable = {} if broken or given is None else given
        return ToolCall(f"call_{self._turn}_{number}", one_line(name, 200), readable, broken=broken)

    def _answer(self, said: Any) -> str:
        if said is None and self._free:
            return ""
        return said if isinstance(said, str) else plain(said)

    def _unreadable(self, text: str) -> ToolCall:
        return ToolCall(f"call_{self._turn}_0", "", {}, broken=_cut(text.strip()) or "(nothing)")

    def _is_prose(self, text: str, values: Sequence[Any]) -> bool:
        if self._must or not text.strip() or OF_THE_FORM.search(text) or TAG in text:
            return False
        return not values and text.strip()[0] not in "{["


def _inner(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """*call* without what OpenAI wraps around it."""
    function = call.get("function")
    return function if isinstance(function, dict) else call


def _others(value: Any) -> Sequence[Mapping[str, Any]]:
    """*value*, which stands among calls and is none that is known: a call all the same, or an answer beside them."""
    if not isinstance(value, dict):
        return [{"": value}]
    return () if "answer" in value else [value]


def _given(call: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments of *call*; None where they cannot be told for sure."""
    said = [arguments(call[key]) for key in _CALL_ARGUMENTS if key in call]
    if not said:
        return None if call.keys() - _BESIDE else {}
    return said[0] if all(one == said[0] for one in said) else None


def _name(call: Mapping[str, Any]) -> str:
    return next((call[key] for key in _CALL_NAMES if isinstance(call.get(key), str)), "")


def _cut(text: str) -> str:
    return text if len(text) <= _KEPT_OF_BROKEN else f"{text[:_KEPT_OF_BROKEN]}… (cut)"
