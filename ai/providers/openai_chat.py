"""OpenAI's two protocols over its SDK, Chat Completions and Responses: OpenAI itself and whatever is compatible.

Requests always stream. They go through the SDK's generic `post` with the raw response as its result: its own models
cost 67 us a token against 5 raw, and `create` walks every body against its type hints (0.2 ms a call).
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2

from ai.client import AIClient, AsyncAIClient, Embedded, Emit
from ai.lazy import load
from ai.providers import chat_body, responses_body
from ai.providers.chat_body import check_request
from ai.providers.learned import MOST_STEPS, Learned, lasting
from ai.providers.plain_chunk import plain_text
from ai.providers.responses_reader import ResponsesReader, is_event
from ai.wire.classify.failure import Who, error_in_answer, not_an_answer, unavailable
from ai.wire.raw.reading import count, decode, first, is_json, items, mapping, position, text
from ai.wire.response.finish import CHAT
from ai.wire.response.sse_fold import SSEFold
from ai.wire.response.stream import Watch, read_async, read_sync
from ai.wire.sdk import first_model, model_ids, sdk_errors, sdk_timeout
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.strict_schema import as_asked
from ai.wire.transport import SharedHTTP
from core.errors import ProviderError
from core.values import Request, Response, Usage

if TYPE_CHECKING:
    import openai
    from openai._types import RequestOptions

_BODIES: Mapping[str, tuple[str, Callable[..., dict[str, Any]]]] = {
    "chat": ("/chat/completions", chat_body.build_body),
    "responses": ("/responses", responses_body.build_body),
}
"""By protocol: the path, and what makes the body."""

_NO_KEY = "none"
"""The SDK insists on a key; local endpoints do not look at it."""


class ChatFold(SSEFold):
    """Reads `chat.completion.chunk` events, and a plain `chat.completion` from endpoints that do not stream.

    Whichever protocol was asked for, some gateways answer in the other one; both are read here. Of several answers to
    one request only the first is read.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._calls: dict[int, list[str]] = {}
        self._counted = False
        self._responses: ResponsesReader | None = None

    def event(self, data: dict[str, Any]) -> None:
        if is_event(data):
            self._reader.event(data)
        else:
            self._chunk(data)

    def plain(self, data: dict[str, Any]) -> bool:
        said = "" if self.terminated else plain_text(data)
        if said:
            self.model = text(data.get("model")) or self.model
            self.add_text(said)
        return bool(said)

    @property
    def _reader(self) -> ResponsesReader:
        if self._responses is None:
            self._responses = ResponsesReader(self)
        return self._responses

    def _chunk(self, data: dict[str, Any]) -> None:
        choices = data.get("choices")
        choice = next((one for one in items(choices) if position(mapping(one).get("index"), 0) == 0), None)
        self._figures(data, mapping(choice))
        if choice is not None or not isinstance(choices, list | None):
            self._choice(choice, "delta" if "delta" in mapping(choice) else "message")
        if self._counted and self.terminated:
            self.done = True

    def body(self, data: dict[str, Any]) -> None:
        if data.get("object") == "response":
            self._reader.body(data)
            return
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
        if not isinstance(delta.get("tool_calls"), list | None):
            self.incomplete("asked for a function in a form that cannot be read")
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


def read_embedding(who: Who, body: bytes, model: str) -> Embedded:
    """What came back for `/embeddings`, which must hold a list of them."""
    said = body.decode("utf-8", "replace")
    data = mapping(decode(said)) if is_json(said) else {}
    if not isinstance(data.get("data"), list):
        raise not_an_answer(who, said)
    inputs = count(mapping(data.get("usage")).get("prompt_tokens"))
    return Embedded(body, text(data.get("model")) or model, Usage(inputs, None if inputs is None else 0))


class AsyncClient(AsyncAIClient):
    """Calls the endpoint through `openai.AsyncOpenAI`, which is built by the first request."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._model = settings.model
        self._sdk: openai.AsyncOpenAI | None = None
        self._located: Endpoint | None = None
        self._learned = Learned.of(settings)

    async def complete(self, request: Request, emit: Emit) -> Response:
        sdk = await self._open()
        if self._model is None:
            self._model = first_model(self._settings.who, await self.list_models())
        learned = self._learned
        known = learned.current
        quirks = kept = known if known is not None else await anyio.to_thread.run_sync(learned.load)
        for more in reversed(range(MOST_STEPS)):
            check_request(request, self._settings, quirks)
            path, build_body = _BODIES[quirks.api]
            body = build_body(request, self._model, self._settings, quirks)
            try:
                response = await self._ask(sdk, path, request, body, emit)
            except ProviderError as error:
                lesser = learned.without(quirks, error, body)
                if lesser is None or not more:
                    raise
                kept, quirks = lasting(kept, quirks, lesser, error), lesser
            else:
                break
        wiser = learned.heeded(kept, fits=request.json_schema is None or is_json(response.text))
        if wiser != learned.current:
            await anyio.to_thread.run_sync(learned.adopt, wiser)
        return as_asked(response, request)

    async def _ask(
        self, sdk: openai.AsyncOpenAI, path: str, request: Request, body: dict[str, Any], emit: Emit
    ) -> Response:
        settings = self._settings
        fold = ChatFold(settings.who, body["model"], emit)
        settings.instruct(fold)
        with sdk_errors(await load("openai"), settings.who, fold):
            reply = await sdk.post(
                path,
                body=body,
                cast_to=httpx2.Response,
                stream=True,
                options=_options(settings, sdk_timeout(request, settings)),
            )
            async with aclosing(reply):
                fold.open(reply.headers)
                await read_async(fold, reply.aiter_bytes())
            return fold.finish()

    async def prepare(self) -> None:
        await self._open()
        await self._http.prepare()

    async def list_models(self) -> list[str]:
        sdk = await self._open()
        with sdk_errors(await load("openai"), self._settings.who):
            reply = await sdk.models.with_raw_response.list(extra_headers=_without_bearer(self._settings))
            return model_ids(self._settings.who, reply.text)

    async def embed(self, fields: Mapping[str, Any]) -> Embedded:
        sdk, settings = await self._open(), self._settings
        with sdk_errors(await load("openai"), settings.who):
            reply = await sdk.post(
                "/embeddings",
                body={"model": self._model, **fields},
                cast_to=httpx2.Response,
                options=_options(settings, sdk_timeout(Request(()), settings)),
            )
            return read_embedding(settings.who, reply.content, self._model or "")

    async def _open(self) -> openai.AsyncOpenAI:
        settings = self._settings
        endpoint = await settings.found()
        if self._sdk is None or endpoint != self._located:
            self._sdk = await self._build(endpoint)
            self._located = endpoint
        return self._sdk

    async def _build(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        try:
            sdk = await load("openai")
            client: openai.AsyncOpenAI = _maker(sdk, self._settings, endpoint, "Async")(
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
        self._learned = Learned.of(settings)

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        import openai

        settings = self._settings
        endpoint = settings.at()
        sdk = _maker(openai, settings, endpoint, "")(
            http_client=self._http.sync_client, **_sdk_options(settings, endpoint)
        )
        with sdk_errors(openai, settings.who):
            model = settings.model or first_model(
                settings.who,
                model_ids(
                    settings.who,
                    sdk.models.with_raw_response.list(extra_headers=_without_bearer(settings)).text,
                ),
            )
        quirks = kept = self._learned.load()
        for more in reversed(range(MOST_STEPS)):
            check_request(request, settings, quirks)
            path, build_body = _BODIES[quirks.api]
            body = build_body(request, model, settings, quirks)
            watch = Watch(settings.who, request.deadlines or settings.deadlines, emit, cancelled)
            try:
                response = self._ask(sdk, path, request, body, watch)
            except ProviderError as error:
                lesser = self._learned.without(quirks, error, body)
                if lesser is None or not more:
                    raise
                kept, quirks = lasting(kept, quirks, lesser, error), lesser
            else:
                break
        if kept != self._learned.current:
            self._learned.adopt(kept)
        return as_asked(response, request)

    def _ask(self, sdk: openai.OpenAI, path: str, request: Request, body: dict[str, Any], watch: Watch) -> Response:
        import openai

        settings = self._settings
        fold = ChatFold(settings.who, body["model"], watch.emit)
        settings.instruct(fold)
        with sdk_errors(openai, settings.who, fold, watch):
            reply = sdk.post(
                path,
                body=body,
                cast_to=httpx2.Response,
                stream=True,
                options=_options(settings, sdk_timeout(request, settings, sync=True)),
            )
            with closing(reply):
                fold.open(reply.headers)
                read_sync(fold, reply, watch)
            return fold.finish()


def _sdk_options(settings: ClientSettings, endpoint: Endpoint) -> dict[str, Any]:
    options: dict[str, Any] = {
        "base_url": endpoint.base_url,
        "max_retries": 0,
        "default_headers": settings.headers,
        "default_query": dict(endpoint.query) or None,
    }
    if _signs(settings, endpoint):
        return options | {"aws_region": settings.region}
    if settings.key_header:
        options["default_headers"] = {settings.key_header: endpoint.api_key, **settings.headers}
    return options | {"api_key": endpoint.api_key or _NO_KEY}


def _signs(settings: ClientSettings, endpoint: Endpoint) -> bool:
    """Whether requests are signed with AWS credentials, for want of a key."""
    return settings.platform == "bedrock" and not endpoint.api_key


def _maker(sdk: Any, settings: ClientSettings, endpoint: Endpoint, prefix: str) -> Any:
    if _signs(settings, endpoint):
        return getattr(importlib.import_module("openai.lib.bedrock"), f"{prefix}BedrockOpenAI")
    return getattr(sdk, f"{prefix}OpenAI")


def _options(settings: ClientSettings, timeout: httpx2.Timeout) -> RequestOptions:
    return {"timeout": timeout, "security": {"bearer_auth": True}, "headers": _without_bearer(settings)}


def _without_bearer(settings: ClientSettings) -> dict[str, Any]:
    """The header of the bearer token left out, where another one takes the key."""
    from openai import Omit

    return {"Authorization": Omit()} if settings.key_header else {}
