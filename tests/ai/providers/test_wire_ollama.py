"""Ollama's own protocol, for the settings that only it can carry."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from ai.client import Signal, Thinking
from ai.roster.roster import Roster
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Config
from core.errors import BadResponseError, ModelNotFoundError, ProviderError, TruncatedError
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolSpec, Usage

ROW = {"provider": "ollama", "base_url": "http://127.0.0.1:1/v1", "model": "qwen", "num_ctx": 32_768}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
DONE = {"model": "qwen", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


def line(text: str = "", **message: Any) -> dict[str, Any]:
    return {"model": "qwen", "message": {"role": "assistant", "content": text} | message, "done": False}


class Server:
    def __init__(self, *lines: Any, status: int = 200) -> None:
        self.body = "".join(f"{json.dumps(one)}\n" for one in lines)
        self.status = status
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((request.url.path, json.loads(request.content) if request.content else None))
        if request.url.path == "/api/tags":
            return httpx2.Response(200, json={"models": [{"name": "nomic-embed-text"}, {"name": "qwen3"}]})
        return httpx2.Response(self.status, content=self.body)


async def ask(
    server: Server, request: Request | None = None, *, heard: list[Signal] | None = None, sync: bool = False, **row: Any
) -> Response:
    transport = httpx2.MockTransport(server)
    roster = Roster.open(Config(rows={"x": AIConfig.model_validate(ROW | row)}), SharedHTTP(transport, transport))
    assert roster.problems == {}
    seat = roster.seats["x"]
    client, blocking = seat.lanes[0].key.client, seat.lanes[0].key.sync_client
    emit = (heard if heard is not None else []).append
    asked = request or Request.of("Hi")
    if sync:
        return await anyio.to_thread.run_sync(blocking.complete, asked, emit, threading.Event())
    return await client.complete(asked, emit)


@pytest.mark.parametrize("sync", [False, True])
async def test_an_answer_streams_line_by_line_with_its_thoughts_and_figures(sync: bool) -> None:
    heard: list[Signal] = []
    end = DONE | {"prompt_eval_count": 7, "eval_count": 3}
    response = await ask(Server(line(thinking="Hm."), line("Hel"), line("lo"), end), heard=heard, sync=sync)
    assert response == Response("Hello", "qwen", usage=Usage(7, 3))
    assert heard == [Thinking("Hm."), "Hel", "lo"]


async def test_its_own_settings_and_everything_a_request_holds_are_sent() -> None:
    server = Server(line("Hi"), DONE)
    tool = ToolSpec("look", "Looks.", {"type": "object"})
    request = Request(
        (Message("user", (Text("See"), Image(b"png", "image/png"))),),
        system="Be brief.",
        temperature=0.5,
        max_tokens=9,
        json_schema={"type": "object"},
        tools=(tool,),
    )
    await ask(server, request, keep_alive="10m", think="low")
    assert server.asked == [
        (
            "/api/chat",
            {
                "model": "qwen",
                "stream": True,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "See", "images": ["cG5n"]},
                ],
                "options": {"num_ctx": 32_768, "temperature": 0.5, "num_predict": 9},
                "keep_alive": "10m",
                "think": "low",
                "format": {"type": "object"},
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "look", "description": "Looks.", "parameters": NOTHING},
                    }
                ],
            },
        )
    ]


async def test_without_a_model_the_first_that_can_chat_is_asked() -> None:
    server = Server(line("Hi"), DONE)
    await ask(server, model=None)
    assert server.asked[1][1]["model"] == "qwen3"


async def test_a_function_call_is_carried() -> None:
    response = await ask(Server(line(tool_calls=[{"function": {"name": "look", "arguments": {"at": "x"}}}]), DONE))
    assert response.tool_calls == (ToolCall("call_0_0", "look", {"at": "x"}),)
    assert response.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("server", "error", "partial"),
    [
        (Server(line("Begun")), TruncatedError, "Begun"),
        (Server(line("Begun"), DONE | {"done_reason": "unload"}), TruncatedError, "Begun"),
        (Server(line("Begun"), DONE | {"done_reason": "eclipse"}), TruncatedError, "Begun"),
        (Server(line("Begun"), {"error": "out of memory"}), ProviderError, "Begun"),
        (Server(line("Begun"), line() | {"message": 3}, DONE), TruncatedError, "Begun"),
        (Server(line("Begun"), [1]), TruncatedError, "Begun"),
        (Server("no object"), BadResponseError, ""),
        (Server({"error": "model 'qwen' not found"}, status=404), ModelNotFoundError, ""),
    ],
)
async def test_what_is_no_whole_answer_is_said_and_what_arrived_is_kept(
    server: Server, error: type[Exception], partial: str
) -> None:
    with pytest.raises(error) as caught:
        await ask(server)
    assert getattr(caught.value, "partial", "") == partial


async def test_a_limit_on_length_is_told() -> None:
    assert (await ask(Server(line("Hi"), DONE | {"done_reason": "length"}))).finish_reason == "length"
