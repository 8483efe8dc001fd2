"""Which rooms the HTTP door has, and how it is served: the same for one process and for several."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from ai.runs.app import open_app
from core.config import load_config
from core.paths import credentials_path
from server.web.application import OpenApp, create_application
from server.web.house import House
from server.web.mcp_endpoint import McpEndpoint, Style
from server.web.oauth.room import OAuthRoom
from server.web.openai_api.routes import routes as openai_routes

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
    oauth: bool = False


def say(line: str) -> None:
    """Tell whoever started the server."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def assemble(
    house: House,
    place: Place,
    open_moot: OpenApp = open_app,
    *,
    detach: Callable[[], None] | None = None,
    first: Sequence[Callable[[House], AbstractAsyncContextManager[None]]] = (),
    works: bool = True,
) -> ASGIApp:
    """The whole application of *house*, with every room there is.

    Args:
        first: What is open before anything happens.
        works: Whether it also works on jobs; False where whoever opens the app does.
    """
    # A session lives in one process, and the next request may come to another
    endpoint = McpEndpoint(house, Style(place.stateless or place.workers > 1, place.json))
    oauth = OAuthRoom(house, apps=place.oauth, auth=load_config(credentials_path()).auth, tell=say)
    return create_application(
        house,
        open_moot,
        detach=detach,
        rooms=[endpoint.routes, _openai, oauth.routes],
        beside=[endpoint.open, oauth.open],
        first=first,
        works=works,
        public=oauth.public,
        at_root=oauth.at_root,
        looks=oauth.looks,
        challenge=oauth.challenge,
    )


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
