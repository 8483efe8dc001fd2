"""The Messages dialect over the anthropic SDK: Claude.

As in `openai_chat`: always streaming (which also lifts the SDK's limit on max_tokens), raw-response path, the body
through `extra_body`.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai.classify import not_an_answer
from ai.client import AIClient, AsyncAIClient, Emit
from ai.fold import SSEFold
from ai.lazy import load
from ai.sdk import first_model, model_ids, sdk_errors, sdk_timeout, unavailable
from ai.settings import ClientSettings
from ai.transport import SharedHTTP
from core.values import FinishReason, Image, Request, Response, Text, ToolCall, ToolResult, Usage

if TYPE_CHECKING:
    import anthropic

_MAX_TOKENS = 16_384
"""The protocol demands a value; this is what is sent when neither caller nor catalogue names one."""

_EFFORT = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
}


def build_body(request: Request, model: str, settings: ClientSettings) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent, except max_tokens, which must be."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens or settings.max_tokens or _MAX_TOKENS,
        "messages": [{"role": m.role, "content": [_part(part) for part in m.parts]} for m in request.messages],
        "stream": True,
    }
    if request.system:
        body["system"] = request.system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    output: dict[str, Any] = {}
    if request.effort is not None:
        output["effort"] = _EFFORT[request.effort]
    if request.json_schema is not None:
        output["format"] = {"type": "json_schema", "schema": request.json_schema}
    if output:
        body["output_config"] = output
    if request.tools:
        body["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": t.parameters} for t in request.tools
        ]
    return body | dict(request.extra)


def _part(part: Text | Image | ToolCall | ToolResult) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(data, media_type):
            encoded = base64.b64encode(data).decode()
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": encoded}}
        case ToolCall(id_, name, arguments):
            return {"type": "tool_use", "id": id_, "name": name, "input": dict(arguments)}
        case ToolResult(call_id, content, is_error):
            return {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": is_error}


class MessageFold(SSEFold):
    """Reads Messages stream events; `message_stop` is the terminator."""

    def __init__(self, who: Any, model: str, emit: Emit) -> None:
        super().__init__(who, model, emit)
        self._tokens: dict[str, Any] = {}
        self._calls: dict[int, list[str]] = {}

    def event(self, data: dict[str, Any]) -> None:
        match data.get("type"):
            case "content_block_delta":
                self._delta(data.get("index", 0), data.get("delta") or {})
            case "message_start":
                self._start(data.get("message") or {})
            case "content_block_start":
                block = data.get("content_block") or {}
                if block.get("type") == "tool_use":
                    self._calls[data.get("index", 0)] = [block.get("id", ""), block.get("name", ""), ""]
            case "message_delta":
                self._count(data.get("usage") or {})
                self._stop(data.get("delta") or {})
            case "message_stop":
                self.terminated = True

    def body(self, data: dict[str, Any]) -> None:
        if not isinstance(data.get("content"), list):
            raise not_an_answer(self.who, json.dumps(data))
        self._start(data)
        for index, block in enumerate(data["content"]):
            if block.get("type") == "text":
                self.add_text(block.get("text") or "")
            elif block.get("type") == "tool_use":
                self._calls[index] = [block.get("id", ""), block.get("name", ""), json.dumps(block.get("input") or {})]
        self._stop(data)
        self.terminated = True

    def _start(self, message: Mapping[str, Any]) -> None:
        self.model = message.get("model") or self.model
        self._count(message.get("usage") or {})

    def _count(self, tokens: Mapping[str, Any]) -> None:
        self._tokens |= {kind: count for kind, count in tokens.items() if count is not None}
        self.usage = _usage(self._tokens)

    def _delta(self, index: int, delta: Mapping[str, Any]) -> None:
        if text := delta.get("text"):
            self.add_text(text)
        elif thought := delta.get("thinking"):
            self.add_thinking(thought)
        elif (piece := delta.get("partial_json")) and index in self._calls:
            self._calls[index][2] += piece

    def _stop(self, delta: Mapping[str, Any]) -> None:
        reason = delta.get("stop_reason")
        if not reason:
            return
        if reason == "refusal":
            self.refusal = (delta.get("stop_details") or {}).get("explanation") or self.text
        self.finish_reason = _FINISH.get(reason, "stop")
        for id_, name, arguments in self._calls.values():
            self.tool_calls.append(ToolCall(id_, name, json.loads(arguments or "{}")))
        self._calls.clear()


def _usage(tokens: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached input beside `input_tokens`; ours includes it."""
    inputs, cached = tokens.get("input_tokens"), tokens.get("cache_read_input_tokens")
    if isinstance(inputs, int):
        inputs += (cached or 0) + (tokens.get("cache_creation_input_tokens") or 0)
    details = tokens.get("output_tokens_details") or {}
    return Usage(inputs, tokens.get("output_tokens"), cached, details.get("thinking_tokens"))


class AsyncClient(AsyncAIClient):
    """Calls Claude through `anthropic.AsyncAnthropic`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: anthropic.AsyncAnthropic | None = None

    async def complete(self, request: Request, emit: Emit) -> Response:
        settings = self._settings
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(settings.who, await self.list_models())
        fold = MessageFold(settings.who, self._model, emit)
        body = build_body(request, self._model, settings)
        with sdk_errors(await load("anthropic"), settings.who, fold):
            async with sdk.messages.with_streaming_response.create(
                **_required(body), extra_body=body, timeout=sdk_timeout(request, settings)
            ) as reply:
                fold.open(reply.headers)
                async for chunk in reply.http_response.aiter_bytes():
                    fold.feed(chunk)
        return fold.finish()

    async def list_models(self) -> list[str]:
        sdk = await self._open()
        with sdk_errors(await load("anthropic"), self._settings.who):
            reply = await sdk.models.with_raw_response.list(limit=1000)
            return model_ids(self._settings.who, await reply.text())

    async def _open(self) -> anthropic.AsyncAnthropic:
        if self._sdk is None:
            try:
                sdk = await load("anthropic")
                self._sdk = sdk.AsyncAnthropic(http_client=self._http.client, **_sdk_options(self._settings))
            except (RuntimeError, ImportError, ValueError) as error:
                raise unavailable(self._settings.who, error) from error
        return self._sdk


class SyncClient(AIClient):
    """The synchronous twin, over `anthropic.Anthropic`."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        import anthropic

        settings = self._settings
        sdk = anthropic.Anthropic(http_client=self._http.sync_client, **_sdk_options(settings))
        with sdk_errors(anthropic, settings.who):
            model = settings.model or first_model(
                settings.who, model_ids(settings.who, sdk.models.with_raw_response.list(limit=1000).text())
            )
        fold = MessageFold(settings.who, model, emit)
        body = build_body(request, model, settings)
        with (
            sdk_errors(anthropic, settings.who, fold),
            sdk.messages.with_streaming_response.create(
                **_required(body), extra_body=body, timeout=sdk_timeout(request, settings, sync=True)
            ) as reply,
        ):
            fold.open(reply.headers)
            for chunk in reply.http_response.iter_bytes():
                if cancelled.is_set():
                    break
                fold.feed(chunk)
        return fold.finish()


def _required(body: dict[str, Any]) -> dict[str, Any]:
    """What the SDK's signature demands; the rest travels in `extra_body`, which wins."""
    return {"model": body["model"], "max_tokens": body["max_tokens"], "messages": [], "stream": True}


def _sdk_options(settings: ClientSettings) -> dict[str, Any]:
    assert settings.endpoint is not None
    return {
        "base_url": settings.endpoint.base_url,
        "api_key": settings.endpoint.api_key,
        "max_retries": 0,
        "default_headers": settings.headers,
    }
