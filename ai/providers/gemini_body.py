"""What Gemini is sent, as the SDK's dictionaries: the turns, and the configuration of the answer."""

from __future__ import annotations

import base64
from typing import Any

from ai.providers.choices import gemini_choice
from ai.wire.functions.offer import Offer, offer
from ai.wire.functions.schema import GEMINI as TAKES
from ai.wire.raw.reading import text
from ai.wire.settings import ClientSettings
from core.errors import NotUsableError
from core.values import Image, Part, Reasoning, Request, Text, ToolCall, ToolResult

_LEVEL = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "max": "xhigh"}


def build_contents(request: Request) -> list[Any]:
    """The turns, as the SDK's dictionaries."""
    roles = {"user": "user", "assistant": "model"}
    turns = [
        {"role": roles[message.role], "parts": [_part(part) for part in message.parts]}
        for message in _offer(request).request.messages
    ]
    return [turn for turn in turns if turn["parts"]]


def _offer(request: Request) -> Offer:
    return offer(request, TAKES, "gemini")


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(said):
            return {"text": said}
        case Image(data, media_type):
            return {"inline_data": {"data": data, "mime_type": media_type}}
        case ToolCall():
            call = {"id": part.id or None, "name": part.name, "args": dict(part.arguments)}
            return {"function_call": call, "thought_signature": part.signature}
        case ToolResult():
            key = "error" if part.is_error else "result"
            return {
                "function_response": {"id": part.call_id or None, "name": part.name, "response": {key: part.content}}
            }
        case Reasoning(_, item):
            signed = signature(item.get("thoughtSignature"))
            return {**item, "thoughtSignature": signed} if signed else dict(item)


def build_config(request: Request, settings: ClientSettings) -> dict[str, Any]:
    """The generation config; a parameter the caller did not set is not sent."""
    config: dict[str, Any] = {"automatic_function_calling": {"disable": True}, "automatic_continuation": False}
    if request.system:
        config["system_instruction"] = request.system
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if max_tokens := request.max_tokens or settings.max_tokens:
        config["max_output_tokens"] = max_tokens
    if request.effort is not None:
        config["thinking_config"] = {"thinking_level": _LEVEL[request.effort]}
    if request.json_schema is not None:
        config["response_mime_type"] = "application/json"
        config["response_json_schema"] = dict(request.json_schema)
    if functions := _offer(request).functions:
        config["tools"] = [
            {
                "function_declarations": [
                    {"name": f.name, "description": f.description, "parameters_json_schema": dict(f.schema)}
                    for f in functions
                ]
            }
        ]
        config |= gemini_choice(_offer(request).request, settings.who)
    config |= {"stop_sequences": list(request.stop)} if request.stop else {}
    config |= {"top_p": request.top_p} if request.top_p is not None else {}
    if request.extra.get("candidate_count", request.extra.get("candidateCount")) not in (None, 1):
        who = settings.who
        said = f"{who.ai!r} is asked for several answers in one call ('candidate_count'). Leave it out, and ask often."
        raise NotUsableError(said, ai=who.ai, provider=who.provider)
    return config | dict(request.extra)


def signature(said: object) -> bytes | None:
    """Bytes out of base64 in either alphabet; None where there are none."""
    try:
        return base64.b64decode(text(said).replace("-", "+").replace("_", "/") + "==") or None
    except ValueError:
        return None
