"""The page on which a person says whether an app may act for them.

Whoever owns the installation shows that by a code that only they can read, on the terminal. A person who came in by a
token of their own is known by their session; a token in a header is no person at a browser, and may allow nothing.
The answer to the form is a page that leads on, not a redirect: browsers hold what a form leads to, however far, to the
policy of the page with the form.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any

import anyio.to_thread
from mcp.server.auth.provider import construct_redirect_uri
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from core.errors import StoreError
from core.people.apps import Apps, Asked
from server.web.access.gate import FORM_HEADERS
from server.web.oauth.documents import is_document

_LONGEST_FORM = 2_000
_HEADERS = {**FORM_HEADERS, "cross-origin-opener-policy": "unsafe-none"}
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Moot: connect an app</title>{more}<link rel="stylesheet" href="{path}/page/app.css"></head>
<body class="enter"><main><h1>Moot</h1>
"""
_FORM = """<p><strong>{name}</strong> asks to use this Moot: to ask your AIs, which may cost money, and to read your
threads and jobs. {who} You will be sent to <strong>{host}</strong>.</p>
<p role="status">{told}</p>
<form method="post" action="{path}/oauth/consent">
<input type="hidden" name="request" value="{request}"><input type="hidden" name="proof" value="{proof}">
<label for="code">Code</label>
<input id="code" name="code" type="text" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false"
 maxlength="20" autofocus>
<button name="say" value="allow">Allow</button> <button name="say" value="refuse">Refuse</button></form>
<p>Allow only what you have just asked for yourself. The code stands in the terminal that Moot was started in; for a new
one run <code>moot tokens code</code>. Whoever came in by a token of their own leaves it empty.</p>
</main></body></html>"""
_ASK = "Type the code from the terminal."
_GONE = "That request is not there any more: it is too old, was answered, or had too many wrong codes. Ask again."


def routes(apps: Apps, url: str, path: str) -> list[BaseRoute]:
    """`/oauth/consent`.

    Args:
        url: What answers go out under, the issuer.
        path: Below which path a browser finds all of it.
    """
    page = _Consent(apps, url, path)

    async def answered(request: Request) -> Response:
        try:
            return await (page.show(request) if request.method != "POST" else page.said(request))
        except StoreError as error:
            return page.told(str(error), 503)

    return [Route("/oauth/consent", answered, methods=["GET", "POST"])]


class _Consent:
    def __init__(self, apps: Apps, url: str, path: str) -> None:
        self._apps = apps
        self._url = url
        self._path = html.escape(path)
        self._secure = url.startswith("https:")
        self._cookie = "__Host-moot_consent" if self._secure else "moot_consent"

    async def show(self, request: Request) -> Response:
        """The question, and what proves later that it was answered in this browser."""
        key = request.query_params.get("request", "")[:100]
        asked = await anyio.to_thread.run_sync(self._apps.asked, key)
        return self.told(_GONE, 410) if asked is None else self._form(key, asked, _ASK)

    async def said(self, request: Request) -> Response:
        """What the person says."""
        if "authorization" in request.headers or "x-api-key" in request.headers:
            return self.told("This is a page for people. Open it in a browser.", 400)
        async with request.form(max_files=0, max_fields=10, max_part_size=_LONGEST_FORM) as form:
            key, proof, code, say = (_field(form, name) for name in ("request", "proof", "code", "say"))
        kept = _kept(request.headers.get("cookie", ""), self._cookie)
        if not kept or not hmac.compare_digest(_proof(kept, key).encode(), proof.encode("utf-8", "replace")):
            return self.told("This form was not opened in this browser, or too long ago. Ask again.", 403)
        if say != "allow":
            refused = await anyio.to_thread.run_sync(self._apps.refuse, key)
            return self.told(_GONE, 410) if refused is None else self._on(refused, error="access_denied")
        person = request.scope["moot.person"]
        known = person is not None and not person.owns
        allow = partial(self._apps.allow, key, None if known else code, person.name if known else "")
        said = await anyio.to_thread.run_sync(allow)
        if said.asked is None:
            return self.told(_GONE, 410)
        if said.outcome == "wrong":
            tries = "1 try is" if said.left == 1 else f"{said.left} tries are"
            return self._form(key, said.asked, f"That is not the code. {tries} left.", 403)
        return self._on(said.asked, code=said.code)

    def _form(self, key: str, asked: Asked, told: str, status: int = 200) -> Response:
        kept = secrets.token_urlsafe(32)
        by_document = is_document(asked.client)
        who = f"It is described at {asked.client}." if by_document else "It calls itself so; nobody has checked that."
        shown = {
            "name": asked.name,
            "who": who,
            "host": asked.host,
            "told": told,
            "request": key,
            "proof": _proof(kept, key),
        }
        body = _FORM.format(path=self._path, **{name: html.escape(value) for name, value in shown.items()})
        response = self._page(body, status)
        attributes = "Path=/; Max-Age=600; HttpOnly; SameSite=Strict" + ("; Secure" if self._secure else "")
        response.headers["set-cookie"] = f"{self._cookie}={kept}; {attributes}"
        return response

    def _on(self, asked: Asked, **answer: str) -> Response:
        """A page that leads back to the app."""
        to = construct_redirect_uri(asked.redirect_uri, **answer, state=asked.state, iss=self._url)
        link = html.escape(to)
        more = f'<meta http-equiv="refresh" content="0; url={link}">'
        return self._page(
            f'<p>Back to <a href="{link}">{html.escape(asked.host)}</a>.</p></main></body></html>', 200, more
        )

    def told(self, told: str, status: int) -> Response:
        return self._page(f'<p role="status">{html.escape(told)}</p></main></body></html>', status)

    def _page(self, body: str, status: int, more: str = "") -> Response:
        return HTMLResponse(_HEAD.format(path=self._path, more=more) + body, status, headers=_HEADERS)


def _field(form: FormData, name: str) -> str:
    value: Any = form.get(name, "")
    return value[:200] if isinstance(value, str) else ""


def _proof(kept: str, key: str) -> str:
    return hmac.new(kept.encode("utf-8", "replace"), key.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _kept(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value[:200] if found else ""
