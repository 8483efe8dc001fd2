"""How a person comes in by a browser: the one-time link, and a token typed into a form."""

from __future__ import annotations

import html

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.web.access.doors import set_cookie
from server.web.access.gate import FORM_HEADERS
from server.web.access.people import Credentials, People, TooManyGuesses
from server.web.house import House

_LONGEST_FORM = 2_000
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Moot: come in</title><link rel="stylesheet" href="{base}/page/app.css"></head>
<body class="enter"><main><h1>Moot</h1><p role="status">{told}</p>
<form method="post" action="{base}/enter"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required>
<button>Come in</button></form>
<p>Without a token: run <code>moot web --link</code> on the machine that Moot runs on, and open what it prints.</p>
</main></body></html>"""


def routes(house: House, people: People) -> list[BaseRoute]:
    """`/open/CODE`, `/enter` and `/leave`."""
    base = house.address.base_path
    secure = house.address.url.startswith("https:")

    def let_in(session: str, to: str) -> Response:
        response = RedirectResponse(f"{base}{to}", 303)
        response.headers["set-cookie"] = set_cookie(session, secure=secure, path=base or "/")
        return response

    async def open_link(request: Request) -> Response:
        opened = await anyio.to_thread.run_sync(house.doors.open, request.path_params["code"])
        if opened is None:
            told = "That link was opened before, or is too old. Print a new one: moot web --link"
            return _page(base, told, 410)
        return let_in(await anyio.to_thread.run_sync(house.doors.session, opened.name), opened.to)

    async def enter(request: Request) -> Response:
        if request.method == "GET":
            return _page(base, "Who are you? Open the link that the server printed, or type your token.")
        typed = Credentials(token=await _typed(request), lasting=True)
        try:
            person = await people.who(typed, request.client.host if request.client else "")
        except TooManyGuesses:
            return _page(base, "Too many wrong tokens. Wait a minute.", 429)
        if person is None:
            return _page(base, "That is nobody's token. Check it and type it again.", 401)
        return let_in(await anyio.to_thread.run_sync(house.doors.session, person.name), "/")

    async def leave(request: Request) -> Response:
        return let_in("", "/enter")

    return [
        Route("/open/{code}", open_link),
        Route("/enter", enter, methods=["GET", "POST"]),
        Route("/leave", leave, methods=["POST"]),
    ]


async def _typed(request: Request) -> str:
    async with request.form(max_files=0, max_fields=5, max_part_size=_LONGEST_FORM) as form:
        return str(form.get("token", "")) or " "


def _page(base: str, told: str, status: int = 200) -> Response:
    page = _PAGE.format(base=html.escape(base), told=html.escape(told))
    return HTMLResponse(page, status, headers=FORM_HEADERS)
