"""The official conformance checks of MCP's tasks, as npm has them, against Moot's server and jobs over HTTP.

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
CHECKS = {
    "tasks-lifecycle": 9,
    "tasks-capability-negotiation": 5,
    "tasks-wire-fields": 4,
    "tasks-request-state-removal": 3,
    "tasks-mrtr-input": 4,
    "tasks-request-headers": 5,
    "tasks-dispatch-and-envelope": 9,
    "tasks-status-notifications": 0,  # optional, and skipped by the checks themselves until they are rewritten
    "tasks-required-task-error": 3,
    "tasks-mrtr-composition": 2,
}
"""How many checks each scenario makes, so that none can go missing in silence."""


@asynccontextmanager
async def task_server(home: Path) -> AsyncIterator[str]:
    """The address of a server with the checks' tools."""
    environment = os.environ | {"MOOT_HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, (ROOT, SUPPORT)))}
    command = [sys.executable, str(SUPPORT / "tasks_server.py")]
    async with await anyio.open_process(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        try:
            port = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 16)
            yield f"http://127.0.0.1:{int(port)}/mcp"
        finally:
            process.terminate()


@pytest.mark.hosts
@pytest.mark.parametrize("scenario", CHECKS)
async def test_every_official_check_of_tasks_passes(scenario: str, tmp_path: Path) -> None:
    try:
        node = await anyio.to_thread.run_sync(node_command)
        checks = await anyio.to_thread.run_sync(
            npm_command, "@modelcontextprotocol/conformance", VERSION, "conformance"
        )
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    with anyio.fail_after(120):
        async with task_server(tmp_path / "home") as url:
            command = [str(node), str(checks), "server", "--url", url, "--scenario", scenario]
            done = await anyio.run_process(command, cwd=tmp_path, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    passed = re.search(r"Passed: (\d+)/(\d+), 0 failed, 0 warnings", said)
    assert passed and passed.group(1) == passed.group(2) == str(CHECKS[scenario]), said
