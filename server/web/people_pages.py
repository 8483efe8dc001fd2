"""How a person comes in by a browser: the one-time link, and a token typed into a form."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.errors import StoreError
from server.web.access.doors import set_cookie
from server.web.access.gate import FORM_HEADERS
from server.web.access.people import Credentials, People, TooManyGuesses
from server.web.house import House

Page = Callable[[Request], Awaitable[Response]]

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
    pages = _Pages(house, people)
    return [
        Route("/open/{code}", pages.answered(pages.open_link)),
        Route("/enter", pages.answered(pages.enter), methods=["GET", "POST"]),
        Route("/leave", pages.leave, methods=["POST"]),
    ]


class _Pages:
    def __init__(self, house: House, people: People) -> None:
        self._house = house
        self._people = people
        self._base = house.address.base_path

    def answered(self, page: Page) -> Page:
        """*page*, also where the stores cannot be used."""

        async def answered(request: Request) -> Response:
            try:
                return await page(request)
            except StoreError as error:
                return _page(self._base, str(error), 503)

        return answered

    async def open_link(self, request: Request) -> Response:
        if request.method != "GET":  # whoever only looks whether it is there shall not use it up
            return _page(self._base, "Open this link in a browser.", 405)
        opened = await anyio.to_thread.run_sync(self._house.doors.open, request.path_params["code"])
        if opened is None:
            told = "That link was opened before, or is too old. Print a new one: moot web --link"
            return _page(self._base, told, 410)
        return await self._let_in_as(opened.name, opened.to)

    async def enter(self, request: Request) -> Response:
        if request.method == "GET":
            return _page(self._base, "Who are you? Open the link that the server printed, or type your token.")
        typed = Credentials(token=await _typed(request), lasting=True)
        try:
            person = await self._people.who(typed, request.client.host if request.client else "")
        except TooManyGuesses:
            return _page(self._base, "Too many wrong tokens. Wait a minute.", 429)
        if person is None:
            return _page(self._base, "That is nobody's token. Check it and type it again.", 401)
        return await self._let_in_as(person.name, "/")

    async def leave(self, request: Request) -> Response:
        return self._let_in("", "/enter")

    async def _let_in_as(self, name: str, to: str) -> Response:
        def session() -> str:
            return self._house.doors.session(name, self._house.tokens.mark(name) if name else "")

        return self._let_in(await anyio.to_thread.run_sync(session), to)

    def _let_in(self, session: str, to: str) -> Response:
        response = RedirectResponse(f"{self._base}{to}", 303)
        secure = self._house.address.url.startswith("https:")
        response.headers["set-cookie"] = set_cookie(session, secure=secure, path=self._base or "/")
        return response


async def _typed(request: Request) -> str:
    async with request.form(max_files=0, max_fields=5, max_part_size=_LONGEST_FORM) as form:
        return str(form.get("token", "")) or " "


def _page(base: str, told: str, status: int = 200) -> Response:
    page = _PAGE.format(base=html.escape(base), told=html.escape(told))
    return HTMLResponse(page, status, headers=FORM_HEADERS)
