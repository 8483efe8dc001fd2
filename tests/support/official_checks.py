"""The official conformance checks of MCP, as npm has them, and a server of ours for them, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from host_programs import node_command, npm_command

SUPPORT = Path(__file__).parent
VERSION = "0.2.0-alpha.12"


async def checked(server: str, folder: Path, *options: str, limit_s: float) -> CompletedProcess[bytes]:
    """What the checks say of *server*, a program of this folder that prints its port.

    Args:
        folder: Where the checks run, and where the server's home is.
        options: Which checks are made.
    """
    try:
        node = await anyio.to_thread.run_sync(node_command)
        checks = await anyio.to_thread.run_sync(
            npm_command, "@modelcontextprotocol/conformance", VERSION, "conformance"
        )
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    with anyio.fail_after(limit_s):
        async with _serving(server, folder / "home") as url:
            command = [str(node), str(checks), "server", "--url", url, *options]
            return await anyio.run_process(command, cwd=folder, check=False)


@asynccontextmanager
async def _serving(server: str, home: Path) -> AsyncIterator[str]:
    """The address of MCP at *server*."""
    place = os.pathsep.join(map(str, (SUPPORT.parents[1], SUPPORT)))
    environment = os.environ | {"MOOT_HOME": str(home), "PYTHONPATH": place}
    command = [sys.executable, str(SUPPORT / server)]
    async with await anyio.open_process(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        try:
            port = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 16)
            yield f"http://127.0.0.1:{int(port)}/mcp"
        finally:
            process.kill()
