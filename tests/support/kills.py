"""Real processes of Moot that share one batch, whatever happens to them, and what must be true of it afterwards.

The provider is a process too, and its log is what is believed: which requests it accepted, when, and when it answered.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import quick_leases
from postgres_server import PostgresServer
from provider_process import provider_process

from core.stores.pg_connection import schema_of

ENTRY = quick_leases.__file__
WIDTH, LEASE_S, TOKENS = 20, 2.0, 2
PER_CALL = 7 + TOKENS
"""Tokens of one call at the provider."""
READ_S = 0.5
"""How long an answer may need from the provider's socket to the disk of whoever asked."""


Times = dict[str, list[float]]


@dataclass
class Found:
    """What a scenario came to. `again` and `lost` must be 0."""

    rows: int
    accepted: int
    cut: int
    """Calls that were asked again because their process was killed or stopped with them under way."""
    may: int
    """How many of them there may be: as many as are made at once, for each time."""
    again: list[str]
    """Rows that were asked again though their answer was there."""
    lost: int
    """Rows without an answer, or with more than one."""
    ledger: int
    unknown: int
    """Accepted calls that may be missing in the ledger: those that were cut off, and so asked again."""
    unfinished: list[str]
    """States of jobs that are not over."""
    wall_s: float

    @property
    def wrong(self) -> list[str]:
        """What must not be, in sentences."""
        missing = self.accepted - self.ledger
        return [
            *([f"{len(self.again)} finished calls were asked again: {self.again[:5]}"] if self.again else []),
            *([f"{self.cut} calls were asked again, {self.may} may"] if self.cut > self.may else []),
            *([f"{self.lost} answers are lost or doubled"] if self.lost else []),
            *([f"jobs are {self.unfinished}"] if self.unfinished else []),
            *([f"the ledger has {-missing} calls too many"] if missing < 0 else []),
            *([f"the ledger lacks {missing} calls, {self.unknown} may"] if missing > self.unknown else []),
        ]

    def __str__(self) -> str:
        return (
            f"{self.rows} rows, {self.accepted} accepted, {self.cut} cut in flight and asked again, "
            f"{len(self.again)} finished asked again, {self.lost} lost or doubled, ledger {self.ledger} "
            f"(missing {self.accepted - self.ledger}, may {self.unknown}), {self.wall_s:.0f} s"
        )


@dataclass
class Happened:
    """What was done to one process: between these moments it could not keep what was under way."""

    since: float
    until: float
    kill: bool


@dataclass
class World:
    """A folder with an input, a provider, and processes. Without *server* they share one machine."""

    folder: Path
    stack: ExitStack
    rows: int
    server: PostgresServer | None = None
    delay_s: float = 0.05
    defaults: dict[str, Any] = field(default_factory=dict)
    """More of the settings."""

    def __post_init__(self) -> None:
        self.log = self.folder / "provider.log"
        base_url = self.stack.enter_context(provider_process(str(self.log)))
        self.url = self.server.database() if self.server else ""
        row = {"provider": "openai_compatible", "base_url": base_url, "concurrency": WIDTH}
        row["model"] = f"delay={self.delay_s},tokens={TOKENS}"
        self.credentials = self.folder / "credentials.json"
        settings = {"detach": False} | self.defaults
        self.credentials.write_text(json.dumps({"ais": {"a": row}, "defaults": settings}))
        self.credentials.chmod(0o600)
        self.work = self.folder / "work"
        self.work.mkdir()
        (self.work / "in.jsonl").write_text("".join(f'"row {n}"\n' for n in range(self.rows)))
        self.output = self.work / "out.jsonl"
        self.happened: list[Happened] = []
        self.timers: list[threading.Timer] = []
        self.homes: set[Path] = set()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.began = time.monotonic()
        self._told: IO[bytes] = self.stack.enter_context((self.folder / "told.log").open("ab"))

    def environment(self, home: str) -> dict[str, str]:
        place = self.folder / (home if self.server else "home")
        self.homes.add(place)
        (self.folder / "user").mkdir(exist_ok=True)
        shared = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "user"), "MOOT_HOME": str(place)}
        shared |= {"MOOT_CREDENTIALS": str(self.credentials), "MOOT_TEST_LEASE_S": str(LEASE_S) if self.server else ""}
        return shared | ({"MOOT_STORE": self.url} if self.server else {})

    def start(self, home: str, *arguments: str, talks: bool = False) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE if talks else self._told
        process = subprocess.Popen(
            [sys.executable, ENTRY, *arguments],
            cwd=self.work,
            env=self.environment(home),
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=pipe,
            stderr=self._told,
        )
        self.processes.append(process)
        self.stack.callback(_end, process)
        return process

    def batch(self, *more: str) -> subprocess.Popen[bytes]:
        width = str(WIDTH)
        command = ("batch", "in.jsonl", "-o", "out.jsonl", "-a", "a", "--yes", "--concurrency", width, *more)
        return self.start("holder", *command)

    def worker(self, number: int = 0) -> subprocess.Popen[bytes]:
        return self.start(f"worker{number}", "worker")

    def host(self) -> subprocess.Popen[bytes]:
        """A server on its standard streams, with the handshake done."""
        process = self.start("host", "serve", talks=True)
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        say(process, {"id": 1, "method": "initialize", "params": hello})
        hear(process)
        say(process, {"method": "notifications/initialized"})
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            since = time.monotonic()
            process.kill()
            process.wait()
            self.happened.append(Happened(since, time.monotonic(), kill=True))

    def stop(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """SIGSTOP it, and let it go on after *seconds*, while other things happen."""
        if process.poll() is not None:
            return
        since = time.monotonic()
        os.kill(process.pid, signal.SIGSTOP)
        self.happened.append(Happened(since, since + seconds, kill=False))
        timer = threading.Timer(seconds, _go_on, [process])
        timer.start()
        self.timers.append(timer)
        self.stack.callback(timer.cancel)

    def kill_server(self, away_s: float = 1.0) -> int:
        """SIGKILL PostgreSQL; how many calls began while it was away, a moment after it went."""
        assert self.server is not None
        self.server.kill()
        time.sleep(0.5)  # a call may begin a tenth of a second after the server was heard of last
        before = self.accepted()
        time.sleep(away_s)
        begun = self.accepted() - before
        self.server.start()
        return begun

    def accepted(self) -> int:
        return self.log.read_bytes().count(b"\na ") if self.log.exists() else 0

    def until_accepted(self, count: int) -> None:
        self.until(lambda: self.accepted() >= min(count, self.rows))

    def until(self, met: Callable[[], bool], seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                raise AssertionError(f"{self.accepted()} of {self.rows} accepted. {self.told()}")
            time.sleep(0.02)

    def told(self) -> str:
        return (self.folder / "told.log").read_text(errors="replace")[-4_000:]

    def settle(self) -> None:
        """Let all stops run out."""
        for timer in self.timers:
            timer.join()

    def states(self) -> list[str]:
        return [row["state"] for row in self._query("jobs", "jobs", "TRUE")]

    def _query(self, store: str, table: str, condition: str) -> list[Any]:
        if self.server:
            import psycopg
            from psycopg.rows import dict_row

            with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as fleet:
                return fleet.execute(f"SELECT * FROM {schema_of(store)}.{table} WHERE {condition}".encode()).fetchall()
        with closing(sqlite3.connect(self.folder / "home" / f"{store}.db", timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(f"SELECT * FROM {table} WHERE {condition}").fetchall()

    def found(self) -> Found:
        """Call it when every process has ended."""
        accepted, answered = read_log(self.log)
        again, cut = self._asked_again(accepted, answered)
        texts: Counter[int] = Counter()
        for line in self.output.read_text().splitlines():
            record = json.loads(line)
            texts[record["index"]] += record["status"] == "ok" and record["text"] == "tok " * TOKENS
        lost = sum(texts[n] != 1 for n in range(self.rows)) + sum(n >= self.rows for n in texts)
        return Found(
            rows=self.rows,
            accepted=sum(map(len, accepted.values())),
            cut=cut,
            may=WIDTH * len(self.happened),
            again=again,
            lost=lost,
            ledger=self.ledger(),
            unknown=cut,
            unfinished=[state for state in self.states() if state != "done"],
            wall_s=time.monotonic() - self.began,
        )

    def ledger(self) -> int:
        """How many calls the ledger has that were sent; those that dead processes left are added by looking."""
        for home in sorted(self.homes):
            command = [sys.executable, ENTRY, "usage", "--json"]
            environment = self.environment(home.name)
            done = subprocess.run(command, check=False, env=environment, capture_output=True, cwd=self.work)
            assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        rows = json.loads(done.stdout)["rows"]
        calls = sum(row["calls"] - row["failed"] - row["cancelled"] for row in rows)
        assert sum(row["input_tokens"] + row["output_tokens"] for row in rows) == PER_CALL * calls, rows
        # one that was cancelled before it was sent is known to have cost nothing
        return len(self._query("moot", "calls", "cost_usd IS NULL"))

    def _asked_again(self, accepted: Times, answered: Times) -> tuple[list[str], int]:
        again, cut = [], 0
        for prompt in accepted:
            for _, reply in _calls(accepted[prompt], answered[prompt])[:-1]:
                if reply is None or any(one.since - READ_S <= reply <= one.until + 1 for one in self.happened):
                    cut += 1
                else:
                    again.append(prompt)
        return again, cut


def read_log(path: Path) -> tuple[Times, Times]:
    """When each prompt was accepted, and when it was answered."""
    accepted: Times = defaultdict(list)
    answered: Times = defaultdict(list)
    for line in path.read_text().splitlines():
        what, at, prompt = line.split(" ", 2)
        (accepted if what == "a" else answered)[prompt].append(float(at))
    return accepted, answered


def _calls(accepted: list[float], answered: list[float]) -> list[tuple[float, float | None]]:
    """Each call of a prompt: when it was accepted, and when it was answered, if it was."""
    ends = [*accepted[1:], math.inf]
    return [
        (moment, next((at for at in answered if moment <= at < end), None))
        for moment, end in zip(accepted, ends, strict=True)
    ]


def say(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next answer."""
    assert process.stdout
    while True:
        line = process.stdout.readline()
        assert line, "the server has gone"
        message: dict[str, Any] = json.loads(line)
        if "id" in message and "method" not in message:
            return message


def _go_on(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
