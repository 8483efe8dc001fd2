"""/ready: whether this process can do what it is asked. It is truthful, and looks once for all who ask in a moment."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import NO_ROOM
from core.files.atomic import private_folder
from core.paths import data_dir
from server.monitoring import system
from server.web.house import House

_KEPT_S = 1.0
LEAST_FREE = 32 * 1024 * 1024
"""Bytes that must be free on the disk: below them nobody knows whether the next answer can be kept."""
MOST_LATE_S = 1.0
"""How late the event loop may be, half of the time."""


class Readiness:
    """Finds out whether *house* is ready.

    Args:
        free: Bytes that are free where the data folder is.
    """

    def __init__(
        self,
        house: House,
        *,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[], int | None] = system.disk_free_bytes,
    ) -> None:
        self._house = house
        self._clock = clock
        self._free = free
        self._until = float("-inf")
        self._problem: str | None = None
        self._looking: anyio.Lock | None = None

    async def answer(self, request: Request) -> Response:
        """The reply of /ready."""
        problem = await self.problem()
        return JSONResponse(
            {"status": "not ready" if problem else "ready", "problem": problem}, 503 if problem else 200
        )

    async def problem(self) -> str | None:
        """Why it is not ready, in one sentence; None when it is."""
        if self._house.opened is None:
            return "It is starting."
        self._looking = self._looking or anyio.Lock()
        async with self._looking:
            if self._clock() >= self._until:
                self._problem = self._late() or await anyio.to_thread.run_sync(self._blocked)
                self._until = self._clock() + _KEPT_S
            return self._problem

    def _late(self) -> str | None:
        late = self._house.lag.quantile(0.5)
        if late is None or late <= MOST_LATE_S:
            return None
        return f"This process is {late:.1f} s behind with its work. Send less to it, or serve with more --workers."

    def _blocked(self) -> str | None:
        free = self._free()
        if free is not None and free < LEAST_FREE:
            return f"The disk is full: {free // 1_000_000} MB are left, so answers cannot be kept. Free some space."
        return folder_problem() or self._house.app.ledger.check()


def folder_problem() -> str | None:
    """Why nothing can be written into the data folder; None when it can. Blocks for a moment."""
    try:
        with tempfile.TemporaryFile(dir=private_folder(data_dir()), prefix=".ready.") as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in NO_ROOM:
            return "The disk is full, so nothing can be kept in Moot's data folder. Free some space."
        return (
            f"Moot's data folder cannot be written ({error.strerror or type(error).__name__}). "
            "Let the user that runs Moot write there, or name another folder with MOOT_HOME."
        )
    return None
