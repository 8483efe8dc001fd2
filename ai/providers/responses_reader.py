"""Reads the events of OpenAI's Responses API (API reference, "Responses", "Streaming events") into a fold.

Text is checked against what the provider itself says it was once a part is finished: a piece that went missing on the
way is added when it was the last one, and makes the answer incomplete anywhere else.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from ai.providers.responses_calls import ResponsesCalls
from ai.wire.classify.failure import error_in_answer, not_an_answer
from ai.wire.raw.reading import count, items, mapping, position, text
from ai.wire.response.finish import RESPONSES
from ai.wire.response.fold import AnswerFold
from core.values import Usage

_UNKNOWN_FORM = "sent text in a form that Moot does not know"
_OF_REASONING = ("type", "id", "summary", "content", "encrypted_content")
_LONGEST_ITEM = 200_000
"""Characters of what a tool of OpenAI's own did; more is a picture, which nobody has to be sent again."""
_ENDS = {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}


def is_event(data: Mapping[str, Any]) -> bool:
    """Whether *data* is an event of this protocol."""
    return text(data.get("type")).startswith("response.")


class ResponsesReader:
    """What has been read of one response, beside what *fold* keeps of it."""

    def __init__(self, fold: AnswerFold) -> None:
        self._fold = fold
        self._parts: dict[tuple[int, int], io.StringIO] = {}
        """The text of each part so far, by the place of its item and its own."""
        self._comments: set[int] = set()
        """Places of messages that are no answer, but what the model says meanwhile."""
        self._taken: set[int] = set()
        """Places of items that are taken in already and go back with the turn."""
        self._calls = ResponsesCalls(fold)

    def event(self, data: Mapping[str, Any]) -> None:
        """Take in one event."""
        kind, place = text(data.get("type")), position(data.get("output_index"), 0)
        if self._calls.event(kind, data):
            return
        match kind:
            case "response.output_text.delta":
                self._text(place, data, data.get("delta"))
            case "response.output_text.done":
                self._finished(place, data, data.get("text"))
            case "response.refusal.delta" | "response.refusal.done":
                said = (self._fold.refusal or "") + text(data.get("delta"))
                self._fold.refusal = text(data.get("refusal")) or said
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._fold.add_thinking(text(data.get("delta")))
            case "response.output_item.added":
                self._begun(place, mapping(data.get("item")))
            case "response.output_item.done":
                self._item(place, mapping(data.get("item")))
            case "response.created" | "response.in_progress" | "response.queued":
                self._names(mapping(data.get("response")))
            case _ if kind in _ENDS:
                self._end(mapping(data.get("response")), kind.removeprefix("response."))
            case _:
                self._fold.alive()

    def body(self, data: Mapping[str, Any]) -> None:
        """Take in a whole response that came as one object."""
        if not isinstance(data.get("output"), list):
            raise not_an_answer(self._fold.who, json.dumps(data))
        self._end(data, text(data.get("status")))

    def _names(self, response: Mapping[str, Any]) -> None:
        self._fold.model = text(response.get("model")) or self._fold.model

    def _begun(self, place: int, item: Mapping[str, Any]) -> None:
        if item.get("phase") == "commentary":
            self._comments.add(place)
        self._fold.alive()

    def _text(self, place: int, data: Mapping[str, Any], said: object) -> None:
        if not isinstance(said, str):
            self._fold.incomplete(_UNKNOWN_FORM)
            return
        part = self._part(place, data)
        part.write(said)
        if place in self._comments:
            self._fold.add_thinking(said)
        else:
            self._fold.add_text(said)

    def _part(self, place: int, data: Mapping[str, Any]) -> io.StringIO:
        key = (place, position(data.get("content_index"), 0))
        if key not in self._parts:
            self._parts[key] = io.StringIO()
            if place not in self._comments and self._fold.text:
                self._fold.add_text("\n\n")  # a second message, or a second part of one
        return self._parts[key]

    def _finished(self, place: int, data: Mapping[str, Any], whole: object) -> None:
        """Compare a part with what the provider says it was."""
        if not isinstance(whole, str):
            return
        heard = self._part(place, data).getvalue()
        if heard == whole:
            return
        if whole.startswith(heard):
            self._text(place, data, whole[len(heard) :])
        else:
            self._fold.incomplete("lost a piece of its answer on the way")

    def _item(self, place: int, item: Mapping[str, Any]) -> None:
        """Take in a finished item; what its events said already is only compared."""
        match item.get("type"):
            case "message":
                if item.get("phase") == "commentary":
                    self._comments.add(place)
                self._message(place, item)
                if place in self._comments:
                    self._kept(place, item)
            case "function_call":
                self._calls.listed(item)
            case _:
                self._kept(place, item)

    def _kept(self, place: int, item: Mapping[str, Any]) -> None:
        """Take in an item that goes back as it is: reasoning that can be read there again, or a tool of OpenAI's."""
        self._fold.alive()
        if place in self._taken or not isinstance(item.get("type"), str):
            return
        self._taken.add(place)
        known = {key: value for key, value in item.items() if value is not None}
        if item["type"] == "reasoning":
            if not (known.get("encrypted_content") or known.get("content")):
                return  # by its id alone nothing is found that was not stored
            known = {"summary": []} | {key: known[key] for key in _OF_REASONING if key in known}
        elif len(json.dumps(known)) > _LONGEST_ITEM:
            return
        self._fold.add_reasoning("responses", known)

    def _message(self, place: int, item: Mapping[str, Any]) -> None:
        content = item.get("content")
        known = isinstance(content, list)
        for index, part in enumerate(items(content)):
            match mapping(part).get("type"):
                case "output_text":
                    said = mapping(part).get("text")
                    known = known and isinstance(said, str)
                    self._finished(place, {"content_index": index}, said)
                case "refusal":
                    self._fold.refusal = text(mapping(part).get("refusal")) or self._fold.refusal or ""
                case _:
                    known = False
        if not known:
            self._fold.incomplete(_UNKNOWN_FORM)

    def _end(self, response: Mapping[str, Any], word: str) -> None:
        self._names(response)
        if usage := mapping(response.get("usage")):
            self._fold.usage = read_usage(usage)
        if error := mapping(response.get("error")):
            raise error_in_answer(
                self._fold.who, {"error": error}, request_id=self._fold.request_id, partial=self._fold.text
            )
        for place, item in enumerate(items(response.get("output"))):
            self._item(place, mapping(item))
        status = response.get("status")
        reason = _reason(response, status if isinstance(status, str) else word)
        self._calls.close(whole=reason == "completed")
        self._fold.end(RESPONSES, reason)
        self._fold.done = True


def _reason(response: Mapping[str, Any], status: str) -> str:
    """Why it ended: its status, or what an incomplete one says."""
    reason = mapping(response.get("incomplete_details")).get("reason")
    return reason if status == "incomplete" and isinstance(reason, str) else status


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts in this protocol's spelling; output includes reasoning."""
    inputs, outputs = mapping(usage.get("input_tokens_details")), mapping(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cached_tokens=count(inputs.get("cached_tokens")),
        reasoning_tokens=count(outputs.get("reasoning_tokens")),
    )
