"""A real Chroma server for tests and measurements: the one MOOT_TEST_CHROMA names, or our own on loopback.

Its wheel and what that needs (370 MB) are put once into a folder: $MOOT_TEST_CHROMA_HOME, or the user's cache.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import platformdirs

PACKAGE = "chromadb==1.5.9"
_START_S = 90


class NoChromaError(Exception):
    """Why there is no server."""


@contextmanager
def chroma_server() -> Iterator[str]:
    """The address of a server for as long as the block runs.

    Raises:
        NoChromaError: There is none, for the reason it says.
    """
    if named := os.environ.get("MOOT_TEST_CHROMA"):
        yield named
        return
    program = _installed()
    with tempfile.TemporaryDirectory(prefix="moot-chroma-", ignore_cleanup_errors=True) as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [str(program), "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
        environment = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=environment
        )
        try:
            yield _answering(f"http://127.0.0.1:{port}", child)
        finally:
            child.kill()
            child.wait(30)


def _answering(url: str, child: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and child.poll() is None:
        try:
            if httpx2.get(f"{url}/api/v2/heartbeat", timeout=1).is_success:
                return url
        except httpx2.HTTPError:
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
    raise NoChromaError(f"the Chroma server did not start (exit code {child.poll()})")


def _installed() -> Path:
    named = os.environ.get("MOOT_TEST_CHROMA_HOME")
    home = (
        Path(named)
        if named
        else platformdirs.user_cache_path("moot-test-hosts", appauthor=False) / PACKAGE.replace("==", "-")
    )
    program = home / "bin" / "chroma"
    if program.exists():
        return program
    if (uv := shutil.which("uv") or shutil.which(os.environ.get("UV", ""))) is None:
        raise NoChromaError("uv, which installs the Chroma server, is not there")
    with tempfile.TemporaryDirectory(prefix=".chroma-", dir=_made(home.parent)) as work:
        made = Path(work) / "venv"
        for command in (
            [uv, "venv", "-q", "--relocatable", "--python", sys.executable, str(made)],
            [uv, "pip", "install", "-q", "--python", str(made / "bin" / "python"), PACKAGE],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise NoChromaError(f"{PACKAGE} cannot be installed: {done.stderr.strip()[-300:]}")
        if not program.exists():
            os.replace(made, home)
    return program


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
