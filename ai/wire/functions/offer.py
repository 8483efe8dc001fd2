"""A request with its functions as a protocol takes them, and the answer back in the caller's own names and forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ai.wire.functions.names import FUNCTION, legal, legal_id
from ai.wire.functions.schema import Takes, adapted, restored
from core.errors import NotUsableError
from core.values import Message, Part, Reasoning, Request, Response, Text, ToolCall, ToolResult

_UNREADABLE = "unreadable"
"""Under what a model sees the arguments again that nobody could read: protocols want an object there."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function, in the words of a protocol."""

    name: str
    description: str
    schema: Mapping[str, Any]
    strict: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What goes out: *request* with names and ids that are taken, and *functions* in place of its tools."""

    request: Request
    functions: tuple[Function, ...] = ()


def offer(request: Request, takes: Takes, dialect: str = "", *, ids: re.Pattern[str] | None = None) -> Offer:
    """*request* as it goes out. *ids*: what the ids of calls have to match.

    Reasoning of another *dialect* is left out: it means nothing there.

    Raises:
        NotUsableError: Two functions have one name, or the parameters of one are no JSON Schema.
    """
    names = legal((tool.name for tool in request.tools), FUNCTION)
    if len(names) != len(request.tools):
        raise NotUsableError("Two functions have the same name. Give each its own.", code="tool_names")
    functions = []
    for tool in request.tools:
        try:
            made = adapted(tool.parameters, takes)
        except ValueError as error:
            where = f": {error}" if str(error) else ""
            text = f"The parameters of the function {tool.name!r} are no JSON Schema{where}. Correct them."
            raise NotUsableError(text, code="tool_schema") from error
        functions.append(Function(names[tool.name], tool.description, made.schema, made.strict))
    plain = _Plain(names, dialect, ids)
    choice = request.tool_choice
    if choice is not None and choice.name in names and names[choice.name] != choice.name:
        choice = replace(choice, name=names[choice.name])
    return Offer(replace(request, messages=plain.messages(request.messages), tool_choice=choice), tuple(functions))


def taken(response: Response, request: Request, takes: Takes) -> Response:
    """*response* to what `offer` made of *request*, in the caller's names, with arguments as its schemas have them."""
    if not response.tool_calls or not request.tools:
        return response
    names = {sent: name for name, sent in legal((tool.name for tool in request.tools), FUNCTION).items()}
    schemas = {tool.name: tool.parameters for tool in request.tools}
    own = {call.id: _own(call, names, schemas, takes) for call in response.tool_calls}
    parts = tuple(own[part.id] if isinstance(part, ToolCall) else part for part in response.parts)
    return replace(response, tool_calls=tuple(own.values()), parts=parts)


def told(result: ToolResult) -> str:
    """What a function gave, for protocols that have no sign for an error."""
    if not result.is_error or result.content[:5].lower() == "error":
        return result.content
    return f"Error: {result.content}"


def _own(call: ToolCall, names: Mapping[str, str], schemas: Mapping[str, Mapping[str, Any]], takes: Takes) -> ToolCall:
    name = names.get(call.name, call.name)
    schema = schemas.get(name)
    arguments = call.arguments if schema is None or call.broken else restored(call.arguments, schema, takes)
    if name == call.name and arguments is call.arguments:
        return call
    return replace(call, name=name, arguments=arguments)


@dataclass
class _Plain:
    """A conversation with names and ids that a protocol takes."""

    names: Mapping[str, str]
    dialect: str
    ids: re.Pattern[str] | None

    def messages(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """*messages*, with those of functions' results that follow each other as one, as some protocols want it."""
        found: list[Message] = []
        for message in messages:
            parts = tuple(part for one in message.parts if (part := self._part(one)) is not None)
            if not parts:
                continue
            if found and message.role == found[-1].role == "user" and _results(found[-1]):
                found[-1] = replace(found[-1], parts=found[-1].parts + parts)
            else:
                found.append(message if parts == message.parts else replace(message, parts=parts))
        return tuple(found)

    def _part(self, part: Part) -> Part | None:
        match part:
            case ToolCall():
                arguments = {_UNREADABLE: part.broken} if part.broken else part.arguments
                return replace(part, id=self._id(part.id), name=self._name(part.name), arguments=arguments)
            case ToolResult():
                name = part.name and self._name(part.name)
                return replace(part, call_id=self._id(part.call_id), name=name)
            case Reasoning() if part.dialect != self.dialect:
                return None
            case Text("") if self.dialect:
                return None
        return part

    def _name(self, name: str) -> str:
        return self.names.get(name) or legal((name,), FUNCTION)[name]

    def _id(self, id_: str) -> str:
        return id_ if self.ids is None else legal_id(id_, self.ids)


def _results(message: Message) -> bool:
    return all(isinstance(part, ToolResult) for part in message.parts)
