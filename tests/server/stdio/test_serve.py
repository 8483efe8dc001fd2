"""`moot serve` as a process: what it says before the real server is there is what the real server says."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS
from moot_program import ENTRY

from core.jobs.sqlite import SQLiteJobs
from core.paths import data_dir
from server.stdio.take_snapshot import LISTS

ROOT = Path(__file__).parents[3]
FRONT = [sys.executable, ENTRY, "serve"]
LIVE = [
    sys.executable,
    "-c",
    "import anyio, server.stdio.connection as s; anyio.run(s.serve_stdio, s.create_stdio_server())",
]
HURRY = "import server.stdio.serve as s; s._PAUSE_S = s._IDLE_S = s._LOOK_S = 0.01; s.serve()"
IMPATIENT = [sys.executable, "-c", HURRY]
DIES_WITH_A_JOB = """
import anyio, os, signal
from core.jobs.sqlite import SQLiteJobs
from core.paths import data_dir

async def main():
    await SQLiteJobs(data_dir()).submit("ask_many", {"prompt": "hi"})
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""
META = "io.modelcontextprotocol/"
CLIENT = {"name": "test", "version": "1"}
END = b'{"jsonrpc":"2.0","id":"end","method":"no/such"}\n'
"""Nothing but the real server answers it."""


def line(method: str, id: object = None, **params: Any) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method} | ({"id": id} if id is not None else {})
    return json.dumps(message | ({"params": params} if params else {})).encode() + b"\n"


def hello(version: str = "2025-06-18", id: object = 1) -> bytes:
    return line("initialize", id, protocolVersion=version, capabilities={}, clientInfo=CLIENT)


READY = hello() + line("notifications/initialized")
STATUS = line("tools/call", "status", name="status", arguments={})


class Host:
    """A host at the other end of the pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin and process.stdout
        self.process, self.stdin = process, process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def answer(self) -> dict[str, Any]:
        received: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", 20_000_000))
        return received

    async def answers_until(self, id: object) -> list[dict[str, Any]]:
        received = [await self.answer()]
        while received[-1].get("id") != id:
            received.append(await self.answer())
        return received

    async def hang_up(self) -> int:
        await self.stdin.aclose()
        return await self.process.wait()


@asynccontextmanager
async def host(command: list[str], tmp_path: Path) -> AsyncIterator[Host]:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOOT_HOME": str(tmp_path / "home")}
    with anyio.fail_after(60):
        async with await anyio.open_process(command, env=env, cwd=ROOT, stderr=None) as process:
            try:
                yield Host(process)
            finally:
                if process.returncode is None:
                    process.kill()


async def said(command: list[str], data: bytes, tmp_path: Path, last: object = "end") -> list[str]:
    """Everything the server says to *data*, in canonical JSON; answers may come in any order."""
    async with host(command, tmp_path) as server:
        await server.stdin.send(data)
        received = await server.answers_until(last)
        while sum(map(_answers, received)) < sum(map(_asks, data.splitlines())):
            received.append(await server.answer())
        assert await server.hang_up() == 0
    return sorted(json.dumps(message, sort_keys=True) for message in received)


def _asks(text: bytes) -> bool:
    """Whether *text* is a request, to which there is one answer."""
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and "id" in message


def _answers(message: dict[str, Any]) -> bool:
    return message.get("id") is not None or message.get("method") == "notifications/subscriptions/acknowledged"


def first_questions(version: str) -> bytes:
    if version in HANDSHAKE_PROTOCOL_VERSIONS:
        asked = [line(method, number) for number, method in enumerate(("ping", *LISTS), 2)]
        return hello(version) + line("notifications/initialized") + b"".join(asked)
    meta = {f"{META}protocolVersion": version, f"{META}clientCapabilities": {}, f"{META}clientInfo": CLIENT}
    asked = [line(method, number, _meta=meta) for number, method in enumerate(("server/discover", "ping", *LISTS), 1)]
    wishes: list[dict[str, Any]] = [{}, {"toolsListChanged": True, "promptsListChanged": False}]
    wishes.append({"resourcesListChanged": True, "resourceSubscriptions": ["moot://jobs/unknown", "moot://usage"]})
    listens = [line("subscriptions/listen", f"sub{n}", _meta=meta, notifications=one) for n, one in enumerate(wishes)]
    return b"".join(asked + listens)


@pytest.mark.slow
@pytest.mark.parametrize("version", [*KNOWN_PROTOCOL_VERSIONS, "1999-01-01"])
async def test_every_first_answer_is_the_real_servers_in_every_version(version: str, tmp_path: Path) -> None:
    known = version if version in KNOWN_PROTOCOL_VERSIONS else "2025-11-25"
    data = first_questions(known).replace(known.encode(), version.encode()) + END
    assert await said(FRONT, data, tmp_path) == await said(LIVE, data, tmp_path)


ODD = {
    "garbage": b"GET / HTTP/1.1\r\n\r\n" + READY,
    "garbage after the handshake": READY + b"{]\n\xff\xfe\n",
    "a batch": b"[" + hello().strip() + b"]\n" + READY,
    "10 MB": READY + line("tools/call", 2, name="status", arguments={"x": "y" * 10_000_000}),
    "10 MB first": line("ping", "z" * 10_000_000) + READY,
    "lists before the handshake": line("tools/list", 2) + READY,
    "both eras": READY + first_questions("2026-07-28"),
    "a handshake after a modern request": first_questions("2026-07-28") + hello(id="late"),
    "a broken handshake": line("initialize", 1, protocolVersion=7) + line("tools/list", 2),
    "a broken envelope": line("tools/list", 1, _meta={f"{META}protocolVersion": "2026-07-28"}),
    "an unknown modern version": line(
        "tools/list", 1, _meta={f"{META}protocolVersion": "2030-01-01", f"{META}clientCapabilities": {}}
    ),
    "a page that is not there": READY + line("tools/list", 2, cursor="x"),
    "line ends of Windows": READY.replace(b"\n", b"\r\n") + line("tools/list", 2).replace(b"\n", b"\r\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", ODD)
async def test_odd_input_is_answered_as_the_real_server_does(what: str, tmp_path: Path) -> None:
    assert await said(FRONT, ODD[what] + END, tmp_path) == await said(LIVE, ODD[what] + END, tmp_path)


async def test_whoever_starts_it_by_hand_and_types_is_told_what_it_expects(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOOT_HOME": str(tmp_path / "home")}
    with anyio.fail_after(60):
        done = await anyio.run_process(FRONT, input=b"hello\nhello\n", env=env, cwd=ROOT)
    assert done.returncode == 0 and done.stdout == b""
    assert done.stderr.decode().count("no MCP message") == 1 and "moot connect" in done.stderr.decode()


async def test_single_bytes_a_call_and_what_comes_while_it_waits_are_each_answered_once(tmp_path: Path) -> None:
    async with host(FRONT, tmp_path) as server:
        for byte in READY + line("tools/list", 2):
            await server.stdin.send(bytes([byte]))
        assert [(await server.answer())["id"], (await server.answer())["id"]] == [1, 2]
        await server.stdin.send(STATUS + line("ping", 3) + line("tools/list", 4))
        assert [(await server.answer())["id"], (await server.answer())["id"]] == [3, 4], "not after the imports"
        assert (await server.answer())["result"]["structuredContent"]["ais"]
        await server.stdin.send(line("ping", 5))
        assert (await server.answer())["id"] == 5, "the answer to the repeated handshake is not heard"
        assert await server.hang_up() == 0


async def test_a_host_is_answered_while_the_imports_for_its_call_are_under_way(tmp_path: Path) -> None:
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(READY + STATUS + line("ping", 0))
        assert [(await server.answer())["id"], (await server.answer())["id"]] == [1, 0]
        answered = 0
        while True:
            await server.stdin.send(line("ping", answered + 2))
            if (await server.answer())["id"] == "status":
                break
            answered += 1
        assert answered > 10
        assert await server.hang_up() == 0


async def test_a_call_that_is_cancelled_while_it_waits_gets_no_answer(tmp_path: Path) -> None:
    asked = line("tools/call", 2, name="ask_one", arguments={"prompt": "hi"})
    cancelled = line("notifications/cancelled", requestId=2)
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(READY + asked + cancelled + STATUS)
        received = await server.answers_until("status")
        assert [message["id"] for message in received] == [1, "status"]


@pytest.mark.parametrize("data", [b"", READY, hello()[:20], READY + line("tools/list", 2)])
async def test_a_host_that_hangs_up_at_once_ends_it(data: bytes, tmp_path: Path) -> None:
    async with host(FRONT, tmp_path) as server:
        if data:
            await server.stdin.send(data)
        assert await server.hang_up() == 0


async def test_a_host_that_hangs_up_behind_a_call_ends_it(tmp_path: Path) -> None:
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(READY + STATUS)
        assert await server.hang_up() == 0


@pytest.mark.parametrize("phase", ["answered", "importing", "serving"])
async def test_a_signal_ends_it_cleanly_in_every_phase(phase: str, tmp_path: Path) -> None:
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(hello())
        await server.answer()
        if phase != "answered":
            await server.stdin.send(STATUS + line("ping", 2))
            await server.answers_until("status" if phase == "serving" else 2)
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0


async def test_a_server_nobody_calls_starts_over_in_place_and_forgets_nothing(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    async with host(IMPATIENT, tmp_path) as server:
        environment = Path(f"/proc/{server.process.pid}/environ")
        await server.stdin.send(READY)
        await server.answer()
        while b"MOOT_SESSION" not in await anyio.Path(environment).read_bytes():
            await anyio.lowlevel.checkpoint()
        await server.stdin.send(line("tools/list", 2) + STATUS)
        assert (await server.answer())["id"] == 2
        assert not (await server.answer())["result"].get("isError")
        assert await server.hang_up() == 0


async def test_a_server_nobody_calls_goes_on_with_the_job_of_a_process_that_is_killed(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    jobs = SQLiteJobs(data_dir())
    async with host(IMPATIENT, tmp_path) as server:
        environment = Path(f"/proc/{server.process.pid}/environ")
        await server.stdin.send(READY)
        await server.answer()
        while b"MOOT_SESSION" not in await anyio.Path(environment).read_bytes():
            await anyio.lowlevel.checkpoint()
        await anyio.run_process([sys.executable, "-c", DIES_WITH_A_JOB], cwd=ROOT, check=False)
        while (await jobs.list_jobs())[0].state in ("queued", "running"):
            await anyio.lowlevel.checkpoint()
        assert await server.hang_up() == 0
    await jobs.aclose()


async def test_a_server_that_is_opened_goes_on_with_the_job_of_a_process_that_was_killed(tmp_path: Path) -> None:
    await anyio.run_process([sys.executable, "-c", DIES_WITH_A_JOB], cwd=ROOT, check=False)
    jobs = SQLiteJobs(data_dir())
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(READY)
        while (await jobs.list_jobs())[0].state in ("queued", "running"):
            await anyio.lowlevel.checkpoint()
        assert await server.hang_up() == 0
    await jobs.aclose()


async def test_without_a_snapshot_it_starts_plainly_and_leaves_one(tmp_path: Path) -> None:
    credentials = tmp_path / "home" / "credentials.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({"future": "setting"}))
    async with host(FRONT, tmp_path) as server:
        await server.stdin.send(READY + STATUS)
        assert len(await server.answers_until("status")) == 2
        while not (tmp_path / "home" / "snapshot.json").exists():
            await anyio.lowlevel.checkpoint()
        assert await server.hang_up() == 0


async def test_what_the_server_complains_about_goes_to_stderr_without_keys(tmp_path: Path) -> None:
    credentials = tmp_path / "home" / "credentials.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({"ais": {"gpt": {"provider": "sk-very-secret-key-1"}}}))
    credentials.chmod(0o644)
    with anyio.fail_after(60):
        done = await anyio.run_process(
            FRONT,
            input=READY + STATUS,
            env={"PATH": os.environ["PATH"], "MOOT_HOME": str(credentials.parent)},
            cwd=ROOT,
        )
    assert b"moot: WARNING: credentials.json can be read by other users" in done.stderr
    assert b"very-secret" not in done.stderr
