"""Several processes behind one port: one stream of events, and no job lost with a process that is killed."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest
from figures import Figures, figure, read
from web_house import OVER, Program, client, configured, over, web_program

pytestmark = pytest.mark.slow


@pytest.fixture
def program(tmp_path: Path, base_url: str) -> Iterator[Program]:
    configured(tmp_path, {"gpt": f"{base_url} tokens=5", "slow": f"{base_url} tokens=20,gap=0.1"})
    with web_program(tmp_path, "--workers", "2") as started:
        yield started


def children(pid: int) -> list[int]:
    """The processes that *pid* has started and that serve."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            told = (place / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == pid and b"spawn_main" in told:
            found.append(int(place.name))
    return found


async def posted(owner: httpx2.AsyncClient, agent: str, url: str) -> str:
    """A chat that is begun over a connection of its own, so by any of the processes."""
    async with client(url, cookie=owner.headers["cookie"]) as once:
        reply = await once.post("/api/chat/async", json={"agent_id": agent, "message": "Hello?"})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["chat_id"])


async def test_one_stream_has_what_happens_in_every_process(program: Program) -> None:
    told: list[dict[str, object]] = []
    with anyio.fail_after(60):
        async with client(program.url, cookie=program.cookie) as owner:
            async with owner.stream("GET", "/api/events") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "retry: 1500"
                chats = {await posted(owner, "gpt", program.url) for _ in range(12)}
                async for line in lines:
                    if line.startswith("data: "):
                        told.append(json.loads(line[6:]))
                        over = [one for one in told if one["type"] == "job" and one["job"]["state"] == "done"]  # type: ignore[index]
                        if {one["run"] for one in over} >= chats:
                            break
    finished = Counter(one["run"] for one in told if one["type"] == "run_finished")
    assert finished == Counter(dict.fromkeys(chats, 1))
    numbers = [int(str(one["id"]).rpartition("-")[2]) for one in told]
    assert numbers == sorted(set(numbers))
    marks = {str(one["call"]).partition(".")[0] for one in told if "call" in one}
    assert len(marks) == 2, "both processes had work"


async def figures_of(url: str, cookie: str) -> Figures:
    """What /metrics tells, by any of the processes."""
    async with client(url, cookie=cookie) as once:
        return read((await once.get("/metrics")).text)


async def test_the_figures_are_those_of_all_processes_and_outlive_one_of_them(program: Program) -> None:
    count = partial(figure, name="gen_ai_client_operation_duration_seconds_count", gen_ai_request_model="tokens=5")
    with anyio.fail_after(120):
        async with client(program.url, cookie=program.cookie) as owner:
            chats = [await posted(owner, "gpt", program.url) for _ in range(12)]
            for chat in chats:
                while (await owner.get(f"/api/chat/async/{chat}/status")).json()["status"] not in OVER:
                    pass
        figures = await figures_of(program.url, program.cookie)
        while figure(figures, "moot_processes") != 2 or count(figures) != 12:
            figures = await figures_of(program.url, program.cookie)
        assert figure(figures, "moot_jobs", state="done") == 12
        assert figure(figures, "moot_http_requests_total", route="/api/chat/async", method="POST") == 12
        os.kill(children(program.process.pid)[0], signal.SIGKILL)
        living = set(children(program.process.pid))
        while len(now := set(children(program.process.pid))) != 2 or now == living:
            living &= now
            await anyio.lowlevel.checkpoint()
        figures = {}
        while not figures or figure(figures, "moot_processes") != 2:
            try:
                figures = await figures_of(program.url, program.cookie)
            except httpx2.TransportError:
                continue
        assert count(figures) == 12, "what a process had counted is kept"


async def test_a_killed_process_loses_nothing_and_another_goes_on(program: Program) -> None:
    with anyio.fail_after(120):
        async with client(program.url, cookie=program.cookie) as owner:
            chats = [await posted(owner, "slow", program.url) for _ in range(8)]
            victims = children(program.process.pid)
            assert len(victims) == 2
            os.kill(victims[0], signal.SIGKILL)
            for chat in chats:
                status = await over(owner, chat)
                assert status["status"] == "completed", status
