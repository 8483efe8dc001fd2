"""What keeps the server from starting is one sentence and exit code 2; being told to end is exit code 0."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from moot_program import ENTRY
from web_house import client, configured, over, web_program

from server.web.running.starting import Starting


def started(home: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    command = [sys.executable, ENTRY, "serve", "--http", "--port", "0", *options]
    told = os.environ | {"MOOT_HOME": str(home)} | env
    return subprocess.run(
        command, env=told, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line in which it says why it does not start."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("moot: ")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1 and "Traceback" not in done.stderr and "ERROR" not in done.stderr, done.stderr
    return lines[0]


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = complaint(started(tmp_path / "file" / "home"))
    assert "data folder cannot be written" in told and "MOOT_HOME" in told


def test_a_store_that_is_none(tmp_path: Path) -> None:
    assert "MOOT_STORE must begin with postgresql://" in complaint(started(tmp_path, MOOT_STORE="mysql://db"))


def test_a_damaged_store(tmp_path: Path) -> None:
    (tmp_path / "people.db").write_bytes(b"no database at all" * 500)
    assert "people.db is damaged" in complaint(started(tmp_path, "--host", "0.0.0.0"))


def test_nobody_has_a_token(tmp_path: Path) -> None:
    assert "moot tokens add NAME" in complaint(started(tmp_path, "--host", "0.0.0.0"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_does_not_open(tmp_path: Path, workers: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\n"
        "def hook(event, given):\n"
        "    if event == 'import' and given[0].endswith('web.page.assets'):\n"
        "        import ai.runs.app as app\n"
        "        def fail(*_, **__): raise RuntimeError('nothing opens here')\n"
        "        app.Roster.open = fail\n"
        "sys.addaudithook(hook)\n"
    )
    done = started(tmp_path, "--workers", workers, PYTHONPATH=os.pathsep.join([str(broken), os.getcwd()]))
    assert "It cannot start: RuntimeError: nothing opens here. Run: moot doctor" in complaint(done)


async def test_what_fails_at_the_start_is_told_once_and_not_raised() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ExceptionGroup("several", [OSError("no\nroom")])

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    starting = Starting(app)
    await starting({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
    assert starting.problem == "It cannot start: OSError: no. Run: moot doctor"
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]


async def test_what_fails_later_is_raised() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("late")

    async def send(message: Any) -> None:
        pass

    starting = Starting(app)
    with pytest.raises(RuntimeError, match="late"):
        await starting({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
    assert starting.problem is None


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--no-detach",)])
async def test_told_to_end_it_ends_its_streams_and_loses_no_job(
    tmp_path: Path, base_url: str, options: tuple[str, ...]
) -> None:
    configured(tmp_path, {"slow": f"{base_url} tokens=40,gap=0.1"})
    with anyio.fail_after(120), web_program(tmp_path, *options) as program:
        async with client(program.url, cookie=program.cookie) as owner:
            chats = []
            for _ in range(4):
                reply = await owner.post("/api/chat/async", json={"agent_id": "slow", "message": "Hello?"})
                chats.append(reply.json()["chat_id"])
            async with owner.stream("GET", "/api/events") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "retry: 1500"
                async for line in lines:
                    if '"call_started"' in line or '"token"' in line:
                        break
                codes: list[int] = []

                async def stop() -> None:
                    codes.append(await anyio.to_thread.run_sync(program.stop))

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stop)
                    async for _ in lines:  # it ends, so that the client comes back to whoever serves then
                        pass
        assert codes == [0]
        with web_program(tmp_path, *options) as again:
            async with client(again.url, cookie=program.cookie) as owner:
                for chat in chats:
                    status = await over(owner, chat)
                    assert status["status"] == "completed", status
