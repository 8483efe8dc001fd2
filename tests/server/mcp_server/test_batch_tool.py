"""The tool `batch` through the MCP server, in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent
from scripted_ai import ScriptedApp, Step, scripted_app

from core.errors import ServerError
from server.mcp_server.app import create_mcp_server


@asynccontextmanager
async def talking(mode: Any, ais: dict[str, list[Step]]) -> AsyncIterator[Client]:
    async with scripted_app(ais) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        with anyio.fail_after(10):
            async with Client(create_mcp_server(opened), mode=mode) as client:
                yield client


async def call(client: Client, tool: str, **arguments: Any) -> tuple[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    return text, result.structured_content


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_small_batch_answers_at_once_and_is_a_job_all_the_same(mode: Any) -> None:
    async with talking(mode, {"a": ["four", ServerError("broke", ai="a")]}) as client:
        text, structured = await call(client, "batch", items=["2+2?", "3+3?"], ais=["a"])
        assert text.startswith("PARTIAL: 1 of 2 answered") and "> four" in text and "broke" in text
        assert [row["status"] for row in structured["rows"]] == ["ok", "error"]
        listed, jobs = await call(client, "jobs")
        assert f"**{structured['job']}** batch: done, 2 of 2 finished, 1 failed" in listed
        assert jobs["jobs"][0]["progress"]["failed"] == 1
        again, result = await call(client, "jobs", action="get", id=structured["job"])
        assert "> four" in again and result["result"]["failed"] == 1


async def test_a_mistake_is_one_sentence_of_the_tool() -> None:
    async with talking("legacy", {"a": []}) as client:
        assert (await call(client, "batch"))[0] == "Give either 'items' or 'file'."
        text, _ = await call(client, "batch", items=["x"] * 201)
        assert text.startswith("batch cannot run: 'items'")
