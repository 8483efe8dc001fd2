"""A reply in the shape of Responses: items that are added, filled and done, each event with its number."""

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


class ResponsesShape:
    """Writes thoughts as a `reasoning` item, text as a `message`, each function call as an item of its own."""

    def __init__(self, run: str, model: str, echoed: Mapping[str, Any], signatures: Signatures) -> None:
        self._run = run
        self._model = model
        self._echoed = echoed
        self._signatures = signatures
        self._created = int(time.time())
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._open: str | None = None
        self._written: list[str] = []

    def begin(self) -> bytes:
        started = self._response("in_progress")
        return self._event("response.created", response=started) + self._event("response.in_progress", response=started)

    def thought(self, text: str) -> bytes:
        before = self._begin_item("reasoning")
        self._written.append(text)
        part = {"item_id": self._item_id, "output_index": len(self._output), "summary_index": 0, "delta": text}
        return before + self._event("response.reasoning_summary_text.delta", **part)

    def text(self, text: str) -> bytes:
        before = self._begin_item("message")
        self._written.append(text)
        part = {"item_id": self._item_id, "output_index": len(self._output), "content_index": 0, "delta": text}
        return before + self._event("response.output_text.delta", **part, logprobs=[])

    def end(self, ending: Ending) -> bytes:
        pieces = [self._end_item(), *(self._call(call) for call in ending.calls)]
        self._signatures.keep(ending.calls)
        last = "incomplete" if ending.finish == "length" else "completed"
        pieces.append(self._event(f"response.{last}", response=self._ended(ending)))
        return b"".join(pieces)

    def fail(self, problem: Problem) -> bytes:
        failed = self._response("failed") | {"error": {"code": problem.code, "message": problem.message}}
        return self._event("response.failed", response=failed)

    def whole(self, ending: Ending) -> Mapping[str, Any]:
        if ending.thoughts:
            self.thought(ending.thoughts)
        if ending.text:
            self.text(ending.text)
        self._end_item()
        for call in ending.calls:
            self._call(call)
        self._signatures.keep(ending.calls)
        return self._ended(ending)

    def refusal(self, problem: Problem) -> Mapping[str, Any]:
        return problem.openai()

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number - 1, **fields}, kind)

    @property
    def _item_id(self) -> str:
        prefix = {"reasoning": "rs", "message": "msg", None: "fc"}[self._open]
        return f"{prefix}_{self._run}_{len(self._output)}"

    def _begin_item(self, kind: str) -> bytes:
        """Open an item of *kind*, unless it is open; whatever else is open ends."""
        if self._open == kind:
            return b""
        ended = self._end_item()
        self._open, self._written = kind, []
        where = {"output_index": len(self._output)}
        added = self._event("response.output_item.added", **where, item=self._item("in_progress", empty=True))
        if kind == "reasoning":
            part = {"item_id": self._item_id, **where, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}
            return ended + added + self._event("response.reasoning_summary_part.added", **part)
        part = {"item_id": self._item_id, **where, "content_index": 0, "part": _text_part("")}
        return ended + added + self._event("response.content_part.added", **part)

    def _item(self, status: str, *, empty: bool = False) -> dict[str, Any]:
        text = "".join(self._written)
        if self._open == "reasoning":
            summary = [] if empty else [{"type": "summary_text", "text": text}]
            return {"type": "reasoning", "id": self._item_id, "summary": summary, "status": status}
        content = [] if empty else [_text_part(text)]
        return {"type": "message", "id": self._item_id, "role": "assistant", "status": status, "content": content}

    def _end_item(self) -> bytes:
        if self._open is None:
            return b""
        text, where = "".join(self._written), {"item_id": self._item_id, "output_index": len(self._output)}
        if self._open == "reasoning":
            place = where | {"summary_index": 0}
            done = self._event("response.reasoning_summary_text.done", **place, text=text)
            part = {"type": "summary_text", "text": text}
            done += self._event("response.reasoning_summary_part.done", **place, part=part)
        else:
            place = where | {"content_index": 0}
            done = self._event("response.output_text.done", **place, text=text, logprobs=[])
            done += self._event("response.content_part.done", **place, part=_text_part(text))
        item = self._item("completed")
        done += self._event("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        self._open = None
        return done

    def _call(self, call: ToolCall) -> bytes:
        index, said = len(self._output), json.dumps(dict(call.arguments))
        item = {"type": "function_call", "id": self._item_id, "call_id": call.id, "name": call.name}
        place = {"item_id": item["id"], "output_index": index}
        whole = item | {"arguments": said, "status": "completed"}
        begun = item | {"arguments": "", "status": "in_progress"}
        told = [
            self._event("response.output_item.added", output_index=index, item=begun),
            self._event("response.function_call_arguments.delta", **place, delta=said),
            self._event("response.function_call_arguments.done", **place, name=call.name, arguments=said),
            self._event("response.output_item.done", output_index=index, item=whole),
        ]
        self._output.append(whole)
        return b"".join(told)

    def _ended(self, ending: Ending) -> dict[str, Any]:
        cut = ending.finish == "length"
        return self._response("incomplete" if cut else "completed") | {
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "usage": _usage(ending.tokens),
            "completed_at": int(time.time()),
            "moot": ending.moot,
        }

    def _response(self, status: str) -> dict[str, Any]:
        echoed = self._echoed
        return {
            "id": f"resp_{self._run}",
            "object": "response",
            "created_at": self._created,
            "completed_at": None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": echoed.get("instructions"),
            "max_output_tokens": echoed.get("max_output_tokens"),
            "metadata": {},
            "model": self._model,
            "output": list(self._output),
            "parallel_tool_calls": echoed.get("parallel_tool_calls") is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": echoed.get("temperature"),
            "tool_choice": echoed.get("tool_choice") or "auto",
            "tools": echoed.get("tools") or [],
            "top_p": echoed.get("top_p"),
            "truncation": "disabled",
            "usage": None,
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(tokens: Counted) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": tokens.inputs,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.outputs,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.inputs + tokens.outputs,
    }
    return usage | {"estimated": True} if tokens.estimated else usage
