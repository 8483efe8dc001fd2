"""The HTTP door for tests: in this process over a real socket, with scripted AIs, or as the real program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import uvicorn
from moot_program import ENTRY

from core.paths import data_dir
from core.people.person import Person
from core.people.tokens import Tokens
from server.web.access.doors import COOKIE, Doors
from server.web.assembly import Place, Room, assemble
from server.web.house import House
from server.web.serve import address_of, listen

OVER = ("completed", "failed", "cancelled")
_LINK = re.compile(r"http://\S+/open/\S+")


@dataclass
class Opened:
    """A door that is open: `owner` is a client with the session of whoever started it."""

    house: House
    url: str
    owner: httpx2.AsyncClient

    async def person(self, name: str, **may: Any) -> httpx2.AsyncClient:
        """A client with a token of its own; close it, or let the test end."""
        token = await anyio.to_thread.run_sync(self.house.tokens.add, Person(name, **may))
        return client(self.url, authorization=f"Bearer {token}")


def client(url: str, **headers: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=30)


async def over(owner: httpx2.AsyncClient, chat: str) -> dict[str, Any]:
    """The status of *chat* once it is over, also if the server is away in the meantime."""
    while True:
        try:
            status = (await owner.get(f"/api/chat/async/{chat}/status")).json()
        except httpx2.TransportError:
            continue
        if status["status"] in OVER:
            return dict(status)


@asynccontextmanager
async def open_house(
    open_moot: Any,
    place: Place = Place(port=0),  # noqa: B008 - frozen
    room: Room | None = None,
) -> AsyncIterator[Opened]:
    """Serve the app that *open_moot* opens, with *room* beside what is always there, for as long as the block runs."""
    bound = await anyio.to_thread.run_sync(listen, place)
    tokens, doors = Tokens(), Doors(data_dir())
    house = House(address_of(place, bound), tokens, doors)
    app = await anyio.to_thread.run_sync(lambda: assemble(house, place, open_moot, room=room))
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    url = f"http://127.0.0.1:{house.address.port}"
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: server._serve([bound]))
            session = await anyio.to_thread.run_sync(doors.session, "")
            async with client(url, cookie=f"{COOKIE}={session}") as owner:
                yield Opened(house, url, owner)
            server.should_exit = True
    finally:
        bound.close()
        await anyio.to_thread.run_sync(tokens.close)


@dataclass
class Program:
    """`moot serve --http` as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    cookie: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def web_program(home: Path, *options: str, port: int = 0) -> Iterator[Program]:
    """The real server with its data in *home*; it is killed in the end."""
    command = [sys.executable, ENTRY, "serve", "--http", "--port", str(port), *options]
    env = os.environ | {"MOOT_HOME": str(home)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr
            link = None
            while link is None:
                line = process.stderr.readline()
                assert line, f"it ended with {process.wait()}"
                link = _LINK.search(line)
            url = link[0].partition("/open/")[0]
            cookie = _opened(link[0])
            yield Program(process, url, cookie)
        finally:
            if process.poll() is None:
                process.kill()


def _opened(link: str) -> str:
    """The session that opening *link* gives."""
    response = httpx2.get(link, follow_redirects=False, timeout=30)
    assert response.status_code == 303, response.text
    return response.headers["set-cookie"].partition(";")[0]


def configured(home: Path, ais: dict[str, str]) -> None:
    """Have *home* know *ais*, each by its base URL and, behind a blank, its model."""
    home.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name, told in ais.items():
        base_url, _, model = told.partition(" ")
        rows[name] = {"provider": "openai_compatible", "base_url": base_url, "api_key": f"key-{name}", "model": model}
    path = home / "credentials.json"
    path.write_text(json.dumps({"ais": rows}))
    path.chmod(0o600)
