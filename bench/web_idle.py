"""Idle memory of the HTTP door with a page open, beside a bare MCP server over HTTP: at most 1.3 times.

Resident memory of each process, a while after it was last asked; the page is an event stream that is open.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _measure import ROOT, Figure, clean_environment, exact, fake_provider, interleaved, main, ratio

sys.path.insert(0, str(ROOT / "tests" / "support"))

import httpx2
from web_house import configured, web_program

_SETTLED_S = 4.0
_BARE = """
import socket, sys, uvicorn
from mcp.server.mcpserver import MCPServer
server = MCPServer("bare")
@server.tool()
def add(a: int, b: int) -> int:
    return a + b
bound = socket.create_server(("127.0.0.1", 0))
print(bound.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="warning")).run(sockets=[bound])
"""


def measure(rounds: int) -> list[Figure]:
    taken = interleaved(rounds, {"moot": _moot, "bare": _bare})
    moot, bare = taken["moot"], taken["bare"]
    return [
        ratio("idle memory with a page open / a bare MCP server", moot, bare, bound=1.3),
        exact("idle memory with a page open", moot[-1] / 1024, unit="MB"),
    ]


def _moot() -> float:
    home = Path(os.environ["MOOT_HOME"])
    with fake_provider() as url:
        configured(home, {"gpt": f"{url} tokens=3"})
        with (
            web_program(home) as program,
            httpx2.Client(base_url=program.url, headers={"cookie": program.cookie}) as page,
        ):
            for path in ("/", "/page/app.js", "/api/ais"):
                page.get(path).raise_for_status()
            with page.stream("GET", "/api/events?blocks=1") as events:
                assert next(events.iter_lines()).startswith("retry")
                time.sleep(_SETTLED_S)
                return _rss_kb(program.process.pid)


def _bare() -> float:
    with _started([sys.executable, "-c", _BARE]) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": start}
        headers = {"accept": "application/json, text/event-stream"}
        httpx2.post(f"http://127.0.0.1:{port}/mcp", json=call, headers=headers).raise_for_status()
        time.sleep(_SETTLED_S)
        return _rss_kb(process.pid)


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def _rss_kb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1])


if __name__ == "__main__":
    main(measure, rounds=3)
