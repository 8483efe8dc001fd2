"""Kills the HTTP door again and again under running chats, and counts what was paid twice and what a watcher missed."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
from provider_process import provider_process
from web_house import Program, client, configured, web_program

CHATS = 20
_MODEL = "tokens=6,gap=0.05"
_LATE_S = 1.0
"""An answer that was sent whole so long before the kill was recorded, unless something is wrong."""


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
    kills: list[float] = []
    with anyio.fail_after(900):
        async with anyio.create_task_group() as tasks:
            chats: list[str] = []
            for number in range(times + 1):
                with web_program(home, port=port) as program:
                    if number == 0:
                        tasks.start_soon(watcher.watch, port, program.cookie)
                    while len(chats) < min(CHATS, (number + 1) * -(-CHATS // times)):
                        chats.append(await _begin(program, len(chats)))
                    if number < times:
                        await _news(log, chance.randint(3, 9))
                        kills.append(time.monotonic())
                        program.kill()
                        continue
                    await _all_over(program, chats, found)
                    while not watcher.over >= set(chats):
                        await anyio.lowlevel.checkpoint()
                    program.stop()
            tasks.cancel_scope.cancel()
    found.kills = times
    if doubled := [event for event, count in watcher.seen.items() if count > 1]:
        found.wrong.append(f"events told twice: {doubled[:3]}")
    _count(log, kills, found)
    return found


async def _begin(program: Program, number: int) -> str:
    body = {"agent_id": "moot/ask-many", "message": f"question {number}"}
    async with client(program.url, cookie=program.cookie) as page:
        reply = await page.post("/api/chat/async", json=body, headers={"idempotency-key": f"k{number}"})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["chat_id"])


async def _all_over(program: Program, chats: list[str], found: Found) -> None:
    async with client(program.url, cookie=program.cookie) as page:
        for chat in chats:
            status = {"status": ""}
            while status["status"] not in ("completed", "failed", "cancelled"):
                status = (await page.get(f"/api/chat/async/{chat}/status")).json()
            if status["status"] != "completed":
                found.wrong.append(f"{chat} is {status['status']}")


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


def _count(log: Path, kills: list[float], found: Found) -> None:
    """Of every question, how often it was accepted, and whether that was after its answer must have been kept."""
    finished: dict[str, list[float]] = {}
    accepted: Counter[str] = Counter()
    for kind, at, prompt in _lines(log):
        if kind == "f":
            finished.setdefault(prompt, []).append(at)
        elif kind == "a":
            accepted[prompt] += 1
            for done in finished.get(prompt, []):
                safe = not any(done <= kill <= done + _LATE_S for kill in kills)
                if accepted[prompt] > 2 and safe and len(finished[prompt]) >= 2:
                    found.wrong.append(f"{prompt!r} was asked again after both its answers had been kept")
    found.accepted = accepted.total()
    found.repeated_in_flight = found.accepted - 2 * len(accepted)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
