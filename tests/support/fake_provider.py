"""A provider on loopback that behaves as its model name says: for wire tests, and as a program for benchmarks.

    python fake_provider.py [LOG]      prints its base URL, serves until stdin closes

LOG gets a line `a SECONDS PROMPT` for each request that was accepted and `f SECONDS PROMPT` for each answer that was
sent whole to somebody who was still there, by the monotonic clock that all processes share.

The model name is a list of settings, such as `delay=0.2,tokens=50,gap=0.01`:

    delay   seconds before the answer begins          tokens  how many pieces it has
    gap     seconds between two pieces                status  answer with this HTTP status instead
    word    what a piece says, `tok` if nothing else
    fault   html | null | no_choices | garbage | cut | reset | hang | silent | error_event | drip
    times   the first so many requests behave so, later ones answer normally
    rpm     requests per minute and key, told in headers and enforced with 429
    tpm     tokens per minute and key, likewise; a request takes 7 and the pieces of its answer

It speaks Chat Completions on any path that does not end in /models, /embeddings, /audio/transcriptions or /tally,
streaming or not. What it hears is `spoken`; a model called `deaf` answers with an error. GET /tally
says how many requests were accepted and refused for their rate, and when.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from functools import lru_cache
from typing import Any

_CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake-1"}
_BODIES = {
    "html": b"<!DOCTYPE html><html><body>Welcome</body></html>",
    "null": b"null",
    "garbage": b"\xff\xfe{not json",
}


def event(**fields: Any) -> bytes:
    return f"data: {json.dumps(_CHUNK | fields)}\n\n".encode()


def piece(text: str) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


@lru_cache
def ending(tokens: int) -> bytes:
    usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": tokens + 7}
    stop = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return stop + event(choices=[], usage=usage) + b"data: [DONE]\n\n"


@lru_cache
def whole_stream(tokens: int, word: str) -> bytes:
    return b"".join(piece(f"{word} ") for _ in range(tokens)) + ending(tokens)


@lru_cache
def whole_answer(tokens: int, word: str) -> bytes:
    message = {"role": "assistant", "content": f"{word} " * tokens}
    usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": tokens + 7}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    fields = {"id": "c1", "object": "chat.completion", "created": 1, "model": "fake-1"}
    return json.dumps(fields | {"choices": choices, "usage": usage}).encode()


def head(status: int, content_type: str, length: int | None, extra: str = "") -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nx-request-id: req-1\r\n{extra}{size}\r\n\r\n".encode()
    )


@dataclass
class RateBucket:
    """How much of a limit per minute is left at a moment."""

    limit: float
    left: float
    at: float

    def refill(self, now: float) -> None:
        self.left = min(self.limit, self.left + (now - self.at) * self.limit / 60)
        self.at = now

    def headers(self, kind: str) -> str:
        reset_s = (self.limit - self.left) * 60 / self.limit
        return (
            f"x-ratelimit-limit-{kind}: {self.limit:.0f}\r\nx-ratelimit-remaining-{kind}: {int(self.left)}\r\n"
            f"x-ratelimit-reset-{kind}: {reset_s:.3f}s\r\n"
        )


@dataclass
class RateLimits:
    """Token buckets per key, as a provider keeps them."""

    clock: Callable[[], float] = time.monotonic
    buckets: dict[tuple[str, str], RateBucket] = field(default_factory=dict)
    accepted: int = 0
    refused: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    def admit(self, key: str, settings: dict[str, str]) -> tuple[float, str]:
        """Seconds the request comes too early (0: it is accepted), and the headers to say so."""
        now, wait_s = self.clock(), 0.0
        costs = {"requests": 1.0, "tokens": 7.0 + int(settings.get("tokens", 1))}
        limits = {"requests": settings.get("rpm"), "tokens": settings.get("tpm")}
        asked: dict[str, RateBucket] = {}
        for kind, limit in limits.items():
            if limit is None:
                continue
            bucket = self.buckets.setdefault((key, kind), RateBucket(float(limit), float(limit), now))
            bucket.refill(now)
            wait_s = max(wait_s, (costs[kind] - bucket.left) * 60 / bucket.limit)
            asked[kind] = bucket
        if wait_s > 0:
            self.refused += 1
        else:
            self.accepted += 1
            self.first_at, self.last_at = self.first_at or now, now
            for kind, bucket in asked.items():
                bucket.left -= costs[kind]
        return wait_s, "".join(bucket.headers(kind) for kind, bucket in asked.items())

    def tally(self) -> dict[str, float]:
        return {"accepted": self.accepted, "refused": self.refused, "span_s": self.last_at - self.first_at}


@dataclass
class FakeProvider:
    """What was asked, and a gate: while `gate` is unset, no answer begins."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    aborted: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""
    rates: RateLimits = field(default_factory=RateLimits)
    connections: set[Any] = field(default_factory=set)
    log: Callable[[str, dict[str, Any]], None] = lambda what, asked: None
    speak: Callable[[dict[str, Any]], list[str]] | None = None
    """What the pieces of an answer say, instead of the settings' `tokens`."""
    play: Callable[[dict[str, Any]], bytes] | None = None
    """The whole body of an answer, instead of anything else but the setting `delay`."""

    spoken: dict[str, Any] = field(default_factory=lambda: {"text": "Two and two."})
    """What it says of every recording."""

    async def start(self, port: int = 0) -> asyncio.Server:
        self.gate.set()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=4096)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return server

    async def hang_up(self) -> None:
        """End the connections that other processes keep open."""
        for transport in self.connections:
            transport.abort()
        await self.until(lambda provider: not provider.connections)

    async def until(self, condition: Any) -> None:
        """Wait until *condition* of this provider holds."""
        while not condition(self):
            self.changed.clear()
            await self.changed.wait()


def _form(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The fields of a form, a file as its name, kind and bytes."""
    told = message_from_bytes(f"content-type: {headers['content-type']}\r\n\r\n".encode() + body)
    found: dict[str, Any] = {}
    for part in told.get_payload():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        file = part.get_filename()
        found[name] = (file, part.get_content_type(), content) if file else content.decode()
    return found


class _Connection(asyncio.Protocol):
    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None
        self.told = ""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.provider.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.provider.connections.discard(self.transport)
        self.provider.changed.set()
        if self.task and not self.task.done():
            self.provider.aborted += 1
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        start = self.buffer.find(b"\r\n\r\n")
        if start < 0:
            return
        lines = self.buffer[:start].decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        end = start + 4 + int(headers.get("content-length", 0))
        if len(self.buffer) < end:
            return
        body, self.buffer = self.buffer[start + 4 : end], self.buffer[end:]
        self._request(lines[0], headers, body)

    def _transcription(self, asked: dict[str, Any]) -> None:
        self.provider.requests.append(asked)
        if asked["model"] == "deaf":
            self._json(400, {"error": {"message": "The audio file could not be decoded.", "code": "invalid_value"}})
            return
        self._json(200, self.provider.spoken)

    def _request(self, line: str, headers: dict[str, str], body: bytes) -> None:
        if line.split()[1].endswith("/models"):
            self._json(200, {"object": "list", "data": [{"id": "fake-1"}, {"id": "fake-2"}]})
            return
        if line.split()[1].endswith("/tally"):
            self._json(200, self.provider.rates.tally())
            return
        if line.split()[1].endswith("/audio/transcriptions"):
            self._transcription(_form(headers, body))
            return
        asked = json.loads(body)
        if line.split()[1].endswith("/embeddings"):
            self.provider.requests.append(asked)
            self.provider.headers.append(headers)
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
            usage = {"prompt_tokens": 4, "total_tokens": 4}
            self._json(200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})
            return
        settings = dict(part.split("=", 1) for part in asked["model"].split(",") if "=" in part)
        plain = set(settings) <= {"delay", "tokens", "word", "rpm", "tpm"}
        provider = self.provider
        provider.requests.append(asked)
        provider.headers.append(headers)
        provider.log("a", asked)
        provider.in_flight += 1
        provider.most_in_flight = max(provider.most_in_flight, provider.in_flight)
        provider.changed.set()
        self.told = ""
        if "rpm" in settings or "tpm" in settings:
            early_s, self.told = provider.rates.admit(headers.get("authorization", ""), settings)
            if early_s > 0:
                provider.in_flight -= 1
                error = {"message": "Rate limit reached", "code": "rate_limit_exceeded", "type": "requests"}
                self._json(429, {"error": error}, f"{self.told}retry-after-ms: {early_s * 1000:.0f}\r\n")
                return
        if (plain and provider.speak is None and provider.gate.is_set()) or provider.play is not None:
            # The fast path for benchmarks: no task, one write.
            delay = float(settings.get("delay", 0))
            loop = asyncio.get_running_loop()
            loop.call_later(delay, self._whole, asked, settings) if delay else self._whole(asked, settings)
        else:
            self.task = asyncio.create_task(self._answer(asked, settings))

    def _whole(self, asked: dict[str, Any], settings: dict[str, str]) -> None:
        said = int(settings.get("tokens", 1)), settings.get("word", "tok")
        streamed = bool(asked.get("stream"))
        body = self.provider.play(asked) if self.provider.play else None
        if body is None:
            body = whole_stream(*said) if streamed else whole_answer(*said)
        kind = "text/event-stream" if streamed else "application/json"
        self.provider.in_flight -= 1
        self.provider.changed.set()
        if not self.transport.is_closing():
            self.provider.log("f", asked)
            self.transport.write(head(200, kind, len(body), self.told) + body)

    def _json(self, status: int, value: Any, extra: str = "") -> None:
        body = json.dumps(value).encode()
        self.transport.write(head(status, "application/json", len(body), extra) + body)

    async def _answer(self, asked: dict[str, Any], settings: dict[str, str]) -> None:
        provider = self.provider
        try:
            await provider.gate.wait()
            await asyncio.sleep(float(settings.get("delay", 0)))
            if len(provider.requests) > int(settings.get("times", sys.maxsize)):
                provider.in_flight += 1
                self._whole(asked, settings)
            elif "status" in settings:
                self._status(int(settings["status"]), settings)
            else:
                await self._misbehave(asked, settings)
        finally:
            provider.in_flight -= 1
            provider.changed.set()

    def _status(self, status: int, settings: dict[str, str]) -> None:
        error = {"message": settings.get("say", f"status {status}"), "code": settings.get("code"), "type": None}
        body = json.dumps({"error": error}).encode()
        wait = f"retry-after: {settings['retry_after']}\r\n" if "retry_after" in settings else ""
        self.transport.write(head(status, "application/json", len(body), wait) + body)

    async def _misbehave(self, asked: dict[str, Any], settings: dict[str, str]) -> None:
        fault = settings.get("fault")
        if fault in _BODIES:
            kind = "text/html" if fault == "html" else "application/json"
            self.transport.write(head(200, kind, len(_BODIES[fault])) + _BODIES[fault])
            return
        if fault == "no_choices":
            body = json.dumps({"id": "x", "choices": None}).encode()
            self.transport.write(head(200, "application/json", len(body)) + body)
            return
        if fault == "reset":
            self.transport.abort()
            return
        if fault == "hang":
            await asyncio.Event().wait()
        self.transport.write(head(200, "text/event-stream", None))
        said = [f"tok{number} " for number in range(int(settings.get("tokens", 1)))]
        if self.provider.speak is not None:
            said = self.provider.speak(asked)
        await self._pieces(fault, said, float(settings.get("gap", 0)))

    async def _pieces(self, fault: str | None, said: list[str], gap: float) -> None:
        if fault == "silent":
            while True:
                self._chunk(b": ping\n\n")
                await asyncio.sleep(gap or 0.01)
        for text in said:
            self._chunk(piece(text))
            await asyncio.sleep(gap)
        if fault == "drip":
            while True:
                self._chunk(b": ping\n\n")
                await asyncio.sleep(gap or 0.01)
        if fault == "error_event":
            error = {"error": {"message": "the engine died", "type": "server_error"}}
            self._chunk(f"data: {json.dumps(error)}\n\n".encode())
        elif fault != "cut":
            self._chunk(ending(len(said)))
        self.transport.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.transport.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _log_into(path: str) -> Callable[[str, dict[str, Any]], None]:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(what: str, asked: dict[str, Any]) -> None:
        os.write(log, f"{what} {time.monotonic():.6f} {asked['messages'][-1]['content']}\n".encode())

    return note


async def _main() -> None:
    provider = FakeProvider()
    if len(sys.argv) > 1:
        provider.log = _log_into(sys.argv[1])
    async with await provider.start():
        print(provider.base_url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
