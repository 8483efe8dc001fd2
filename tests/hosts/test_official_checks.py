"""The official conformance checks of MCP, as npm has them, over the HTTP door, for both protocol revisions.

Opt-in like the hosts: `uv run pytest -m hosts`. Nothing leaves the machine once npm has installed them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from host_programs import node_command, npm_command

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
VERSION = "0.2.0-alpha.12"
CHECKS = {"2025-11-25": 84, "2026-07-28": 194}
"""How many checks each revision makes of what it requires, so that none can go missing in silence."""


@asynccontextmanager
async def door(home: Path) -> AsyncIterator[str]:
    """The address of MCP at the HTTP door, with the checks' fixtures."""
    environment = os.environ | {"MOOT_HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, (ROOT, SUPPORT)))}
    command = [sys.executable, str(SUPPORT / "conformance_server.py")]
    async with await anyio.open_process(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        try:
            port = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 16)
            yield f"http://127.0.0.1:{int(port)}/mcp"
        finally:
            process.kill()


@pytest.mark.hosts
@pytest.mark.parametrize("revision", CHECKS)
async def test_every_official_check_passes(revision: str, tmp_path: Path) -> None:
    try:
        node = await anyio.to_thread.run_sync(node_command)
        checks = await anyio.to_thread.run_sync(
            npm_command, "@modelcontextprotocol/conformance", VERSION, "conformance"
        )
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    with anyio.fail_after(300):
        async with door(tmp_path / "home") as url:
            command = [str(node), str(checks), "server", "--url", url, "--requirements", revision]
            done = await anyio.run_process(command, cwd=tmp_path, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, said[-4_000:]
    assert re.search(rf"Total: {CHECKS[revision]} passed, 0 failed", said), said[-4_000:]
