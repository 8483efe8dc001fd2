"""What the Responses API is sent (OpenAI, API reference, "Create a model response").

Nothing is stored there (`store: false`): a conversation is sent whole each time, so none has to be remembered.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from ai.providers.chat_body import takes, told_first
from ai.providers.choices import openai_choice
from ai.providers.efforts import nearest
from ai.wire.functions.offer import Offer, offer, told
from ai.wire.settings import ClientSettings, Quirks
from ai.wire.strict_schema import schema_rule, strict_schema
from core.values import Image, Message, Part, Reasoning, Request, Text, ToolCall, ToolResult

_IDS = re.compile(r"\S{1,64}")
_FEWEST_TOKENS = 16
"""The API refuses a smaller `max_output_tokens`."""


def build_body(request: Request, model: str, settings: ClientSettings, quirks: Quirks) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent."""
    offered = offer(request, takes(quirks), "responses", ids=_IDS)
    request = offered.request
    body: dict[str, Any] = {"model": model, "input": [], "stream": True, "store": False}
    messages, system = request.messages, _system(request, quirks)
    if system and quirks.system_role == "user":
        messages = told_first(system, messages)
    elif system and quirks.system_role == "system":
        body["instructions"] = system
    elif system:
        body["input"].append({"role": quirks.system_role, "content": system})
    body["input"] += [item for message in messages for item in _items(message, quirks)]
    if request.temperature is not None and quirks.temperature:
        body["temperature"] = request.temperature
    if max_tokens := request.max_tokens or settings.max_tokens:
        body["max_output_tokens"] = max(max_tokens, _FEWEST_TOKENS)
    if reasoning := _reasoning(request, quirks):
        body["reasoning"] = reasoning
    if request.json_schema is not None and (wanted := _format(request.json_schema, quirks)):
        body["text"] = {"format": wanted}
    body |= _functions(offered, quirks)
    if request.top_p is not None:
        body["top_p"] = request.top_p
    return body | dict(request.extra)


def _functions(offered: Offer, quirks: Quirks) -> dict[str, Any]:
    if not offered.functions:
        return {}
    tools = [
        # strict unless it is said otherwise, and then arguments nobody gave would come as null
        {"type": "function", "name": f.name, "description": f.description, "parameters": f.schema, "strict": f.strict}
        for f in offered.functions
    ]
    encrypted = {"include": ["reasoning.encrypted_content"]} if quirks.kept_reasoning else {}
    return {"tools": tools, **openai_choice(offered.request.tool_choice, nested=False), **encrypted}


def _system(request: Request, quirks: Quirks) -> str | None:
    if request.json_schema is not None and (quirks.schema_in_prompt or not quirks.json_schema):
        rule = schema_rule(request.json_schema)
        return f"{request.system}\n\n{rule}" if request.system else rule
    return request.system


def _reasoning(request: Request, quirks: Quirks) -> dict[str, Any]:
    """Summaries are asked for since a model that thinks for minutes gives no other sign of life."""
    reasoning: dict[str, Any] = {"summary": "auto"} if quirks.summaries else {}
    if request.effort is not None and (level := nearest(request.effort, quirks.efforts)):
        reasoning["effort"] = level
    return reasoning


def _format(schema: Mapping[str, Any], quirks: Quirks) -> dict[str, Any] | None:
    if not quirks.json_schema:
        return {"type": "json_object"} if quirks.json_object else None
    strict = strict_schema(schema) if quirks.strict else None
    return {"type": "json_schema", "name": "answer", "schema": strict or dict(schema), "strict": strict is not None}


def _items(message: Message, quirks: Quirks) -> Iterator[dict[str, Any]]:
    """The parts of *message* in their order, which reasoning and the call it led to depend on."""
    for shown, parts in groupby(message.parts, lambda part: isinstance(part, Text | Image)):
        if shown:
            yield _said(message.role, [part for part in parts if isinstance(part, Text | Image)])
        else:
            yield from (item for part in parts if (item := _item(part, quirks)))


def _said(role: str, parts: list[Text | Image]) -> dict[str, Any]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) == len(parts):
        return {"role": role, "content": "".join(texts)}
    return {"role": role, "content": [_part(part) for part in parts]}


def _item(part: Part, quirks: Quirks) -> dict[str, Any] | None:
    match part:
        case ToolResult():
            return {"type": "function_call_output", "call_id": part.call_id, "output": told(part)}
        case ToolCall():
            arguments = json.dumps(dict(part.arguments))
            return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}
        case Reasoning() if quirks.kept_reasoning:
            return dict(part.item)
    return None


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    data = base64.b64encode(part.data).decode()
    return {"type": "input_image", "image_url": f"data:{part.media_type};base64,{data}"}
