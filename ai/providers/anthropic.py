"""The Messages dialect over the anthropic SDK: Claude.

As in `openai_chat`: always streaming (which also lifts the SDK's limit on max_tokens), raw-response path, the body
through `extra_body`.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai.client import AIClient, AsyncAIClient, Emit
from ai.lazy import load
from ai.providers.choices import anthropic_choice
from ai.providers.message_fold import MessageFold
from ai.wire.classify.failure import unavailable
from ai.wire.functions.offer import offer, taken
from ai.wire.functions.schema import MESSAGES as TAKES
from ai.wire.response.stream import Watch, read_async, read_sync
from ai.wire.sdk import first_model, model_ids, sdk_errors, sdk_timeout
from ai.wire.settings import ClientSettings, Endpoint, Platform
from ai.wire.strict_schema import as_asked, in_words, strict_schema
from ai.wire.transport import SharedHTTP
from core.errors import ProviderError
from core.values import Image, Message, Part, Reasoning, Request, Response, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    import anthropic

_MAX_TOKENS = 16_384
"""The protocol demands a value; this is what is sent when neither caller nor catalogue names one."""

_IDS = re.compile(r"[A-Za-z0-9_-]{1,128}")
_EFFORT = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}


def build_body(request: Request, model: str, settings: ClientSettings) -> dict[str, Any]:
    """The JSON body; a parameter the caller did not set is not sent, except max_tokens, which must be."""
    offered = offer(request, TAKES, "anthropic", ids=_IDS)
    request = offered.request
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens or settings.max_tokens or _MAX_TOKENS,
        "messages": [turn for message in request.messages if (turn := _turn(message))["content"]],
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
        schema = strict_schema(request.json_schema) or request.json_schema
        output["format"] = {"type": "json_schema", "schema": schema}
    if output:
        body["output_config"] = output
    if offered.functions:
        body["tools"] = [
            {"name": f.name, "description": f.description, "input_schema": f.schema} for f in offered.functions
        ]
        body |= anthropic_choice(request.tool_choice)
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.top_p is not None:
        body["top_p"] = request.top_p
    return body | dict(request.extra)


def _turn(message: Message) -> dict[str, Any]:
    """*message* with what functions gave first, as has to be, and without blank texts, which are refused."""
    parts = [part for part in message.parts if not (isinstance(part, Text) and part.text.isspace())]
    parts.sort(key=lambda part: not isinstance(part, ToolResult))
    return {"role": message.role, "content": [_part(part) for part in parts]}


def _part(part: Part) -> dict[str, Any]:
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
        case Reasoning(_, item):
            return dict(item)


class AsyncClient(AsyncAIClient):
    """Calls Claude through `anthropic.AsyncAnthropic`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: anthropic.AsyncAnthropic | None = None
        self._located: Endpoint | None = None
        self._schemas = True
        """Whether it takes JSON schemas, as far as is known."""

    async def complete(self, request: Request, emit: Emit) -> Response:
        try:
            response = await self._ask(request if self._schemas else in_words(request), emit)
            return as_asked(response, request)
        except ProviderError as error:
            if error.code != "schema_refused" or request.json_schema is None or not self._schemas:
                raise
        response = await self._ask(in_words(request), emit)
        self._schemas = False
        return response

    async def _ask(self, request: Request, emit: Emit) -> Response:
        settings = self._settings
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(settings.who, await self.list_models())
        fold = MessageFold(settings.who, self._model, emit)
        settings.instruct(fold, request)
        body = build_body(request, self._model, settings)
        with sdk_errors(await load("anthropic"), settings.who, fold):
            async with sdk.messages.with_streaming_response.create(
                **_required(body), extra_body=body, timeout=sdk_timeout(request, settings)
            ) as reply:
                fold.open(reply.headers)
                await read_async(fold, reply.http_response.aiter_bytes())
            return taken(fold.finish(), request, TAKES)

    async def prepare(self) -> None:
        await self._open()
        await self._http.prepare()

    async def list_models(self) -> list[str]:
        sdk = await self._open()
        with sdk_errors(await load("anthropic"), self._settings.who):
            reply = await sdk.models.with_raw_response.list(limit=1000)
            return model_ids(self._settings.who, await reply.text())

    async def _open(self) -> anthropic.AsyncAnthropic:
        endpoint = await self._settings.found()
        if self._sdk is None or endpoint != self._located:
            try:
                sdk = await load("anthropic")
                make = getattr(sdk, f"Async{_KIND[self._settings.platform]}")
                self._sdk = make(http_client=self._http.client, **_sdk_options(self._settings, endpoint))
                self._located = endpoint
            except (RuntimeError, ImportError, ValueError) as error:
                raise unavailable(self._settings.who, error) from error
        assert self._sdk is not None
        return self._sdk


class SyncClient(AIClient):
    """The synchronous twin, over `anthropic.Anthropic`."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        try:
            return as_asked(self._ask(request, emit, cancelled), request)
        except ProviderError as error:
            if error.code != "schema_refused" or request.json_schema is None:
                raise
        return self._ask(in_words(request), emit, cancelled)

    def _ask(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        import anthropic

        settings = self._settings
        make = getattr(anthropic, _KIND[settings.platform])
        sdk = make(http_client=self._http.sync_client, **_sdk_options(settings, settings.at()))
        with sdk_errors(anthropic, settings.who):
            model = settings.model or first_model(
                settings.who, model_ids(settings.who, sdk.models.with_raw_response.list(limit=1000).text())
            )
        watch = Watch(settings.who, request.deadlines or settings.deadlines, emit, cancelled)
        fold = MessageFold(settings.who, model, watch.emit)
        settings.instruct(fold, request)
        body = build_body(request, model, settings)
        with sdk_errors(anthropic, settings.who, fold, watch):
            with sdk.messages.with_streaming_response.create(
                **_required(body), extra_body=body, timeout=sdk_timeout(request, settings, sync=True)
            ) as reply:
                fold.open(reply.headers)
                read_sync(fold, reply.http_response, watch)
            return taken(fold.finish(), request, TAKES)


def _required(body: dict[str, Any]) -> dict[str, Any]:
    """What the SDK's signature demands; the rest travels in `extra_body`, which wins."""
    return {"model": body["model"], "max_tokens": body["max_tokens"], "messages": [], "stream": True}


_KIND: Mapping[Platform | None, str] = {
    None: "Anthropic",
    "bedrock": "AnthropicBedrockMantle",
    "vertex": "AnthropicVertex",
}
"""The SDK's client for each platform, after `Async` or nothing."""


def _sdk_options(settings: ClientSettings, endpoint: Endpoint) -> dict[str, Any]:
    options: dict[str, Any] = {
        "base_url": endpoint.base_url or None,
        "max_retries": 0,
        "default_headers": settings.headers,
        "default_query": dict(endpoint.query) or None,
    }
    match settings.platform:
        case "vertex":
            place = {"region": settings.region, "project_id": settings.project}
            return options | place | {"access_token": endpoint.api_key or None}
        case "bedrock":
            return options | {"api_key": endpoint.api_key or None, "aws_region": settings.region}
        case _:
            return options | {"api_key": endpoint.api_key}
