"""`moot doctor`: looks at everything Moot stands on, and says of each what to do about it.

A check is a function in `CHECKS` that yields findings. It is a person's terminal, so paths are shown; keys never are.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from functools import cached_property
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import anyio
import click

from ai.local.engine import LocalEngine, available_reason
from ai.local.weights import MODELS, TINY, Model
from ai.providers import retirements
from ai.roster.roster import Roster
from core.config import Config, load_config
from core.errors import ConfigError, LocalModelError
from core.jobs.jobs import done_here
from core.paths import credentials_path, data_dir, network_folder
from core.redact import redact
from core.stores.choose import require_extra, store_url
from core.untrusted import clean
from server.doctor.diagnosis import Diagnosis, State
from server.doctor.probe import ask_everybody
from server.doctor.store_check import examine_database
from server.entry import own_command
from server.setup.host_file import mentions
from server.setup.hosts import host_files
from server.setup.programs import programs_on_path, version_of
from server.stdio import snapshot as answers
from server.stdio.snapshot import read_answers

_MARKS: dict[State, tuple[str, str]] = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
_OLDEST_PYTHON = (3, 11)
_PROGRAM_S = 20.0
_HANDSHAKE_SLOW_S = 10.0
_DISK_FAIL, _DISK_WARN = 20_000_000, 500_000_000
_DRIFT_S = 2.0
_OLDEST_LIST_DAYS = 60
"""Enough for a model that thinks before it says OK."""


class Patient:
    """What the checks look at, read once."""

    def __init__(self, *, probe: bool = False) -> None:
        self.probe = probe
        self.wall, self.monotonic = time.time(), time.monotonic()

    @cached_property
    def config(self) -> Config:
        return load_config(credentials_path())

    @cached_property
    def roster(self) -> Roster:
        return Roster.open(self.config)

    def close(self) -> None:
        if "roster" in self.__dict__:
            self.roster.close()


def show_doctor(*, probe: bool, as_json: bool) -> int:
    """Print what every check found; the exit code is 1 when one of them failed."""
    findings = []
    for finding in examine(Patient(probe=probe)):
        findings.append(finding)
        if not as_json:
            _print(finding)
    worst = "fail" if any(f.state == "fail" for f in findings) else "ok"
    if as_json:
        click.echo(json.dumps({"ok": worst == "ok", "checks": [asdict(f) for f in findings]}, indent=2))
    return 1 if worst == "fail" else 0


def examine(patient: Patient) -> Iterator[Diagnosis]:
    """Run every check. One that breaks is a finding of its own and stops no other."""
    for check in CHECKS:
        try:
            for finding in check(patient):
                yield replace(finding, sentence=clean(redact(finding.sentence)))
        except Exception as error:  # the machine is ill: that is what we are here to tell
            name = check.__name__.removeprefix("_")
            yield Diagnosis(name, "fail", redact(f"The check itself failed: {type(error).__name__}: {error}"))
    patient.close()


def _print(finding: Diagnosis) -> None:
    mark, color = _MARKS[finding.state]
    took = f" ({finding.seconds:.2f} s)" if finding.seconds is not None else ""
    color = color if "NO_COLOR" not in os.environ else ""
    click.echo(f"{click.style(mark, fg=color or None)} {finding.name}: {finding.sentence}{took}")


def _python(patient: Patient) -> Iterator[Diagnosis]:
    here = f"Python {platform.python_version()}, Moot {version('moot-mcp')}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Diagnosis("python", "fail", f"{here}. Moot needs Python 3.11 or newer.")
    else:
        yield Diagnosis("python", "ok", f"{here}, {sys.executable}.")


def _on_path(patient: Patient) -> Iterator[Diagnosis]:
    found = programs_on_path("moot", os.environ.get("PATH", ""))
    if not found:
        yield Diagnosis(
            "moot on PATH", "warn", "Hosts will not find it. Run: uv tool install . (or give them the path)."
        )
        return
    ours = version("moot-mcp")
    versions = {path: version_of(path) for path in found}
    first = versions[found[0]]
    if first != ours:
        told = f"has version {first}" if first else "does not run"
        yield Diagnosis("moot on PATH", "warn", f"{found[0]} {told}, this one is {ours}. Update or remove the other.")
    elif len(set(versions.values())) > 1:
        told = ", ".join(f"{path} ({found or 'does not run'})" for path, found in versions.items())
        yield Diagnosis("moot on PATH", "warn", f"Several versions: {told}. Remove all but one.")
    else:
        yield Diagnosis("moot on PATH", "ok", f"{found[0]}, version {first}.")


def _credentials(patient: Patient) -> Iterator[Diagnosis]:
    path = credentials_path()
    if not path.exists():
        yield Diagnosis("credentials", "ok", f"{path} does not exist; keys come from the environment alone.")
        return
    if not patient.config.readable:
        yield Diagnosis("credentials", "fail", f"{path}: {' '.join(patient.config.problems)}")
        return
    if sys.platform != "win32" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Diagnosis(
            "credentials", "warn", f"Other users of this machine can read it. Run: chmod 600 {shlex.quote(str(path))}"
        )
    else:
        yield Diagnosis("credentials", "ok", f"{path} is readable, and by you alone.")
    rows = set(patient.config.bad_rows.values())
    for problem in patient.config.problems:
        if problem not in rows and problem != patient.config.exposed:
            yield Diagnosis("credentials", "warn", problem)


def _ais(patient: Patient) -> Iterator[Diagnosis]:
    roster, today = patient.roster, date.today()
    for name, seat in roster.seats.items():
        reason, retired = seat.unavailable_reason, seat.warning(today)
        key = "its key is set" if seat.provider.needs_key or seat.row.api_key or seat.row.keys else "needs no key"
        if reason:
            yield Diagnosis(f"AI {name}", "fail" if roster.only_local else "warn", reason)
        elif retired:
            yield Diagnosis(f"AI {name}", "fail" if retirements.is_retired(seat.model, today) else "warn", retired)
        else:
            yield Diagnosis(f"AI {name}", "ok", f"{seat.model} via {seat.provider.name}, {key}.")
    for name, problem in roster.problems.items():
        yield Diagnosis(f"AI {name}", "fail", problem)
    for warning in roster.warnings():
        yield Diagnosis("AIs", "warn", warning)
    if roster.only_local:
        yield Diagnosis("AIs", "warn", "Only the tiny demo model is there. Set a key, such as OPENAI_API_KEY.")
    elif not roster.seats and not roster.problems:
        yield Diagnosis("AIs", "fail", "None is enabled. Enable one in credentials.json or set a key.")


def _probe(patient: Patient) -> Iterator[Diagnosis]:
    """One cheap call to each AI; only when asked for, since it costs money."""
    if patient.probe:
        yield from anyio.run(ask_everybody, patient.config)


def _embedded_models(patient: Patient) -> Iterator[Diagnosis]:
    used = {seat.model for seat in patient.roster.seats.values() if seat.local}
    for model in MODELS.values():
        if model is TINY or model.name in used:
            yield _embedded_model(model, needed=model.name in used)


def _embedded_model(model: Model, *, needed: bool) -> Diagnosis:
    what = "embedded model" if model is TINY else f"embedded model {model.name}"
    if reason := available_reason(model):
        return Diagnosis(what, "warn" if needed else "ok", f"Not there: {reason}")
    engine = LocalEngine(model)
    started = time.perf_counter()
    try:
        engine.locate()
        return Diagnosis(what, "ok", "It starts.", time.perf_counter() - started)
    except LocalModelError as error:
        return Diagnosis(what, "warn", str(error))
    finally:
        engine.close()


def _store(patient: Patient) -> Iterator[Diagnosis]:
    if kind := network_folder(data_dir()):
        yield Diagnosis(
            "store", "warn", f"{data_dir()} is on a network file system ({kind}). Set MOOT_HOME to a local one."
        )
    ledger = data_dir() / "moot.db"
    if done_here() and not ledger.exists():
        yield Diagnosis("store", "ok", f"{ledger} does not exist yet; the first call makes it.")
    for path in sorted(data_dir().glob("*.db")):
        yield examine_database(path)


def _fleet(patient: Patient) -> Iterator[Diagnosis]:
    try:
        if url := store_url():
            require_extra()
            from core.jobs.fleet.health import examine

            yield Diagnosis("fleet", *examine(url))
    except ConfigError as error:
        yield Diagnosis("fleet", "fail", str(error))


def _disk(patient: Patient) -> Iterator[Diagnosis]:
    folder = data_dir()
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    state: State = "fail" if free < _DISK_FAIL else "warn" if free < _DISK_WARN else "ok"
    advice = "." if state == "ok" else ": free some space."
    yield Diagnosis("disk", state, f"{free / 1e9:,.1f} GB free for {folder}{advice}")
    if not os.access(there, os.W_OK):
        yield Diagnosis("disk", "fail", f"{there} cannot be written. Mend its permissions, or set MOOT_HOME.")


def _handshake(patient: Patient) -> Iterator[Diagnosis]:
    started = time.perf_counter()
    tools = _list_tools(own_command("serve"))
    took = time.perf_counter() - started
    if tools is None:
        yield Diagnosis("MCP handshake", "fail", "`moot serve` did not answer. Run it by hand and read stderr.", took)
    else:
        state: State = "warn" if took > _HANDSHAKE_SLOW_S else "ok"
        yield Diagnosis("MCP handshake", state, f"`moot serve` listed {tools} tools and answered a call.", took)


def _list_tools(command: list[str]) -> int | None:
    """How many tools the server lists when it is started as a host does it; a call shows that it is really there."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "doctor", "version": "1"}}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "status", "arguments": {}}},
        {"id": 3, "method": "tools/list"},
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdin
        assert server.stdout
        watchdog = threading.Timer(_PROGRAM_S, server.kill)
        watchdog.start()
        try:
            for message in messages:
                server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
                server.stdin.flush()
                answer = json.loads(server.stdout.readline()) if "id" in message else {}
            return len(answer["result"]["tools"])
        except (OSError, ValueError, KeyError):
            return None
        finally:
            server.stdin.close()
            server.wait()
            watchdog.cancel()


def _hosts(patient: Patient) -> Iterator[Diagnosis]:
    knowing = 0
    for host, path in host_files():
        if not path.is_file():
            continue
        try:
            mentioned = mentions(path)
        except OSError as error:
            yield Diagnosis(f"host {host.title}", "warn", f"{path} cannot be read ({type(error).__name__}).")
            continue
        knowing += mentioned
        yield Diagnosis(f"host {host.title}", "ok", f"{path} {'mentions' if mentioned else 'does not mention'} Moot.")
    if not knowing:
        yield Diagnosis("hosts", "warn", "No host knows Moot yet. Run: moot connect")


def _quick_start(patient: Patient) -> Iterator[Diagnosis]:
    """Whether a host is answered as fast as can be."""
    if not read_answers():
        yield Diagnosis("quick start", "ok", "No snapshot fits; the first start of the server makes one.")
    if not Path(cache_from_source(answers.__file__)).exists():
        advice = "uv tool install --compile-bytecode ."
        yield Diagnosis("quick start", "warn", f"Moot is not byte-compiled, so it starts more slowly. Run: {advice}")
    else:
        yield Diagnosis("quick start", "ok", "Moot is byte-compiled.")


def _lists(patient: Patient) -> Iterator[Diagnosis]:
    from core.usage import prices

    today = datetime.fromtimestamp(patient.wall).date()
    yield examine_lists(today, {"prices": prices.AS_OF, "models that end": retirements.AS_OF})


def examine_lists(today: date, as_of: Mapping[str, date]) -> Diagnosis:
    """Whether what ships with Moot is young enough to be believed."""
    old = [name for name, day in as_of.items() if (today - day).days > _OLDEST_LIST_DAYS]
    told = ", ".join(f"{name} of {day.isoformat()}" for name, day in as_of.items())
    if old:
        late = f"older than {_OLDEST_LIST_DAYS} days: {' and '.join(old)}"
        return Diagnosis(
            "lists", "warn", f"{told[0].upper()}{told[1:]}; {late}. Update Moot, or check prices yourself."
        )
    return Diagnosis("lists", "ok", f"{told[0].upper()}{told[1:]}.")


def _clock(patient: Patient) -> Iterator[Diagnosis]:
    yield examine_clock(time.time(), time.time() - patient.wall, time.monotonic() - patient.monotonic)


def examine_clock(wall: float, wall_passed_s: float, passed_s: float) -> Diagnosis:
    """Whether it is a year that can be, and the clock did not jump while we looked."""
    year = datetime.fromtimestamp(wall).year
    if not 2026 <= year < 2100:
        return Diagnosis("clock", "fail", f"It says {year}; keys and certificates will be refused. Set it.")
    if abs(wall_passed_s - passed_s) > _DRIFT_S:
        jumped = f"It jumped by {wall_passed_s - passed_s:+.0f} s just now"
        return Diagnosis("clock", "warn", f"{jumped}; days and budgets may be off. Check the time service.")
    return Diagnosis("clock", "ok", f"{datetime.fromtimestamp(wall).astimezone().isoformat(timespec='seconds')}.")


CHECKS: tuple[Callable[[Patient], Iterator[Diagnosis]], ...] = (
    _python,
    _on_path,
    _credentials,
    _ais,
    _probe,
    _embedded_models,
    _store,
    _fleet,
    _disk,
    _handshake,
    _quick_start,
    _hosts,
    _lists,
    _clock,
)
