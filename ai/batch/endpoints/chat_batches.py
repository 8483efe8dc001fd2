"""What batch endpoints have in common whose rows are ordinary calls of the chat protocol: OpenAI's and Mistral's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio.to_thread

from ai.batch.endpoint import BatchHTTP, folded, refused
from ai.client import ignore
from ai.providers.chat_body import build_body
from ai.providers.chat_fold import ChatFold
from ai.providers.learned import Learned
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import AIError
from core.redact import redact
from core.values import Request, Response


class ChatBatches:
    """An account with such an endpoint: opened with what is known of it, and asked with its key."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        assert settings.endpoint is not None
        self._settings = settings
        self._http = BatchHTTP(settings, http, {"authorization": f"Bearer {settings.endpoint.api_key}"})

    async def open(self) -> None:
        known = await anyio.to_thread.run_sync(Learned.of(self._settings).load)
        self._settings = replace(self._settings, quirks=known)


def plain_body(request: Request, settings: ClientSettings) -> dict[str, Any]:
    """The body of an ordinary call, without what is for streams."""
    assert settings.model is not None
    body = build_body(request, settings.model, settings)
    return {name: value for name, value in body.items() if name not in ("stream", "stream_options")}


def with_words(reason: str, errors: list[dict[str, Any]] | None) -> str:
    """*reason* and the first of the provider's own words."""
    said = errors[0].get("message") if errors else None
    return f"{reason}: {redact(str(said or 'no reason given'))[:300]}."


def chat_outcome(settings: ClientSettings, response: dict[str, Any]) -> Response | AIError:
    """The answer or the error in what an ordinary call would have been answered with."""
    status, body = response.get("status_code", 200), response.get("body") or {}
    if status >= 300:
        return refused(settings.who, body.get("error") or body, status)
    return folded(ChatFold(settings.who, settings.model, ignore), body)
