"""Serves the page: read once, compressed once, and known by its hash, so that a browser asks for it once."""

from __future__ import annotations

import gzip
import hashlib
import html
from importlib.resources import files
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.names.naming import module_name
from server.web.house import House

_KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class _Asset:
    """One file of the page."""

    def __init__(self, name: str, body: bytes) -> None:
        self.kind = _KINDS["." + name.rpartition(".")[2]]
        self.body = body
        self.zipped = gzip.compress(body, 9)
        self.tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'

    def response(self, asked: Headers) -> Response:
        headers = {"etag": self.tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if asked.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        media = f"{self.kind}; charset=utf-8"
        if "gzip" in asked.get("accept-encoding", ""):
            return Response(self.zipped, headers=headers | {"content-encoding": "gzip"}, media_type=media)
        return Response(self.body, headers=headers, media_type=media)


def routes(house: House) -> list[BaseRoute]:
    """The page at `/` for whoever came in, and its files below `/page/` for everybody."""
    base = house.address.base_path
    assets = _read(base)

    async def page(request: Request) -> Response:
        if request.scope["moot.person"] is None:
            return RedirectResponse(f"{base}/enter", 303)
        return assets["index.html"].response(request.headers)

    async def asset(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        return Response(status_code=404) if found is None else found.response(request.headers)

    async def icon(request: Request) -> Response:
        return assets["icon.svg"].response(request.headers)

    return [Route("/", page), Route("/page/{name}", asset), Route("/favicon.ico", icon)]


def _read(base: str) -> dict[str, _Asset]:
    """Every file of the page, by its name. Blocks; called before anything is served."""
    place: Any = files(module_name("server.web.page"))
    found = {one.name: one.read_bytes() for one in place.iterdir() if "." + one.name.rpartition(".")[2] in _KINDS}
    found["index.html"] = found["index.html"].replace(b"{base}", html.escape(base).encode())
    return {name: _Asset(name, body) for name, body in found.items()}
