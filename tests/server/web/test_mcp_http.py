"""MCP over HTTP, with the SDK's own client, in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import JSONRPCNotification, TextContent
from scripted_ai import Hold, Step, scripted_app
from web_house import Opened, open_house

from core.people.person import Person
from server.web.assembly import Place
from server.web.mcp_endpoint import KeptMessages

ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
STYLES = pytest.mark.parametrize(
    "place", [Place(port=0), Place(port=0, stateless=True), Place(port=0, json=True)], ids=["sse", "stateless", "json"]
)


@asynccontextmanager
async def served(ais: dict[str, list[Step]], place: Place | None = None) -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, ais), place or Place(port=0)) as house:
            yield house


@asynccontextmanager
async def mcp_client(house: Opened, name: str = "ada", mode: str = "legacy") -> AsyncIterator[Client]:
    token = await anyio.to_thread.run_sync(house.house.tokens.add, Person(name))
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http:
        transport = streamable_http_client(f"{house.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@ERAS
@STYLES
async def test_a_tool_is_listed_and_called(place: Place, mode: str) -> None:
    async with served({"gpt": ["Good day."]}, place) as house, mcp_client(house, mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"ask_one", "consensus", "jobs"} <= set(names)
        result = await client.call_tool("ask_one", {"prompt": "Hello?"})
        assert "Good day." in text(result)
        assert result.structured_content["text"] == "Good day."


@ERAS
async def test_progress_arrives(mode: str) -> None:
    lines: list[str | None] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        lines.append(message)

    async with served({"a": ["One."], "b": ["Two."]}) as house, mcp_client(house, mode=mode) as client:
        await client.call_tool("ask_many", {"prompt": "Hello?"}, progress_callback=show)
    assert any("answered" in (line or "") for line in lines)


async def test_prompts_resources_and_completion_are_there() -> None:
    async with served({"gpt": []}) as house, mcp_client(house) as client:
        assert "debate" in [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert "moot://jobs" in [str(one.uri) for one in (await client.list_resources()).resources]
        read = await client.read_resource("moot://usage")
        assert "by_ai" in read.contents[0].text


async def test_a_cancelled_call_is_cancelled_on_the_wire() -> None:
    hold = Hold("Never.")
    async with served({"gpt": [hold]}) as house, mcp_client(house) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(client.call_tool, "ask_one", {"prompt": "Hello?"}))
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(10):
            while (await house.owner.get("/ready")).status_code != 200:
                pass
        caller = house.house.app.roster.seats["gpt"]
        with anyio.fail_after(10):
            while caller.concurrency.in_flight:
                await anyio.lowlevel.checkpoint()


async def test_nobody_hears_of_anothers_jobs_threads_and_usage() -> None:
    async with served({"gpt": ["Hers.", "His."]}) as house:
        async with mcp_client(house, "ada") as ada:
            started = await ada.call_tool(
                "ask_one", {"prompt": "Hello?", "thread": "plans", "background": True, "ai": "gpt"}
            )
            job = started.structured_content["job"]["id"]
            await ada.call_tool("jobs", {"action": "get", "id": job, "wait_s": 20})
        async with mcp_client(house, "bob") as bob:
            assert text(await bob.call_tool("jobs", {})).startswith("No jobs.")
            assert (await bob.call_tool("jobs", {"action": "get", "id": job})).is_error
            with pytest.raises(MCPError):
                await bob.read_resource(f"moot://jobs/{job}")
            with pytest.raises(MCPError):
                await bob.read_resource("moot://threads/plans")
            assert (await bob.read_resource("moot://threads")).contents[0].text == "[]"
            assert '"by_ai": []' in (await bob.read_resource("moot://usage")).contents[0].text


async def test_a_session_is_of_no_use_to_another_person() -> None:
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    }
    headers = {"accept": "application/json, text/event-stream"}
    async with served({"gpt": []}) as house:
        async with await house.person("ada") as ada, await house.person("bob") as bob:
            opened = await ada.post("/mcp", json=start, headers=headers)
            session = {"mcp-session-id": opened.headers["mcp-session-id"]}
            listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            assert (await bob.post("/mcp", json=listing, headers=headers | session)).status_code == 404
            assert (await bob.delete("/mcp", headers=session)).status_code == 404
            assert (await ada.post("/mcp", json=listing, headers=headers | session)).status_code == 200


async def test_missed_messages_are_read_on_by_who_knows_where_they_were() -> None:
    kept = KeptMessages()
    sent = [JSONRPCNotification(jsonrpc="2.0", method=f"m{number}") for number in range(5)]
    ids = [await kept.store_event("s", message) for message in [None, *sent]]
    got: list[Any] = []

    async def take(event: Any) -> None:
        got.append(event)

    assert await kept.replay_events_after(ids[2], take) == "s"
    assert [one.message for one in got] == sent[2:]
    assert [one.event_id for one in got] == ids[3:]
    for odd in (
        "",
        "x",
        "x-1",
        ids[0].partition("-")[0],
        f"{ids[0].partition('-')[0]}-x",
        f"{ids[0][:32]}-{'9' * 5_000}",
    ):
        assert await kept.replay_events_after(odd, take) is None


async def test_kept_messages_are_bounded() -> None:
    kept = KeptMessages()
    first = await kept.store_event("s0", None)
    for number in range(1, 1_001):
        await kept.store_event(f"s{number}", None)

    async def take(event: Any) -> None:
        raise AssertionError

    assert await kept.replay_events_after(first, take) is None
