"""Providers that call functions: each plays a model that wants given calls, in its own protocol and in small pieces.

They know nothing of how Moot adapts a schema: they read the functions out of the request as it came over the wire, and
write the arguments as that schema wants them, as a real one does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ai.client import AsyncAIClient, ignore
from ai.layers.emulation import EmulatedFunctions
from ai.providers import anthropic, gemini, ollama, openai_chat
from ai.providers.catalog import PROVIDERS
from ai.wire.classify.failure import Who
from ai.wire.functions.emulation import Emulation
from ai.wire.settings import ClientSettings, Endpoint, Quirks
from ai.wire.transport import SharedHTTP
from core.values import Request, Response

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What every provider takes."""
_PIECE = 5
"""Characters of arguments in one event, and bytes of the body in one read."""


@dataclass(frozen=True)
class Wanted:
    """One call that the model wants: *index* is the function's place among those it was offered."""

    index: int
    arguments: Mapping[str, Any]


Encode = Callable[[Mapping[str, Any], Sequence[Wanted]], bytes]


@dataclass
class CallingProvider:
    """One protocol, over a real client and a transport in memory."""

    name: str
    make: Callable[[SharedHTTP], AsyncAIClient]
    encode: Encode
    functions: Callable[[Mapping[str, Any]], list[tuple[str, Mapping[str, Any]]]]
    """Names and schemas of the functions in a request's body."""
    content_type: str = "text/event-stream"
    emulated: bool = False
    wanted: Sequence[Wanted] = ()
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = SharedHTTP(httpx2.MockTransport(self._reply), httpx2.MockTransport(self._reply))
        self._client = self.make(self.http)

    async def ask(self, request: Request, wanted: Sequence[Wanted]) -> Response:
        """What the client makes of a model's answer that wants *wanted*."""
        self.wanted = wanted
        if self.emulated:
            return await EmulatedFunctions(Emulation())(request, ignore, self._client.complete)
        return await self._client.complete(request, ignore)

    def _reply(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        return httpx2.Response(
            200, headers={"content-type": self.content_type}, stream=_Pieces(self.encode(body, self.wanted))
        )


class _Pieces(httpx2.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:
        for start in range(0, len(self._body), 512 + _PIECE):
            yield self._body[start : start + 512 + _PIECE]


def providers() -> list[CallingProvider]:
    """One of each protocol."""
    return [
        CallingProvider("Responses", _openai(PROVIDERS["openai"].quirks), _responses, _flat),
        CallingProvider("Chat Completions", _openai(Quirks()), _chat, _nested),
        CallingProvider("Messages", _client(anthropic), _messages, _flat),
        CallingProvider("Gemini", _client(gemini), _gemini, _declared),
        CallingProvider("Ollama", _client(ollama), _ollama, _nested, "application/x-ndjson"),
        CallingProvider("emulation", _openai(Quirks()), _emulated, _formed, emulated=True),
    ]


def as_sent(schema: Mapping[str, Any], own: Mapping[str, Any], arguments: Any, *, strict: bool) -> Any:
    """*arguments* to *own* as a model writes them that was given *schema*: its keys, and null for what is left out."""
    if isinstance(arguments, list):
        items = _one(own, "items")
        return [as_sent(_one(schema, "items"), items, one, strict=strict) for one in arguments]
    properties, sent = own.get("properties"), _inside(schema).get("properties")
    if not isinstance(arguments, dict) or not isinstance(properties, dict) or not isinstance(sent, dict):
        return arguments
    keys = dict(zip(properties, sent, strict=True))
    made = {
        keys.get(name, name): as_sent(
            sent.get(keys.get(name, name), {}), properties.get(name) or {}, value, strict=strict
        )
        for name, value in arguments.items()
    }
    left_out = [keys[name] for name in properties if name not in arguments and name not in own.get("required", ())]
    return made | (dict.fromkeys(left_out) if strict else {})


def _inside(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """*schema* without the null that may stand for it."""
    options = schema.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        return next((one for one in options if one != {"type": "null"}), schema)
    return schema


def _one(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _inside(schema).get(key)
    return found if isinstance(found, dict) else {}


def _client(module: Any) -> Callable[[SharedHTTP], AsyncAIClient]:
    settings = ClientSettings(Who("x", "x"), "m", Endpoint("http://127.0.0.1:1", "k-123456"))
    return lambda http: module.AsyncClient(settings, http)


def _openai(quirks: Quirks) -> Callable[[SharedHTTP], AsyncAIClient]:
    settings = ClientSettings(Who("x", "x"), "m", Endpoint("http://127.0.0.1:1/v1", "k"), quirks=quirks)
    return lambda http: openai_chat.AsyncClient(settings, http)


def _flat(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(one["name"], one.get("parameters") or one["input_schema"]) for one in body["tools"]]


def _nested(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(one["function"]["name"], one["function"]["parameters"]) for one in body["tools"]]


def _declared(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    # as the SDK spells it; the API takes either spelling of a field
    return [(one["name"], one["parameters_json_schema"]) for one in body["tools"][0]["functionDeclarations"]]


def _formed(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    form = body["response_format"]["json_schema"]["schema"]
    items = (form["anyOf"][0] if "anyOf" in form else form)["properties"]["calls"]["items"]
    forms = [one["properties"] for one in items.get("anyOf", [items])]
    return [(one["tool"]["enum"][0], one["arguments"]) for one in forms]


def _sse(events: Sequence[Mapping[str, Any]], *, named: bool = False) -> bytes:
    head = "event: {}\n" if named else ""
    return b"".join(f"{head.format(one.get('type'))}data: {json.dumps(one)}\n\n".encode() for one in events)


def _cut(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] or [""]


def _responses(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    events, output = [], []
    for place, one in enumerate(wanted):
        item = {"type": "function_call", "id": f"fc_{place}", "call_id": f"c{place}", "name": _flat(body)[one.index][0]}
        events.append({"type": "response.output_item.added", "output_index": place, "item": item | {"arguments": ""}})
        said = json.dumps(one.arguments)
        events += [
            {"type": "response.function_call_arguments.delta", "output_index": place, "delta": piece}
            for piece in _cut(said)
        ]
        output.append(item | {"arguments": said, "status": "completed"})
        events.append({"type": "response.output_item.done", "output_index": place, "item": output[-1]})
    whole = {"object": "response", "status": "completed", "model": "m", "output": output, "usage": {}}
    return _sse([*events, {"type": "response.completed", "response": whole}], named=True)


def _chat(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    events = [chunk(role="assistant", content=None)]
    for place, one in enumerate(wanted):
        function = {"name": _nested(body)[one.index][0], "arguments": ""}
        events.append(chunk(tool_calls=[{"index": place, "id": f"c{place}", "type": "function", "function": function}]))
        events += [
            chunk(tool_calls=[{"index": place, "function": {"arguments": piece}}])
            for piece in _cut(json.dumps(one.arguments, ensure_ascii=False))
        ]
    return _sse([*events, chunk("tool_calls")]) + b"data: [DONE]\n\n"


def _messages(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"model": "m", "usage": {}}}]
    for place, one in enumerate(wanted):
        block = {"type": "tool_use", "id": f"c{place}", "name": _flat(body)[one.index][0], "input": {}}
        events.append({"type": "content_block_start", "index": place, "content_block": block})
        events += [
            {
                "type": "content_block_delta",
                "index": place,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            }
            for piece in _cut(json.dumps(one.arguments))
        ]
        events.append({"type": "content_block_stop", "index": place})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}})
    return _sse([*events, {"type": "message_stop"}], named=True)


def _gemini(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    names = [name for name, _ in _declared(body)]
    parts = [{"functionCall": {"name": names[one.index], "args": one.arguments}} for one in wanted]
    chunks = [{"candidates": [{"content": {"role": "model", "parts": [part]}}]} for part in parts]
    end = {"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP"}], "usageMetadata": {}}
    return _sse([*chunks, end])


def _ollama(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    names = [name for name, _ in _nested(body)]
    calls = [{"function": {"name": names[one.index], "arguments": one.arguments}} for one in wanted]
    lines: list[dict[str, Any]] = [
        {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": [one]}, "done": False}
        for one in calls
    ]
    lines.append({"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"})
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def _emulated(body: Mapping[str, Any], wanted: Sequence[Wanted]) -> bytes:
    names = [name for name, _ in _formed(body)]
    said = json.dumps({"calls": [{"tool": names[one.index], "arguments": one.arguments} for one in wanted]})
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in _cut(said)]
    return _sse([*chunks, {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}])
