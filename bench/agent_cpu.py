"""One turn of an agent with two tools: the model calls two functions, reads what they gave, and answers.

CPU of the client's process, each run in an interpreter of its own against one provider on loopback: Moot's `Agent`
beside the same written by hand on the bare openai SDK. Moot always streams; the bound is 1.3 times the SDK's plain
calls, which are less work than its streamed ones. With `--peers` openai-agents and pydantic-ai are installed once into
environments of their own in the user's cache and measured too: 0.6 times either library's plain run.

Delay: from the moment the transport hands over the first bytes of the second call's answer to the moment that the
reader of the agent's stream has its first token, 5 ms at the 95th percentile.

python bench/agent_cpu.py --check
python bench/agent_cpu.py --check --peers
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from statistics import quantiles

import httpx2
import platformdirs
from _agent_subjects import MODEL, PROMPT, SYSTEM, weather
from _measure import ROOT, Figure, clean_environment, figure, fresh, interleaved, main, ratio
from _subjects import moot_config

sys.path.insert(0, str(ROOT / "tests" / "support"))

from playing_provider import playing_provider

_SUBJECTS = Path(__file__).with_name("_agent_subjects.py")
PEERS: Mapping[str, str] = {
    "openai_agents": "openai-agents==0.24.0",
    "pydantic_ai": "pydantic-ai-slim[openai]==2.68.0",
}
BY_HAND, BESIDE, DELAY_MS = 1.3, 0.6, 5.0
_PROBES, _WARM_UP = 200, 10


def measure(rounds: int, *, peers: bool = False) -> list[Figure]:
    pythons = {name: _environment(package) for name, package in PEERS.items()} if peers else {}
    with playing_provider("two_tools") as base_url:
        subjects = ["moot", "sdk", "sdk_stream", *(f"{name}{how}" for name in pythons for how in ("", "_stream"))]
        asked = {name: partial(_cpu_ms, _python_of(name, pythons), name, base_url) for name in subjects}
        taken = interleaved(rounds, asked)
        delays = [fresh("second_call", base_url=base_url) for _ in range(rounds)]
    moot = taken["moot"]
    beside = [
        one
        for name in pythons
        for one in (
            ratio(f"CPU / {name}", moot, taken[name], bound=BESIDE),
            ratio(f"CPU / {name}, streamed", moot, taken[f"{name}_stream"]),
        )
    ]
    return [
        figure("a turn with two tools, CPU", moot, unit="ms"),
        ratio("CPU / by hand, plain calls", moot, taken["sdk"], bound=BY_HAND),
        ratio("CPU / by hand, streamed", moot, taken["sdk_stream"]),
        *beside,
        figure("first token of the second call, p95", delays, bound=DELAY_MS, unit="ms"),
    ]


def _python_of(subject: str, pythons: Mapping[str, str]) -> str:
    return pythons.get(subject.removesuffix("_stream"), sys.executable)


def _cpu_ms(python: str, subject: str, base_url: str) -> float:
    command = [python, str(_SUBJECTS), subject, base_url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=clean_environment())
    return float(done.stdout)


def _environment(package: str) -> str:
    """The interpreter of an environment that has *package* and what it needs, made where there is none yet."""
    place = Path(platformdirs.user_cache_dir("moot-bench")) / "peers" / package.partition("[")[0].replace("==", "-")
    if "[" in package:
        place = place.with_name(f"{place.name}-{package.rpartition('==')[2]}")
    python = place / "bin" / "python"
    if python.exists():
        return str(python)
    print(f"Installing {package} into {place}", file=sys.stderr)
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(place)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), package], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", package], check=True)
    return str(python)


class _Stamping(httpx2.AsyncBaseTransport):
    """The product's transport, noting when the answer to a request with results hands over its first bytes."""

    def __init__(self) -> None:
        from ai.wire.transport import AiohttpTransport

        self._inner = AiohttpTransport()
        self.first_bytes: list[float] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = await self._inner.handle_async_request(request)
        if b"tool_call_id" in request.content:
            assert isinstance(reply.stream, httpx2.AsyncByteStream)
            reply.stream = _Stamped(reply.stream, self.first_bytes)
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Stamped(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, stamps: list[float]) -> None:
        self._inner = inner
        self._stamps = stamps

    async def __aiter__(self) -> AsyncIterator[bytes]:
        first = True
        async for chunk in self._inner:
            if first:
                self._stamps.append(time.perf_counter())
                first = False
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def second_call(base_url: str) -> float:
    """Milliseconds from the first bytes of the second answer to its first token in the reader's hands."""
    from ai.agents.agent import Agent
    from ai.runs.app import open_app
    from ai.wire.transport import SharedHTTP

    transport, received = _Stamping(), []
    agent = Agent("ai0", tools=[weather], system=SYSTEM)
    async with open_app(moot_config(base_url, [MODEL]), http=SharedHTTP(transport)), agent:
        for _ in range(_PROBES + _WARM_UP):
            first = True
            async for _ in agent.stream(PROMPT):
                if first:
                    received.append(time.perf_counter())
                    first = False
    pairs = list(zip(transport.first_bytes, received, strict=True))[_WARM_UP:]
    return quantiles([(after - before) * 1000 for before, after in pairs], n=20)[18]


if __name__ == "__main__":
    beside = "--peers" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--peers"]
    main(partial(measure, peers=beside), rounds=5, workers=[second_call])
