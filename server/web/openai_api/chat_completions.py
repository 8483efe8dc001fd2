"""POST /v1/chat/completions, as OpenAI's API reference has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from core.values import Part, Request, Text, ToolCall, ToolSpec
from server.web.openai_api.asking import Door, reply_to
from server.web.openai_api.bodies import Body, Count, Temperature, TopP, read_body, worked_out
from server.web.openai_api.chat_shape import ChatShape
from server.web.openai_api.conversation import (
    Conversation,
    Signatures,
    check_tools,
    effort,
    schema_of,
    text_of,
    tool_choice,
    tool_spec,
)
from server.web.openai_api.errors import RefusedRequestError


class _Turn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatBody(Body):
    HARMLESS = frozenset({"user", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention"}) | {
        "safety_identifier"
    }
    IDLE: ClassVar[Mapping[str, Any]] = {
        "n": 1,
        "store": False,
        "logprobs": False,
        "top_logprobs": 0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "modalities": ["text"],
    }
    INSTEAD: ClassVar[Mapping[str, str]] = {
        "n": "one answer is given at a time. Ask several times, or ask the panel moot/ask-many.",
        "functions": "use 'tools' instead.",
        "function_call": "use 'tool_choice' instead.",
        "reasoning": "use 'reasoning_effort' instead.",
        "store": "nothing is stored. Leave it out, and send the conversation with every request.",
    }

    messages: list[_Turn]
    stream_options: _StreamOptions | None = None
    temperature: Temperature = None
    top_p: TopP = None
    max_tokens: Count = None
    max_completion_tokens: Count = None
    stop: Annotated[str | list[str] | None, Field(max_length=16)] = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


async def answer(door: Door, http: HTTPRequest) -> Response:
    body = await read_body(http, ChatBody)
    request = await worked_out(http, partial(read, body, door.signatures))
    counted = body.stream_options is not None and body.stream_options.include_usage
    return reply_to(
        door, http, body, request, lambda run: ChatShape(run, body.model, door.signatures, include_usage=counted)
    )


def read(body: ChatBody, signatures: Signatures) -> Request:
    """What *body* asks of an AI.

    Raises:
        RefusedRequestError: It cannot be asked; the message names the field.
    """
    said = Conversation(signatures, body.messages, "messages")
    for number, turn in enumerate(body.messages):
        _take(said, turn, f"messages[{number}]")
    tools = _tools(body.tools or ())
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return Request(
        messages=said.messages,
        system=said.system,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        effort=effort(body.reasoning_effort, "reasoning_effort"),
        json_schema=schema_of(body.response_format, "response_format"),
        tools=tools,
        tool_choice=tool_choice(body.tool_choice, parallel=body.parallel_tool_calls, tools=tools),
        stop=tuple(stop),
    )


def _take(said: Conversation, turn: _Turn, where: str) -> None:
    match turn.role:
        case "system" | "developer":
            said.instruct(text_of(turn.content, f"{where}.content"))
        case "user":
            said.say("user", _parts(said, turn.content, f"{where}.content"))
        case "assistant":
            text = text_of(turn.content, f"{where}.content", ("text", "refusal"))
            calls = [_called(said, call, f"{where}.tool_calls[{n}]") for n, call in enumerate(turn.tool_calls or ())]
            said.say("assistant", [*([Text(text)]), *calls])
        case "tool":
            if not turn.tool_call_id:
                raise RefusedRequestError(f"{where}.tool_call_id is missing: say which call this answers.", param=where)
            said.say("user", [said.returned(turn.tool_call_id, text_of(turn.content, f"{where}.content"))])
        case _:
            text = f"{where}.role is none of system, developer, user, assistant and tool. Correct it."
            raise RefusedRequestError(text, param=f"{where}.role")


def _parts(said: Conversation, content: str | list[dict[str, Any]] | None, where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    return [_part(said, part, f"{where}[{number}]") for number, part in enumerate(content or ())]


def _part(said: Conversation, part: Mapping[str, Any], where: str) -> Part:
    match part:
        case {"type": "text", "text": str(text)}:
            return Text(text)
        case {"type": "image_url", "image_url": {"url": url}} | {"type": "image_url", "image_url": str(url)}:
            return said.shown(url, f"{where}.image_url")
        case _:
            raise RefusedRequestError(f"{where} is neither a text nor an image_url. Leave it out.", param=where)


def _called(said: Conversation, call: Mapping[str, Any], where: str) -> ToolCall:
    match call:
        case {"id": str(id_), "function": {"name": str(name), **function}}:
            return said.called(id_, name, function.get("arguments"), f"{where}.function.arguments")
        case _:
            raise RefusedRequestError(f"{where} has no id or no function with a name. Add them.", param=where)


def _tools(tools: Sequence[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    check_tools(tools)
    specs = []
    for number, tool in enumerate(tools):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            raise RefusedRequestError(f"tools[{number}] is no function, and only those are called.", param="tools")
        where = f"tools[{number}].function"
        specs.append(tool_spec(function.get("name"), function.get("description"), function.get("parameters"), where))
    return tuple(specs)
