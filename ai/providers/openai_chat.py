"""The Chat Completions dialect over the openai SDK: OpenAI itself and every endpoint compatible with it.

Requests always stream. They go through the SDK's generic `post` with the raw response as its result: its own models
cost 67 us a token against 5 raw, and `create` walks every body against its type hints (0.2 ms a call).
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2

from ai.classify import not_an_answer
from ai.client import AIClient, AsyncAIClient, Emit
from ai.fold import SSEFold
from ai.lazy import load
from ai.sdk import first_model, model_ids, sdk_errors, sdk_timeout, unavailable
from ai.settings import ClientSettings, Endpoint
from ai.transport import SharedHTTP
from core.values import FinishReason, Image, Message, Request, Response, Text, ToolCall, ToolResult, Usage

if TYPE_CHECKING:
    import openai

_PATH = "/chat/completions"

_NO_KEY = "none"
"""The SDK insists on a key; local endpoints do not look at it."""

_FINISH: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}


def build_body(request: Request, model: str, settings: ClientSettings) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent."""
    quirks = settings.quirks
    body: dict[str, Any] = {"model": model, "messages": list(_messages(request, quirks.json_schema)), "stream": True}
    if quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if max_tokens := request.max_tokens or settings.max_tokens:
        body[quirks.max_tokens_field] = max_tokens
    if request.effort is not None and quirks.effort_field == "reasoning_effort":
        body["reasoning_effort"] = request.effort
    elif request.effort is not None and quirks.effort_field == "reasoning.effort":
        body["reasoning"] = {"effort": request.effort}
    if request.json_schema is not None:
        body["response_format"] = _response_format(request.json_schema, quirks.json_schema)
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
            for t in request.tools
        ]
    return body | dict(request.extra)


def _response_format(schema: Any, supported: bool) -> dict[str, Any]:
    if not supported:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _messages(request: Request, json_schema_supported: bool) -> Iterator[dict[str, Any]]:
    system = request.system
    if request.json_schema is not None and not json_schema_supported:
        rule = f"Answer with one JSON object that fits this JSON Schema: {json.dumps(request.json_schema)}"
        system = f"{system}\n\n{rule}" if system else rule
    if system:
        yield {"role": "system", "content": system}
    for message in request.messages:
        yield from _message(message)


def _message(message: Message) -> Iterator[dict[str, Any]]:
    for result in message.parts:
        if isinstance(result, ToolResult):
            yield {"role": "tool", "tool_call_id": result.call_id, "content": result.content}
    calls = [
        {"id": p.id, "type": "function", "function": {"name": p.name, "arguments": json.dumps(dict(p.arguments))}}
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
    yield wire


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = base64.b64encode(part.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{data}"}}


class ChatFold(SSEFold):
    """Reads `chat.completion.chunk` events, and a plain `chat.completion` from endpoints that do not stream."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._calls: dict[int, list[str]] = {}

    def event(self, data: dict[str, Any]) -> None:
        if usage := data.get("usage"):
            self.usage = _usage(usage)
        if model := data.get("model"):
            self.model = model
        choices = data.get("choices")
        if choices:
            self._choice(choices[0], choices[0].get("delta") or {})

    def body(self, data: dict[str, Any]) -> None:
        if not data.get("choices"):
            raise not_an_answer(self.who, json.dumps(data))
        if usage := data.get("usage"):
            self.usage = _usage(usage)
        self.model = data.get("model") or self.model
        choice = data["choices"][0]
        self.terminated = True
        self._choice(choice, choice.get("message") or {})

    def _choice(self, choice: dict[str, Any], delta: dict[str, Any]) -> None:
        if text := delta.get("content"):
            self.add_text(text if isinstance(text, str) else _joined(text))
        elif thought := delta.get("reasoning_content") or delta.get("reasoning"):
            self.add_thinking(str(thought))
        if refusal := delta.get("refusal"):
            self.refusal = (self.refusal or "") + refusal
        for position, call in enumerate(delta.get("tool_calls") or ()):
            self._tool_call(call.get("index", position), call)
        if reason := choice.get("finish_reason"):
            self._end(reason)

    def _tool_call(self, index: int, call: dict[str, Any]) -> None:
        slot = self._calls.setdefault(index, ["", "", ""])
        function = call.get("function") or {}
        slot[0] = call.get("id") or slot[0]
        slot[1] = function.get("name") or slot[1]
        slot[2] += function.get("arguments") or ""

    def _end(self, reason: str) -> None:
        self.terminated = True
        self.filtered = reason == "content_filter"
        self.finish_reason = _FINISH.get(reason, "stop")
        for id_, name, arguments in self._calls.values():
            self.tool_calls.append(ToolCall(id_, name, _arguments(arguments)))
        self._calls.clear()


def _arguments(text: str) -> dict[str, Any]:
    parsed = json.loads(text or "{}")
    return parsed if isinstance(parsed, dict) else {"value": parsed}


def _joined(parts: list[Any]) -> str:
    """Mistral sends content as a list of parts while it reasons; only the text ones are the answer."""
    return "".join(p.get("text") or "" for p in parts if isinstance(p, dict) and p.get("type") == "text")


def _usage(usage: dict[str, Any]) -> Usage:
    inputs, outputs = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(inputs, int) and isinstance(outputs, int):
        # xAI counts reasoning beside completion_tokens, OpenAI within; the total tells which.
        outputs = max(outputs, (usage.get("total_tokens") or 0) - inputs)
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        reasoning_tokens=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )


class AsyncClient(AsyncAIClient):
    """Calls the endpoint through `openai.AsyncOpenAI`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: openai.AsyncOpenAI | None = None
        self._located: Endpoint | None = None

    async def complete(self, request: Request, emit: Emit) -> Response:
        settings = self._settings
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(settings.who, await self.list_models())
        fold = ChatFold(settings.who, self._model, emit)
        body = build_body(request, self._model, settings)
        with sdk_errors(await load("openai"), settings.who, fold):
            reply = await sdk.post(
                _PATH,
                body=body,
                cast_to=httpx2.Response,
                stream=True,
                options={"timeout": sdk_timeout(request, settings), "security": {"bearer_auth": True}},
            )
            async with aclosing(reply):
                fold.open(reply.headers)
                async for chunk in reply.aiter_bytes():
                    fold.feed(chunk)
        return fold.finish()

    async def list_models(self) -> list[str]:
        sdk = await self._open()
        with sdk_errors(await load("openai"), self._settings.who):
            reply = await sdk.models.with_raw_response.list()
            return model_ids(self._settings.who, reply.text)

    async def _open(self) -> openai.AsyncOpenAI:
        settings = self._settings
        endpoint = await anyio.to_thread.run_sync(settings.locate) if settings.locate else settings.endpoint
        assert endpoint is not None
        if self._sdk is None or endpoint != self._located:
            self._sdk = await self._build(endpoint)
            self._located = endpoint
        return self._sdk

    async def _build(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        try:
            sdk = await load("openai")
            client: openai.AsyncOpenAI = sdk.AsyncOpenAI(
                http_client=self._http.client, **_sdk_options(self._settings, endpoint)
            )
        except (RuntimeError, ImportError, ValueError) as error:
            raise unavailable(self._settings.who, error) from error
        return client


class SyncClient(AIClient):
    """The synchronous twin, over `openai.OpenAI`."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        import openai

        settings = self._settings
        endpoint = settings.locate() if settings.locate else settings.endpoint
        assert endpoint is not None
        sdk = openai.OpenAI(http_client=self._http.sync_client, **_sdk_options(settings, endpoint))
        with sdk_errors(openai, settings.who):
            model = settings.model or first_model(
                settings.who, model_ids(settings.who, sdk.models.with_raw_response.list().text)
            )
        fold = ChatFold(settings.who, model, emit)
        body = build_body(request, model, settings)
        with sdk_errors(openai, settings.who, fold):
            reply = sdk.post(
                _PATH,
                body=body,
                cast_to=httpx2.Response,
                stream=True,
                options={"timeout": sdk_timeout(request, settings, sync=True), "security": {"bearer_auth": True}},
            )
            with closing(reply):
                fold.open(reply.headers)
                for chunk in reply.iter_bytes():
                    if cancelled.is_set():
                        break
                    fold.feed(chunk)
        return fold.finish()


def _sdk_options(settings: ClientSettings, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "base_url": endpoint.base_url,
        "api_key": endpoint.api_key or _NO_KEY,
        "max_retries": 0,
        "default_headers": settings.headers,
    }
