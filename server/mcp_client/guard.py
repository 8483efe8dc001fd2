"""One small process beside ours, by which no server outlives a Moot that was killed and could end nothing itself."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

_PROGRAM = Path(__file__).with_name("guard_process.py")
_LEAVE_S = 5.0


class Guard:
    """Started with the first server that is a program, and ended with the last user of this object."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = anyio.Lock()

    async def open(self) -> None:
        """Have it run. Where there are no groups of processes there is nothing to guard."""
        async with self._starting:
            if sys.platform != "win32" and (self._process is None or self._process.poll() is not None):
                self._process = await anyio.to_thread.run_sync(_started)

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    async def aclose(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_ended, process)

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, ValueError):  # somebody has killed it; the servers run all the same
                os.write(self._process.stdin.fileno(), line.encode())


def _started() -> subprocess.Popen[bytes] | None:
    command = [sys.executable, "-I", "-S", str(_PROGRAM)]
    silent = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, start_new_session=True)
    except OSError:  # no more processes: servers that can still be started go on without it
        return None
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=_LEAVE_S)
    process.kill()
    process.wait()
