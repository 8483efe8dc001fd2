"""What Chat Completions is sent: the body of a request, in the words that an endpoint understands."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ai.providers.choices import openai_choice
from ai.providers.efforts import nearest
from ai.wire.functions.offer import Offer, offer, told
from ai.wire.functions.schema import ALL, Takes
from ai.wire.settings import ClientSettings, Quirks
from ai.wire.strict_schema import schema_rule, strict_schema
from core.errors import NotUsableError
from core.values import Image, Message, Reasoning, Request, Text, ToolCall, ToolResult

_SHORT = re.compile(r"[A-Za-z0-9]{9}")
_STRICT = Takes(strict=True)


def build_body(request: Request, model: str, settings: ClientSettings, quirks: Quirks | None = None) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent. *quirks*: other than those of *settings*."""
    quirks = settings.quirks if quirks is None else quirks
    offered = offer(request, takes(quirks), "chat", ids=_SHORT if quirks.short_ids else None)
    request = offered.request
    body: dict[str, Any] = {"model": model, "messages": list(_messages(request, quirks)), "stream": True}
    if quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None and quirks.temperature:
        body["temperature"] = request.temperature
    if max_tokens := request.max_tokens or settings.max_tokens:
        body[quirks.max_tokens_field] = max_tokens
    if request.effort is not None and (level := nearest(request.effort, quirks.efforts)):
        if quirks.effort_field == "reasoning_effort":
            body["reasoning_effort"] = level
        elif quirks.effort_field == "reasoning.effort":
            body["reasoning"] = {"effort": level}
    if request.json_schema is not None and (wanted := _response_format(request.json_schema, quirks)):
        body["response_format"] = wanted
    return body | _tools(offered) | _stops(request) | dict(request.extra)


def takes(quirks: Quirks) -> Takes:
    """What is understood of a function's schema, by either of OpenAI's protocols."""
    return _STRICT if quirks.strict_tools else ALL


def _tools(offered: Offer) -> dict[str, Any]:
    if not offered.functions:
        return {}
    tools = []
    for one in offered.functions:
        function = {"name": one.name, "description": one.description, "parameters": one.schema}
        tools.append({"type": "function", "function": function | ({"strict": True} if one.strict else {})})
    return {"tools": tools, **openai_choice(offered.request.tool_choice, nested=True)}


def _stops(request: Request) -> dict[str, Any]:
    given = {"stop": list(request.stop) or None, "top_p": request.top_p}
    return {name: value for name, value in given.items() if value is not None}


def check_request(request: Request, settings: ClientSettings, quirks: Quirks) -> None:
    """Refuse what this endpoint cannot do, before it is sent.

    Raises:
        NotUsableError: It asks for several answers at once, shows images to an endpoint that takes none, or names
            words to stop at, which the Responses protocol cannot say.
    """
    who = settings.who
    if request.extra.get("n") not in (None, 1):
        text = f"{who.ai!r} is asked for several answers in one call ('n'). Leave it out, and ask several times."
        raise NotUsableError(text, ai=who.ai, provider=who.provider)
    if request.stop and quirks.api == "responses":
        text = f"{who.ai!r} cannot be told where to stop. Leave out 'stop', or ask another AI."
        raise NotUsableError(text, ai=who.ai, provider=who.provider)
    shows = any(isinstance(part, Image) for message in request.messages for part in message.parts)
    if shows and not quirks.images:
        text = f"{who.ai!r} takes no images. Leave them out, or ask another AI."
        raise NotUsableError(text, ai=who.ai, provider=who.provider)


def _response_format(schema: Mapping[str, Any], quirks: Quirks) -> dict[str, Any] | None:
    if not quirks.json_schema:
        return {"type": "json_object"} if quirks.json_object else None
    strict = strict_schema(schema) if quirks.strict else None
    if strict is None:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": strict, "strict": True}}


def _messages(request: Request, quirks: Quirks) -> Iterator[dict[str, Any]]:
    system = request.system
    if request.json_schema is not None and (quirks.schema_in_prompt or not quirks.json_schema):
        rule = schema_rule(request.json_schema)
        system = f"{system}\n\n{rule}" if system else rule
    messages = request.messages
    if system and quirks.system_role == "user":
        messages = told_first(system, messages)
    elif system:
        yield {"role": quirks.system_role, "content": system}
    for message in messages:
        yield from _message(message, quirks)


def told_first(system: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    """*messages* with *system* before the first of the user's: some models know no other role."""
    first, *rest = messages
    if first.role != "user":
        return (Message.user(system), *messages)
    return (replace(first, parts=(Text(f"{system}\n\n"), *first.parts)), *rest)


def _message(message: Message, quirks: Quirks) -> Iterator[dict[str, Any]]:
    for result in message.parts:
        if isinstance(result, ToolResult):
            yield {"role": "tool", "tool_call_id": result.call_id, "content": told(result)}
    kept = _kept(message) if quirks.kept_reasoning else {}
    of_calls = kept.pop(OF_CALLS, {})
    calls = [
        {"id": p.id, "type": "function", "function": {"name": p.name, "arguments": json.dumps(dict(p.arguments))}}
        | of_calls.get(p.id, {})
        for p in message.parts
        if isinstance(p, ToolCall)
    ]
    content = [part for part in message.parts if isinstance(part, Text | Image)]
    if not content and not calls:
        return
    plain = all(isinstance(part, Text) for part in content)
    wire: dict[str, Any] = {"role": message.role, "content": message.text if plain else [_part(p) for p in content]}
    if calls:
        wire["tool_calls"] = calls
    yield wire | kept


OF_CALLS = "of_calls"
"""In what goes back with a turn: by a call's id, what goes back with the call."""


def _kept(message: Message) -> dict[str, Any]:
    """What goes back beside the text and the calls of a turn."""
    kept: dict[str, Any] = {}
    for part in message.parts:
        if isinstance(part, Reasoning):
            kept |= part.item
    return kept


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = base64.b64encode(part.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{data}"}}
