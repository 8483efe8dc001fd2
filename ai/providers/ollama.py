"""Ollama's own protocol (docs/api.md, "Generate a chat completion"), for what `/v1` has no words for.

The context window, how long a model stays loaded and whether it thinks are set here; a row with none of these goes
over the OpenAI-compatible path. There is no SDK in between: lines of JSON over the shared client.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from ai.client import AIClient, AsyncAIClient, Emit
from ai.providers.choices import refuse_forced
from ai.wire.classify.failure import error_in_answer, not_an_answer, status_error, transport_error
from ai.wire.functions.offer import offer, taken, told
from ai.wire.functions.schema import OLLAMA as TAKES
from ai.wire.raw.reading import count, decode, items, mapping, text
from ai.wire.response.finish import CHAT
from ai.wire.response.fold import UNREADABLE_CALL, AnswerFold
from ai.wire.response.stream import Watch, read_async, read_sync
from ai.wire.sdk import first_model, model_ids, sdk_timeout, unforeseen
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import AIError
from core.values import Image, Message, Reasoning, Request, Response, Text, ToolCall, ToolChoice, ToolResult, Usage

_PATH = "/api/chat"
_LONGEST_LINE = 16 * 1024 * 1024


class OllamaFold(AnswerFold):
    """Reads one JSON object a line; the one that says `done` is the end."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._rest = bytearray()
        self._thinking: list[str] = []

    def open(self, headers: Mapping[str, str]) -> None:
        self.opened = True
        self.request_id = headers.get("x-request-id")

    def feed(self, chunk: bytes) -> None:
        """Take in bytes as they arrive.

        Raises:
            AIError: They are no lines of this protocol, or say that something failed.
        """
        *lines, last = chunk.split(b"\n")
        for line in lines:
            self._line(bytes(self._rest + line))
            self._rest.clear()
        self._rest += last
        if len(self._rest) > _LONGEST_LINE:
            raise not_an_answer(self.who, "a line of more than 16 MB")

    def finish(self) -> Response:
        if not self.complete and self._rest.strip():
            self._line(bytes(self._rest))
        return super().finish()

    def _line(self, line: bytes) -> None:
        if not line.strip() or self.done:
            return
        try:
            data = decode(line.decode("utf-8-sig", "replace"))
        except ValueError as error:
            raise self._garbage(line) from error
        if not isinstance(data, dict):
            raise self._garbage(line)
        if data.get("error"):
            raise error_in_answer(self.who, data, request_id=self.request_id, partial=self.text)
        self._event(data)

    def _garbage(self, line: bytes) -> AIError:
        return self.broken_off() if self.text else not_an_answer(self.who, line[:2_000].decode("utf-8", "replace"))

    def _event(self, data: Mapping[str, Any]) -> None:
        message = data.get("message")
        if not isinstance(message, dict) and not data.get("done"):
            self.incomplete("sent text in a form that Moot does not know")
        self.model = text(data.get("model")) or self.model
        self._said(mapping(message))
        if data.get("done") is True:
            reason = data.get("done_reason")
            self.end(CHAT, reason if isinstance(reason, str) else "stop" if reason is None else type(reason).__name__)
            if self._thinking:
                self.add_reasoning("ollama", {"thinking": "".join(self._thinking)}, at=0)
            self.usage = Usage(count(data.get("prompt_eval_count")), count(data.get("eval_count")))
            self.done = True

    def _said(self, message: Mapping[str, Any]) -> None:
        if thought := text(message.get("thinking")):
            self.add_thinking(thought)
            self._thinking.append(thought)
        content = message.get("content")
        if isinstance(content, str):
            if content:
                self.add_text(content)
        elif content is not None:
            self.incomplete("sent text in a form that Moot does not know")
        calls = message.get("tool_calls")
        if not isinstance(calls, list | None):
            self.incomplete(UNREADABLE_CALL)
        for call in map(mapping, items(calls)):
            function = mapping(call.get("function"))
            if "arguments" not in function and function.keys() - {"name", "index", "description"}:
                self.incomplete(UNREADABLE_CALL)
            self.add_tool_call(text(call.get("id")), text(function.get("name")), function.get("arguments"))


def build_body(request: Request, model: str, settings: ClientSettings) -> dict[str, Any]:
    """The JSON body; a parameter that nobody set is not sent."""
    offered = offer(request, TAKES, "ollama")
    request = offered.request
    given = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "num_predict": request.max_tokens or settings.max_tokens,
        "stop": list(request.stop) or None,
    }
    body: dict[str, Any] = {"model": model, "messages": list(_messages(request)), "stream": True}
    body |= {name: value for name, value in settings.native.items() if name != "options"}
    options = {name: value for name, value in given.items() if value is not None}
    if options := {**dict(settings.native.get("options") or {}), **options}:
        body["options"] = options
    if request.effort is not None and "think" not in body:
        body["think"] = request.effort != "none"
    if request.json_schema is not None:
        body["format"] = dict(request.json_schema)
    choice = request.tool_choice or ToolChoice()
    if offered.functions and choice.mode != "none":
        refuse_forced(choice, settings.who)
        body["tools"] = [
            {"type": "function", "function": {"name": f.name, "description": f.description, "parameters": f.schema}}
            for f in offered.functions
        ]
    return body | dict(request.extra)


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        yield from _message(message)


def _message(message: Message) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_name": part.name, "tool_call_id": part.call_id, "content": told(part)}
    calls = [
        {"id": part.id, "function": {"name": part.name, "arguments": dict(part.arguments)}}
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    images = [base64.b64encode(part.data).decode() for part in message.parts if isinstance(part, Image)]
    if not (calls or images or any(isinstance(part, Text) for part in message.parts)):
        return
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if images:
        wire["images"] = images
    if calls:
        wire["tool_calls"] = calls
    for part in message.parts:
        if isinstance(part, Reasoning):
            wire |= part.item
    yield wire


class AsyncClient(AsyncAIClient):
    """Calls an Ollama server."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model

    async def complete(self, request: Request, emit: Emit) -> Response:
        settings = self._settings
        if self._model is None:
            self._model = first_model(settings.who, await self.list_models())
        fold = OllamaFold(settings.who, self._model, emit)
        settings.instruct(fold, request)
        with _errors(settings, fold):
            timeout = sdk_timeout(request, settings)
            body = build_body(request, self._model, settings)
            async with self._http.client.stream("POST", **_call(settings, _PATH), json=body, timeout=timeout) as reply:
                if reply.status_code != 200:
                    await reply.aread()
                    raise _refusal(settings, reply)
                fold.open(reply.headers)
                await read_async(fold, reply.aiter_bytes())
            return taken(fold.finish(), request, TAKES)

    async def list_models(self) -> list[str]:
        with _errors(self._settings):
            reply = await self._http.client.get(**_call(self._settings, "/api/tags"))
            return _models(self._settings, reply)


class SyncClient(AIClient):
    """The synchronous twin."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        settings, client = self._settings, self._http.sync_client
        with _errors(settings):
            model = settings.model or first_model(
                settings.who, _models(settings, client.get(**_call(settings, "/api/tags")))
            )
        watch = Watch(settings.who, request.deadlines or settings.deadlines, emit, cancelled)
        fold = OllamaFold(settings.who, model, watch.emit)
        settings.instruct(fold, request)
        with _errors(settings, fold):
            timeout, body = sdk_timeout(request, settings, sync=True), build_body(request, model, settings)
            with client.stream("POST", **_call(settings, _PATH), json=body, timeout=timeout) as reply:
                if reply.status_code != 200:
                    reply.read()
                    raise _refusal(settings, reply)
                fold.open(reply.headers)
                read_sync(fold, reply, watch)
            return taken(fold.finish(), request, TAKES)


def _call(settings: ClientSettings, path: str) -> dict[str, Any]:
    endpoint = settings.endpoint
    assert endpoint is not None
    key = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    base = endpoint.base_url.rstrip("/").removesuffix("/v1")
    return {"url": f"{base}{path}", "headers": {**key, **settings.headers}, "params": dict(endpoint.query)}


def _refusal(settings: ClientSettings, reply: httpx2.Response) -> AIError:
    return status_error(settings.who, reply.status_code, reply.text, headers=reply.headers)


def _models(settings: ClientSettings, reply: httpx2.Response) -> list[str]:
    if reply.status_code != 200:
        raise _refusal(settings, reply)
    try:
        listed = mapping(decode(reply.text)).get("models")
    except ValueError as error:
        raise not_an_answer(settings.who, reply.text) from error
    return model_ids(settings.who, json.dumps({"data": listed if isinstance(listed, list) else []}))


@contextmanager
def _errors(settings: ClientSettings, fold: OllamaFold | None = None) -> Iterator[None]:
    """Turn what the connection raises inside the block into our errors."""
    try:
        yield
    except AIError as error:
        if fold and not error.partial:
            error.partial = fold.text
        raise
    except httpx2.HTTPError as error:
        raise transport_error(settings.who, error, partial=fold.text if fold else "") from error
    except Exception as error:
        raise unforeseen(settings.who, error, fold) from error
