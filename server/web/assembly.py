"""Which rooms the HTTP door has, and how it is served: the same for one process and for several."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from starlette.routing import BaseRoute, Mount

from core.config import load_config
from core.paths import credentials_path
from server.mcp_client.borrowed import open_lending_app
from server.web.application import OpenApp, create_application
from server.web.house import House
from server.web.mcp_endpoint import McpEndpoint, Style
from server.web.oauth.room import OAuthRoom
from server.web.openai_api.routes import routes as openai_routes
from server.web.running import exposition
from server.web.running.access_log import AccessLog, Form, Seen
from server.web.running.gauges import Gauges
from server.web.running.metrics import open_metrics
from server.web.running.requests import Requests
from server.web.running.starting import Starting

_STREAMS_S = 5
"""How long streams may take to be told that the server ends."""


@dataclass(frozen=True)
class Place:
    """Where and how to serve, as it was asked for.

    Args:
        port: 0: any that is free; None: the first that is free from 4747 on.
        allowed: Further hosts by which the server may be called.
        stateless, json: How MCP is answered, see `server/web/mcp_endpoint.py`.
        workers: How many processes serve.
        detach: Whether jobs under way go on in a process of their own when it ends; else they wait for the next start.
        access_log: How a line for each request is written to stderr.
        metrics_open: Whether programs on this machine read /metrics without a token.
        oauth: Whether apps may be connected, see `server/web/oauth/`.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    public_url: str = ""
    base_path: str = ""
    allowed: Sequence[str] = ()
    stateless: bool = False
    json: bool = False
    workers: int = 1
    detach: bool = True
    access_log: Form = "off"
    metrics_open: bool = False
    oauth: bool = False


@dataclass(frozen=True)
class Room:
    """Something of another door that is served along with this one.

    Args:
        routes: Its routes.
        open: What is open while it serves.
        public: Those of its paths that everybody may ask for.
        at_once: How many jobs it may have done at once; None: as many as is usual.
    """

    routes: Callable[[House], list[BaseRoute]]
    open: Callable[[House], AbstractAsyncContextManager[None]]
    public: tuple[str, ...] = ()
    at_once: int | None = None


def say(line: str) -> None:
    """Tell whoever started the server."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def assemble(
    house: House,
    place: Place,
    open_moot: OpenApp = open_lending_app,
    *,
    detach: Callable[[], None] | None = None,
    first: Sequence[Callable[[House], AbstractAsyncContextManager[None]]] = (),
    works: bool = True,
    room: Room | None = None,
) -> Starting:
    """The whole application of *house*, with every room there is.

    Args:
        first: What is open before anything happens.
        works: Whether it also works on jobs; False where whoever opens the app does.
        room: What else is served.
    """
    # A session lives in one process, and the next request may come to another
    endpoint = McpEndpoint(house, Style(place.stateless or place.workers > 1, place.json))
    house.workers = place.workers
    metrics = open_metrics()
    gauges = Gauges(house, metrics) if metrics else None
    log = AccessLog(place.access_log) if place.access_log != "off" else None
    oauth = OAuthRoom(house, apps=place.oauth, auth=load_config(credentials_path()).auth, tell=say)
    told = exposition.routes(metrics, gauges, open_here=place.metrics_open)
    app = create_application(
        house,
        open_moot,
        detach=detach if place.detach else None,
        rooms=[endpoint.routes, _openai, oauth.routes, told, *([room.routes] if room else [])],
        beside=[endpoint.open, oauth.open, *([gauges.open] if gauges else []), *([room.open] if room else [])],
        first=[*([_closing(log)] if log else []), *first],
        public=[*oauth.public, exposition.PATH, *(room.public if room else ())],  # who may read it, it says itself
        sinks=[metrics] if metrics else [],
        works=works,
        at_once=room.at_once if room else None,
        at_root=oauth.at_root,
        looks=oauth.looks,
        challenge=oauth.challenge,
    )

    def tell(seen: Seen, seconds: float) -> None:
        if log is not None:
            log(seen)
        if metrics is not None:
            metrics.requested(seen.route, seen.method, seen.status, seconds)

    return Starting(Requests(app, house.address.base_path, tell))


def _closing(log: AccessLog) -> Callable[[House], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def writing(house: House) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(log.close)

    return writing


def _openai(house: House) -> list[BaseRoute]:
    return [Mount("/v1", routes=openai_routes(lambda: house.app))]


def uvicorn_settings() -> dict[str, Any]:
    """How uvicorn serves it."""
    return {
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": _STREAMS_S,
        "lifespan": "on",
        "ws": "none",
        "forwarded_allow_ips": os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
    }
