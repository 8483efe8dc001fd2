"""/metrics, for administrators, or with `--metrics-open` also for whatever runs on the same machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.errors import MootError
from core.people.person import Person
from server.web.access.address import is_loopback
from server.web.house import House
from server.web.running.gauges import Gauges, of_the_store
from server.web.running.metrics import Metrics

PATH = "/metrics"
_NOT_INSTALLED = "Metrics need an extra that is not installed. Install it: pip install 'moot-mcp[prometheus]'"
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host")


def routes(metrics: Metrics | None, gauges: Gauges | None, *, open_here: bool) -> Callable[[House], list[BaseRoute]]:
    """The route, for `create_application`; *open_here*: programs on this machine need no token."""

    def made(house: House) -> list[BaseRoute]:
        return [Route(PATH, partial(_answer, house, metrics, gauges, open_here), methods=["GET"])]

    return made


async def _answer(
    house: House, metrics: Metrics | None, gauges: Gauges | None, open_here: bool, request: Request
) -> Response:
    person: Person | None = request.scope.get("moot.person")
    if person is None and not (open_here and _from_here(request)):
        told = (
            "Metrics are for administrators. Send Authorization: Bearer TOKEN, with a token of: moot tokens add --admin"
        )
        return _refused(401, told, {"www-authenticate": "Bearer"})
    if person is not None and not person.admin:
        return _refused(403, "Metrics are for administrators. Use a token that was made with --admin.")
    if metrics is None or gauges is None:
        return _refused(501, _NOT_INSTALLED)
    await gauges.read()
    try:
        store = await of_the_store(house)
    except MootError:  # what else there is tells more than nothing, and /ready tells of the store
        from prometheus_client import CollectorRegistry

        store = CollectorRegistry()
    text, kind = await anyio.to_thread.run_sync(metrics.text, store)
    return Response(text, headers={"content-type": kind})


def _from_here(request: Request) -> bool:
    """Whether it comes from this machine itself, and through no proxy on it."""
    proxied = any(name in request.headers for name in _PROXIED)
    return not proxied and request.client is not None and is_loopback(request.client.host)


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    kind = {401: "authentication_error", 501: "server_error"}.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status, headers)
