"""From a provider's stream to one Response, or to the error that says why there is none.

A fold is fed what arrives and keeps the answer so far; asynchronous and synchronous clients share it, so streaming
and not streaming, sync and async, are parsed by the same lines. Subclasses read one protocol's events.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ai.classify import Who, not_an_answer, status_error
from ai.client import Emit, Thinking
from ai.sse import SSEDecoder
from core.errors import (
    AnswerError,
    ContentFilteredError,
    EmptyAnswerError,
    RefusedError,
    TruncatedError,
)
from core.values import FinishReason, Response, ToolCall, Usage

_KEPT_OF_A_BAD_BODY = 2_000
_REPLACEMENT = "\ufffd"
_LONGEST_BODY = 16 * 1024 * 1024
_NO_HEADERS: Mapping[str, str] = {}
_decode = json.JSONDecoder().decode  # of text: json.loads looks for the encoding of every token's bytes anew


class AnswerFold:
    """Collects one answer. Set what the protocol says on the attributes, then call `finish`."""

    def __init__(self, who: Who, model: str, emit: Emit) -> None:
        self.who = who
        self.model = model
        self.usage = Usage()
        self.request_id: str | None = None
        self.finish_reason: FinishReason | None = None
        self.opened = False
        """Whether the provider began to answer: from here on the request counts as accepted."""
        self.terminated = False
        """Whether the protocol's own end was seen; a stream that merely stops is truncated."""
        self.filtered = False
        self.refusal: str | None = None
        self.tool_calls: list[ToolCall] = []
        self._emit = emit
        self._half = ""
        """The first half of a surrogate pair, where a token broke off between the two."""
        self._text = io.StringIO()  # a list of tokens costs 53 bytes of object for each

    @property
    def text(self) -> str:
        return self._text.getvalue()

    def add_text(self, text: str) -> None:
        if self._half or not text.isascii():
            text = self._in_whole_characters(text)
        self._text.write(text)
        self._emit(text)

    def add_thinking(self, text: str) -> None:
        self._emit(Thinking(text))

    def finish(self) -> Response:
        """The whole answer.

        Raises:
            AnswerError: It is truncated, filtered, refused or empty.
        """
        if self._half:
            self._half = ""
            self.add_text(_REPLACEMENT)
        if self.filtered:
            raise self._error(
                ContentFilteredError,
                "stopped the answer with its content filter. Rephrase the question or ask another AI.",
            )
        if self.refusal is not None:
            said = f": {self.refusal}" if self.refusal else ""
            raise self._error(RefusedError, f"declined to answer{said}. Rephrase the question or ask another AI.")
        if not self.terminated:
            raise self._error(
                TruncatedError,
                "broke off in the middle of its answer. What arrived is kept; ask again for a whole one.",
            )
        if not self.text.strip() and not self.tool_calls:
            hint = (
                "used up max_tokens before it wrote anything. Raise max_tokens or lower the effort."
                if self.finish_reason == "length"
                else "gave an empty answer. Ask again or ask another AI."
            )
            raise self._error(EmptyAnswerError, hint)
        return Response(
            text=self.text,
            model=self.model,
            finish_reason=self.finish_reason or "stop",
            usage=self.usage,
            request_id=self.request_id,
            tool_calls=tuple(self.tool_calls),
        )

    def _in_whole_characters(self, text: str) -> str:
        """*text* with U+FFFD for halves of surrogate pairs, which JSON can carry but no file or socket would take."""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _error(self, kind: type[AnswerError], rest: str) -> AnswerError:
        who = self.who
        return kind(
            f"{who.ai!r} {rest}", ai=who.ai, provider=who.provider, request_id=self.request_id, partial=self.text
        )


class SSEFold(AnswerFold, ABC):
    """A fold that is fed raw bytes: server-sent events of JSON, or one JSON body where `stream` is ignored."""

    def __init__(self, who: Who, model: str, emit: Emit) -> None:
        super().__init__(who, model, emit)
        self._decoder = SSEDecoder()
        self._raw = bytearray()
        self._content_type = ""

    def open(self, headers: Mapping[str, str]) -> None:
        """Take in the response headers."""
        self.opened = True
        self._content_type = headers.get("content-type", "")
        self.request_id = headers.get("x-request-id") or headers.get("request-id")

    @abstractmethod
    def event(self, data: dict[str, Any]) -> None:
        """Take in one event of the protocol."""

    @abstractmethod
    def body(self, data: dict[str, Any]) -> None:
        """Take in a whole answer that came as one JSON object."""

    def feed(self, chunk: bytes) -> None:
        """Take in bytes as they arrive.

        Raises:
            BadResponseError: They are no events of this protocol.
            ProviderError: An event carries an error.
        """
        try:
            for data in self._decoder.feed(chunk):
                self._one(data)
        except ValueError as error:
            raise self._garbage(chunk) from error
        if not self._decoder.seen_event and len(self._raw) < _LONGEST_BODY:
            self._raw += chunk

    def finish(self) -> Response:
        try:
            for data in self._decoder.flush():
                self._one(data)
            if not self._decoder.seen_event:
                self._whole_body()
        except ValueError as error:
            raise self._garbage(bytes(self._raw)) from error
        return super().finish()

    def _one(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.terminated = True
            return
        event = _decode(data.decode())
        if not isinstance(event, dict):
            raise self._garbage(data)
        self._check(event)
        self.event(event)

    def _whole_body(self) -> None:
        parsed = json.loads(self._raw)
        if not isinstance(parsed, dict):
            raise self._garbage(bytes(self._raw))
        self._check(parsed)
        self.body(parsed)

    def _check(self, data: dict[str, Any]) -> None:
        error = data.get("error")
        if not error:
            return
        details = error if isinstance(error, dict) else {"message": str(error)}
        raise status_error(
            self.who,
            error_status(details),
            str(details.get("message") or ""),
            code=f"{details.get('type') or ''} {details.get('code') or ''}",
            headers={"x-request-id": self.request_id} if self.request_id else _NO_HEADERS,
        )

    def _garbage(self, body: bytes) -> AnswerError:
        if self.text:
            return self._error(
                TruncatedError,
                "sent garbage in the middle of its answer. What arrived is kept; ask again for a whole one.",
            )
        return not_an_answer(self.who, body[:_KEPT_OF_A_BAD_BODY].decode("utf-8", "replace"), self._content_type)


_STATUS_WORDS = {
    "rate_limit": 429,
    "overloaded": 529,
    "authentication": 401,
    "permission": 403,
    "not_found": 404,
    "quota": 402,
    "billing": 402,
    "invalid": 400,
}


def error_status(details: Mapping[str, Any]) -> int:
    """The HTTP status that an error object inside a 200 stands for; 500 when it does not say."""
    code = details.get("code")
    for candidate in (code, details.get("status")):
        if isinstance(candidate, int) and 400 <= candidate < 600:
            return candidate
        if isinstance(candidate, str) and candidate.isdigit() and 400 <= int(candidate) < 600:
            return int(candidate)
    words = f"{details.get('type') or ''} {code or ''}".lower()
    return next((status for word, status in _STATUS_WORDS.items() if word in words), 500)
