"""POST /v1/responses: OpenAI's Responses, which Open Responses made everybody's. Nothing is stored between requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from core.values import Part, Request, Text, ToolSpec
from server.web.openai_api.asking import Door, reply_to
from server.web.openai_api.bodies import Body, Count, Temperature, TopP, read_body, worked_out
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
from server.web.openai_api.responses_shape import ResponsesShape

_NOT_KEPT = "nothing is kept between requests. Leave it out, and send the whole conversation as 'input'."
_TEXTS = ("input_text", "output_text", "text", "refusal")


class _Reasoning(BaseModel):
    effort: str | None = None


class _TextOptions(BaseModel):
    format: dict[str, Any] | None = None


class ResponsesBody(Body):
    HARMLESS = frozenset({"user", "metadata", "service_tier", "include", "prompt_cache_key", "safety_identifier"}) | {
        "prompt_cache_retention",
        "stream_options",
    }
    IDLE: ClassVar[Mapping[str, Any]] = {
        "store": False,
        "background": False,
        "truncation": "disabled",
        "top_logprobs": 0,
    }
    INSTEAD: ClassVar[Mapping[str, str]] = {
        "store": _NOT_KEPT,
        "previous_response_id": _NOT_KEPT,
        "conversation": _NOT_KEPT,
        "background": "a reply is given in one request. Leave it out and stream it, which stays open for hours.",
        "truncation": "nothing is cut off unasked. Leave it out, and send what fits.",
        "prompt": "no prompts are kept. Send its text as 'instructions'.",
    }

    input: str | list[dict[str, Any]]
    instructions: str | None = None
    temperature: Temperature = None
    top_p: TopP = None
    max_output_tokens: Count = None
    reasoning: _Reasoning | None = None
    text: _TextOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


async def answer(door: Door, http: HTTPRequest) -> Response:
    body = await read_body(http, ResponsesBody)
    request = await worked_out(http, partial(read, body, door.signatures))
    echoed = body.model_dump(include=_ECHOED)
    return reply_to(door, http, body, request, lambda run: ResponsesShape(run, body.model, echoed, door.signatures))


_ECHOED = {"instructions", "temperature", "top_p", "max_output_tokens", "tools", "tool_choice", "parallel_tool_calls"}
"""Fields of a request that stand in its reply."""


def read(body: ResponsesBody, signatures: Signatures) -> Request:
    """What *body* asks of an AI.

    Raises:
        RefusedRequestError: It cannot be asked; the message names the field.
    """
    turns = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input
    said = Conversation(signatures, turns, "input")
    said.instruct(body.instructions or "")
    for number, item in enumerate(turns):
        _take(said, item, f"input[{number}]")
    tools = _tools(body.tools or ())
    return Request(
        messages=said.messages,
        system=said.system,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_output_tokens,
        effort=effort(body.reasoning.effort if body.reasoning else None, "reasoning.effort"),
        json_schema=schema_of(body.text.format if body.text else None, "text.format"),
        tools=tools,
        tool_choice=tool_choice(body.tool_choice, parallel=body.parallel_tool_calls, tools=tools),
    )


def _take(said: Conversation, item: Mapping[str, Any], where: str) -> None:
    match item:
        case {"type": "reasoning"}:
            pass  # thoughts of a former answer, which no provider here wants back
        case {"type": "function_call", "call_id": str(id_), "name": str(name)}:
            call = said.called(id_, name, item.get("arguments"), f"{where}.arguments")
            said.say("assistant", [call])
        case {"type": "function_call_output", "call_id": str(id_), "output": output}:
            said.say("user", [said.returned(id_, text_of(output, f"{where}.output", _TEXTS))])
        case {"role": "system" | "developer", "content": content}:
            said.instruct(text_of(content, f"{where}.content", _TEXTS))
        case {"role": "assistant", "content": content}:
            text = text_of(content, f"{where}.content", _TEXTS)
            said.say("assistant", [Text(text)])
        case {"role": "user", "content": content}:
            said.say("user", _parts(said, content, f"{where}.content"))
        case _:
            text = f"{where} is no message, function_call or function_call_output that can be read. Leave it out."
            raise RefusedRequestError(text, param=where)


def _parts(said: Conversation, content: object, where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise RefusedRequestError(f"{where} is neither a text nor a list of parts. Correct it.", param=where)
    return [_part(said, part, f"{where}[{number}]") for number, part in enumerate(content)]


def _part(said: Conversation, part: object, where: str) -> Part:
    match part:
        case {"type": "input_text" | "text", "text": str(text)}:
            return Text(text)
        case {"type": "input_image" | "input_file", "file_id": str()}:
            text = f"{where}.file_id: no files are kept here. Send data:image/png;base64,... as 'image_url'."
            raise RefusedRequestError(text, param=f"{where}.file_id")
        case {"type": "input_image", "image_url": url}:
            return said.shown(url, f"{where}.image_url")
        case _:
            raise RefusedRequestError(f"{where} is neither input_text nor input_image. Leave it out.", param=where)


def _tools(tools: Sequence[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    check_tools(tools)
    specs = []
    for number, tool in enumerate(tools):
        if tool.get("type") != "function":
            kind = json.dumps(str(tool.get("type"))[:40])
            text = f"tools[{number}] is {kind}: only functions are called here. Leave it out."
            raise RefusedRequestError(text, param="tools")
        specs.append(tool_spec(tool.get("name"), tool.get("description"), tool.get("parameters"), f"tools[{number}]"))
    return tuple(specs)
