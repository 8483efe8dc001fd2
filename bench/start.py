"""How soon a host hears from `moot serve`, and what a server that is only there costs.

From spawn to the answers to `initialize` and `tools/list`: at most 2.5 times `python -c pass` and 0.08 times a bare
mcp server with one tool, in wall time and in CPU. A host waits for the start and for the first call, with its model's
turn of a second or more in between: both waits together, for a tool that asks nobody, at most 0.95 times those for the
bare server, and so they are, with the CPU, when the call is sent with no pause at all. The first call through each SDK
is shown, against a provider on loopback.
Memory: 30 MB when nothing but lists was asked for, and 1.25 times a bare server that imported openai after a call.
`moot --help` and shell completion: at most 6 times `python -c pass`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from _dialects import three_dialects
from _measure import (
    ROOT,
    Figure,
    children_cpu_s,
    clean_environment,
    figure,
    interleaved,
    main,
    ratio,
    run_cpu_s,
)

BARE = """
{imports}
from mcp.server.mcpserver import MCPServer
server = MCPServer("bare", log_level="WARNING")
@server.tool()
def echo(text: str) -> str:
    return text
server.run()
"""
MOOT = ["moot/__main__.py", "serve"]
DISCARD_S = 15.0
"""Longer than `moot serve` takes to import the real server, and then keeps it ready for a first call."""
MODEL_TURN_S = 1.5
HELLO: list[dict[str, Any]] = [
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    }
]
LIST: list[dict[str, Any]] = [{"method": "notifications/initialized"}, {"id": 2, "method": "tools/list"}]


def measure(rounds: int) -> list[Figure]:
    _compile()
    return [*_starts(rounds), *_calls(rounds), *_memory(), *_command_line(rounds)]


def _starts(rounds: int) -> list[Figure]:
    figures = []
    for name, messages in (("initialize", HELLO), ("tools/list", HELLO + LIST)):
        taken = interleaved(
            rounds,
            {
                "pass": _bare_interpreter,
                "moot": partial(_conversation, MOOT, messages),
                "bare": partial(_conversation, ["-c", BARE.format(imports="")], messages),
            },
        )
        for unit, kind in enumerate(("wall", "CPU")):
            moot, bare, nothing = ([sample[unit] for sample in taken[who]] for who in ("moot", "bare", "pass"))
            figures.append(ratio(f"spawn to {name} / python -c pass, {kind}", moot, nothing, bound=2.5))
            figures.append(ratio(f"spawn to {name} / bare mcp server, {kind}", moot, bare, bound=0.08))
    return figures


def _calls(rounds: int) -> list[Figure]:
    bare, echo, status = ["-c", BARE.format(imports="")], _call("echo", text="hi"), _call("status")
    with three_dialects() as ais, _credentials(ais) as env:
        subjects = {
            "bare": partial(_conversation, bare, HELLO + LIST + echo),
            "moot": partial(_conversation, MOOT, HELLO + LIST + status, env),
            "bare, paused": partial(_waits, bare, echo),
            "moot, paused": partial(_waits, MOOT, status, env),
        }
        for name in ais:
            asked = _call("ask_one", prompt="hi", ai=name)
            subjects[name] = partial(_conversation, MOOT, HELLO + LIST + asked, env)
            subjects[f"{name}, paused"] = partial(_waits, MOOT, asked, env)
        taken = interleaved(rounds, subjects)
    wall = {who: [sample[0] for sample in samples] for who, samples in taken.items()}
    cpu = {who: [sample[1] for sample in samples] for who, samples in taken.items()}
    paused, at_once = "start and first call after a pause", "start and first call at once"
    return [
        ratio(f"{paused} / bare mcp server, wall", wall["moot, paused"], wall["bare, paused"], bound=0.95),
        ratio(f"{at_once} / bare mcp server, wall", wall["moot"], wall["bare"], bound=0.95),
        ratio(f"{at_once} / bare mcp server, CPU", cpu["moot"], cpu["bare"], bound=0.95),
        *(ratio(f"{paused}, {name} / bare, wall", wall[f"{name}, paused"], wall["bare, paused"]) for name in ais),
        *(ratio(f"{at_once}, {name} / bare, wall", wall[name], wall["bare"]) for name in ais),
    ]


@contextmanager
def _credentials(ais: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The environment in which Moot has *ais*."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "credentials.json"
        path.write_text(json.dumps({"ais": ais}))
        path.chmod(0o600)
        yield {"MOOT_CREDENTIALS": str(path)}


def _waits(
    arguments: Sequence[str], call: Sequence[dict[str, Any]], env: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """As `_conversation`, for a host whose model takes its turn before it calls; that turn is not counted."""
    wall, cpu = _conversation(arguments, [*HELLO, *LIST, {"pause": MODEL_TURN_S}, *call], env)
    return wall - MODEL_TURN_S, cpu


def _memory() -> list[Figure]:
    listed = [_resident(MOOT, HELLO + LIST, wait_s=DISCARD_S)]
    with three_dialects() as ais, _credentials({"a": ais["openai"]}) as env:
        asked = HELLO + LIST + _call("ask_one", prompt="hi", ai="a")
        bare = BARE.format(imports="import openai")
        taken = interleaved(
            3,
            {
                "moot": partial(_resident, MOOT, asked, env),
                "bare": partial(_resident, ["-c", bare], HELLO + LIST + _call("echo", text="hi")),
            },
        )
    return [
        figure("memory when only listed", listed, bound=30, unit="MB", note=f"after {DISCARD_S:.0f} s"),
        ratio(
            "memory after a call through openai / bare server that imported openai",
            taken["moot"],
            taken["bare"],
            bound=1.25,
        ),
    ]


def _command_line(rounds: int) -> list[Figure]:
    completion = {"_MOOT_COMPLETE": "bash_complete", "COMP_WORDS": "moot st", "COMP_CWORD": "1"}
    cpu = interleaved(
        rounds,
        {
            "pass": partial(run_cpu_s, ["-c", "pass"]),
            "help": partial(run_cpu_s, ["moot/__main__.py", "--help"]),
            "completion": partial(run_cpu_s, ["-c", _completing(completion)]),
        },
    )
    return [
        ratio("moot --help / python -c pass, CPU", cpu["help"], cpu["pass"], bound=6),
        ratio("shell completion / python -c pass, CPU", cpu["completion"], cpu["pass"], bound=6),
    ]


def _completing(variables: Mapping[str, str]) -> str:
    setting = f"import os, sys; os.environ.update({dict(variables)!r}); sys.argv = ['moot']"
    return f"{setting}; from moot.__main__ import main; main()"


def _call(tool: str, **arguments: str) -> list[dict[str, Any]]:
    return [{"id": 3, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}]


def _bare_interpreter() -> tuple[float, float]:
    started = time.perf_counter()
    cpu = run_cpu_s(["-c", "pass"])
    return time.perf_counter() - started, cpu


def _conversation(
    arguments: Sequence[str], messages: Sequence[dict[str, Any]], env: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Wall and CPU seconds from the spawn until the last of *messages* is answered."""
    before, started = children_cpu_s(), time.perf_counter()
    wall = _talk(arguments, messages, env, lambda pid: time.perf_counter() - started)
    return wall, children_cpu_s() - before


def _resident(
    arguments: Sequence[str],
    messages: Sequence[dict[str, Any]],
    env: Mapping[str, str] | None = None,
    wait_s: float = 0.0,
) -> float:
    """Megabytes of memory of the server, *wait_s* seconds after the last of *messages* was answered."""

    def ended(pid: int) -> float:
        time.sleep(wait_s)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    return _talk(arguments, messages, env, ended)


def _talk(
    arguments: Sequence[str],
    messages: Sequence[dict[str, Any]],
    env: Mapping[str, str] | None,
    ended: Callable[[int], Any],
) -> Any:
    """Send each of *messages* when the one before is answered; then ask *ended* about the process, and stop it."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment() | dict(env or {}),
        cwd=ROOT,
    ) as server:
        assert server.stdin
        assert server.stdout
        for message in messages:
            if "pause" in message:
                time.sleep(message["pause"])
                continue
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            server.stdin.flush()
            if "id" in message:
                answer: dict[str, Any] = {}
                while answer.get("id") != message["id"]:
                    answer = json.loads(server.stdout.readline())
                assert not answer["result"].get("isError"), answer
        result = ended(server.pid)
        server.kill()
    return result


def _compile() -> None:
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "ai", "core", "server", "tools", "moot"],
        check=True,
        cwd=ROOT,
        env=clean_environment(),
    )


if __name__ == "__main__":
    main(measure, rounds=9)
