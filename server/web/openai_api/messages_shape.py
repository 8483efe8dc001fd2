"""A reply in the shape of Anthropic's Messages: blocks that are started, filled and stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.values import FinishReason, ToolCall
from server.web.openai_api.conversation import Signatures
from server.web.openai_api.errors import Problem
from server.web.openai_api.flow import Counted, Ending
from server.web.openai_api.reply import event

_STOPS: Mapping[FinishReason, str] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class MessagesShape:
    """Writes thoughts as a `thinking` block, text as a `text` block, each function call as a `tool_use` block."""

    def __init__(self, run: str, model: str, signatures: Signatures) -> None:
        self._id = f"msg_{run}"
        self._model = model
        self._signatures = signatures
        self._index = -1
        self._open: str | None = None

    def begin(self) -> bytes:
        message = self._message([], None, {"input_tokens": 0, "output_tokens": 0})
        return event({"type": "message_start", "message": message}, "message_start")

    def thought(self, text: str) -> bytes:
        before = self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        return before + self._delta({"type": "thinking_delta", "thinking": text})

    def text(self, text: str) -> bytes:
        before = self._begin("text", {"type": "text", "text": ""})
        return before + self._delta({"type": "text_delta", "text": text})

    def end(self, ending: Ending) -> bytes:
        pieces = [self._stop(), *(self._call(call) for call in ending.calls)]
        self._signatures.keep(ending.calls)
        delta = {"stop_reason": _STOPS[ending.finish], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": _usage(ending.tokens), "moot": ending.moot}
        pieces += [event(last, "message_delta"), event({"type": "message_stop"}, "message_stop")]
        return b"".join(pieces)

    def fail(self, problem: Problem) -> bytes:
        return event(problem.anthropic(), "error")

    def whole(self, ending: Ending) -> Mapping[str, Any]:
        self._signatures.keep(ending.calls)
        content: list[dict[str, Any]] = []
        if ending.thoughts:
            content.append({"type": "thinking", "thinking": ending.thoughts, "signature": ""})
        if ending.text:
            content.append({"type": "text", "text": ending.text})
        content += [_tool_use(call, call.arguments) for call in ending.calls]
        return self._message(content, _STOPS[ending.finish], _usage(ending.tokens)) | {"moot": ending.moot}

    def refusal(self, problem: Problem) -> Mapping[str, Any]:
        return problem.anthropic()

    def _message(self, content: list[dict[str, Any]], stop: str | None, usage: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }

    def _begin(self, kind: str, block: Mapping[str, Any]) -> bytes:
        """Open a block of *kind*, unless it is open; whatever else is open ends."""
        if self._open == kind:
            return b""
        stopped = self._stop()
        self._index += 1
        self._open = kind
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return stopped + event(start, "content_block_start")

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return event({"type": "content_block_delta", "index": self._index, "delta": delta}, "content_block_delta")

    def _stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return event({"type": "content_block_stop", "index": self._index}, "content_block_stop")

    def _call(self, call: ToolCall) -> bytes:
        begun = self._begin("tool_use", _tool_use(call, {}))
        said = self._delta({"type": "input_json_delta", "partial_json": json.dumps(dict(call.arguments))})
        return begun + said + self._stop()


def _tool_use(call: ToolCall, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(given)}


def _usage(tokens: Counted) -> dict[str, Any]:
    """Anthropic counts what was read from a cache beside the input."""
    usage: dict[str, Any] = {
        "input_tokens": tokens.inputs - tokens.cached,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.outputs,
    }
    return usage | {"estimated": True} if tokens.estimated else usage
