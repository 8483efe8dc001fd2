"""POST /v1/messages, as Anthropic's API reference has it; a panel's steps go out as `thinking`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from core.values import Part, Request, Text, ToolChoice, ToolSpec
from server.web.openai_api.asking import Door, reply_to
from server.web.openai_api.bodies import Body, TopP, read_body, worked_out
from server.web.openai_api.conversation import (
    Conversation,
    Signatures,
    check_tools,
    effort,
    named_choice,
    schema_of,
    text_of,
    tool_spec,
)
from server.web.openai_api.errors import RefusedRequestError
from server.web.openai_api.messages_shape import MessagesShape


class _Turn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]]


class _OutputConfig(BaseModel):
    effort: str | None = None
    format: dict[str, Any] | None = None


class _Choice(BaseModel):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesBody(Body):
    HARMLESS = frozenset({"metadata", "service_tier", "thinking", "cache_control", "context_management"})
    INSTEAD: ClassVar[Mapping[str, str]] = {
        "mcp_servers": "no other servers' tools are called here. Give functions as 'tools'.",
        "top_k": "is not supported here. Leave it out, or use 'temperature'.",
    }

    messages: list[_Turn]
    max_tokens: Annotated[int, Field(ge=1)]
    system: str | list[dict[str, Any]] | None = None
    temperature: Annotated[float | None, Field(ge=0, le=1)] = None
    top_p: TopP = None
    stop_sequences: Annotated[list[str] | None, Field(max_length=16)] = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _Choice | None = None
    output_config: _OutputConfig | None = None


async def answer(door: Door, http: HTTPRequest) -> Response:
    body = await read_body(http, MessagesBody)
    request = await worked_out(http, partial(read, body, door.signatures))
    return reply_to(door, http, body, request, lambda run: MessagesShape(run, body.model, door.signatures))


async def count_tokens(door: Door, http: HTTPRequest) -> Response:
    """Nobody can be asked: of most AIs no endpoint counts, and a guess would be taken for a count."""
    text = "Moot counts no tokens before they are sent. The 'usage' of every reply says how many there were."
    raise RefusedRequestError(text, status=501, code="not_supported")


def read(body: MessagesBody, signatures: Signatures) -> Request:
    """What *body* asks of an AI.

    Raises:
        RefusedRequestError: It cannot be asked; the message names the field.
    """
    said = Conversation(signatures, body.messages, "messages")
    said.instruct(text_of(body.system, "system"))
    for number, turn in enumerate(body.messages):
        _take(said, turn, f"messages[{number}]")
    tools, output = _tools(body.tools or ()), body.output_config or _OutputConfig()
    return Request(
        messages=said.messages,
        system=said.system,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
        effort=effort(output.effort, "output_config.effort"),
        json_schema=schema_of(output.format, "output_config.format"),
        tools=tools,
        tool_choice=_choice(body.tool_choice, tools),
        stop=tuple(body.stop_sequences or ()),
    )


def _take(said: Conversation, turn: _Turn, where: str) -> None:
    if turn.role == "system":
        said.instruct(text_of(turn.content, f"{where}.content"))
        return
    if turn.role not in ("user", "assistant"):
        raise RefusedRequestError(f"{where}.role is neither user nor assistant. Correct it.", param=f"{where}.role")
    blocks = [{"type": "text", "text": turn.content}] if isinstance(turn.content, str) else turn.content
    places = [(block, f"{where}.content[{number}]") for number, block in enumerate(blocks)]
    if turn.role == "user":
        said.say("user", [part for block, place in places for part in _users(said, block, place)])
    else:
        said.say("assistant", [part for block, place in places for part in _assistants(said, block, place)])


def _users(said: Conversation, block: Mapping[str, Any], where: str) -> list[Part]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [Text(text)]
        case {"type": "image", "source": {"type": "base64", "data": data}}:
            return [said.picture(data, where)]
        case {"type": "image"}:
            text = f"{where}: pictures are not fetched. Send it with a source of type base64."
            raise RefusedRequestError(text, param=where)
        case {"type": "tool_result", "tool_use_id": str(id_)}:
            return _result(said, id_, block, where)
        case _:
            raise RefusedRequestError(f"{where} is no text, image or tool_result. Leave it out.", param=where)


def _result(said: Conversation, id_: str, block: Mapping[str, Any], where: str) -> list[Part]:
    """What a function gave; pictures in it are shown after it."""
    content = block.get("content")
    parts = content if isinstance(content, list) else []
    pictures = [part for part in parts if isinstance(part, dict) and part.get("type") == "image"]
    texts = [part for part in parts if part not in pictures] if parts else content
    result = said.returned(id_, text_of(texts, f"{where}.content"), is_error=block.get("is_error") is True)
    shown = [shown for part in pictures for shown in _users(said, part, f"{where}.content")]
    return [result, *shown]


def _assistants(said: Conversation, block: Mapping[str, Any], where: str) -> list[Part]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [Text(text)]
        case {"type": "tool_use", "id": str(id_), "name": str(name)}:
            return [said.called(id_, name, block.get("input"), f"{where}.input")]
        case {"type": "thinking" | "redacted_thinking"}:
            return []
        case _:
            raise RefusedRequestError(f"{where} is no text or tool_use. Leave it out.", param=where)


def _tools(tools: Sequence[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    check_tools(tools)
    specs = []
    for number, tool in enumerate(tools):
        if tool.get("type", "custom") != "custom":
            text = f"tools[{number}] runs at Anthropic: only functions are called here. Leave it out."
            raise RefusedRequestError(text, param="tools")
        where = f"tools[{number}]"
        specs.append(tool_spec(tool.get("name"), tool.get("description"), tool.get("input_schema"), where))
    return tuple(specs)


def _choice(said: _Choice | None, tools: Sequence[ToolSpec]) -> ToolChoice | None:
    if said is None:
        return None
    parallel = said.disable_parallel_tool_use is not True
    match said.type:
        case "auto":
            return ToolChoice("auto", parallel=parallel)
        case "none":
            return ToolChoice("none")
        case "any":
            return ToolChoice("required", parallel=parallel)
        case "tool":
            return named_choice(said.name or "", ToolChoice(parallel=parallel), tools)
        case _:
            raise RefusedRequestError(
                "'tool_choice' is none of auto, any, tool and none. Correct it.", param="tool_choice"
            )
