"""The Chat Completions dialect over the openai SDK: OpenAI itself and every endpoint compatible with it.

Requests always stream. They go through the SDK's generic `post` with the raw response as its result: its own models
cost 67 us a token against 5 raw, and `create` walks every body against its type hints (0.2 ms a call).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import aclosing, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2

from ai.classify import error_in_answer, not_an_answer
from ai.client import AIClient, AsyncAIClient, Emit
from ai.finish import CHAT
from ai.lazy import load
from ai.learned import MOST_STEPS, Learned
from ai.providers.chat_body import build_body, check_request
from ai.reading import count, first, is_json, items, mapping, position, text
from ai.sdk import first_model, model_ids, sdk_errors, sdk_timeout, unavailable
from ai.settings import ClientSettings, Endpoint
from ai.sse_fold import SSEFold
from ai.stream import Watch, read_async, read_sync
from ai.strict_schema import restored
from ai.transport import SharedHTTP
from core.errors import ProviderError
from core.values import Request, Response, Usage

if TYPE_CHECKING:
    import openai

_PATH = "/chat/completions"

_NO_KEY = "none"
"""The SDK insists on a key; local endpoints do not look at it."""


class ChatFold(SSEFold):
    """Reads `chat.completion.chunk` events, and a plain `chat.completion` from endpoints that do not stream.

    Of several answers to one request only the first is read.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._calls: dict[int, list[str]] = {}
        self._counted = False

    def event(self, data: dict[str, Any]) -> None:
        choices = data.get("choices")
        choice = next((one for one in items(choices) if position(mapping(one).get("index"), 0) == 0), None)
        self._figures(data, mapping(choice))
        if choice is not None or not isinstance(choices, list | None):
            self._choice(choice, "delta" if "delta" in mapping(choice) else "message")
        if self._counted and self.terminated:
            self.done = True

    def body(self, data: dict[str, Any]) -> None:
        choice = first(data.get("choices"))
        if not choice:
            raise not_an_answer(self.who, json.dumps(data))
        self._figures(data, choice)
        self._choice(choice, "message")

    def _figures(self, data: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
        usage = mapping(data.get("usage")) or mapping(choice.get("usage"))  # Moonshot: in the choice
        usage = usage or mapping(mapping(data.get("x_groq")).get("usage"))
        if usage:
            self.usage = read_usage(usage)
            self._counted = True
        self.model = text(data.get("model")) or self.model

    def _choice(self, said: object, part: str) -> None:
        choice = mapping(said)
        if choice.get("error"):
            raise error_in_answer(self.who, choice, request_id=self.request_id, partial=self.text)
        if not isinstance(said, dict) or not isinstance(choice.get(part), dict | None):
            self.incomplete("sent text in a form that Moot does not know")
        delta = mapping(choice.get(part))
        self._content(delta)
        for order, call in enumerate(items(delta.get("tool_calls"))):
            self._tool_call(position(mapping(call).get("index"), order), mapping(call))
        if old := mapping(delta.get("function_call")):
            self._tool_call(0, {"function": old})
        if reason := choice.get("finish_reason"):
            self._end(reason if isinstance(reason, str) else type(reason).__name__)

    def _content(self, delta: Mapping[str, Any]) -> None:
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                self.add_text(content)
        elif content is not None:
            self._parts(content)
        if said := text(delta.get("refusal")):
            self.refusal = (self.refusal or "") + said
        thought = delta.get("reasoning_content") or delta.get("reasoning") or delta.get("thinking")
        if thought or delta.get("reasoning_details"):
            self.add_thinking(text(thought))

    def _parts(self, content: object) -> None:
        """Mistral sends content as a list of parts while it reasons; only the text ones are the answer."""
        known = isinstance(content, list)
        for part in items(content):
            match mapping(part).get("type"):
                case "text" | "output_text":
                    said = mapping(part).get("text")
                    known = known and isinstance(said, str)
                    self.add_text(text(said))
                case "thinking" | "reasoning":
                    self.alive()
                case "reference":
                    pass
                case _:
                    known = False
        if not known:
            self.incomplete("sent text in a form that Moot does not know")

    def _tool_call(self, index: int, call: Mapping[str, Any]) -> None:
        slot = self._calls.setdefault(index, ["", "", ""])
        function = mapping(call.get("function"))
        slot[0] = text(call.get("id")) or slot[0]
        slot[1] = text(function.get("name")) or slot[1]
        said = function.get("arguments")
        slot[2] += said if isinstance(said, str) else json.dumps(said) if said is not None else ""

    def _end(self, reason: str) -> None:
        self.end(CHAT, reason)
        for id_, name, said in self._calls.values():
            self.add_tool_call(id_, name, said)
        self._calls.clear()


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts in any of the spellings of this protocol."""
    inputs, outputs = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if inputs is not None and outputs is not None:
        # xAI counts reasoning beside completion_tokens, OpenAI within; the total tells which.
        outputs = max(outputs, (count(usage.get("total_tokens")) or 0) - inputs)
    prompt, completion = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    cached = [
        prompt.get("cached_tokens"),
        usage.get("cached_tokens"),  # Moonshot
        usage.get("num_cached_tokens"),  # Mistral
        usage.get("prompt_cache_hit_tokens"),  # DeepSeek
    ]
    reasoning = [completion.get("reasoning_tokens"), usage.get("reasoning_tokens")]
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=next((known for said in cached if (known := count(said)) is not None), None),
        reasoning_tokens=next((known for said in reasoning if (known := count(said)) is not None), None),
    )


class AsyncClient(AsyncAIClient):
    """Calls the endpoint through `openai.AsyncOpenAI`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: openai.AsyncOpenAI | None = None
        self._located: Endpoint | None = None
        self._learned = _learned(settings)

    async def complete(self, request: Request, emit: Emit) -> Response:
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(self._settings.who, await self.list_models())
        learned = self._learned
        known = learned.current
        quirks = known if known is not None else await anyio.to_thread.run_sync(learned.load)
        for _ in range(MOST_STEPS):
            check_request(request, self._settings, quirks)
            body = build_body(request, self._model, self._settings, quirks)
            try:
                response = await self._ask(sdk, request, body, emit)
            except ProviderError as error:
                lesser = learned.without(quirks, error, body)
                if lesser is None:
                    raise
                quirks = lesser
            else:
                break
        wiser = learned.heeded(quirks, fits=request.json_schema is None or is_json(response.text))
        if wiser != learned.current:
            await anyio.to_thread.run_sync(learned.adopt, wiser)
        return as_asked(response, request)

    async def _ask(self, sdk: openai.AsyncOpenAI, request: Request, body: dict[str, Any], emit: Emit) -> Response:
        settings = self._settings
        fold = ChatFold(settings.who, body["model"], emit)
        settings.instruct(fold)
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
                await read_async(fold, reply.aiter_bytes())
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
        self._learned = _learned(settings)

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
        quirks = self._learned.load()
        for _ in range(MOST_STEPS):
            check_request(request, settings, quirks)
            body = build_body(request, model, settings, quirks)
            watch = Watch(settings.who, request.deadlines or settings.deadlines, emit, cancelled)
            try:
                response = self._ask(sdk, request, body, watch)
            except ProviderError as error:
                lesser = self._learned.without(quirks, error, body)
                if lesser is None:
                    raise
                quirks = lesser
            else:
                break
        if quirks != self._learned.current:
            self._learned.adopt(quirks)
        return as_asked(response, request)

    def _ask(self, sdk: openai.OpenAI, request: Request, body: dict[str, Any], watch: Watch) -> Response:
        import openai

        settings = self._settings
        fold = ChatFold(settings.who, body["model"], watch.emit)
        settings.instruct(fold)
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
                read_sync(fold, reply, watch)
            return fold.finish()


def _learned(settings: ClientSettings) -> Learned:
    base_url = settings.endpoint.base_url if settings.endpoint else settings.who.provider
    return Learned(f"{base_url} {settings.model or ''}", settings.quirks, settings.fixed_quirks)


def as_asked(response: Response, request: Request) -> Response:
    """*response* as the caller's own schema has it, where a stricter one was sent."""
    if request.json_schema is None:
        return response
    return replace(response, text=restored(response.text, request.json_schema))


def _sdk_options(settings: ClientSettings, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "base_url": endpoint.base_url,
        "api_key": endpoint.api_key or _NO_KEY,
        "max_retries": 0,
        "default_headers": settings.headers,
    }
