"""The MCP Inspector, as npm has it, at the HTTP door: with a token, and connected by OAuth as an app is.

Opt-in like the hosts: `uv run pytest -m hosts`. Nothing leaves the machine once npm has installed it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from host_programs import node_command, npm_command
from oauth_app import led_to, open_form, printed_code
from provider_process import provider_process
from web_house import client, configured, web_program

from core.people.person import Person
from core.people.tokens import Tokens
from server.mcp_server.apps import URI

pytestmark = pytest.mark.hosts
VERSION = "2.12.0"
_ADDRESS = re.compile(r"https?://\S+/authorize\?\S+")


@pytest.fixture
def base_url() -> Iterator[str]:
    with provider_process() as url:
        yield url


@pytest.fixture
def inspector() -> list[str]:
    try:
        return [
            str(node_command()),
            str(npm_command("@modelcontextprotocol/inspector", VERSION, "mcp-inspector")),
            "--cli",
        ]
    except FileNotFoundError as problem:
        pytest.skip(str(problem))


def test_it_lists_calls_and_finds_the_pages_of_panels(
    inspector: list[str], tmp_path: Path, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOT_HOME", str(tmp_path))
    tokens = Tokens()
    token = tokens.add(Person("ada"))
    tokens.close()
    configured(tmp_path, {"gpt": f"{base_url} tokens=3"})

    def asked(*arguments: str) -> str:
        header = ["--transport", "http", "--header", f"Authorization: Bearer {token}"]
        command = [*inspector, f"{program.url}/mcp", *header, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with web_program(tmp_path) as program:
        names = [tool["name"] for tool in json.loads(asked("--method", "tools/list"))["tools"]]
        assert {"ask_one", "consensus"} <= set(names)
        call = ("--method", "tools/call", "--tool-name", "ask_one", "--tool-arg", "prompt=Hello")
        assert json.loads(asked(*call))["structuredContent"]["text"].strip() == "tok tok tok"
        told = asked("--method", "tools/call", "--tool-name", "consensus", "--app-info", "--advertise-apps")
        assert URI in told


async def test_it_is_connected_by_oauth(inspector: list[str], tmp_path: Path, base_url: str) -> None:
    configured(tmp_path / "home", {"gpt": f"{base_url} tokens=3"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        callback = f"http://127.0.0.1:{free.getsockname()[1]}/oauth/callback"
    environment = os.environ | {"HOME": str(tmp_path), "MCP_AUTO_OPEN_ENABLED": "true", "PATH": "/usr/bin:/bin"}
    with anyio.fail_after(120), web_program(tmp_path / "home", "--oauth") as program:
        command = [*inspector, f"{program.url}/mcp", "--transport", "http", "--callback-url", callback]
        command += ["--method", "tools/list"]
        async with await anyio.open_process(command, env=environment, cwd=tmp_path) as process:
            address = await _told_address(process)
            async with client(program.url) as browser:
                form = await open_form(browser, address)
                code = await anyio.to_thread.run_sync(printed_code, program)
                leads, _ = led_to(await form.post(code))
            assert (await httpx2.AsyncClient().get(leads)).status_code == 200
            assert process.stdout
            told = b"".join([piece async for piece in process.stdout]).decode()
            assert await process.wait() == 0
    assert '"ask_one"' in told


async def _told_address(process: Process) -> str:
    """The address at which the Inspector wants a person to say yes."""
    assert process.stderr
    lines = BufferedByteReceiveStream(process.stderr)
    while True:
        line = (await lines.receive_until(b"\n", 65_536)).decode()
        if found := _ADDRESS.search(line):
            return found[0]
