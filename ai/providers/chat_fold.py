"""Reads what Chat Completions answers with, and what gateways answer with that were asked in it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from ai.providers.chat_body import OF_CALLS
from ai.providers.plain_chunk import plain_text
from ai.providers.responses_reader import ResponsesReader, is_event
from ai.wire.classify.failure import error_in_answer, not_an_answer
from ai.wire.raw.reading import count, first, items, mapping, position, text
from ai.wire.response.finish import CHAT
from ai.wire.response.fold import UNREADABLE_CALL
from ai.wire.response.pieces import Pieces
from ai.wire.response.sse_fold import SSEFold
from core.values import Usage

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields for what a model thinks: of DeepSeek, Moonshot and Z.ai; of OpenRouter and vLLM; of others."""


class ChatFold(SSEFold):
    """Reads `chat.completion.chunk` events, and a plain `chat.completion` from endpoints that do not stream.

    Whichever protocol was asked for, some gateways answer in the other one; both are read here. Of several answers to
    one request only the first is read.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pieces = Pieces()
        self._thinking: dict[str, io.StringIO] = {}
        """What was thought, under the name of the field that it came in, and goes back in."""
        self._details: dict[tuple[int, str], dict[str, Any]] = {}
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
            self.incomplete(UNREADABLE_CALL)
        if calls := items(delta.get("tool_calls")):
            self.called(self._pieces.take(calls))
        if old := mapping(delta.get("function_call")):
            self.called(self._pieces.take_old(old))
        if reason := choice.get("finish_reason"):
            self.end(CHAT, reason if isinstance(reason, str) else type(reason).__name__)

    def _content(self, delta: Mapping[str, Any]) -> None:
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                self.add_text(content)
        elif content is not None:
            self._parts(content)
        if said := text(delta.get("refusal")):
            self.refusal = (self.refusal or "") + said
        named = next((name for name in _THOUGHTS if delta.get(name)), "")
        details = delta.get("reasoning_details")
        if named or details:
            self._think(named, text(delta.get(named)), details)

    def _think(self, named: str, said: str, details: object) -> None:
        self.add_thinking(said)
        if said:
            self._thinking.setdefault(named, io.StringIO()).write(said)
        for order, one in enumerate(map(mapping, items(details))):
            place = position(one.get("index"), order), text(one.get("type"))
            whole = self._details.setdefault(place, {})
            for name, value in one.items():
                pieces = name in ("text", "summary") and isinstance(value, str) and isinstance(whole.get(name), str)
                whole[name] = whole[name] + value if pieces else value

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

    def gather(self) -> None:
        of_calls = {}
        for call in self._pieces.calls:
            if call.unclear and not call.said:
                self.incomplete(UNREADABLE_CALL)
            added = self.add_tool_call(call.id, call.name, call.said)
            if added and call.extra:
                of_calls[added.id] = call.extra
        kept: dict[str, Any] = {name: said.getvalue() for name, said in self._thinking.items()}
        if self._details:
            kept = {"reasoning_details": list(self._details.values())}  # the same, and signed
        kept |= {OF_CALLS: of_calls} if of_calls else {}
        if kept:
            self.add_reasoning("chat", kept, at=0)


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
