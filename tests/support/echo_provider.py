"""A provider on loopback that answers with what it was asked, and remembers every prompt: for who may know what.

The model name is a list of settings, such as `delay=0.2,words=30,gap=0.01`: seconds before the answer, words after the
echo, seconds between them. The echo is the last message, whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EchoProvider:
    """Serve it with `served()`; `url` is its base URL."""

    prompts: list[str] = field(default_factory=list)
    """All messages of each request, in the order in which they came."""
    url: str = ""

    @asynccontextmanager
    async def served(self) -> AsyncIterator[EchoProvider]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                length = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                body = json.loads(await reader.readexactly(length) if length else b"{}")
                await self._answer(line, body, writer)
        with suppress(Exception):
            writer.close()

    async def _answer(self, line: bytes, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        messages = [_text(one["content"]) for one in body.get("messages", [])]
        self.prompts.append("\n".join(messages))
        wish = {"delay": 0.0, "words": 0.0, "gap": 0.0}
        for part in str(body.get("model", "")).split(","):
            name, _, value = part.partition("=")
            if name in wish:
                wish[name] = float(value)
        await asyncio.sleep(wish["delay"])
        pieces = [messages[-1] if messages else "", *[f" w{number}" for number in range(int(wish["words"]))]]
        if not body.get("stream"):
            whole = {"role": "assistant", "content": "".join(pieces)}
            told = _CHUNK | {"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}], "usage": _USAGE}
            data = json.dumps(told | {"object": "chat.completion"}).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            writer.write(head.encode() + data)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number, piece in enumerate(pieces):
            if number and wish["gap"]:
                await asyncio.sleep(wish["gap"])
            writer.write(_event(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}]))
            await writer.drain()
        writer.write(_event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        writer.write(_event(choices=[], usage=_USAGE) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()


_CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "echo-1"}
_USAGE = {"prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14}


def _event(**fields: Any) -> bytes:
    return _chunk(f"data: {json.dumps(_CHUNK | fields)}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())
