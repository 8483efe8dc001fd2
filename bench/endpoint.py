"""What the OpenAI-compatible endpoint costs beside a bare proxy that only forwards, and beside LiteLLM's.

CPU of the server's process for the same requests to the same fake provider, over the bare proxy's: Starlette, one
`httpx2.AsyncClient`, and bytes handed on unread, which is the least that any gateway in Python can do. Bound 1.5 for
tokens that come one by one, as models write them, and 2.5 for what a call costs by itself: reading it, the layers, the
vendor's SDK, the ledger. Moot asks for every answer as a stream and reads each token of it, so an answer that was all
there at once costs it more the longer it is: shown without a bound.
With `--litellm` that proxy is installed into a throw-away environment and measured too: 0.25 of its CPU, 0.35 of its
memory.

python bench/endpoint.py --check
python bench/endpoint.py --litellm
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from _measure import Figure, clean_environment, fake_provider, figure, interleaved, main, ratio
from _subjects import PROMPT, moot_config

BOUNDS = {"singly": 1.5, "short": 2.5}
LITELLM_CPU, LITELLM_MEMORY = 0.25, 0.35
_LITELLM = "litellm[proxy]>=1.100,<2"
_SERVE = "--serve"
_IN_FLIGHT = 8
_TOKEN = f"sk-{secrets.token_hex(32)}"
"""LiteLLM's proxy does not start without one."""
_START_S = 120
MODELS = {"short": "tokens=1", "whole": "tokens=100", "burst": "tokens=400", "singly": "tokens=100,gap=0.002"}
"""By name as the gateways know it: how the fake provider behaves."""
LOADS: Mapping[str, tuple[str, bool, int]] = {
    "an answer of one token, not streamed": ("short", False, 300),
    "an answer of 100 tokens, not streamed": ("whole", False, 200),
    "a stream of 400 tokens in a burst": ("burst", True, 100),
    "a stream of 100 tokens that come singly": ("singly", True, 60),
}
"""What is asked of whom, whether it is streamed, and how many requests a round has."""


class Gateway:
    """A server of its own process."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, *, names_models: bool) -> None:
        self._pid = process.pid
        self._url = f"{url}/v1/chat/completions"
        self._names_models = names_models

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Of the process at its most."""
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def load(self, model: str, streamed: bool, requests: int) -> float:
        """Milliseconds of its CPU that one request takes."""
        before = self.cpu_s()
        asyncio.run(_ask(self._url, self._body(model, streamed), requests))
        return (self.cpu_s() - before) * 1000 / requests

    def _body(self, model: str, streamed: bool) -> bytes:
        named = model if self._names_models else MODELS[model]
        fields: dict[str, Any] = {"model": named, "messages": [{"role": "user", "content": PROMPT}]}
        return json.dumps(fields | ({"stream": True} if streamed else {})).encode()


async def _ask(url: str, body: bytes, requests: int) -> None:
    import aiohttp

    headers = {"content-type": "application/json", "authorization": f"Bearer {_TOKEN}"}
    left = iter(range(requests))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for _ in left:
                async with session.post(url, data=body, headers=headers) as reply:
                    said = await reply.read()
                    if reply.status != 200 or b"tok" not in said:
                        raise RuntimeError(f"{url} answered {reply.status}: {said[:300]!r}")

        await asyncio.gather(*[work() for _ in range(_IN_FLIGHT)])


def measure(rounds: int, *, litellm: bool = False) -> list[Figure]:
    if not Path("/proc/self/stat").exists():
        print("The CPU of another process is read from /proc, which is not here.", file=sys.stderr)
        return []
    with fake_provider() as base_url, ExitStack() as stack:
        gateways = {"bare": _serving("bare", base_url), "moot": _serving("moot", base_url)}
        if litellm:
            gateways["litellm"] = _litellm(base_url)
        running = {name: stack.enter_context(one) for name, one in gateways.items()}
        for one in running.values():  # what is imported late is imported now
            for model, streamed, _ in LOADS.values():
                one.load(model, streamed, 16)
        figures = [figure for what, load in LOADS.items() for figure in _figures(what, load, running, rounds)]
        memory = {name: one.memory_mb() for name, one in running.items()}
    figures.append(figure("memory of Moot's endpoint", [memory["moot"]], unit="MB"))
    if litellm:
        bound = LITELLM_MEMORY
        figures.append(ratio("memory / LiteLLM's proxy", [memory["moot"]], [memory["litellm"]], bound=bound))
    return figures


def _figures(what: str, load: tuple[str, bool, int], running: Mapping[str, Gateway], rounds: int) -> Iterator[Figure]:
    taken = interleaved(rounds, {name: partial(one.load, *load) for name, one in running.items()})
    yield figure(f"{what}, CPU", taken["moot"], unit="ms")
    yield ratio(f"{what}, CPU / a bare proxy", taken["moot"], taken["bare"], bound=BOUNDS.get(load[0]))
    if "litellm" in taken:
        yield ratio(f"{what}, CPU / LiteLLM's proxy", taken["moot"], taken["litellm"], bound=LITELLM_CPU)


@contextmanager
def _serving(subject: str, base_url: str) -> Iterator[Gateway]:
    port = _free_port()
    with _process([sys.executable, __file__, _SERVE, subject, base_url, str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(process, url)
        yield Gateway(process, url, names_models=subject == "moot")


@contextmanager
def _litellm(base_url: str) -> Iterator[Gateway]:
    """LiteLLM's proxy from a fresh environment, which is deleted in the end."""
    with tempfile.TemporaryDirectory(prefix="moot-bench-litellm-") as folder:
        place, port = Path(folder), _free_port()
        uv = os.environ.get("UV", "uv")
        subprocess.run([uv, "venv", "-q", str(place / "venv")], check=True)
        python = place / "venv" / "bin" / "python"
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), _LITELLM], check=True)
        rows = [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": base_url, "api_key": "none"},
            }
            for name, model in MODELS.items()
        ]
        (place / "config.yaml").write_text(json.dumps({"model_list": rows, "general_settings": {"master_key": _TOKEN}}))
        command = [str(place / "venv" / "bin" / "litellm"), "--config", str(place / "config.yaml")]
        with _process([*command, "--host", "127.0.0.1", "--port", str(port)]) as process:
            url = f"http://127.0.0.1:{port}"
            _wait_for(process, url)
            yield Gateway(process, url, names_models=True)


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=clean_environment(), **quiet) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        try:
            httpx2.get(f"{url}/v1/models", timeout=5)
        except httpx2.HTTPError:
            if process.poll() is not None:
                raise RuntimeError(f"{url} ended with {process.returncode} before it answered") from None
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{url} did not answer")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


async def serve_moot(base_url: str, port: int) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from ai.runs.app import open_app
    from core.config import Config
    from server.web.openai_api.routes import routes

    rows = moot_config(base_url, list(MODELS.values())).rows.values()
    async with open_app(Config(rows=dict(zip(MODELS, rows, strict=True)))) as app:
        await _run(Starlette(routes=[Mount("/v1", routes=routes(lambda: app))]), port)


async def serve_bare(base_url: str, port: int) -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async with httpx2.AsyncClient(timeout=None) as client:

        async def forward(request: Request) -> StreamingResponse:
            headers = {"content-type": "application/json", "authorization": request.headers.get("authorization", "")}
            url = f"{base_url}/{request.path_params['rest']}"
            asked = client.build_request(request.method, url, content=await request.body(), headers=headers)
            reply = await client.send(asked, stream=True)
            return StreamingResponse(
                reply.aiter_raw(),
                reply.status_code,
                {"content-type": reply.headers["content-type"]},
                background=BackgroundTask(reply.aclose),
            )

        await _run(Starlette(routes=[Route("/v1/{rest:path}", forward, methods=["GET", "POST"])]), port)


async def _run(app: Any, port: int) -> None:
    import uvicorn

    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, ws="none")
    await uvicorn.Server(config).serve()


_SERVERS: Mapping[str, Callable[[str, int], Any]] = {"moot": serve_moot, "bare": serve_bare}


if __name__ == "__main__":
    if sys.argv[1:2] == [_SERVE]:
        asyncio.run(_SERVERS[sys.argv[2]](sys.argv[3], int(sys.argv[4])))
    else:
        beside = "--litellm" in sys.argv
        sys.argv = [word for word in sys.argv if word != "--litellm"]
        main(partial(measure, litellm=beside), rounds=7)
