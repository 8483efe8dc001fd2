"""A batch whose process is killed: what was finished is not asked again, and the output is complete and in order."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from moot_program import ENTRY

pytestmark = pytest.mark.slow

ROWS, WIDTH, KILLS = 2_000, 40, 3


async def test_a_killed_batch_goes_on_where_it_was(isolated: Path, provider: FakeProvider) -> None:
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "delay=0.05,tokens=2"}
    credentials = isolated / "credentials.json"
    credentials.write_text(json.dumps({"ais": {"a": row}}))
    credentials.chmod(0o600)
    (isolated / "in.jsonl").write_text("".join(f'"question {number}"\n' for number in range(ROWS)))
    environment = {"PATH": os.environ["PATH"], "HOME": str(isolated), "MOOT_CREDENTIALS": str(credentials)}
    environment["MOOT_HOME"] = str(isolated / "home")
    command = [sys.executable, ENTRY, "batch", "in.jsonl", "-o", "out.jsonl", "-a", "a", "--concurrency", str(WIDTH)]
    output = anyio.Path(isolated / "out.jsonl")

    finished: set[str] = set()
    before = 0
    with anyio.fail_after(120):
        for kill in range(1, KILLS + 1):
            async with await anyio.open_process(command, cwd=isolated, env=environment) as process:
                await provider.until(lambda fake, enough=kill * ROWS // (KILLS + 1): len(fake.requests) >= enough)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            await provider.until(lambda fake: not fake.connections)
            assert not finished & {asked(request) for request in provider.requests[before:]}
            finished, before = await written(output), len(provider.requests)
            assert finished, "something was written before the kill"
        done = await anyio.run_process(command, cwd=isolated, env=environment, check=False)
    assert not finished & {asked(request) for request in provider.requests[before:]}
    assert done.returncode == 0, done.stderr
    times = Counter(asked(request) for request in provider.requests)
    assert set(times) == {f"question {number}" for number in range(ROWS)}
    assert sum(times.values()) - ROWS <= KILLS * WIDTH, "only what was in flight at a kill is asked twice"
    records = [json.loads(line) for line in (await output.read_text()).splitlines()]
    assert [(record["index"], record["status"], record["text"]) for record in records] == [
        (number, "ok", "tok tok ") for number in range(ROWS)
    ]


async def written(output: anyio.Path) -> set[str]:
    """The questions whose results are there as a whole."""
    lines = (await output.read_bytes()).splitlines(keepends=True)
    return {f"question {json.loads(line)['index']}" for line in lines if line.endswith(b"\n")}


def asked(request: dict[str, list[dict[str, str]]]) -> str:
    return request["messages"][-1]["content"]
