"""`moot batch --provider-batch` against batch endpoints on loopback: the command, a kill, a cancelled job, the bill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from fake_batches import FakeBatches
from moot_program import ENTRY

from core.usage.prices import cost_usd
from core.values import Usage

Start = Callable[..., Any]


@pytest.fixture
async def fake() -> AsyncIterator[FakeBatches]:
    fake = FakeBatches()
    runner = await fake.start()
    yield fake
    await runner.cleanup()


@pytest.fixture
def command(fake: FakeBatches, isolated: Path) -> Start:
    """What starts `moot` with the given arguments, in a folder of its own."""
    rows = {
        "gpt": {"provider": "openai", "api_key": "k", "base_url": f"{fake.base_url}/v1"},
        "claude": {"provider": "anthropic", "api_key": "k", "base_url": fake.base_url},
        "groq": {"api_key": "k", "base_url": f"{fake.base_url}/v1"},
    }
    path = isolated / "credentials.json"
    path.write_text(json.dumps({"ais": rows, "defaults": {"detach": False}}))
    path.chmod(0o600)
    environment = {"PATH": os.environ["PATH"], "HOME": str(isolated), "MOOT_CREDENTIALS": str(path)}
    environment["MOOT_HOME"] = str(isolated / "home")

    def start(way: Any, *arguments: str) -> Any:
        return way([sys.executable, ENTRY, *arguments], cwd=isolated, env=environment)

    return start


async def ran(command: Start, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with anyio.fail_after(60):
        return await command(lambda *a, **k: anyio.run_process(*a, check=False, **k), *arguments)  # type: ignore[no-any-return]


def wrote(folder: Path, *prompts: str) -> tuple[str, ...]:
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(prompt)}\n" for prompt in prompts))
    return ("batch", "in.jsonl", "-o", "out.jsonl", "--provider-batch")


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


@pytest.mark.slow
async def test_rows_are_written_in_order_at_half_the_price_and_failed_ones_asked_again(
    command: Start, fake: FakeBatches, isolated: Path
) -> None:
    asked = wrote(isolated, "one", "please expire", "one", "skip me", "last")
    done = await ran(command, *asked, "-a", "gpt,claude")
    assert done.returncode == 3, done.stderr.decode()
    found = rows(isolated)
    assert [(row["index"], row["ai"], row["status"]) for row in found] == [
        (n, ai, "error" if n in (1, 3) else "ok") for n in range(5) for ai in ("gpt", "claude")
    ]
    assert found[4]["duplicate_of"] == 0 and found[4]["cost_usd"] == 0
    assert "Ask it again with --retry-failed" in found[2]["error"] and found[2]["cost_usd"] == 0
    assert found[6]["cost_usd"] is None, "nobody knows whether a row without a result was charged for"
    full = cost_usd(Usage(100, 10), model=found[0]["model"], price_id="openai")
    assert full is not None and found[0]["cost_usd"] == pytest.approx(full / 2)

    again = await ran(command, *asked, "-a", "gpt,claude", "--retry-failed")
    assert again.returncode == 3
    assert [sorted(batch.requests) != [] and len(batch.requests) for batch in fake.batches.values()] == [4, 4, 2, 2]
    used = json.loads((await ran(command, "usage", "--json")).stdout)
    assert "gpt" in json.dumps(used)


@pytest.mark.slow
async def test_a_killed_command_takes_up_its_batch_again(command: Start, fake: FakeBatches, isolated: Path) -> None:
    asked = wrote(isolated, "one", "two")
    fake.held = True
    with anyio.fail_after(60):
        async with await command(anyio.open_process, *asked, "-a", "gpt") as process:
            await fake.looked.wait()
            process.send_signal(signal.SIGKILL)
            await process.wait()
    fake.held = False
    done = await ran(command, *asked, "-a", "gpt")
    assert done.returncode == 0, done.stderr.decode()
    assert len(fake.batches) == 1
    assert [row["text"] for row in rows(isolated)] == ["answer to one", "answer to two"]


@pytest.mark.slow
async def test_cancelling_the_job_cancels_the_batch_and_a_stopped_command_does_not(
    command: Start, fake: FakeBatches, isolated: Path
) -> None:
    asked = wrote(isolated, "one", "two")
    fake.held = True
    with anyio.fail_after(60):
        async with await command(anyio.open_process, *asked, "-a", "gpt") as process:
            await fake.looked.wait()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        (batch,) = fake.batches.values()
        assert not batch.ending, "it goes on at the provider"
        fake.looked.clear()
        async with await command(anyio.open_process, *asked, "-a", "gpt") as process:
            await fake.looked.wait()
            job = json.loads((isolated / "out.jsonl.moot").read_text())["job"]
            await ran(command, "jobs", "cancel", job)
            assert await process.wait() == 1
    assert batch.ending == "cancelled" and len(fake.batches) == 1


@pytest.mark.slow
async def test_cancelling_a_job_that_nobody_runs_cancels_the_batch_too(
    command: Start, fake: FakeBatches, isolated: Path
) -> None:
    asked = wrote(isolated, "one", "two")
    fake.held = True
    with anyio.fail_after(60):
        async with await command(anyio.open_process, *asked, "-a", "gpt") as process:
            await fake.looked.wait()
            process.send_signal(signal.SIGINT)
            await process.wait()
    (batch,) = fake.batches.values()
    job = json.loads((isolated / "out.jsonl.moot").read_text())["job"]
    await ran(command, "jobs", "cancel", job, "--drain")
    assert not batch.ending, "what is under way is kept"
    await ran(command, "jobs", "cancel", job)
    assert batch.ending == "cancelled"
    listed = (await ran(command, "jobs")).stdout.decode()
    assert re.search(r"batch/call-off .*done", listed)


@pytest.mark.slow
async def test_a_provider_that_cannot_be_told_is_told_later(command: Start, fake: FakeBatches, isolated: Path) -> None:
    asked = wrote(isolated, "one", "two")
    fake.held = True
    with anyio.fail_after(60):
        async with await command(anyio.open_process, *asked, "-a", "gpt") as process:
            await fake.looked.wait()
            process.send_signal(signal.SIGINT)
            await process.wait()
    (batch,) = fake.batches.values()
    job = json.loads((isolated / "out.jsonl.moot").read_text())["job"]
    credentials = isolated / "credentials.json"
    right = credentials.read_text()
    credentials.write_text(json.dumps({"ais": {"groq": {"api_key": "k"}}, "defaults": {"detach": False}}))
    await ran(command, "jobs", "cancel", job)
    (waiting,) = [one for one in await listed(command) if one["kind"] == "batch/call-off"]
    assert waiting["state"] == "paused"
    assert "gpt" in waiting["reason"]
    credentials.write_text(right)
    await ran(command, "jobs", "resume", waiting["id"])
    await ran(command, "worker", "--idle-exit", "0")
    assert batch.ending == "cancelled"


async def listed(command: Start) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await ran(command, "jobs", "list", "--json")).stdout)["jobs"]
    return found


@pytest.mark.slow
async def test_an_ai_without_a_batch_endpoint_is_refused_before_anything_is_sent(
    command: Start, fake: FakeBatches, isolated: Path
) -> None:
    done = await ran(command, *wrote(isolated, "one"), "-a", "groq")
    assert done.returncode == 2 and not fake.batches
    assert done.stderr.decode().strip() == (
        "moot: 'groq' has no batch endpoint that Moot knows; leave out --provider-batch."
    )
