"""The page beside a stdio server: opened when the first run is to be watched, on a loopback port, by one-time links."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import anyio
import anyio.to_thread
import uvicorn
from anyio.abc import TaskGroup

from ai.runs.app import App
from core.errors import MootError
from core.paths import data_dir
from core.people.tokens import Tokens
from server.side_tasks import tasks_beside
from server.web.access.doors import Doors
from server.web.assembly import Place, assemble, uvicorn_settings
from server.web.house import House
from server.web.serve import address_of, listen

log = logging.getLogger(__name__)

_END_S = 2.0
"""How long the page may take to end; a host does not wait long for its servers."""


class _Beside(uvicorn.Server):
    """A server that leaves signals to whoever it runs beside."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


class LiveView:
    """Serves the page for one running app, from the first link on until `open` is left."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._app: App | None = None
        self._house: House | None = None
        self._server: uvicorn.Server | None = None
        self._failed = False
        self._ended = anyio.Event()

    @asynccontextmanager
    async def open(self, app: App) -> AsyncIterator[None]:
        """Be ready to serve *app* while the block runs."""
        self._app = app
        async with tasks_beside() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                await self._end()

    async def _end(self) -> None:
        """Let the pages that are open be told, and their connections be closed."""
        if self._server is None or self._house is None:
            return
        self._house.hub.close()
        self._server.should_exit = True
        with anyio.move_on_after(_END_S, shield=True):
            await self._ended.wait()

    async def _serve(self, server: uvicorn.Server, bound: socket.socket) -> None:
        try:
            await server.serve([bound])
        finally:
            bound.close()
            self._ended.set()

    async def link(self, run: str) -> str | None:
        """Where a person watches *run*: a link that opens once; None where nothing can be served."""
        async with self._lock:
            if self._house is None and not self._failed:
                await self._start()
        if self._house is None:
            return None
        code = await anyio.to_thread.run_sync(self._house.doors.link, "", f"/#/watch/{run}")
        return f"{self._house.address.url}/open/{code}"

    async def _start(self) -> None:
        assert self._tasks is not None, "there are no runs before the app is open"
        assert self._app is not None
        self._failed = True  # until it stands: one attempt is enough
        try:
            bound = await anyio.to_thread.run_sync(listen, Place(port=0))
        except (MootError, OSError) as error:
            log.warning("The live page cannot be served: %s", error)
            return
        house = House(address_of(Place(), bound), Tokens(), Doors(data_dir()))
        app = await anyio.to_thread.run_sync(lambda: assemble(house, Place(), self._existing, works=False))
        self._server = _Beside(uvicorn.Config(app, **uvicorn_settings() | {"timeout_graceful_shutdown": 1}))
        self._tasks.start_soon(self._serve, self._server, bound)
        self._house, self._failed = house, False

    @asynccontextmanager
    async def _existing(self) -> AsyncIterator[App]:
        assert self._app is not None
        yield self._app
