"""Reads what the Messages dialect answers with."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ai.client import Emit
from ai.wire.classify.failure import not_an_answer
from ai.wire.raw.reading import arguments, count, items, mapping, position, text
from ai.wire.response.finish import MESSAGES
from ai.wire.response.sse_fold import SSEFold
from core.values import Usage

_LONGEST_BLOCK = 200_000
"""Characters of what a tool of Anthropic's own found; more is not sent again."""


class MessageFold(SSEFold):
    """Reads Messages stream events; `message_stop` is the terminator, after a reason that is known.

    While it thinks in secret the protocol has only pings and signatures to show that it is at work.
    """

    def __init__(self, who: Any, model: str, emit: Emit) -> None:
        super().__init__(who, model, emit)
        self._tokens: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        """Calls, and what goes back as it is."""
        self._at: dict[int | None, _Block] = {}
        """The block that is being written at each place; at None the last one, for events without a place."""
        self._writing = False
        self._stopped = False

    @property
    def complete(self) -> bool:
        return self.terminated and self._stopped

    def event(self, data: dict[str, Any]) -> None:
        match data.get("type"):
            case "content_block_delta":
                self._delta(_place(data), mapping(data.get("delta")))
            case "message_start":
                self._start(mapping(data.get("message")))
            case "content_block_start":
                self._block(_place(data), mapping(data.get("content_block")))
            case "content_block_stop":
                self._writing = False
            case "message_delta":
                self._count(mapping(data.get("usage")))
                self._stop(mapping(data.get("delta")))
            case "message_stop":
                self.terminated = self._stopped
                self.done = True
            case "ping" if not self._writing:
                self.alive()

    def body(self, data: dict[str, Any]) -> None:
        if not isinstance(data.get("content"), list):
            raise not_an_answer(self.who, json.dumps(data))
        self._start(data)
        for index, block in enumerate(map(mapping, items(data["content"]))):
            self._block(index, block)
        self._stop(data)
        self.terminated = self._stopped

    def _start(self, message: Mapping[str, Any]) -> None:
        self.model = text(message.get("model")) or self.model
        self._count(mapping(message.get("usage")))

    def _count(self, tokens: Mapping[str, Any]) -> None:
        self._tokens |= {kind: count for kind, count in tokens.items() if count is not None}
        self.usage = _usage(self._tokens)

    def _block(self, index: int | None, block: Mapping[str, Any]) -> None:
        self._writing = block.get("type") == "text"
        match block.get("type"):
            case "text":
                self._at.pop(index, None)
                self._text_of(block)
            case str():
                self._begin(index, _Block(dict(block), self.written))
                if block.get("type") in ("thinking", "redacted_thinking"):
                    self.add_thinking(text(block.get("thinking")))
                elif block.get("type") != "tool_use":
                    self.alive()  # a tool of the provider's own, and what it found
            case _:
                self.incomplete("sent a block in a form that Moot does not know")

    def _begin(self, index: int | None, block: _Block) -> None:
        before = self._at.get(index)
        if before is not None and before.untouched and before.began == block.began:
            return  # the same event once more
        self._blocks.append(block)
        self._at[index] = self._at[None] = block

    def _text_of(self, holder: Mapping[str, Any]) -> None:
        said = holder.get("text")
        if not isinstance(said, str):
            self.incomplete("sent text in a form that Moot does not know")
        elif said:
            self.add_text(said)

    def _delta(self, index: int | None, delta: Mapping[str, Any]) -> None:
        match delta.get("type"):
            case "text_delta":
                self._writing = True
                self._text_of(delta)
            case "thinking_delta" | "signature_delta":
                self._grow(index, delta, "thinking", "signature")
                self.add_thinking(text(delta.get("thinking")))
            case "input_json_delta":
                self._arguments(index, delta.get("partial_json"))
            case str():
                self.alive()
            case _:
                self.incomplete("sent text in a form that Moot does not know")

    def _arguments(self, index: int | None, given: object) -> None:
        """Take in a piece of what a call is given; some gateways give it as an object."""
        said = given if isinstance(given, str) else json.dumps(given) if given is not None else ""
        if block := self._at.get(index):
            block.said.write(said)
        elif said:
            self.incomplete("gave arguments to a function that it did not call")
        self.called(len(said))

    def _grow(self, index: int | None, delta: Mapping[str, Any], *names: str) -> None:
        if block := self._at.get(index):
            for name in names:
                if said := text(delta.get(name)):
                    block.pieces.setdefault(name, io.StringIO()).write(said)

    def _close(self, block: _Block) -> None:
        """Take in a whole block: a call, or what goes back with the turn unchanged."""
        whole, said = block.whole, block.said.getvalue()
        if whole.get("type") == "tool_use":
            given = said or whole.get("input")
            self.add_tool_call(text(whole.get("id")), text(whole.get("name")), given, at=block.at)
            return
        if said and (found := arguments(said)) is not None:
            whole["input"] = dict(found)
        if len(json.dumps(whole)) <= _LONGEST_BLOCK or "thinking" in text(whole.get("type")):
            self.add_reasoning("anthropic", whole, at=block.at)

    def _stop(self, delta: Mapping[str, Any]) -> None:
        reason = delta.get("stop_reason")
        if not reason:
            return
        self.end(MESSAGES, reason if isinstance(reason, str) else type(reason).__name__)
        self._stopped, self.terminated = self.terminated, False  # message_stop follows
        if self.refusal is not None:
            self.refusal = text(mapping(delta.get("stop_details")).get("explanation")) or self.refusal

    def gather(self) -> None:
        for block in self._blocks:
            self._close(block)
        self._blocks.clear()


@dataclass
class _Block:
    """A block that began behind *at* characters of text, and the pieces it grew by."""

    began: dict[str, Any]
    at: int
    said: io.StringIO = field(default_factory=io.StringIO)
    pieces: dict[str, io.StringIO] = field(default_factory=dict)

    @property
    def untouched(self) -> bool:
        return not (self.pieces or self.said.tell())

    @property
    def whole(self) -> dict[str, Any]:
        return self.began | {name: text(self.began.get(name)) + said.getvalue() for name, said in self.pieces.items()}


def _place(event: Mapping[str, Any]) -> int | None:
    """At which place of the answer its block stands; None where it does not say."""
    found = position(event.get("index"), -1)
    return None if found < 0 else found


def _usage(tokens: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached input beside `input_tokens`; ours includes it."""
    inputs, cached = count(tokens.get("input_tokens")), count(tokens.get("cache_read_input_tokens"))
    if inputs is not None:
        inputs += (cached or 0) + (count(tokens.get("cache_creation_input_tokens")) or 0)
    details = mapping(tokens.get("output_tokens_details"))
    return Usage(inputs, count(tokens.get("output_tokens")), cached, count(details.get("thinking_tokens")))
