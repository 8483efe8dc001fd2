"""Kills the process that works on agents' runs again and again, and counts what was paid for or done twice.

The provider and the borrowed server write down what really happened, and when; a job's journal says from when on an
answer was kept. A turn that is accepted after its answer was kept was paid for again.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import acting_server
import anyio
import anyio.to_thread
import quick_leases
from playing_provider import LAST, playing_provider

from core.jobs.approvals import Approval
from core.jobs.jobs import Jobs

TURN_S = 0.25
"""How long the provider takes for a turn."""
AT_ONCE = 4
REFUSED = 14
"""The one call of each run to which the person says no."""
_TURN = re.compile(r"/(\d+):turn$")
_LOOK_S = 0.005


@dataclass(frozen=True)
class Line:
    """Of the log: `a`ccepted, `f` answered; `b`egun, `e`ffected, `r`eturned by the tool."""

    what: str
    at: float
    run: str
    turn: int


@dataclass
class Found:
    """What it came to; all of `wrong` must not be."""

    runs: int
    kills: Counter[str] = field(default_factory=Counter)
    """By the moment that was aimed at."""
    caught: Counter[str] = field(default_factory=Counter)
    """Where the runs stood that were under way when a kill came."""
    turns: int = 0
    again_in_flight: int = 0
    effects: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        where = ", ".join(f"{name} {count}" for name, count in sorted(self.caught.items()))
        return (
            f"{self.runs} runs of {LAST + 1} turns, {sum(self.kills.values())} kills ({kinds}); runs under way were "
            f"caught: {where}. {self.turns} turns accepted, of which {self.again_in_flight} repeated what was in "
            f"flight; {self.effects} effects; asked before a change {self.asked['changes']} times, and whether to do "
            f"again what may have happened {self.asked['unknown']} times"
        )


class House:
    """A folder with everything in it: settings, the provider's and the server's log, and one worker at a time."""

    def __init__(self, folder: Path, base_url: str, *, seed: str) -> None:
        self.log, self.effects = folder / "log", folder / "effects"
        self.effects.touch()
        self._home, self._told = folder / "home", folder / "told"
        acts = [acting_server.__file__, str(self.log), str(self.effects)]
        rules = {"look": "allow", "append": "allow", "sign": "ask"}
        settings = {
            "ais": {"a": {"provider": "openai_compatible", "base_url": base_url, "model": f"delay={TURN_S}"}},
            "agents": {"worker": {"ai": "a", "tools": ["acting"], "max_turns": LAST + 5}},
            "mcp_servers": {"acting": {"command": sys.executable, "args": acts, "approvals": rules}},
            "defaults": {"detach": False},
        }
        self._credentials = folder / "credentials.json"
        self._credentials.write_text(json.dumps(settings))
        self._credentials.chmod(0o600)
        os.environ["MOOT_HOME"] = str(self._home)  # so that this process looks into the same store
        self.chance = random.Random(seed)
        self.jobs = Jobs()
        self.runs: dict[str, str] = {}
        """The job of each run."""
        self.asked: list[tuple[str, Approval]] = []
        self.worker: subprocess.Popen[bytes] | None = None
        self._read = 0
        self.lines: list[Line] = []

    def start(self) -> None:
        self.worker = self._moot("worker", "--concurrency", str(AT_ONCE))

    def kill(self) -> None:
        assert self.worker
        self.worker.kill()
        self.worker.wait()

    def _moot(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._home), "MOOT_HOME": str(self._home)}
        environment["MOOT_CREDENTIALS"] = str(self._credentials)
        with self._told.open("ab") as told:
            command = [sys.executable, quick_leases.__file__, *arguments]
            quiet = subprocess.DEVNULL
            return subprocess.Popen(
                command, cwd=self._home.parent, env=environment, stdin=quiet, stdout=told, stderr=told
            )

    def told(self) -> str:
        return self._told.read_text(errors="replace")[-3_000:]

    def news(self) -> list[Line]:
        """The lines since the last look."""
        whole = self.log.read_text() if self.log.exists() else ""
        fresh = whole[self._read : whole.rfind("\n") + 1]
        self._read += len(fresh)
        made = [line.split() for line in fresh.splitlines()]
        lines = [Line(what, float(at), run, int(turn)) for what, at, run, turn in made]
        self.lines += lines
        return lines

    def did(self, key: str) -> bool:
        return any(line.startswith(f"{key} ") for line in self.effects.read_text().splitlines())

    async def submit(self, runs: int) -> None:
        async with _passing() as jobs:
            for number in range(runs):
                run = f"run-{number}"
                self.runs[run] = (await jobs.submit("agent", {"task": f"Do {run}.", "ai": "worker"})).id

    async def waiting(self) -> list[tuple[str, Approval]]:
        """The questions that stand, and their jobs."""
        found = []
        for job in await self.jobs.list_jobs(("paused",), limit=1_000):
            found += [(job.id, one) for one in await self.jobs.approvals(job.id)]
        return found

    async def answer(self, job: str, one: Approval) -> None:
        """Say of this call what a person would who looks whether it happened; now and then from the command line."""
        self.asked.append((job, one))
        key = json.loads(one.arguments)["key"]
        yes = not self.did(key) if one.why == "unknown" else not key.endswith(f":{REFUSED}")
        if self.chance.random() < 0.1:
            how = "--yes" if yes else "--no"
            process = self._moot("jobs", "answer", job, how, "--question", one.id)
            assert await anyio.to_thread.run_sync(process.wait) == 0, self.told()
        else:
            async with _passing() as jobs:
                await jobs.approve(job, one.id, yes=yes)

    async def over(self) -> bool:
        """Whether all have ended; those that were given up after many deaths are started again, as a user would."""
        jobs = await self.jobs.list_jobs((), limit=1_000)
        for job in jobs:
            if job.state == "failed":
                async with _passing() as passing:
                    await passing.resume(job.id)
        return all(job.state == "done" for job in jobs)


@asynccontextmanager
async def _passing() -> AsyncIterator[Jobs]:
    """As a process that ends: what a living one has accepted, no other one works on."""
    jobs = Jobs()
    try:
        yield jobs
    finally:
        await jobs.aclose()


Moment = Callable[[House], Awaitable[None]]


def _seen(what: str, least_s: float, most_s: float) -> Moment:
    """So long after the next line of that kind."""

    async def wait(house: House) -> None:
        house.news()
        while not any(line.what == what for line in house.news()):
            await anyio.sleep(_LOOK_S)
        await anyio.sleep(house.chance.uniform(least_s, most_s))

    return wait


async def _waits(house: House) -> None:
    while not await house.waiting():
        await anyio.sleep(_LOOK_S)


async def _answered(house: House) -> None:
    """Right after the next word of the person, who does not stop for this."""
    before = len(house.asked)
    while len(house.asked) == before:
        await anyio.sleep(_LOOK_S)
    await anyio.sleep(house.chance.uniform(0, 0.2))


MOMENTS: dict[str, Moment] = {
    "before a turn is sent": _seen("r", 0.0, 0.02),
    "turn in flight": _seen("a", 0.0, TURN_S),
    "turn kept": _seen("f", 0.0, 0.05),
    "before a tool": _seen("f", 0.0, 0.01),
    "in a tool": _seen("b", 0.0, acting_server.BEFORE_S),
    "after its effect": _seen("e", 0.0, acting_server.AFTER_S),
    "waits for approval": _waits,
    "after approval": _answered,
}
_LONGEST_S = 4.0
"""A moment that does not come is not waited for any longer."""


def play(folder: Path, *, runs: int, times: int, seed: str) -> Found:
    """Let so many runs go, kill the worker up to so many times while they do, and count."""
    with playing_provider("long_run", str(folder / "log")) as url:
        return anyio.run(_play, House(folder, url, seed=seed), runs, times)


async def _play(house: House, runs: int, times: int) -> Found:
    found = Found(runs)
    await house.submit(runs)
    house.start()
    with anyio.fail_after(1_200):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_answers, house)
            for number in range(times):
                name = list(MOMENTS)[number % len(MOMENTS)]
                with anyio.move_on_after(_LONGEST_S):
                    await MOMENTS[name](house)
                if await house.over():
                    break
                house.kill()
                found.kills[name] += 1
                _note_caught(house, found)
                house.start()
            while not await house.over():
                if house.worker and house.worker.poll() is not None:
                    house.start()  # it ends when there was nothing to do for a while
                await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
    house.kill()
    await _count(house, found)
    await house.jobs.aclose()
    return found


async def _answers(house: House) -> None:
    """The person, who takes a moment."""
    while True:
        for job, one in await house.waiting():
            await anyio.sleep(house.chance.uniform(0.05, 0.3))
            await house.answer(job, one)
        await anyio.sleep(0.05)


_WHERE = {"a": "a turn in flight", "f": "a turn answered", "b": "in a tool", "e": "after its effect", "r": "tool done"}


_UNDER_WAY_S = 0.5
"""A run of which nothing was heard for longer waits for its turn, or for a person."""


def _note_caught(house: House, found: Found) -> None:
    house.news()
    last = {line.run: line for line in house.lines if line.at > time.time() - _UNDER_WAY_S}
    found.caught.update(_WHERE[line.what] for line in last.values() if line.turn < LAST or line.what != "f")


async def _count(house: House, found: Found) -> None:
    house.news()
    accepted = [line for line in house.lines if line.what == "a"]
    found.turns = len(accepted)
    found.again_in_flight = len(accepted) - len({(line.run, line.turn) for line in accepted})
    for run, job in house.runs.items():
        await _count_turns(house, found, run, job, [line for line in accepted if line.run == run])
    effects = [line.split() for line in house.effects.read_text().splitlines()]
    found.effects = len(effects)
    found.asked.update(one.why for _, one in house.asked)
    found.wrong += [f"{key} was done {n} times" for key, n in Counter(key for key, _ in effects).items() if n > 1]
    done = {key: float(at) for key, at in effects}
    for run in house.runs:
        for turn in range(LAST):
            key, acts = f"{run}:{turn}", turn % 4 != 0 and turn != REFUSED
            if acts != (key in done):
                found.wrong.append(f"{key} was {'not ' if acts else ''}done")
    await _count_words(house, found, done)


async def _count_turns(house: House, found: Found, run: str, job: str, accepted: list[Line]) -> None:
    kept = {
        int(turn[1]) - 1: call.at
        for call in await house.jobs.calls(job, limit=10_000)
        if (turn := _TURN.search(call.key)) is not None
    }
    if sorted(kept) != list(range(LAST + 1)):
        found.wrong.append(f"{run} kept the turns {sorted(kept)}")
    for line in accepted:
        if line.at > kept.get(line.turn, line.at):
            found.wrong.append(f"{run}: turn {line.turn} was paid for again after its answer was kept")


async def _count_words(house: House, found: Found, done: dict[str, float]) -> None:
    """Whatever was signed was allowed before; no question was answered twice."""
    engine = await house.jobs.engine()
    for run, job in house.runs.items():
        words = await engine.kept(job, "call:answered:")
        yes = {}
        for _, one in (pair for pair in house.asked if pair[0] == job):
            word = words[f"call:answered:{one.id}"]
            if word["yes"]:
                yes.setdefault(json.loads(one.arguments)["key"], word["at"])
        for turn in range(2, LAST, 4):
            key = f"{run}:{turn}"
            if key in done and not yes.get(key, float("inf")) <= done[key]:
                found.wrong.append(f"{key} was done before a person said yes")
    if twice := [one for one, n in Counter((job, one.id) for job, one in house.asked).items() if n > 1]:
        found.wrong.append(f"asked again after an answer: {twice[:3]}")
