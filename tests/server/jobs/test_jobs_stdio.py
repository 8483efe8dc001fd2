"""A job and the real server: the host hangs up in the middle, and the job is finished all the same."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from fake_provider import FakeProvider
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ResourceUpdatedNotification
from moot_program import ENTRY
from tasks_client import NewTask, TasksClient

from core.jobs.jobs import Jobs

pytestmark = pytest.mark.slow


def server(home: Path, provider: FakeProvider, **defaults: object) -> StdioServerParameters:
    home.mkdir(exist_ok=True)
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "tokens=2"}
    path = home / "credentials.json"
    path.write_text(json.dumps({"ais": {"a": row, "b": row | {"model": "tokens=3"}}, "defaults": defaults}))
    path.chmod(0o600)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "MOOT_HOME": str(home)}
    return StdioServerParameters(command=sys.executable, args=[ENTRY, "serve"], env=environment, cwd=str(home))


async def submitted(parameters: StdioServerParameters, provider: FakeProvider) -> str:
    """Submit a job, wait until its requests are under way, and hang up."""
    provider.gate.clear()
    async with Client(parameters) as client:
        accepted = await client.call_tool("ask_many", {"prompt": "hi", "background": True})
        assert isinstance(accepted, CallToolResult) and accepted.structured_content
        await provider.until(lambda p: p.in_flight == 2)
    await provider.until(lambda p: p.aborted == 2)
    job: str = accepted.structured_content["job"]["id"]
    return job


async def test_a_worker_of_its_own_finishes_the_job_of_a_host_that_left(isolated: Path, provider: FakeProvider) -> None:
    materials = Jobs()
    with anyio.fail_after(60):
        job = await submitted(server(isolated / "home", provider), provider)
        provider.gate.set()
        ended = await materials.wait(job, 50)
        result = await materials.result(job)
    assert ended.state == "done", ended
    assert result and "2 of 2 AIs answered" in result.markdown
    await materials.aclose()


async def test_without_a_worker_the_job_waits_for_the_next_server(isolated: Path, provider: FakeProvider) -> None:
    materials, parameters = Jobs(), server(isolated / "home", provider, detach=False)
    with anyio.fail_after(60):
        job = await submitted(parameters, provider)
        provider.gate.set()
        assert (await materials.get(job)).state == "queued"
        async with Client(parameters) as client:
            read = await client.call_tool("jobs", {"action": "get", "id": job, "wait_s": 40})
    assert isinstance(read, CallToolResult) and read.structured_content
    assert read.structured_content["jobs"][0]["state"] == "done"
    await materials.aclose()


async def test_a_task_outlives_the_server_that_made_it_and_another_one_gives_its_result(
    isolated: Path, provider: FakeProvider
) -> None:
    parameters = server(isolated / "home", provider)
    provider.gate.clear()
    with anyio.fail_after(60):
        async with Client(parameters, extensions=[TasksClient()]) as client:
            new = await client.session.call_tool("ask_many", {"prompt": "hi"}, allow_claimed=True)
            assert isinstance(new, NewTask)
            await provider.until(lambda p: p.in_flight == 2)
        await provider.until(lambda p: p.aborted == 2)
        provider.gate.set()
        async with Client(parameters, extensions=[user := TasksClient()]) as client:
            result = await user.finish(new.task_id, client.session)
    assert not result.is_error and "2 of 2 AIs answered" in str(result.content)


async def told_to_the_end(parameters: StdioServerParameters, mode: Any, uri: str, begin: anyio.Event) -> list[str]:
    """What a host that knows nothing but *uri* is told of it, until it is done; *begin* is set once it listens."""
    updates, heard = anyio.create_memory_object_stream[str](100)
    told: list[str] = []

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await updates.send(message.params.uri)

    async with updates, heard, Client(parameters, mode=mode, message_handler=hear) as client:
        if client.protocol_version == "2026-07-28":
            async with client.listen(resource_subscriptions=[uri]) as stream:
                begin.set()
                told.extend([getattr(event, "uri", "") async for event in stream])
        else:
            await client.subscribe_resource(uri)
            begin.set()
            while not told or "done" not in str(await client.read_resource(uri)):
                told.append(await heard.receive())
        assert "done" in str(await client.read_resource(uri))
    return told


@pytest.mark.filterwarnings("ignore:resources/:mcp.MCPDeprecationWarning")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_second_window_is_told_of_a_job_of_the_first_in_either_era(
    mode: Any, isolated: Path, provider: FakeProvider
) -> None:
    parameters = server(isolated / "home", provider)
    provider.gate.clear()
    with anyio.fail_after(60):
        async with Client(parameters) as first:
            accepted = await first.call_tool("ask_many", {"prompt": "hi", "background": True})
            assert isinstance(accepted, CallToolResult) and accepted.structured_content
            await provider.until(lambda p: p.in_flight == 2)
            uri, listening = f"moot://jobs/{accepted.structured_content['job']['id']}", anyio.Event()

            async def answer() -> None:
                await listening.wait()
                provider.gate.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)
                told = await told_to_the_end(parameters, mode, uri, listening)
    assert set(told) == {uri}
