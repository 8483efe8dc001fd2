"""The fold of the protocols that are server-sent events of JSON: Chat Completions, Messages, Gemini and their like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ai.client import Emit
from ai.wire.classify.failure import Who, error_in_answer, not_an_answer
from ai.wire.raw.reading import decode, mapping
from ai.wire.response.fold import AnswerFold
from ai.wire.response.sse import SSEDecoder
from core.errors import AnswerError
from core.values import Response

_KEPT_OF_A_BAD_BODY = 2_000
_LONGEST_BODY = 16 * 1024 * 1024


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

    def plain(self, data: dict[str, Any]) -> bool:
        """Take in an event that holds text and nothing else, if it is one, as most of a stream are."""
        return False

    @abstractmethod
    def body(self, data: dict[str, Any]) -> None:
        """Take in a whole answer that came as one JSON object."""

    def listed(self, data: list[Any]) -> None:
        """Take in a whole answer that came as a JSON list."""
        raise self._garbage(bytes(self._raw))

    def mark_end(self) -> None:
        """Take in `[DONE]`: nothing more is to come. It does not say that the answer is whole."""
        self.done = True

    def feed(self, chunk: bytes) -> None:
        """Take in bytes as they arrive; the text in them is told as one piece.

        Raises:
            BadResponseError: They are no events of this protocol.
            ProviderError: An event carries an error.
        """
        self._gathered = []
        try:
            self._take(chunk)
        finally:
            self._tell_gathered()
            self._gathered = None

    def _take(self, chunk: bytes) -> None:
        try:
            for data in self._decoder.feed(chunk):
                if self.done:
                    return
                self._one(data)
        except ValueError as error:
            if self.complete:  # what is broken comes after the answer
                self.done = True
                return
            raise self._garbage(chunk) from error
        if not self._decoder.seen_event and len(self._raw) < _LONGEST_BODY:
            self._raw += chunk

    def finish(self) -> Response:
        try:
            if not self.complete:
                for data in self._decoder.flush():
                    self._one(data)
            if not self._decoder.seen_event:
                self._whole_body()
        except ValueError as error:
            raise self._garbage(bytes(self._raw)) from error
        return super().finish()

    def _one(self, data: bytes) -> None:
        said = data.strip()
        if said == b"[DONE]":
            self.mark_end()
            return
        if not said:
            return
        event = decode(data.decode("utf-8", "replace"))
        if not isinstance(event, dict):
            raise self._garbage(data)
        if self._decoder.name != b"error" and self.plain(event):
            return
        self._check(event)
        self.event(event)

    def _whole_body(self) -> None:
        parsed = decode(bytes(self._raw).decode("utf-8-sig", "replace"))
        if isinstance(parsed, list) and len(parsed) == 1:  # Gemini wraps errors so
            parsed = parsed[0]
        if isinstance(parsed, list):
            self.listed(parsed)
            return
        if not isinstance(parsed, dict):
            raise self._garbage(bytes(self._raw))
        self._check(parsed)
        self.body(parsed)
        self.done = True

    def _check(self, data: dict[str, Any]) -> None:
        named = self._decoder.name == b"error" or data.get("object") == "error" or data.get("type") == "error"
        if not (data.get("error") or named or _failed_inside(data)):
            return
        raise error_in_answer(self.who, data, request_id=self.request_id, partial=self.text)

    def _garbage(self, body: bytes) -> AnswerError:
        if self.text:
            return self.broken_off()
        return not_an_answer(self.who, body[:_KEPT_OF_A_BAD_BODY].decode("utf-8", "replace"), self._content_type)


def _failed_inside(data: Mapping[str, Any]) -> bool:
    """Whether MiniMax's `base_resp`, which stands beside every answer of its own, tells of a failure."""
    code = mapping(data.get("base_resp")).get("status_code")
    return code not in (None, 0, "0")
