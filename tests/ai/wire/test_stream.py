"""Where reading stops: after the answer, whatever the connection does then, and at the deadlines, sync or async."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from ai.client import Signal, Thinking, ignore
from ai.providers import anthropic, gemini, message_fold, openai_chat
from ai.providers.chat_fold import ChatFold
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError, AITimeoutError, ConnectionFailedError, TruncatedError
from core.values import Deadlines, Request, Response, Usage

CLIENTS: dict[str, Any] = {"chat": openai_chat, "messages": anthropic, "gemini": gemini}
TEXT: dict[str, list[dict[str, Any]]] = {
    "chat": [{"choices": [{"index": 0, "delta": {"content": "Hello"}}]}],
    "messages": [
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 3}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    ],
    "gemini": [{"candidates": [{"content": {"parts": [{"text": "Hello"}]}}]}],
}
END: dict[str, list[dict[str, Any]]] = {
    "chat": [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}],
    "messages": [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ],
    "gemini": [{"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}],
}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def data(events: list[dict[str, Any]]) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


@asynccontextmanager
async def provider(*pieces: bytes, then: str = "hold", drip: bytes = b"") -> AsyncIterator[str]:
    """A server that sends *pieces*, each a chunk, and then holds the connection, ends it, resets it or drips."""
    released = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        if then == "say nothing":
            await released.wait()
            writer.close()
            return
        writer.write(HEAD)
        for piece in pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        match then:
            case "reset":
                writer.transport.abort()
            case "end":
                writer.write(b"0\r\n\r\n")
            case "hold":
                await released.wait()
            case "drip":
                while not released.is_set() and not writer.is_closing():
                    writer.write(f"{len(drip):x}\r\n".encode() + drip + b"\r\n")
                    with anyio.move_on_after(0.02):
                        await released.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        released.set()
        server.close()
        await server.wait_closed()


Ask = Callable[..., Awaitable[Response]]


@pytest.fixture(params=["async", "sync"])
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    http = SharedHTTP()

    async def call(name: str, url: str, deadlines: Deadlines | None = None, emit: Any = ignore) -> Response:
        base_url = f"{url}/v1" if name == "chat" else url
        settings = ClientSettings(
            Who("a", "p"), "m", Endpoint(base_url, "k-123456"), deadlines=deadlines or Deadlines()
        )
        if request.param == "async":
            return await CLIENTS[name].AsyncClient(settings, http).complete(Request.of("hi"), emit)
        client = CLIENTS[name].SyncClient(settings, http)
        return await anyio.to_thread.run_sync(client.complete, Request.of("hi"), emit, threading.Event())

    yield call
    await http.aclose()


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("then", ["hold", "reset", "end"])
async def test_a_complete_answer_is_given_whatever_the_connection_does_then(
    ask: Ask, name: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai.wire.response.stream._LINGER_S", 0.2)
    async with provider(data(TEXT[name]), data(END[name]), then=then) as url:
        with anyio.fail_after(20):
            assert (await ask(name, url)).text == "Hello"


async def test_the_usage_that_follows_the_end_is_waited_for(ask: Ask) -> None:
    usage = data([{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}])
    async with provider(data(TEXT["chat"]), data(END["chat"]), usage, then="hold") as url:
        assert (await ask("chat", url)).usage == Usage(3, 2)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    "rest", [b"data: {broken", b"data: {broken}\n\n", b"\xff\xfe\n\n", b'data: {"error": {"message": "late"}}\n\n']
)
async def test_what_is_broken_after_the_end_spoils_nothing(ask: Ask, name: str, rest: bytes) -> None:
    async with provider(data(TEXT[name]) + data(END[name]) + rest, then="end") as url:
        assert (await ask(name, url)).text == "Hello"


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("then", ["reset", "end"])
async def test_a_connection_lost_before_the_end_keeps_what_had_arrived(ask: Ask, name: str, then: str) -> None:
    async with provider(b": hello\n\n\xef\xbb\xbf"[:9] + data(TEXT[name]), then=then) as url:
        with pytest.raises(AIError) as caught:
            await ask(name, url)
    assert isinstance(caught.value, ConnectionFailedError if then == "reset" else TruncatedError)
    assert caught.value.partial == "Hello" and not caught.value.retryable


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_mark_and_comments_before_the_first_event_lose_nothing(ask: Ask, name: str) -> None:
    told = b"\xef\xbb\xbf" + data(TEXT[name]) + b": keep-alive\n\n" + data(END[name])
    async with provider(told, then="end") as url:
        assert (await ask(name, url)).text == "Hello"


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("deadlines", "text", "then", "phase"),
    [
        (Deadlines(first_token=0.3, idle=5, total=10), False, "hold", "first token"),
        (Deadlines(first_token=0.3, idle=5, total=10), False, "drip", "first token"),
        (Deadlines(first_token=5, idle=0.3, total=10), True, "hold", "idle"),
        (Deadlines(first_token=5, idle=0.3, total=10), True, "drip", "idle"),
        (Deadlines(first_token=5, idle=5, total=0.4), True, "hold", "total"),
        (Deadlines(first_token=5, idle=5, total=0.4), False, "drip", "total"),
        (Deadlines(first_token=0.3, idle=5, total=10), False, "say nothing", "first token"),
        (Deadlines(first_token=5, idle=5, total=0.3), False, "say nothing", "total"),
    ],
)
async def test_a_synchronous_call_obeys_every_deadline(
    name: str, deadlines: Deadlines, text: bool, then: str, phase: str
) -> None:
    http = SharedHTTP()
    async with provider(*([data(TEXT[name])] if text else []), then=then, drip=b": ping\n\n") as url:
        base_url = f"{url}/v1" if name == "chat" else url
        settings = ClientSettings(Who("a", "p"), "m", Endpoint(base_url, "k-123456"), deadlines=deadlines)
        client = CLIENTS[name].SyncClient(settings, http)
        with anyio.fail_after(5), pytest.raises(AITimeoutError) as caught:
            await anyio.to_thread.run_sync(client.complete, Request.of("hi"), ignore, threading.Event())
    assert caught.value.phase == phase
    assert caught.value.partial == ("Hello" if text else "")
    await http.aclose()


async def test_thinking_in_secret_is_a_sign_of_life() -> None:
    """Claude sends pings, empty thinking and a signature for minutes; none of it can be shown."""
    events = [
        {"type": "message_start", "message": {"model": "m"}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "x"}},
    ]
    heard: list[Signal] = []
    fold = message_fold.MessageFold(Who("a", "p"), "m", heard.append)
    fold.feed(data(events))
    assert heard == [Thinking("")] * 5
    fold.feed(data(TEXT["messages"]))
    fold.feed(data([{"type": "ping"}]))
    assert heard[5:] == ["Hello"], "while it writes, only what it writes counts"


@pytest.mark.parametrize(
    ("fold", "event"),
    [
        (ChatFold, {"choices": [{"index": 0, "delta": {"reasoning_details": [{"type": "x"}]}}]}),
        (ChatFold, {"choices": [{"index": 0, "delta": {"content": [{"type": "thinking"}]}}]}),
        (gemini.GeminiFold, {"candidates": [{"content": {"parts": [{"text": "", "thought": True}]}}]}),
        (gemini.GeminiFold, {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "eA=="}]}}]}),
    ],
)
def test_reasoning_that_is_kept_secret_counts_elsewhere_too(fold: Any, event: dict[str, Any]) -> None:
    heard: list[Signal] = []
    fold(Who("a", "p"), "m", heard.append).feed(data([event]))
    assert heard == [Thinking("")]
