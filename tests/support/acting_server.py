"""An MCP server whose tools act: each call writes its key into a file, and when it begins and ends into a log.

    python acting_server.py LOG EFFECTS

`append` and `sign` change something, `look` does not. A line is appended by one write, so it is there whatever happens.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

BEFORE_S, AFTER_S = 0.1, 0.1
"""How long a call takes until it has acted, and from then on."""
_KEY = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}


class Acting:
    def __init__(self, log: str, effects: str) -> None:
        self._log, self._effects = (os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) for path in (log, effects))

    async def list_tools(self, _: Any, params: Any) -> types.ListToolsResult:
        tools = [{"name": name, "description": f"Does {name}.", "inputSchema": _KEY} for name in NAMES]
        return types.ListToolsResult(tools=[types.Tool.model_validate(one) for one in tools])

    async def call(self, _: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        key = (params.arguments or {})["key"]
        self._note("b", key)
        await anyio.sleep(BEFORE_S)
        if params.name != "look":
            os.write(self._effects, f"{key} {time.time():.6f}\n".encode())
        self._note("e", key)
        await anyio.sleep(AFTER_S)
        self._note("r", key)
        return types.CallToolResult(content=[types.TextContent(type="text", text=f"{params.name} {key}: done")])

    def _note(self, what: str, key: str) -> None:
        run, _, turn = key.partition(":")
        os.write(self._log, f"{what} {time.time():.6f} {run} {turn}\n".encode())


NAMES = ("look", "append", "sign")


async def _serve(acting: Acting) -> None:
    server: Server[Any] = Server("acting", on_list_tools=acting.list_tools, on_call_tool=acting.call)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(_serve, Acting(sys.argv[1], sys.argv[2]))
