"""The real server as a host starts it: a process, pipes, a hostile workspace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.text import TextReceiveStream
from fake_provider import FakeProvider
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from moot_program import ENTRY

from server.toolbox import RECIPES

SECRET = "-".join(("very", "secret", "key", "1"))


@pytest.fixture
def workspace(tmp_path: Path, provider: FakeProvider) -> Path:
    """A user's project with packages named like ours, and a credentials.json beside it."""
    project = tmp_path / "project"
    for package in ("core", "ai", "tools", "server"):
        (project / package).mkdir(parents=True)
        (project / package / "__init__.py").write_text("raise RuntimeError('the workspace was imported')\n")
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "api_key": SECRET}
    ais = {
        "quick": {**row, "model": "tokens=2"},
        "stuck": {**row, "model": "fault=hang"},
        "refused": {**row, "model": f"status=401,say=bad key {SECRET}"},
    }
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ais": ais, "defaults": {"drain_s": 0.2}}))
    path.chmod(0o600)
    return project


def environment(workspace: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(workspace.parent),
        "PYTHONPATH": str(workspace),
        "MOOT_CREDENTIALS": str(workspace.parent / "credentials.json"),
        "MOOT_HOME": str(workspace.parent / "home"),
    }


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_host_can_start_it_in_a_workspace_full_of_packages_named_like_ours(workspace: Path, mode: Any) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=[ENTRY, "serve"], env=environment(workspace), cwd=str(workspace)
    )
    with anyio.fail_after(30):
        async with Client(server, mode=mode) as client:
            listed = await client.list_tools()
            answered = await client.call_tool("ask_one", {"prompt": "hi", "ai": "quick"})
            refused = await client.call_tool("ask_one", {"prompt": "hi", "ai": "refused"})
    assert len(listed.tools) == len(RECIPES)
    assert isinstance(answered, CallToolResult) and isinstance(refused, CallToolResult)
    assert "tok tok" in "".join(block.text for block in answered.content if isinstance(block, TextContent))
    assert refused.is_error and SECRET not in refused.model_dump_json()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
async def test_a_client_of_an_old_protocol_is_served_from_the_handshake_to_an_answer(
    workspace: Path, version: str
) -> None:
    """The handshake and the list come from the snapshot, the answer from the real server that takes over."""
    with anyio.fail_after(30):
        async with spawned(workspace) as process:
            assert process.stdout is not None
            lines = BufferedByteReceiveStream(process.stdout)
            await send(process, {"id": 1, "method": "initialize", "params": hello(version)})
            greeting = json.loads(await lines.receive_until(b"\n", 100_000))
            await send(process, {"method": "notifications/initialized"})
            await send(process, {"id": 2, "method": "tools/list"})
            listed = json.loads(await lines.receive_until(b"\n", 100_000))
            call = {"name": "ask_one", "arguments": {"prompt": "hi", "ai": "quick"}}
            await send(process, {"id": 3, "method": "tools/call", "params": call})
            answer = json.loads(await lines.receive_until(b"\n", 100_000))
    assert greeting["result"]["protocolVersion"] == version
    assert [tool["name"] for tool in listed["result"]["tools"]] == [recipe.name for recipe in RECIPES]
    assert answer["id"] == 3 and not answer["result"].get("isError")
    assert "tok tok" in answer["result"]["content"][0]["text"], "an old client reads nothing but this"


@asynccontextmanager
async def spawned(workspace: Path) -> AsyncIterator[Process]:
    """The server as a bare process."""
    async with await anyio.open_process(
        [sys.executable, ENTRY, "serve"], env=environment(workspace), cwd=workspace, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def started(workspace: Path) -> AsyncIterator[Process]:
    """The server as a bare process, already initialised."""
    async with spawned(workspace) as process:
        await send(process, {"id": 1, "method": "initialize", "params": hello("2025-06-18")})
        assert process.stdout is not None
        await TextReceiveStream(process.stdout).receive()
        await send(process, {"method": "notifications/initialized"})
        yield process


def hello(version: str) -> dict[str, Any]:
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


async def send(process: Process, message: dict[str, Any]) -> None:
    assert process.stdin is not None
    await process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


async def call_stuck(process: Process, provider: FakeProvider) -> None:
    arguments = {"prompt": "hi", "ai": "stuck"}
    await send(process, {"id": 2, "method": "tools/call", "params": {"name": "ask_one", "arguments": arguments}})
    await provider.until(lambda p: p.in_flight == 1)


@pytest.mark.parametrize("how", ["hang up", "SIGTERM"])
async def test_a_host_that_hangs_up_or_stops_it_ends_the_requests_on_the_wire(
    workspace: Path, provider: FakeProvider, how: str
) -> None:
    with anyio.fail_after(30):
        async with started(workspace) as process:
            await call_stuck(process, provider)
            if how == "SIGTERM":
                process.send_signal(signal.SIGTERM)
            else:
                assert process.stdin is not None
                await process.stdin.aclose()
            await provider.until(lambda p: p.aborted == 1)
            assert await process.wait() == 0


async def test_nothing_but_json_rpc_is_ever_on_stdout(workspace: Path, provider: FakeProvider) -> None:
    refused = {"name": "ask_one", "arguments": {"prompt": "hi", "ai": "refused"}}
    received = ""
    with anyio.fail_after(30):
        async with started(workspace) as process:
            assert process.stdin is not None and process.stdout is not None
            await process.stdin.send(b"not json\n")
            await send(process, {"id": 7, "method": "no/such"})
            await send(process, {"id": 8, "method": "tools/call", "params": refused})
            async for text in TextReceiveStream(process.stdout):
                received += text
                if '"id":8' in received:
                    break
    messages = [json.loads(line) for line in received.splitlines()]
    assert {message["jsonrpc"] for message in messages} == {"2.0"}
    assert SECRET not in received


@pytest.mark.parametrize("busy", [False, True])
async def test_it_ends_by_itself_when_nobody_reads_its_output_any_more(workspace: Path, busy: bool) -> None:
    """The host crashed, and another of its children still has our stdin open."""
    reader, writer = os.pipe()
    with anyio.fail_after(30):
        async with await anyio.open_process(
            [sys.executable, ENTRY, "serve"], env=environment(workspace), cwd=workspace, stdout=writer
        ) as process:
            os.close(writer)
            assert process.stdin and process.stderr
            await process.stdin.send(hello_and_call("stuck" if busy else "quick"))
            with os.fdopen(reader, "rb") as output:
                for _ in range(1 if busy else 2):
                    assert await anyio.to_thread.run_sync(output.readline)
            with anyio.fail_after(4):
                await process.wait()
            said = b"".join([chunk async for chunk in process.stderr])
    assert b"Traceback" not in said and b"Exception" not in said


async def test_a_ping_is_answered_before_a_thousand_calls_that_came_before_it(workspace: Path) -> None:
    calls = b"".join(request("tools/call", number, name="status", arguments={}) for number in range(100, 1100))
    with anyio.fail_after(60):
        async with await anyio.open_process(
            [sys.executable, ENTRY, "serve"], env=environment(workspace), cwd=workspace, stderr=None
        ) as process:
            assert process.stdin and process.stdout
            lines = BufferedByteReceiveStream(process.stdout)
            await process.stdin.send(hello_and_call("quick"))
            for _ in range(2):
                await lines.receive_until(b"\n", 1_000_000)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(process.stdin.send, b"\n" * 100_000 + calls + request("ping", "p"))
                before = 0
                while json.loads(await lines.receive_until(b"\n", 1_000_000))["id"] != "p":
                    before += 1
            process.kill()
    assert before < 300


def request(method: str, id: object, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode() + b"\n"


def hello_and_call(ai: str) -> bytes:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    ready = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
    return (
        request("initialize", 1, **hello)
        + ready
        + request("tools/call", 2, name="ask_one", arguments={"prompt": "hi", "ai": ai})
    )
