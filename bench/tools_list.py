"""What Moot puts into other models' contexts: the tool list into the host's, hidden text into the asked AI's.

Every host reads the answer to tools/list into its model's context in every conversation: bound 7,800 bytes of compact
JSON, some 2,000 tokens. A plain question must go out as it was asked: bound 300 bytes beside the prompt and the model.
The figures are exact, so there are no rounds.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from _measure import Figure, exact, main
from _subjects import moot_config

if TYPE_CHECKING:
    from mcp import Client

    from ai.wire.transport import SharedHTTP
    from core.config import Config

PROMPT = "What is the capital of France?"


def measure(rounds: int) -> list[Figure]:
    from server.mcp_server.app import INSTRUCTIONS

    tools = asyncio.run(_tools())
    body = asyncio.run(_body_of_ask_one())
    hidden = len(_compact(body)) - len(_compact(PROMPT)) - len(_compact(body["model"]))
    texts = [part["content"] for part in body["messages"]]
    return [
        _bytes("tools/list", len(_compact(tools)), bound=7_800),
        *(_bytes(f"tools/list, {tool['name']}", len(_compact(tool))) for tool in tools),
        _bytes("server instructions", len(INSTRUCTIONS.encode())),
        _bytes("ask_one, request beside prompt and model", hidden, bound=300),
        _bytes("ask_one, text beside the prompt", sum(map(len, texts)) - len(PROMPT), bound=300),
    ]


def _bytes(name: str, size: int, *, bound: float | None = None) -> Figure:
    return exact(name, size, bound=bound, unit="bytes")


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


async def _tools() -> list[dict[str, Any]]:
    """The list as a client receives it."""
    from core.config import Config

    async with _client(Config()) as client:
        listed = await client.list_tools()
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]


async def _body_of_ask_one() -> dict[str, Any]:
    """What the endpoint receives when a client calls the tool."""
    import httpx2

    from ai.wire.transport import SharedHTTP

    sent: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        message = {"role": "assistant", "content": "Paris."}
        return httpx2.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})

    http = SharedHTTP(httpx2.MockTransport(answer))
    async with _client(moot_config("http://endpoint/v1", ["some-model"]), http) as client:
        result = await client.call_tool("ask_one", {"prompt": PROMPT})
    assert not result.is_error, result
    return sent[0]


def _client(config: Config, http: SharedHTTP | None = None) -> Client:
    """An MCP client, in memory, of a server with *config*."""
    from mcp import Client

    from ai.runs.app import open_app
    from server.mcp_server.app import create_mcp_server

    return Client(create_mcp_server(lambda: open_app(config, http=http)))


if __name__ == "__main__":
    main(measure, rounds=1)
