"""What the Responses API is sent (OpenAI, API reference, "Create a model response").

Nothing is stored there (`store: false`): a conversation is sent whole each time, so none has to be remembered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ai.providers.chat_body import told_first
from ai.providers.choices import openai_choice
from ai.providers.efforts import nearest
from ai.wire.settings import ClientSettings, Quirks
from ai.wire.strict_schema import schema_rule, strict_schema
from core.values import Image, Message, Request, Text, ToolCall, ToolResult

_FEWEST_TOKENS = 16
"""The API refuses a smaller `max_output_tokens`."""


def build_body(request: Request, model: str, settings: ClientSettings, quirks: Quirks) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent."""
    body: dict[str, Any] = {"model": model, "input": [], "stream": True, "store": False}
    messages, system = request.messages, _system(request, quirks)
    if system and quirks.system_role == "user":
        messages = told_first(system, messages)
    elif system and quirks.system_role == "system":
        body["instructions"] = system
    elif system:
        body["input"].append({"role": quirks.system_role, "content": system})
    body["input"] += [item for message in messages for item in _items(message)]
    if request.temperature is not None and quirks.temperature:
        body["temperature"] = request.temperature
    if max_tokens := request.max_tokens or settings.max_tokens:
        body["max_output_tokens"] = max(max_tokens, _FEWEST_TOKENS)
    if reasoning := _reasoning(request, quirks):
        body["reasoning"] = reasoning
    if request.json_schema is not None and (wanted := _format(request.json_schema, quirks)):
        body["text"] = {"format": wanted}
    if request.tools:
        body["tools"] = [
            # strict unless it is said otherwise, and then arguments nobody gave would come as null
            {"type": "function", "name": t.name, "description": t.description, "parameters": t.parameters}
            | {"strict": False}
            for t in request.tools
        ]
        body |= openai_choice(request.tool_choice, nested=False)
    if request.top_p is not None:
        body["top_p"] = request.top_p
    return body | dict(request.extra)


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


def _items(message: Message) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"type": "function_call_output", "call_id": part.call_id, "output": part.content}
    content = [part for part in message.parts if isinstance(part, Text | Image)]
    if content and all(isinstance(part, Text) for part in content):
        yield {"role": message.role, "content": message.text}
    elif content:
        yield {"role": message.role, "content": [_part(part) for part in content]}
    for part in message.parts:
        if isinstance(part, ToolCall):
            yield {
                "type": "function_call",
                "call_id": part.id,
                "name": part.name,
                "arguments": json.dumps(dict(part.arguments)),
            }


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    data = base64.b64encode(part.data).decode()
    return {"type": "input_image", "image_url": f"data:{part.media_type};base64,{data}"}
