"""What a host gets that would give up, or cut the reply: through the MCP server and a real client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp.types import CallToolResult, Implementation, ResourceLink, TextContent, TextResourceContents
from scripted_ai import Hold, ScriptedApp, scripted_app

from core.errors import BudgetExceededError
from server.mcp_server.app import create_mcp_server


@asynccontextmanager
async def host(name: str, mode: Any, ais: dict[str, Any], **defaults: Any) -> AsyncIterator[tuple[Client, ScriptedApp]]:
    async with scripted_app(ais, **defaults) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        info = Implementation(name=name, version="1")
        with anyio.fail_after(20):
            async with Client(create_mcp_server(opened), mode=mode, client_info=info) as client:
                yield client, app


async def call(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    return text, {"error": True} if result.is_error else dict(result.structured_content or {})


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_impatient_host_gets_what_is_answered_and_a_job_with_the_rest(
    mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Hold("late")
    async with host("codex-mcp-client", mode, {"a": ["early"], "b": [slow]}, reply_within=0.3) as (client, app):
        with monkeypatch.context() as patience:  # it ends with the first answer, however long that takes
            patience.setattr(app.jobs, "wait", partial(app.jobs.wait, after=0))
            patience.setattr("server.mcp_server.adapter.patience_s", lambda *_: 30.0)
            text, data = await call(client, "ask_many", {"prompt": "Well?"})
        assert text.startswith("PARTIAL: not finished within the 30 s this host waits; 1 call finished")
        assert "early" in text
        slow.gate.set()
        text, data = await call(client, "jobs", {"action": "get", "id": data["job"]["id"], "wait_s": 10})
    assert data["jobs"][0]["state"] == "done"
    assert "early" in text
    assert "late" in text
    assert len(app.clients["a"].requests) == 1, "what was answered is not asked again"


async def test_a_patient_enough_host_gets_the_result_itself() -> None:
    async with host("codex-mcp-client", "legacy", {"a": ["yes"], "b": ["no"]}, reply_within=20) as (client, _):
        text, data = await call(client, "ask_many", {"prompt": "Well?"})
    assert text.startswith("2 of 2 AIs answered")
    assert [reply["text"] for reply in data["replies"]] == ["yes", "no"]


async def test_a_failed_call_is_an_error_for_an_impatient_host_too() -> None:
    refused = BudgetExceededError("Over budget: nothing was sent.")
    async with host("codex-mcp-client", "legacy", {"a": [refused]}, reply_within=20) as (client, _):
        text, data = await call(client, "ask_many", {"prompt": "Well?", "ais": ["a"]})
        assert data == {"error": True}
        assert "Over budget" in text


async def test_a_host_that_cancels_ends_the_job_it_does_not_know_of() -> None:
    slow = Hold("never")
    async with host("codex-mcp-client", "legacy", {"a": [slow]}, reply_within=20) as (client, app):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "ask_many", {"prompt": "Well?"})
            await slow.reached.wait()
            tasks.cancel_scope.cancel()
        while not app.clients["a"].cancelled:
            await anyio.lowlevel.checkpoint()
        (job,) = await app.jobs.list_jobs()
        while not job.over:
            await anyio.lowlevel.checkpoint()
            job = await app.jobs.get(job.id)
        assert job.state == "cancelled"


async def test_a_result_too_long_for_a_host_is_a_digest_with_a_link_to_all_of_it() -> None:
    long = "word " * 20_000
    async with host("mcp", "legacy", {"a": [long], "b": ["short"]}) as (client, _):
        result = await client.call_tool("ask_many", {"prompt": "Well?"})
        assert isinstance(result, CallToolResult)
        text, link = result.content
        assert isinstance(text, TextContent) and isinstance(link, ResourceLink)
        assert text.text.startswith("DIGEST: all of it is too long")
        assert "more characters" in text.text and "short" in text.text
        assert len(text.text) < 8_000
        (whole,) = (await client.read_resource(link.uri)).contents
    assert isinstance(whole, TextResourceContents) and long.strip() in whole.text


async def test_a_single_answer_too_long_for_a_host_is_cut_where_the_host_would_and_says_so() -> None:
    async with host("mcp", "legacy", {"a": ["word " * 40_000]}) as (client, _):
        result = await client.call_tool("ask_one", {"prompt": "Well?"})
    assert isinstance(result, CallToolResult)
    text, link = result.content
    assert isinstance(text, TextContent) and isinstance(link, ResourceLink)
    assert 20_000 < len(text.text) < 80_000 and "more characters" in text.text


async def test_a_call_that_a_host_got_in_time_leaves_no_word_behind(isolated: Path) -> None:
    secret = "a prompt about the merger"
    async with host("codex-mcp-client", "legacy", {"a": ["an answer about it"]}, reply_within=20) as (client, app):
        text, _ = await call(client, "ask_many", {"prompt": secret, "ais": ["a"]})
        assert "an answer about it" in text
        assert await app.jobs.list_jobs() == []
    home = isolated / "home"
    left = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "credentials.json")
    assert b"merger" not in left
    assert b"an answer about it" not in left


async def test_everything_in_the_data_folder_is_for_its_owner_alone(isolated: Path) -> None:
    before = os.umask(0)
    try:
        async with host("codex-mcp-client", "legacy", {"a": ["one", "two"]}, reply_within=20) as (client, _):
            await call(client, "ask_many", {"prompt": "x", "ais": ["a"], "thread": "t"})
            _, begun = await call(client, "batch", {"items": ["row"], "ais": ["a"]})
            await call(client, "jobs", {"action": "get", "id": begun["job"], "wait_s": 15})
            found = [isolated / "home", *(isolated / "home").rglob("*")]
    finally:
        os.umask(before)
    open_ones = [path.name for path in found if path.exists() and path.stat().st_mode & 0o077]
    assert open_ones == []
    assert {"jobs.db", "threads.db", "owners", "batches"} <= {path.name for path in found}
