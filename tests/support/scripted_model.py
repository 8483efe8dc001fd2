"""A model on loopback that calls one tool, reads its result and is done: for the programs that host Moot.

It speaks the streams of OpenAI Responses, Anthropic Messages and Gemini as their servers do, and refuses any path and
any request it does not know. Requests without tools, such as one for a title, get a word and do not count as turns.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

Event = dict[str, Any]
LAST_WORDS = "That is settled."


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as the host offers it: what the model calls it, and the group it stands in, if hosts have those."""

    name: str
    group: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.group or ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of the host for its model's next words."""

    tools: tuple[str, ...]
    results: tuple[str, ...]
    """What the host gave back for each call, as the model would read it."""


@dataclass
class ScriptedModel:
    """Calls the tool whose name ends in *tool*, once it is offered; then reads the result and stops."""

    tool: str
    arguments: dict[str, Any]
    turns: list[Turn] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Requests nobody should have made."""
    url: str = ""

    def reply(self, dialect: Dialect, body: dict[str, Any]) -> list[Event]:
        offers = dialect.offers(body)
        if not offers:
            return dialect.say(LAST_WORDS)
        turn = Turn(tuple(offer.full_name for offer in offers), tuple(dialect.results(body)))
        self.turns.append(turn)
        wanted = next((offer for offer in offers if offer.name.endswith(self.tool)), None)
        return dialect.call(wanted, self.arguments) if wanted and not turn.results else dialect.say(LAST_WORDS)

    @contextmanager
    def serving(self) -> Iterator[ScriptedModel]:
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class Dialect(Protocol):
    """One provider's protocol: what a request offers and reports, and how a call and a text are streamed."""

    def offers(self, body: dict[str, Any]) -> list[Offer]: ...
    def results(self, body: dict[str, Any]) -> list[str]: ...
    def call(self, tool: Offer, arguments: dict[str, Any]) -> list[Event]: ...
    def say(self, text: str) -> list[Event]: ...


class Responses:
    """OpenAI Responses: items are added, filled and done, then the response is completed with all of them."""

    def offers(self, body: dict[str, Any]) -> list[Offer]:
        found = []
        for tool in body.get("tools", []):
            if tool["type"] == "namespace":
                found += [Offer(inner["name"], tool["name"]) for inner in tool["tools"]]
            elif tool["type"] == "function":
                found.append(Offer(tool["name"]))
        return found

    def results(self, body: dict[str, Any]) -> list[str]:
        outputs = [item["output"] for item in body["input"] if item.get("type") == "function_call_output"]
        return [output if isinstance(output, str) else _texts(output) for output in outputs]

    def call(self, tool: Offer, arguments: dict[str, Any]) -> list[Event]:
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool.name}
        item |= {"namespace": tool.group} if tool.group else {}
        text = json.dumps(arguments)
        place = {"item_id": "fc_1", "output_index": 0}
        filled = [
            {"type": "response.function_call_arguments.delta", **place, "delta": text},
            {"type": "response.function_call_arguments.done", **place, "arguments": text},
        ]
        return self._response(item | {"arguments": "", "status": "in_progress"}, filled, {"arguments": text})

    def say(self, text: str) -> list[Event]:
        item = {"type": "message", "id": "msg_1", "role": "assistant"}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": text, "annotations": []}
        filled = [
            {"type": "response.content_part.added", **place, "part": part | {"text": ""}},
            {"type": "response.output_text.delta", **place, "delta": text},
            {"type": "response.output_text.done", **place, "text": text},
            {"type": "response.content_part.done", **place, "part": part},
        ]
        return self._response(item | {"content": [], "status": "in_progress"}, filled, {"content": [part]})

    @staticmethod
    def _response(item: Event, filled: Sequence[Event], content: Event) -> list[Event]:
        done = item | content | {"status": "completed"}
        begun = {"id": "resp_1", "object": "response", "created_at": 1, "model": "scripted", "output": []}
        usage = {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 12,
        }
        ended = begun | {"status": "completed", "output": [done], "usage": usage}
        events = [
            {"type": "response.created", "response": begun | {"status": "in_progress"}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            *filled,
            {"type": "response.output_item.done", "output_index": 0, "item": done},
            {"type": "response.completed", "response": ended},
        ]
        return [event | {"sequence_number": number} for number, event in enumerate(events)]


class Messages:
    """Anthropic Messages: a message of one block, of text or of a tool's use."""

    def offers(self, body: dict[str, Any]) -> list[Offer]:
        return [Offer(tool["name"]) for tool in body.get("tools", [])]

    def results(self, body: dict[str, Any]) -> list[str]:
        blocks = [block for message in body["messages"] for block in _blocks(message["content"])]
        return [_texts(_blocks(block["content"])) for block in blocks if block["type"] == "tool_result"]

    def call(self, tool: Offer, arguments: dict[str, Any]) -> list[Event]:
        block = {"type": "tool_use", "id": "toolu_1", "name": tool.name, "input": {}}
        return self._message(block, {"type": "input_json_delta", "partial_json": json.dumps(arguments)}, "tool_use")

    def say(self, text: str) -> list[Event]:
        return self._message({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn")

    @staticmethod
    def _message(block: Event, delta: Event, reason: str) -> list[Event]:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "content": []}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": None},
                "usage": {"output_tokens": 3},
            },
            {"type": "message_stop"},
        ]


class Gemini:
    """Gemini: chunks of one candidate; the last has the reason and the usage."""

    def offers(self, body: dict[str, Any]) -> list[Offer]:
        tools = [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
        return [Offer(tool["name"]) for tool in tools]

    def results(self, body: dict[str, Any]) -> list[str]:
        parts = [part for content in body["contents"] for part in content["parts"]]
        return [json.dumps(part["functionResponse"]["response"]) for part in parts if "functionResponse" in part]

    def call(self, tool: Offer, arguments: dict[str, Any]) -> list[Event]:
        return self._chunks({"functionCall": {"name": tool.name, "args": arguments}})

    def say(self, text: str) -> list[Event]:
        return self._chunks({"text": text})

    @staticmethod
    def _chunks(part: Event) -> list[Event]:
        content = {"role": "model", "parts": [part]}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
        common = {"modelVersion": "scripted", "responseId": "r1", "usageMetadata": usage}
        ended = {"role": "model", "parts": [{"text": ""}]}
        return [
            {"candidates": [{"index": 0, "content": content}]} | common,
            {"candidates": [{"index": 0, "content": ended, "finishReason": "STOP"}]} | common,
        ]


def _blocks(content: str | list[Event]) -> list[Event]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _texts(blocks: Sequence[Event]) -> str:
    return "\n".join(block["text"] for block in blocks if "text" in block)


def dialect_of(path: str) -> Dialect | None:
    """The protocol that is spoken at *path*; None when nobody speaks there."""
    if path.endswith("/responses"):
        return Responses()
    if path.endswith("/v1/messages"):
        return Messages()
    return Gemini() if path.endswith((":streamGenerateContent", ":generateContent")) else None


def _stream(path: str, events: Sequence[Event]) -> bytes:
    """Server-sent events; only Gemini's have no names, as there the path says what comes."""
    named = "GenerateContent" not in path
    lines = (f"event: {event['type']}\n" if named else "" for event in events)
    return "".join(f"{line}data: {json.dumps(event)}\n\n" for line, event in zip(lines, events, strict=True)).encode()


def _whole(events: Sequence[Event]) -> Event:
    """The Gemini answer that is not streamed: the first chunk, ended."""
    answer = dict(events[0])
    answer["candidates"] = [answer["candidates"][0] | {"finishReason": "STOP"}]
    return answer


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            path = self.path.split("?")[0]
            dialect = dialect_of(path)
            if dialect is None:
                self._refuse()
                return
            events = model.reply(dialect, body)
            if path.endswith(":generateContent"):
                self._send("application/json", json.dumps(_whole(events)).encode())
            else:
                self._send("text/event-stream", _stream(path, events))

        def do_GET(self) -> None:
            self._refuse()

        def do_HEAD(self) -> None:
            self._refuse()

        def _refuse(self) -> None:
            model.refused.append(f"{self.command} {self.path}")
            self._send("application/json", b'{"error": {"type": "not_found_error", "message": "no such path"}}', 404)

        def _send(self, kind: str, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
