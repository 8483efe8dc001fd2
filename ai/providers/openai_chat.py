"""OpenAI's two protocols over its SDK, Chat Completions and Responses: OpenAI itself and whatever is compatible.

Requests always stream. They go through the SDK's generic `post` with the raw response as its result: its own models
cost 67 us a token against 5 raw, and `create` walks every body against its type hints (0.2 ms a call).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2

from ai.client import AIClient, AsyncAIClient, Embedded, Emit, Sound, Transcribed
from ai.lazy import load
from ai.providers import chat_body, responses_body
from ai.providers.chat_body import check_request, takes
from ai.providers.chat_fold import ChatFold
from ai.providers.learned import MOST_STEPS, Learned, lasting
from ai.wire.classify.failure import Who, not_an_answer, unavailable
from ai.wire.functions.offer import taken
from ai.wire.raw.reading import count, decode, is_json, items, mapping, text
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
_LONGEST_S = 1e6


def read_embedding(who: Who, body: bytes, model: str) -> Embedded:
    """What came back for `/embeddings`, which must hold a list of them."""
    said = body.decode("utf-8", "replace")
    data = mapping(decode(said)) if is_json(said) else {}
    if not isinstance(data.get("data"), list):
        raise not_an_answer(who, said)
    inputs = count(mapping(data.get("usage")).get("prompt_tokens"))
    return Embedded(body, text(data.get("model")) or model, Usage(inputs, None if inputs is None else 0))


def read_transcript(who: Who, body: bytes, model: str) -> Transcribed:
    """What came back for `/audio/transcriptions`. What is billed by the second has no tokens."""
    said = body.decode("utf-8", "replace")
    data = mapping(decode(said)) if is_json(said) else {}
    if not isinstance(data.get("text"), str):
        raise not_an_answer(who, said)
    usage = mapping(data.get("usage"))
    told = Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")))
    segments = [mapping(one) for one in items(data.get("segments"))]
    pieces = [(_seconds(one.get("start")), _seconds(one.get("end")), text(one.get("text")).strip()) for one in segments]
    whole = _letters(data["text"]) <= sum(_letters(piece[2]) for piece in pieces)
    return Transcribed(data["text"], model, told, tuple(piece for piece in pieces if piece[2]) if whole else ())


def _seconds(said: object) -> float:
    return float(said) if isinstance(said, int | float) and 0 <= said < _LONGEST_S else 0.0


def _letters(said: str) -> int:
    return sum(map(len, said.split()))


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
        return as_asked(taken(response, request, takes(quirks)), request)

    async def _ask(
        self, sdk: openai.AsyncOpenAI, path: str, request: Request, body: dict[str, Any], emit: Emit
    ) -> Response:
        settings = self._settings
        fold = ChatFold(settings.who, body["model"], emit)
        settings.instruct(fold, request)
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

    async def transcribe(self, sound: Sound) -> Transcribed:
        sdk, settings = await self._open(), self._settings
        model = self._model or ""
        timed = "whisper" in model  # the others refuse to tell the times
        options = _options(settings, sdk_timeout(Request(()), settings))
        headers = {**(options.get("headers") or {}), "Content-Type": "multipart/form-data"}
        with sdk_errors(await load("openai"), settings.who):
            reply = await sdk.post(
                "/audio/transcriptions",
                body={"model": model, "response_format": "verbose_json" if timed else "json"},
                files=[("file", (sound.name, sound.data, sound.media_type))],
                cast_to=httpx2.Response,
                options={**options, "headers": headers},
            )
            return read_transcript(settings.who, reply.content, model)

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
        return as_asked(taken(response, request, takes(quirks)), request)

    def _ask(self, sdk: openai.OpenAI, path: str, request: Request, body: dict[str, Any], watch: Watch) -> Response:
        import openai

        settings = self._settings
        fold = ChatFold(settings.who, body["model"], watch.emit)
        settings.instruct(fold, request)
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
