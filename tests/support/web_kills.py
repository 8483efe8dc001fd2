"""Kills the HTTP door again and again under running chats, and counts what was paid twice and what a watcher missed."""

from __future__ import annotations

import json
import random
import socket
import time
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
from provider_process import provider_process
from web_house import Program, client, configured, web_program

CHATS = 20
_MODEL = "tokens=8,delay=0.5"
_EPOCH = time.time() - time.monotonic()
_CLOCKS_S = 0.01
"""How far the times of two processes may be apart."""


@dataclass
class Found:
    """What came of it; `wrong` says what must not be."""

    kills: int = 0
    accepted: int = 0
    repeated_in_flight: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {CHATS} chats of two calls; {self.accepted} requests accepted, of which "
            f"{self.repeated_in_flight} repeated what was in flight"
        )


@dataclass
class Watcher:
    """A page: one event stream that is taken up again where it was, and what it knows of each chat."""

    over: set[str] = field(default_factory=set)
    last: str = ""
    resets: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    async def watch(self, port: int, cookie: str) -> None:
        """Watch until cancelled, over every restart."""
        while True:
            try:
                async with client(f"http://127.0.0.1:{port}", cookie=cookie) as page:
                    await self._follow(page)
            except httpx2.TransportError:
                await anyio.lowlevel.checkpoint()

    async def _follow(self, page: httpx2.AsyncClient) -> None:
        headers = {"last-event-id": self.last} if self.last else {}
        async with page.stream("GET", "/api/events", params={"type": "job,reset"}, headers=headers) as events:
            async for line in events.aiter_lines():
                if not line.startswith("data: "):
                    continue
                told = json.loads(line[6:])
                self.last = told["id"]
                self.seen[told["id"]] += 1
                if told["type"] == "reset":
                    self.resets += 1
                    await self._look(page)
                elif told["job"]["state"] in ("done", "failed", "cancelled"):
                    self.over.add(told["run"])

    async def _look(self, page: httpx2.AsyncClient) -> None:
        jobs = (await page.get("/api/jobs", params={"limit": 1000})).json()
        self.over |= {job["id"] for job in jobs if job["state"] in ("done", "failed", "cancelled")}


def play(folder: Path, *, times: int, seed: str) -> Found:
    """Kill the server so many times while chats run, then let them end."""
    log = folder / "provider.log"
    with provider_process(str(log)) as url:
        home = folder / "home"
        configured(home, {"a": f"{url} {_MODEL}", "b": f"{url} {_MODEL},word=yes"})
        return anyio.run(_play, home, log, times, random.Random(seed))


async def _play(home: Path, log: Path, times: int, chance: random.Random) -> Found:
    found, watcher, port = Found(), Watcher(), _free_port()
    kept: list[list[float]] = []
    kills: list[float] = []
    with anyio.fail_after(900):
        async with anyio.create_task_group() as tasks:
            chats: list[str] = []
            for number in range(times + 1):
                with web_program(home, port=port) as program:
                    if number == 0:
                        tasks.start_soon(watcher.watch, port, program.cookie)
                    while len(chats) < min(CHATS, (number + 1) * 7):
                        chats.append(await _begin(program, len(chats)))
                    if number < times:
                        await _news(log, chance.randint(1, 6))
                        program.kill()
                        kills.append(time.monotonic() + _CLOCKS_S)
                        continue
                    kept = await _all_over(program, chats, found)
                    while not watcher.over >= set(chats):
                        await anyio.lowlevel.checkpoint()
                    program.stop()
            tasks.cancel_scope.cancel()
    found.kills = times
    if doubled := [event for event, count in watcher.seen.items() if count > 1]:
        found.wrong.append(f"events told twice: {doubled[:3]}")
    _count(log, kills, kept, found)
    return found


async def _begin(program: Program, number: int) -> str:
    body = {"agent_id": "moot/ask-many", "message": f"question {number}"}
    async with client(program.url, cookie=program.cookie) as page:
        reply = await page.post("/api/chat/async", json=body, headers={"idempotency-key": f"k{number}"})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["chat_id"])


async def _all_over(program: Program, chats: list[str], found: Found) -> list[list[float]]:
    """When the answers of each chat were kept, by the log's clock, once all are over."""
    kept = []
    async with client(program.url, cookie=program.cookie) as page:
        for chat in chats:
            status: dict[str, Any] = {"status": ""}
            while status["status"] not in ("completed", "failed", "cancelled"):
                status = (await page.get(f"/api/chat/async/{chat}/status")).json()
            if status["status"] != "completed":
                found.wrong.append(f"{chat} is {status['status']}")
            answered = [one["timestamp"] for one in status["progress"] if one["type"] == "answered"]
            kept.append(sorted(datetime.fromisoformat(at).timestamp() - _EPOCH for at in answered))
    return kept


async def _news(log: Path, lines: int) -> None:
    """Until so many more things happened at the provider."""
    before = len(_lines(log))
    with anyio.move_on_after(3):
        while len(_lines(log)) < before + lines:
            await anyio.sleep(0.02)


def _lines(log: Path) -> list[tuple[str, float, str]]:
    if not log.exists():
        return []
    parts = [line.split(" ", 2) for line in log.read_text().splitlines()]
    return [(part[0], float(part[1]), part[2]) for part in parts if len(part) == 3]


def _count(log: Path, kills: list[float], kept: list[list[float]], found: Found) -> None:
    """Whether anything was accepted again once its answer was kept.

    Between two kills each AI is asked at most once; once one of them has answered, only the other; then nobody.
    """
    accepted: dict[str, list[float]] = {}
    for kind, at, prompt in _lines(log):
        if kind == "a":
            accepted.setdefault(prompt, []).append(at)
    for number, answers in enumerate(kept):
        prompt = f"question {number}"
        lives = Counter((bisect(kills, at), bisect(answers, at - _CLOCKS_S)) for at in accepted[prompt])
        for (life, answered), times in lives.items():
            if times > 2 - answered:
                found.wrong.append(f"{prompt!r}: {times} requests after kill {life}, when {answered} answers were kept")
    found.accepted = sum(map(len, accepted.values()))
    found.repeated_in_flight = found.accepted - 2 * len(accepted)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
