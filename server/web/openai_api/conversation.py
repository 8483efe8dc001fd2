"""What a client sends of a conversation, as the engine's messages: all three wire shapes are read with these pieces."""

from __future__ import annotations

import base64
import binascii
import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ai.wire.raw.reading import decode
from core.errors import InvalidInputError
from core.files.photos import MAX_IMAGE_BYTES, picture
from core.values import Effort, Image, Message, Part, Text, ToolCall, ToolChoice, ToolResult, ToolSpec
from server.web.openai_api.bodies import MOST_MESSAGES
from server.web.openai_api.errors import RefusedRequestError

_MOST_PICTURES = 20
_MOST_TOOLS = 256
_MOST_SIGNATURES = 10_000
_EFFORTS: Mapping[str, Effort] = {
    "none": "none",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema that JSON mode stands for."""


class Signatures:
    """What a provider wants back with a function call (`ToolCall.signature`), which no client's protocol carries."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    def keep(self, calls: Iterable[ToolCall]) -> None:
        for call in calls:
            if call.signature is not None:
                self._kept[_key(call)] = call.signature
        while len(self._kept) > _MOST_SIGNATURES:
            self._kept.popitem(last=False)

    def signed(self, call: ToolCall) -> ToolCall:
        signature = self._kept.get(_key(call))
        return call if signature is None else replace(call, signature=signature)


def _key(call: ToolCall) -> tuple[str, str, str]:
    return call.id, call.name, json.dumps(dict(call.arguments), sort_keys=True)


class Conversation:
    """Collects what was said, one message for each change of speaker, as protocols want it."""

    def __init__(self, signatures: Signatures, turns: Sequence[object], where: str) -> None:
        if not turns:
            raise RefusedRequestError(f"{where!r} is empty: say what is asked.", param=where)
        if len(turns) > MOST_MESSAGES:
            text = f"{where!r} has {len(turns):,} entries; at most {MOST_MESSAGES:,} are taken. Leave out the oldest."
            raise RefusedRequestError(text, param=where)
        self._signatures = signatures
        self._system: list[str] = []
        self._said: list[tuple[Literal["user", "assistant"], list[Part]]] = []
        self._names: dict[str, str] = {}
        self._pictures = 0

    @property
    def system(self) -> str | None:
        return "\n\n".join(self._system) or None

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(Message(role, tuple(parts)) for role, parts in self._said)

    def instruct(self, text: str) -> None:
        """Add to what the AI is told beforehand, wherever in the conversation that was."""
        if text:
            self._system.append(text)

    def say(self, role: Literal["user", "assistant"], parts: Sequence[Part]) -> None:
        parts = [part for part in parts if part != Text("")]  # some protocols refuse a text that is empty
        if not parts:
            return
        if not self._said or self._said[-1][0] != role:
            self._said.append((role, []))
        said, first = self._said[-1][1], parts[0]
        if said and isinstance(before := said[-1], Text) and isinstance(first, Text):
            said[-1:] = [Text(f"{before.text}\n\n{first.text}"), *parts[1:]]
        else:
            said.extend(parts)

    def called(self, id: str, name: str, arguments: object, where: str) -> ToolCall:
        """A function call of the past, with what its provider wants back with it."""
        self._names[id] = name
        return self._signatures.signed(ToolCall(id, name, _arguments(arguments, where)))

    def returned(self, id: str, content: str, *, is_error: bool = False) -> ToolResult:
        return ToolResult(id, content, is_error, self._names.get(id, ""))

    def shown(self, url: object, where: str) -> Image:
        """The picture in a `data:` address."""
        if not isinstance(url, str):
            raise RefusedRequestError(f"{where!r} is no text. Send data:image/png;base64,... there.", param=where)
        head, comma, payload = url.strip().partition(",")
        kind, _, form = head.lower().rpartition(";")
        if not head.lower().startswith("data:"):
            text = f"{where!r}: pictures are not fetched from the web. Send it as data:image/png;base64,..."
            raise RefusedRequestError(text, param=where)
        if not comma or not kind or form.strip() != "base64":
            raise RefusedRequestError(f"{where!r} is no data:image/...;base64,... address. Correct it.", param=where)
        return self.picture(payload, where)

    def picture(self, payload: object, where: str) -> Image:
        """The picture that *payload* is in base64, which may be in lines and need not be filled up."""
        self._pictures += 1
        if self._pictures > _MOST_PICTURES:
            raise RefusedRequestError(
                f"{where!r}: at most {_MOST_PICTURES} pictures are sent. Show fewer.", param=where
            )
        said = payload if isinstance(payload, str) else ""
        if len(said) > MAX_IMAGE_BYTES * 3 // 2:
            raise RefusedRequestError(
                f"{where!r} has more than {MAX_IMAGE_BYTES:,} bytes. Make it smaller.", param=where
            )
        try:
            bare = "".join(said.split()).encode("ascii").rstrip(b"=")
            return picture(base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True), repr(where))
        except (binascii.Error, UnicodeEncodeError):
            raise RefusedRequestError(f"{where!r} is no base64. Correct it.", param=where) from None
        except InvalidInputError as error:
            raise RefusedRequestError(str(error), param=where) from None


def _arguments(said: object, where: str) -> Mapping[str, Any]:
    try:
        value = decode(said or "{}") if isinstance(said, str) else said
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RefusedRequestError(
            f"{where!r} is no JSON object. Send the arguments as the model gave them.", param=where
        )
    return value


def text_of(content: object, where: str, kinds: Collection[str] = ("text",)) -> str:
    """The text of a message that can hold nothing else."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RefusedRequestError(f"{where!r} is neither a text nor a list of parts. Correct it.", param=where)
    said = []
    for number, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in kinds or not isinstance(part.get("text"), str):
            raise RefusedRequestError(f"{where}[{number}] is no text, and only text can stand there.", param=where)
        said.append(part["text"])
    return "".join(said)


def tool_spec(name: object, description: object, parameters: object, where: str) -> ToolSpec:
    if not isinstance(name, str) or not name:
        raise RefusedRequestError(f"{where!r}: the function has no name. Add one.", param=where)
    schema = parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}}
    return ToolSpec(name, description if isinstance(description, str) else "", schema)


def check_tools(tools: Sequence[object]) -> None:
    if len(tools) > _MOST_TOOLS:
        raise RefusedRequestError(f"'tools' are {len(tools)}; at most {_MOST_TOOLS} are offered.", param="tools")


def tool_choice(said: object, *, parallel: bool | None, tools: Sequence[ToolSpec]) -> ToolChoice | None:
    """OpenAI's `tool_choice`, in either of its protocols, and `parallel_tool_calls`.

    Raises:
        RefusedRequestError: It names a function that is not offered, or is of another form.
    """
    choice = ToolChoice(parallel=parallel is not False)
    if said == "required" and not tools:
        raise RefusedRequestError("'tool_choice' is 'required' without 'tools'. Offer a function.", param="tool_choice")
    match said:
        case None:
            return choice if tools and parallel is False else None
        case "auto" | "none" | "required":
            return replace(choice, mode=said)
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return named_choice(name, choice, tools)
        case _:
            text = "'tool_choice' is none of 'auto', 'none', 'required' and {'type': 'function', ...}. Correct it."
            raise RefusedRequestError(text, param="tool_choice")


def named_choice(name: str, choice: ToolChoice, tools: Sequence[ToolSpec]) -> ToolChoice:
    if name not in [tool.name for tool in tools]:
        text = f"'tool_choice' names {name!r}, which is not among 'tools'. Offer it, or name another."
        raise RefusedRequestError(text, param="tool_choice")
    return replace(choice, mode="required", name=name)


def effort(said: str | None, where: str) -> Effort | None:
    if said is None:
        return None
    if said not in _EFFORTS:
        raise RefusedRequestError(f"{where!r} is none of {', '.join(_EFFORTS)}. Correct it.", param=where)
    return _EFFORTS[said]


def schema_of(said: object, where: str) -> Mapping[str, Any] | None:
    """The schema that an answer is to fit: of Chat Completions' `response_format` and of Responses' `text.format`."""
    match said:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return OBJECT
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}} | {
            "type": "json_schema",
            "schema": dict(schema),
        }:
            return schema
        case _:
            text = (
                f"{where!r} is none of the types 'text', 'json_object' and 'json_schema' with a 'schema'. Correct it."
            )
            raise RefusedRequestError(text, param=where)
