"""The bot among many people, over real HTTP: `python bench/telegram.py [--check] [--chats 200 --rounds 20 --kills 20]`.

The Bot API and the AIs are fakes on loopback; the bot is `moot telegram` in a process of its own.

- storm: so many chats at once, so many questions each, with 429, 409, resets before and after a request is done, 502,
  updates that come twice and out of order, and `kill -9`: every answer has to stand in its chat exactly once.
- calm: the same people all write at once, without storms: how soon each sees that something comes.
- short: a short question alone, and while fifty long answers are being written.
- canaries: fifty people in ten groups and in private, by long polling and by a webhook; nobody's word in a prompt,
  chat, log, area or figure of another's.
- peers, only where it is named: the start of an echo bot of aiogram and of python-telegram-bot, fetched for it.
- start: CPU until the bot listens, over that of the engine that `moot serve` opens; memory when it is idle.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from _measure import ROOT, Figure, exact, figure, ratio

sys.path.insert(0, str(ROOT / "tests" / "support"))

import anyio
import anyio.to_thread
from _telegram_canaries import canaries
from _telegram_peers import peers
from bot_api_storm import Storm
from echo_provider import EchoProvider
from fake_bot_api import FakeBotApi
from telegram_program import TelegramProgram, configured

_STORM = Storm(
    too_many=0.03, broken_before=0.02, broken_after=0.02, failed=0.01, second_poller=0.05, twice=0.1, shuffled=0.3
)
_PATIENCE_S = 900.0
_FAILED = "No answer"
_MARK = re.compile(r"Q(\d+)-(\d+)!")
_ENGINE = """
import anyio
import server.cli.main  # what starts both
from server.jobs.worker import serving_jobs
from server.mcp_client.borrowed import open_lending_app
async def main():
    async with open_lending_app() as app, serving_jobs(app):
        await (await app.jobs.engine()).list_jobs()
        print("ready", flush=True)
        await anyio.sleep(60)
anyio.run(main)
"""


def storm(options: argparse.Namespace) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="moot-telegram-") as folder:
        return anyio.run(_storm, Path(folder), options)


async def _storm(folder: Path, options: argparse.Namespace) -> list[Figure]:
    chats = range(1, options.chats + 1)
    api, provider = FakeBotApi(seed=options.seed), EchoProvider()
    api.storm = _STORM
    async with api.served(), provider.served():
        ais = {"echo": (provider.url, "delay=0.05,words=5")}
        configured(folder, api.url, ais, people=chats, messages_per_second=options.rate)
        program = TelegramProgram(folder)
        await program.start()
        began, answered = time.monotonic(), Counter[int]()
        with anyio.fail_after(_PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_kills, program, answered, options)
                async with anyio.create_task_group() as people:
                    for chat in chats:
                        people.start_soon(_person, api, chat, options.rounds, answered)
                tasks.cancel_scope.cancel()
        took = time.monotonic() - began
        api.storm = Storm()
        await anyio.sleep(3)  # whatever would come twice has come
        await program.kill()
    told = Counter((shown.chat, mark) for shown in api.shown.values() for mark in set(_MARK.findall(shown.text)))
    wanted = {(chat, (str(chat), str(number))) for chat in chats for number in range(options.rounds)}
    wrong = sum(chat != int(mark[0]) for chat, mark in told)
    name = f"{options.chats} chats x {options.rounds}, {options.kills} kills"
    asked = Counter(mark for prompt in provider.prompts for mark in _MARK.findall(prompt)[-1:])
    return [
        exact(f"{name}: answers lost", len(wanted - told.keys()), bound=0, unit="answers"),
        exact(f"{name}: answers doubled", sum(n > 1 for n in told.values()), bound=0, unit="answers"),
        exact(f"{name}: in the wrong chat", wrong, bound=0, unit="answers"),
        exact(f"{name}: first sign of life under storms and kills, p95", _p95_ms(api.life), unit="ms"),
        exact(f"{name}: requests repeated that a kill cut off", sum(n - 1 for n in asked.values()), unit="requests"),
        exact(f"{name}: took", took, unit="s"),
        exact(f"{name}: signs left over", sum(shown.text == "…" for shown in api.shown.values()), unit="messages"),
    ]


async def _person(api: FakeBotApi, chat: int, rounds: int, answered: Counter[int]) -> None:
    for number in range(rounds):
        api.write(f"Q{chat}-{number}!", chat=chat)
        wanted = f"Q{chat}-{number}! w0 w1 w2 w3 w4"
        failed = sum(_FAILED in shown.text for shown in api.said(chat))
        while not any(wanted in shown.text and "w4 …" not in shown.text for shown in _of(api, chat)):
            if sum(_FAILED in shown.text for shown in _of(api, chat)) > failed:
                break  # which counts as lost
            await anyio.sleep(0.05)
        answered[chat] += 1


def _of(api: FakeBotApi, chat: int) -> list[Any]:
    return api.said(chat)[-4:]


async def _kills(program: TelegramProgram, answered: Counter[int], options: argparse.Namespace) -> None:
    whole = options.chats * options.rounds
    for number in range(1, options.kills + 1):
        while answered.total() < whole * number / (options.kills + 1):
            await anyio.sleep(0.05)
        await program.kill()
        await program.start()


def calm(options: argparse.Namespace) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="moot-telegram-") as folder:
        return anyio.run(_calm, Path(folder), options)


async def _calm(folder: Path, options: argparse.Namespace) -> list[Figure]:
    chats = range(1, options.chats + 1)
    api, provider = FakeBotApi(), EchoProvider()
    async with api.served(), provider.served():
        ais = {"echo": (provider.url, "delay=0.05,words=5")}
        configured(folder, api.url, ais, people=chats, messages_per_second=options.rate)
        program = TelegramProgram(folder)
        await program.start()
        answered: Counter[int] = Counter()
        await _person(api, 1, 1, answered)
        api.life.clear()
        with anyio.fail_after(_PATIENCE_S):
            async with anyio.create_task_group() as people:
                for chat in chats:
                    people.start_soon(_person, api, chat, 3, answered)
        await program.kill()
    name = f"first sign of life, {options.chats} chats at once, p95"
    return [exact(name, _p95_ms(api.life), bound=1000, unit="ms")]


def short(options: argparse.Namespace) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="moot-telegram-") as folder:
        return anyio.run(_short, Path(folder))


async def _short(folder: Path) -> list[Figure]:
    api, provider = FakeBotApi(), EchoProvider()
    async with api.served(), provider.served():
        ais = {
            "quick": (provider.url, "delay=0.5,words=5"),
            "long": (provider.url, "delay=0.2,words=400,gap=0.1"),
        }
        configured(folder, api.url, ais, people=range(1, 100), messages_per_second=200, defaults={"ai": "quick"})
        program = TelegramProgram(folder)
        await program.start()
        await _asked(api, 60, 0)
        alone = [await _asked(api, 60 + number, 1) for number in range(1, 8)]
        for chat in range(1, 51):
            api.write(f"/ask long L{chat}", chat=chat)
        with anyio.fail_after(60):
            while sum(any("w3" in str(call.given.get("text")) for call in api.calls[-3000:]) for _ in (1,)) < 1:
                await anyio.sleep(0.1)
            await anyio.sleep(3)
        beside = [await _asked(api, 70 + number, 2) for number in range(1, 8)]
        await program.kill()
    return [
        ratio("a short question beside 50 long answers / alone", beside, alone, bound=1.1),
        figure("a short question alone", [1000 * one for one in alone], unit="ms"),
    ]


async def _asked(api: FakeBotApi, chat: int, number: int) -> float:
    began = time.monotonic()
    api.write(f"S{chat}-{number}!", chat=chat)
    with anyio.fail_after(60):
        await api.until(lambda: any(f"S{chat}-{number}! w0 w1 w2 w3 w4" in one.text for one in _of(api, chat)), 60)
    return time.monotonic() - began


def start(options: argparse.Namespace) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="moot-telegram-") as folder:
        return anyio.run(_start, Path(folder))


async def _start(folder: Path) -> list[Figure]:
    api, provider = FakeBotApi(), EchoProvider()
    bots, engines, memory = [], [], []
    async with api.served(), provider.served():
        configured(folder, api.url, {"echo": (provider.url, "words=3")}, people=[1])
        for _ in range(5):
            program = TelegramProgram(folder)
            await program.start()
            assert program.process is not None
            await anyio.sleep(2)
            bots.append(_cpu_s(program.process.pid))
            await anyio.sleep(6)  # by then it looks after the machine, too
            memory.append(_rss_mb(program.process.pid))
            await program.kill()
            engines.append(await anyio.to_thread.run_sync(_engine_cpu_s, folder))
    over = [bot - engine for bot, engine in zip(bots, engines, strict=True)]
    return [
        figure("CPU of starting the bot over the engine", [1000 * one for one in over], bound=200, unit="ms"),
        figure("CPU of the engine", [1000 * one for one in engines], unit="ms"),
        figure("idle memory of the bot", memory, bound=60, unit="MB"),
    ]


def _engine_cpu_s(folder: Path) -> float:
    environment = os.environ | {"MOOT_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", _ENGINE], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(2)
        used = _cpu_s(process.pid)
        process.kill()
    return used


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _p95_ms(seconds: list[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else 0.0


_PARTS = {"start": start, "calm": calm, "short": short, "canaries": canaries, "storm": storm, "peers": peers}
_FETCHES = ("peers",)
"""What is measured only where it is named: it fetches packages."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_PARTS)}; default: all")
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rate", type=float, default=300.0, help="messages a second that the bot may send")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is broken")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.parts or [name for name in _PARTS if name not in _FETCHES]:
        made = _PARTS[name](options)
        figures += made
        if not options.json:
            print(*made, sep="\n", flush=True)
    if options.json:
        print(json.dumps([vars(one) if hasattr(one, "__dict__") else str(one) for one in figures]))
    sys.exit(1 if options.check and not all(one.ok for one in figures) else 0)


if __name__ == "__main__":
    main()
