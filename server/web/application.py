"""Puts the HTTP door together: every room's routes, the gate in front, and what has to be open while it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from ai.runs.app import App
from core.events import Sink
from core.limits.budget import Budget
from core.paths import data_dir
from core.people.person import OWNER
from server.jobs.worker import serving_jobs
from server.mcp_client.borrowed import open_lending_app
from server.side_tasks import keep_memory_indexed, tasks_beside
from server.web import people_pages
from server.web.access.gate import Gate, refused
from server.web.access.people import Look, People
from server.web.api import catalog
from server.web.api.files import uploads_of
from server.web.house import House
from server.web.page import assets
from server.web.running.readiness import Readiness
from server.web.stream.watch import JobWatch

OpenApp = Callable[[], AbstractAsyncContextManager[App]]
_PUBLIC = ("/", "/health", "/ready", "/enter", "/open/", "/page/", "/favicon.ico")
_SMALLEST_ZIPPED = 600


def create_application(
    house: House,
    open_moot: OpenApp = open_lending_app,
    *,
    detach: Callable[[], None] | None = None,
    rooms: Sequence[Callable[[House], list[BaseRoute]]] = (),
    beside: Sequence[Callable[[House], AbstractAsyncContextManager[None]]] = (),
    first: Sequence[Callable[[House], AbstractAsyncContextManager[None]]] = (),
    public: Sequence[str] = (),
    sinks: Sequence[Sink] = (),
    works: bool = True,
    at_once: int | None = None,
    at_root: Sequence[BaseRoute] = (),
    looks: Sequence[Look] = (),
    challenge: Callable[[str], str] | None = None,
) -> ASGIApp:
    """The application of *house*; it opens the app when it starts and closes it when it stops.

    Args:
        detach: Starts a worker that carries on with jobs that are unfinished then.
        rooms: Further routes.
        beside: What else is open while it serves; *first* before anything happens.
        public: Further paths that everybody may ask for.
        sinks: Who else hears what happens, but for the tokens.
        works: Whether it also works on jobs; False where whoever opens the app does.
        at_once: How many jobs it works on at once; None: as many as is usual.
        at_root: Routes that lie at the root of the host, whatever path all else lies below.
        looks: Find out whose a token is that is none of ours.
        challenge: What a request without a token is told of how to get one.
    """
    people = People(house.tokens, house.doors, looks=looks)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for room in first:
                await stack.enter_async_context(room(house))
            house.opened = await stack.enter_async_context(_opened(open_moot))
            house.opened.bus.add_sink(house.hub)
            for sink in sinks:
                house.opened.bus.add_sink(sink, tokens=False)
            if works:
                await stack.enter_async_context(serving_jobs(house.opened, detach=detach, at_once=at_once))
            await stack.enter_async_context(_watching(house))
            for room in beside:
                await stack.enter_async_context(room(house))
            try:
                yield
            finally:
                house.hub.close()

    routes = [
        Route("/health", _health),
        Route("/ready", Readiness(house).answer),
        *people_pages.routes(house, people),
        *catalog.routes(house),
        *[route for room in rooms for route in room(house)],
        *assets.routes(house),
    ]
    base = house.address.base_path
    whole: list[BaseRoute] = [*at_root, Mount(base, routes=routes)] if base else [*at_root, *routes]
    app = Starlette(
        routes=whole,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, Exception: _failed},
        middleware=[Middleware(GZipMiddleware, minimum_size=_SMALLEST_ZIPPED, compresslevel=6)],
    )
    open_to_all = (*_PUBLIC, *public)
    return Gate(
        app, address=house.address, people=people, welcome=house.welcome, public=open_to_all, challenge=challenge
    )


@asynccontextmanager
async def _opened(open_moot: OpenApp) -> AsyncIterator[App]:
    """The app, in which every person has an area for what they bring along, and may have a budget of their own."""
    async with open_moot() as app:
        workspace = await anyio.to_thread.run_sync(lambda: app.materials.workspace.with_uploads(uploads_of(OWNER)))
        app.roster.budget = app.roster.budget or Budget(data_dir(), None, {})
        yield replace(app, materials=replace(app.materials, workspace=workspace))


@asynccontextmanager
async def _watching(house: House) -> AsyncIterator[None]:
    watch = JobWatch(house.app, house.hub)
    house.hub.heard = watch.heard
    async with tasks_beside() as tasks:
        tasks.start_soon(_watch_where_leading, house, watch)
        tasks.start_soon(house.lag.watch)
        tasks.start_soon(keep_memory_indexed, house.app)
        yield


async def _watch_where_leading(house: House, watch: JobWatch) -> None:
    """Watch the jobs in one of the processes of this server."""
    if house.leads is not None:
        await house.leads.wait()
    await watch.run()


_NEXT = {404: "There is nothing here. What there is: /openapi.json", 405: "That cannot be done here; what can: {}."}


async def _refused(request: Request, error: Exception) -> Response:
    """What no room answers, or refuses in the framework's words, as a sentence with the next step."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "") or "another method"
    told = error.detail.strip().removesuffix(".")
    detail = _NEXT[error.status_code].format(allowed) if error.status_code in _NEXT else f"{told}. Correct it."
    return refused(HTTPException(error.status_code, detail, error.headers))


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody thought of."""
    return refused(HTTPException(500, "Moot failed unexpectedly. Its log says more (MOOT_LOG=debug). Ask again."))


async def _health(request: Request) -> Response:
    """Whether this process serves."""
    return JSONResponse({"status": "ok"})
