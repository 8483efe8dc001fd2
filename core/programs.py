"""Programs that are started: what they may see of our environment, and how they end with all they started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import anyio
import anyio.abc

_GRACE_S = 2.0
"""Between asking the group to end and killing it."""
_POLL_S = 0.02
_BASIC = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_.*|TERM|TMPDIR|TZ|XDG_.*"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|TEMP|TMP|USERPROFILE|USERNAME|HOMEDRIVE|HOMEPATH"
    r"|APPDATA|LOCALAPPDATA|PROGRAMDATA|PROGRAMFILES",
    re.IGNORECASE,
)


def basic_environment(ambient: Mapping[str, str]) -> dict[str, str]:
    """What any program needs of *ambient*: where things are, and which language the user speaks. No keys."""
    return {name: value for name, value in ambient.items() if _BASIC.fullmatch(name)}


class Group:
    """A program started in a session of its own, and all it started.

    Killed once only: afterwards the system may give the number to somebody else.
    """

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._killed = False

    def kill(self) -> None:
        if not self._killed:
            self._killed = True
            _signal_group(self._process.pid, kill=True)

    async def end(self, *, grace_s: float = _GRACE_S) -> None:
        """Ask everyone to end, kill who has not after *grace_s* seconds, and wait for the program."""
        if self._process.returncode is None:
            _signal_group(self._process.pid, kill=False)
            await self.gone(grace_s)
        self.kill()
        await self._process.aclose()

    async def gone(self, within_s: float) -> bool:
        """Whether the program itself ends within so many seconds, whoever else still holds its pipes."""
        with anyio.move_on_after(within_s):
            while self._process.returncode is None:  # noqa: ASYNC110 - waiting for it waits for its pipes, too
                await anyio.sleep(_POLL_S)
        return self._process.returncode is not None


def _signal_group(pid: int, *, kill: bool) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left; macOS: only zombies left
            os.killpg(pid, signal.SIGKILL if kill else signal.SIGTERM)
    elif kill:
        taskkill = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(taskkill, capture_output=True, check=False)
