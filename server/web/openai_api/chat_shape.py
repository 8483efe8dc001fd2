"""A reply in the shape of Chat Completions; thoughts go out as `reasoning_content`, which clients show folded."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from core.values import ToolCall
from server.web.openai_api.conversation import Signatures
from server.web.openai_api.errors import Problem
from server.web.openai_api.flow import Counted, Ending
from server.web.openai_api.reply import event


class ChatShape:
    """`chat.completion.chunk` after chunk, or one `chat.completion`."""

    def __init__(self, run: str, model: str, signatures: Signatures, *, include_usage: bool) -> None:
        self._id = f"chatcmpl-{run}"
        self._model = model
        self._signatures = signatures
        self._include_usage = include_usage
        self._created = int(time.time())
        base = json.dumps(self._base("chat.completion.chunk"), separators=(",", ":"))
        self._head = f'data: {base[:-1]},"choices":[{{"index":0,"finish_reason":null,"delta":{{'.encode()

    def _base(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def thought(self, text: str) -> bytes:
        return self._piece("reasoning_content", text)

    def text(self, text: str) -> bytes:
        return self._piece("content", text)

    def _piece(self, name: str, text: str) -> bytes:
        """One delta: all but the text is the same in every chunk, and is written once."""
        return b'%b"%b":%b}}]}\n\n' % (self._head, name.encode(), json.dumps(text).encode())

    def end(self, ending: Ending) -> bytes:
        chunks = []
        if ending.calls:
            self._signatures.keep(ending.calls)
            calls = [{"index": number, **_call(call)} for number, call in enumerate(ending.calls)]
            chunks.append(self._chunk({"tool_calls": calls}))
        last = {"moot": ending.moot}
        if self._include_usage:
            chunks.append(self._chunk({}, ending.finish))
            base = self._base("chat.completion.chunk")
            chunks.append(event({**base, "choices": [], "usage": _usage(ending.tokens), **last}))
        else:
            chunks.append(self._chunk({}, ending.finish, **last))
        return b"".join([*chunks, b"data: [DONE]\n\n"])

    def fail(self, problem: Problem) -> bytes:
        return event(problem.openai())

    def whole(self, ending: Ending) -> Mapping[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": ending.text or None, "refusal": None}
        if ending.thoughts:
            message["reasoning_content"] = ending.thoughts
        if ending.calls:
            self._signatures.keep(ending.calls)
            message["tool_calls"] = [_call(call) for call in ending.calls]
        choice = {"index": 0, "message": message, "finish_reason": ending.finish, "logprobs": None}
        usage = _usage(ending.tokens)
        return {**self._base("chat.completion"), "choices": [choice], "usage": usage, "moot": ending.moot}

    def refusal(self, problem: Problem) -> Mapping[str, Any]:
        return problem.openai()

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event({**self._base("chat.completion.chunk"), "choices": [choice], **more})


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
    }


def _usage(tokens: Counted) -> dict[str, Any]:
    """The usage of a run; `estimated` is Moot's own word, where a provider told none."""
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.inputs,
        "completion_tokens": tokens.outputs,
        "total_tokens": tokens.inputs + tokens.outputs,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
    return usage | {"estimated": True} if tokens.estimated else usage
