"""A provider on loopback that gives one short streamed answer in each of the three dialects."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OPENAI: list[dict[str, Any]] = [
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    for choice in (
        {"index": 0, "delta": {"content": "Paris."}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    )
]
_ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris."}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
_GEMINI: list[dict[str, Any]] = [
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Paris."}]}, "finishReason": "STOP"}],
        "modelVersion": "m",
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    }
]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if "generateContent" in self.path or "streamGenerateContent" in self.path:
            events = [_event(data) for data in _GEMINI]
        elif self.path.split("?")[0].endswith("/messages"):
            events = [f"event: {data['type']}\n{_event(data)}" for data in _ANTHROPIC]
        else:
            events = [*(_event(data) for data in _OPENAI), "data: [DONE]\n\n"]
        body = "".join(events).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


@contextmanager
def three_dialects() -> Iterator[dict[str, dict[str, str]]]:
    """A row for credentials.json for each SDK, all of them reaching this process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        root = f"http://127.0.0.1:{server.server_port}"
        common = {"api_key": "none", "model": "m"}
        try:
            yield {
                "openai": {"provider": "openai_compatible", "base_url": f"{root}/v1", **common},
                "anthropic": {"provider": "anthropic", "base_url": root, **common},
                "google-genai": {"provider": "gemini", "base_url": root, **common},
            }
        finally:
            server.shutdown()
            thread.join()
