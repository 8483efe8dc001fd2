"""Resources of the MCP server, through a real client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client, MCPError
from mcp.types import ResourceTemplateReference, TextResourceContents
from scripted_ai import Hold, ScriptedApp, scripted_app

from core.values import Response, Usage
from server.mcp_server.app import create_mcp_server


@asynccontextmanager
async def talk(**ais: Any) -> AsyncIterator[tuple[Client, ScriptedApp]]:
    """A client of a server whose AIs follow a script and whose calls are recorded."""
    async with scripted_app(ais) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            app.bus.add_sink(app.ledger)
            yield app
            await anyio.to_thread.run_sync(app.ledger.close)

        with anyio.fail_after(30):
            async with Client(create_mcp_server(opened)) as client:
                yield client, app


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents) and content.mime_type == "application/json"
    return json.loads(content.text)


async def test_usage_is_a_resource_with_the_last_30_days_by_day_and_by_ai() -> None:
    answer = Response("Yes.", "gpt-6.1-sol", usage=Usage(1_000, 100))
    async with talk(a=[answer, Response("No.", "unheard-of", usage=Usage(10, 1))], b=[]) as (client, app):
        assert [str(resource.uri) for resource in (await client.list_resources()).resources] == [
            "moot://usage",
            "moot://threads",
            "moot://jobs",
            "ui://moot/p",
            "skill://moot/SKILL.md",
        ]
        for _ in range(2):
            await client.call_tool("ask_one", {"prompt": "Well?", "ai": "a"})
        await anyio.to_thread.run_sync(app.ledger.flush)
        usage = await read(client, "moot://usage")
    (by_ai,) = usage["by_ai"]
    assert (by_ai["ai"], by_ai["calls"], by_ai["input_tokens"], by_ai["output_tokens"]) == ("a", 2, 1_010, 101)
    assert by_ai["cost_usd"] > 0 and by_ai["cost_complete"] is False
    assert [row["calls"] for row in usage["by_day"]] == [2] and usage["problem"] is None


async def test_usage_before_the_first_call_is_empty_and_no_error() -> None:
    async with talk(a=[]) as (client, _):
        usage = await read(client, "moot://usage")
    assert (usage["by_day"], usage["by_ai"]) == ([], [])


async def test_a_damaged_ledger_is_told_to_the_reader_with_the_next_step(isolated: Path) -> None:
    home = isolated / "home"
    await anyio.to_thread.run_sync(home.mkdir)
    await anyio.to_thread.run_sync((home / "moot.db").write_bytes, b"not a database at all" * 100)
    async with talk(a=[]) as (client, _):
        with pytest.raises(MCPError, match="damaged. Run: moot doctor"):
            await client.read_resource("moot://usage")


async def test_jobs_are_resources_from_their_first_finished_call_to_their_result() -> None:
    async with talk(a=[slow := Hold("slow")], b=["quick"]) as (client, app):
        assert await read(client, "moot://jobs") == []
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        await slow.reached.wait()
        await app.jobs.wait(job.id, 5, after=0)
        running = await read(client, f"moot://jobs/{job.id}")
        assert (running["jobs"][0]["state"], running["result"]) == ("running", None)
        assert [call["text"] for call in running["calls"]] == ["quick"]
        slow.gate.set()
        await app.jobs.wait(job.id, 5)
        (listed,) = await read(client, "moot://jobs")
        assert (listed["id"], listed["state"], listed["calls"]) == (job.id, "done", 2)
        done = await read(client, f"moot://jobs/{job.id}")
        assert [reply["text"] for reply in done["result"]["replies"]] == ["slow", "quick"]
        assert "2 of 2 AIs answered" in done["text"] and len(done["calls"]) == 2


async def test_a_job_nobody_knows_is_told_and_ids_are_completed() -> None:
    async with talk(a=["yes"]) as (client, app):
        template = ResourceTemplateReference(type="ref/resource", uri="moot://jobs/{id}")
        assert (await client.complete(template, {"name": "id", "value": ""})).completion.values == []
        with pytest.raises(MCPError, match="There is no job 'nope'"):
            await client.read_resource("moot://jobs/nope")
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        assert (await app.jobs.wait(job.id, 5)).state == "done"
        assert (await client.complete(template, {"name": "id", "value": job.id[:5]})).completion.values == [job.id]
        results = ResourceTemplateReference(type="ref/resource", uri="moot://results/{id}")
        assert (await client.complete(results, {"name": "id", "value": ""})).completion.values == []
