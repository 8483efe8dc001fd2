"""A thousand event streams over two hundred running chats in one server process, and five hundred chats posted at once.

Counted, not timed, wherever that is possible: every stream hears how its chat begins and ends, once; every chat ends,
also where one of two processes is killed. Memory is what the server grows by for each stream; the loop's lag is what
the server itself measures while all of that runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from _measure import ROOT, Figure, exact, fake_provider, main

sys.path.insert(0, str(ROOT / "tests" / "support"))

import httpx2
from web_house import Program, configured, web_program

STREAMS, CHATS, POSTED = 1_000, 200, 500
MODEL = "tokens=40,gap=0.25"
QUICK = "tokens=3"


def measure(rounds: int) -> list[Figure]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8_192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    with fake_provider() as url:
        home = Path(os.environ["MOOT_HOME"])
        configured(home, {"slow": f"{url} {MODEL}", "quick": f"{url} {QUICK}"})
        _raise_ceilings(home)
        with web_program(home) as program:
            figures = asyncio.run(_watched(program))
        with web_program(home, "--workers", "2") as program:
            figures += asyncio.run(_posted(program))
    return figures


def _raise_ceilings(home: Path) -> None:
    """Let all chats run at once."""
    path = home / "credentials.json"
    told = json.loads(path.read_text())
    told["defaults"] = {"concurrency": 1_000, "history": "off"}
    path.write_text(json.dumps(told))


async def _watched(program: Program) -> list[Figure]:
    pid = program.process.pid
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=program.url, headers={"cookie": program.cookie}, timeout=120, limits=limits
    ) as client:
        await (await client.get("/api/ais")).aread()
        before = _rss_kb(pid)
        idle = [await _Stream.open(program, "/api/events?type=reset") for _ in range(STREAMS)]
        grown = (_rss_kb(pid) - before) / STREAMS
        for stream in idle:
            await stream.close()
        chats = [await _begin(client, "slow", number) for number in range(CHATS)]
        streams = [await _Stream.open(program, f"/api/events?chat={chats[n % CHATS]}") for n in range(STREAMS)]
        told = await asyncio.gather(*(stream.until_over() for stream in streams))
        lag = (await client.get("/api/status")).json()["loop_lag_p99_ms"]
        for stream in streams:
            await stream.close()
    lost = sum(one["run_started"] != 1 or one["call_finished"] != 1 or one["run_finished"] != 1 for one in told)
    return [
        exact("lifecycle events lost or doubled over 1,000 streams", lost, bound=0, unit="streams"),
        exact("memory of a stream", grown, bound=60, unit="KB"),
        exact("loop lag with 1,000 streams and 200 chats, p99", lag, bound=30, unit="ms"),
    ]


async def _posted(program: Program) -> list[Figure]:
    """All at once, in two processes, of which one is killed in the middle."""
    async with httpx2.AsyncClient(
        base_url=program.url, headers={"cookie": program.cookie}, timeout=120, limits=httpx2.Limits(max_connections=50)
    ) as client:
        posting = [asyncio.create_task(_begin(client, "quick", 10_000 + number)) for number in range(POSTED)]
        await asyncio.sleep(1.0)
        victim = _children(program.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        chats = await asyncio.gather(*posting)
        ended = Counter([await _ended(client, chat) for chat in chats])
    return [
        exact("of 500 chats posted at once, not completed, one of two processes killed", POSTED - ended["completed"],
              bound=0, unit="chats", note=str(dict(ended))),
    ]  # fmt: skip


async def _begin(client: httpx2.AsyncClient, agent: str, number: int) -> str:
    """A chat; what got no answer is sent again under the same key, as a careful client does."""
    headers = {"idempotency-key": f"k{number}"}
    while True:
        try:
            reply = await client.post(
                "/api/chat/async", json={"agent_id": agent, "message": f"Hello {number}?"}, headers=headers
            )
        except httpx2.TransportError:
            continue
        if reply.status_code == 202:
            return str(reply.json()["chat_id"])
        raise RuntimeError(reply.text)


async def _ended(client: httpx2.AsyncClient, chat: str) -> str:
    while True:
        try:
            status = (await client.get(f"/api/chat/async/{chat}/status")).json()
        except httpx2.TransportError:
            continue
        if status["status"] in ("completed", "failed", "cancelled"):
            return str(status["status"])
        await asyncio.sleep(0.2)


class _Stream:
    """One event stream over a bare connection, so that the measuring client stays small."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, program: Program, path: str) -> _Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
        host = f"127.0.0.1:{program.port}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {program.cookie}\r\n\r\n".encode())
        while (line := await reader.readline()) not in (b"", b"\r\n"):
            if line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
                raise RuntimeError(line.decode())
        return cls(reader, writer)

    async def until_over(self) -> Counter[str]:
        told: Counter[str] = Counter()
        while line := await self._reader.readline():
            if not line.startswith(b"data: "):
                continue
            event: dict[str, Any] = json.loads(line[6:])
            told[event["type"]] += 1
            if event["type"] == "job" and event["job"]["state"] in ("done", "failed", "cancelled"):
                return told
        return told

    async def close(self) -> None:
        self._writer.close()


def _rss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _children(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            serves = b"spawn_main" in (place / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == pid and serves:
            found.append(int(place.name))
    return found


if __name__ == "__main__":
    main(measure, rounds=1)
