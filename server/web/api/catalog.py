"""Everything that can be asked below /api, and its description."""

from __future__ import annotations

from functools import cache
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.web.api import activities, chats, drawing, events, files, jobs, overview, threads
from server.web.api.endpoint import Endpoint, problem, route_of
from server.web.api.openapi import describe
from server.web.house import House

ENDPOINTS: tuple[Endpoint, ...] = (
    *chats.ENDPOINTS,
    *events.ENDPOINTS,
    *activities.ENDPOINTS,
    *jobs.ENDPOINTS,
    *overview.ENDPOINTS,
    *threads.ENDPOINTS,
    *files.ENDPOINTS,
    *drawing.ENDPOINTS,
)


def routes(house: House) -> list[BaseRoute]:
    """The routes of all endpoints, and /openapi.json."""

    @cache
    def document() -> dict[str, Any]:
        return describe(ENDPOINTS, house.address.base_path)

    async def openapi(request: Request) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(document))

    async def nothing(request: Request) -> Response:
        return problem(404, "There is nothing here. What there is: /openapi.json")

    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    made: list[BaseRoute] = [route_of(path, endpoints, house) for path, endpoints in by_path.items()]
    return [*made, Route("/openapi.json", openapi), Route("/api/{rest:path}", nothing)]
