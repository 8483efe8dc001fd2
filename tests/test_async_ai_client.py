"""Asynchronous against synchronous calls: as a test, and as a program that prints the speed-up.

python tests/test_async_ai_client.py             8 AIs on loopback that answer after 0.3 s each
python tests/test_async_ai_client.py 16 0.5      another number, another delay
python tests/test_async_ai_client.py --real      the AIs you have configured, asked for real
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(root), str(root / "tests" / "support")]

import fake_provider
import pytest

from ai.async_client import call_ai_async, call_multiple_ais, create_async_ai_client
from ai.caller import call_ai
from core.config import load_config
from core.paths import credentials_path
from core.values import Answer

PROMPT = "What is 2+2? Answer with one number."


def write_ais(folder: Path, base_url: str, count: int, delay_s: float) -> Path:
    """A credentials.json with *count* AIs that answer after *delay_s* seconds."""
    row = {"provider": "openai_compatible", "base_url": base_url, "model": f"delay={delay_s},tokens=3"}
    path = folder / "credentials.json"
    path.write_text(json.dumps({"ais": {f"ai-{number}": row for number in range(1, count + 1)}}))
    path.chmod(0o600)
    return path


async def test_the_documented_lines_work(
    tmp_path: Path, provider: fake_provider.FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOT_CREDENTIALS", str(write_ais(tmp_path, provider.base_url, 1, 0)))
    async with await create_async_ai_client("ai-1", "key", "tokens=1") as client:
        assert await client.generate("Hello") == "tok "
    assert await call_ai_async("ai-1", "What is 2+2?", temperature=0.1) == "tok tok tok "


async def test_all_ais_are_under_way_at_the_same_time(
    tmp_path: Path, provider: fake_provider.FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOT_CREDENTIALS", str(write_ais(tmp_path, provider.base_url, 8, 0)))
    provider.gate.clear()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(call_multiple_ais([f"ai-{number}" for number in range(1, 9)], PROMPT))
        await provider.until(lambda p: p.in_flight == 8)
        provider.gate.set()
    assert [type(outcome) for outcome in asked.result()] == [Answer] * 8
    assert provider.most_in_flight == 8


def test_as_a_program_it_prints_both_times_and_the_speed_up(tmp_path: Path) -> None:
    environment = {**os.environ, "MOOT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, __file__, "3", "0.05"], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    words = done.stdout.split()
    assert "synchronous" in words and "asynchronous" in words and "speed-up" in words


def compare(ais: list[str]) -> None:
    """Ask *ais* one after the other, then all at once, and print both times."""
    call_ai(ais[0], PROMPT)  # SDK import and first connection are nobody's advantage
    started = time.perf_counter()
    for ai in ais:
        call_ai(ai, PROMPT)
    sequential = time.perf_counter() - started
    started = time.perf_counter()
    outcomes = asyncio.run(call_multiple_ais(ais, PROMPT))
    concurrent = time.perf_counter() - started
    answered = sum(isinstance(outcome, Answer) for outcome in outcomes)
    print(f"{len(ais)} AIs, {answered} answered")
    print(f"synchronous   {sequential:6.2f} s, one after the other")
    print(f"asynchronous  {concurrent:6.2f} s, all at once")
    print(f"speed-up      {sequential / concurrent:6.1f} x")


def main(arguments: list[str]) -> None:
    if arguments == ["--real"]:
        from ai.roster.roster import Roster

        names = [seat.name for seat in Roster.open(load_config(credentials_path())).seats.values() if not seat.local]
        if not names:
            sys.exit("No AI is configured: set a key such as OPENAI_API_KEY, or leave out --real.")
        compare(names)
        return
    count, delay_s = int(arguments[0]) if arguments else 8, float(arguments[1]) if len(arguments) > 1 else 0.3
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, fake_provider.__file__]
        server = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert server.stdin and server.stdout
        stack.callback(server.stdin.close)
        path = write_ais(folder, server.stdout.readline().strip(), count, delay_s)
        os.environ["MOOT_CREDENTIALS"] = str(path)
        compare([f"ai-{number}" for number in range(1, count + 1)])


if __name__ == "__main__":
    main(sys.argv[1:])
