"""The Gemini dialect over google-genai, the official successor of google-generativeai.

The SDK has no raw-response path for streams, so its typed chunks are folded. What it does by itself is switched off:
automatic function calling, automatic continuation (a second billed request) and its choice of aiohttp sessions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread
import httpx2

from ai.classify import Who, not_an_answer, status_error, transport_error
from ai.client import AIClient, AsyncAIClient, Emit
from ai.fold import AnswerFold
from ai.sdk import first_model, runtime_error, unavailable
from ai.settings import ClientSettings
from ai.transport import SharedHTTP
from core.errors import AIError
from core.values import FinishReason, Image, Request, Response, Text, ToolCall, ToolResult, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google import genai
    from google.genai import types

_LEVEL = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "max": "xhigh"}
_FINISH: dict[str, FinishReason] = {"MAX_TOKENS": "length", "CONTINUATION": "length"}
_FAULTS = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER", "MISSING_THOUGHT_SIGNATURE"})
_GOOD = frozenset({"STOP", "MAX_TOKENS", "CONTINUATION"})


def build_contents(request: Request) -> list[dict[str, Any]]:
    """The turns, as the SDK's dictionaries."""
    roles = {"user": "user", "assistant": "model"}
    return [{"role": roles[message.role], "parts": [_part(p) for p in message.parts]} for message in request.messages]


def _part(part: Text | Image | ToolCall | ToolResult) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
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
    if request.tools:
        config["tools"] = [
            {
                "function_declarations": [
                    {"name": t.name, "description": t.description, "parameters_json_schema": dict(t.parameters)}
                    for t in request.tools
                ]
            }
        ]
    return config | dict(request.extra)


class GeminiFold(AnswerFold):
    """Reads GenerateContentResponse chunks; a finish reason is the terminator."""

    def chunk(self, chunk: types.GenerateContentResponse) -> None:
        """Take in one typed chunk of the SDK."""
        self.opened = True
        self.model = chunk.model_version or self.model
        self.request_id = chunk.response_id or self.request_id
        if usage := chunk.usage_metadata:
            self.usage = _usage(usage)
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self.filtered = True
        for candidate in (chunk.candidates or [])[:1]:
            for part in (candidate.content and candidate.content.parts) or ():
                self._part(part)
            if candidate.finish_reason:
                self._end(candidate.finish_reason.value)

    def finish(self) -> Response:
        if not self.opened:
            raise not_an_answer(self.who, "")
        return super().finish()

    def _part(self, part: types.Part) -> None:
        if part.text:
            (self.add_thinking if part.thought else self.add_text)(part.text)
        if call := part.function_call:
            made = ToolCall(call.id or "", call.name or "", call.args or {}, signature=part.thought_signature)
            self.tool_calls.append(made)

    def _end(self, reason: str) -> None:
        if reason in _FAULTS:
            return  # no proper end: whatever came is reported as broken off
        self.terminated = True
        self.filtered = self.filtered or reason not in _GOOD
        self.finish_reason = "tool_calls" if self.tool_calls else _FINISH.get(reason, "stop")


def _usage(usage: types.GenerateContentResponseUsageMetadata) -> Usage:
    """Gemini counts thoughts beside the candidates; ours includes them."""
    thoughts, written = usage.thoughts_token_count, usage.candidates_token_count
    outputs = None if written is None and thoughts is None else (written or 0) + (thoughts or 0)
    return Usage(usage.prompt_token_count, outputs, usage.cached_content_token_count, thoughts)


class AsyncClient(AsyncAIClient):
    """Calls Gemini through `genai.Client(...).aio`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: genai.Client | None = None

    async def complete(self, request: Request, emit: Emit) -> Response:
        who = self._settings.who
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(who, await self.list_models())
        fold = GeminiFold(who, self._model, emit)
        with gemini_errors(who, fold):
            stream = await sdk.aio.models.generate_content_stream(
                model=self._model,
                contents=build_contents(request),
                config=as_config(build_config(request, self._settings)),
            )
            async with aclosing(cast("AsyncGenerator[types.GenerateContentResponse]", stream)) as chunks:
                async for chunk in chunks:
                    fold.chunk(chunk)
        return fold.finish()

    async def list_models(self) -> list[str]:
        sdk = await self._open()
        with gemini_errors(self._settings.who):
            pager = await sdk.aio.models.list()
            return [(model.name or "").removeprefix("models/") async for model in pager]

    async def _open(self) -> genai.Client:
        if self._sdk is None:
            try:
                # In a thread: the import takes 0.6 s and the client reads certificates.
                self._sdk = await anyio.to_thread.run_sync(build_sdk, self._settings, self._http)
            except (RuntimeError, ImportError, ValueError) as error:
                raise unavailable(self._settings.who, error) from error
        return self._sdk


class SyncClient(AIClient):
    """The synchronous twin, over `genai.Client(...)`."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        who = self._settings.who
        sdk = build_sdk(self._settings, self._http)
        with gemini_errors(who):
            model = self._settings.model or first_model(
                who, [(m.name or "").removeprefix("models/") for m in sdk.models.list()]
            )
        fold = GeminiFold(who, model, emit)
        with gemini_errors(who, fold):
            for chunk in sdk.models.generate_content_stream(
                model=model, contents=build_contents(request), config=as_config(build_config(request, self._settings))
            ):
                if cancelled.is_set():
                    break
                fold.chunk(chunk)
        return fold.finish()


def build_sdk(settings: ClientSettings, http: SharedHTTP) -> genai.Client:
    from google import genai
    from google.genai import types

    assert settings.endpoint is not None
    options = types.HttpOptions(
        base_url=settings.endpoint.base_url,
        headers=settings.headers or None,
        httpx_client=http.sync_client,
        # Named even for synchronous use: else the SDK takes aiohttp by itself, with its own timeouts and retries.
        httpx_async_client=http.client,
    )
    return genai.Client(api_key=settings.endpoint.api_key, vertexai=False, http_options=options)


def as_config(config: dict[str, Any]) -> types.GenerateContentConfig:
    from google.genai import types

    return types.GenerateContentConfig.model_validate(config)


@contextmanager
def gemini_errors(who: Who, fold: GeminiFold | None = None) -> Iterator[None]:
    """Turn what the SDK and the connection raise inside the block into our errors."""
    from google.genai import errors

    partial = ""
    try:
        yield
    except AIError:
        raise
    except errors.APIError as error:
        headers = getattr(error.response, "headers", None) or {}
        failure = status_error(who, error.code or 500, error.message or "", code=error.status or "", headers=headers)
        failure.partial = fold.text if fold else partial
        failure.retry_after = failure.retry_after or _retry_info_s(error.details)
        raise failure from error
    except (errors.UnknownApiResponseError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise not_an_answer(who, "") from error
    except httpx2.HTTPError as error:
        raise transport_error(who, error, partial=fold.text if fold else partial) from error
    except RuntimeError as error:
        raise runtime_error(who, error, started=bool(fold and fold.opened)) from error


def _retry_info_s(details: Any) -> float | None:
    """Seconds from google.rpc.RetryInfo, where Gemini puts what others say in Retry-After."""
    try:
        for detail in details["error"]["details"]:
            if detail.get("@type", "").endswith("RetryInfo"):
                return float(str(detail["retryDelay"]).removesuffix("s"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return None
