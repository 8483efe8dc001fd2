"""An app that wants to be connected: the SDK's own OAuth client, or each step by hand."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from scripted_ai import scripted_app
from web_house import Opened, Program, client, open_house

from server.web.assembly import Place

REDIRECT = "http://127.0.0.1:8765/callback"
PRINTED_CODE = re.compile(r"type this code there: (\S+)")
_REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')
_HIDDEN = re.compile(r'name="(request|proof)" value="([^"]*)"')


@dataclass
class Kept:
    """What the SDK's client keeps between requests."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def proof() -> tuple[str, str]:
    """A verifier and its challenge."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass
class Form:
    """The consent page as a browser has it."""

    browser: httpx2.AsyncClient
    page: httpx2.Response
    at: str

    @property
    def fields(self) -> dict[str, str]:
        return {name: html.unescape(value) for name, value in _HIDDEN.findall(self.page.text)}

    async def post(self, code: str = "", say: str = "allow", **other: Any) -> httpx2.Response:
        headers = other.pop("headers", {})
        return await self.browser.post(
            self.at, data={**self.fields, "code": code, "say": say, **other}, headers=headers
        )


async def open_form(browser: httpx2.AsyncClient, address: str) -> Form:
    """Go where an app sends a person."""
    sent = await browser.get(address, follow_redirects=False)
    assert sent.status_code == 302, sent.text
    to = sent.headers["location"]
    page = await browser.get(to)
    assert page.status_code == 200, page.text
    parts = urlsplit(to)
    return Form(browser, page, f"{parts.scheme}://{parts.netloc}{parts.path}")


def led_to(page: httpx2.Response) -> tuple[str, dict[str, str]]:
    """Where a page leads on, and with what."""
    found = _REFRESH.search(page.text)
    assert found, page.text
    address = html.unescape(found[1])
    return address, {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass
class App:
    """The steps of a client, one by one."""

    http: httpx2.AsyncClient
    url: str
    path: str = ""
    client_id: str = ""
    redirect: str = REDIRECT
    verifier: str = ""
    registered: dict[str, Any] = field(default_factory=dict)

    async def register(self, **other: Any) -> httpx2.Response:
        told = {"client_name": "Test app", "redirect_uris": [self.redirect], **other}
        reply = await self.http.post(f"{self.url}{self.path}/register", json=told)
        if reply.status_code == 201:
            self.registered = reply.json()
            self.client_id = self.registered["client_id"]
        return reply

    def address(self, **other: str | None) -> str:
        self.verifier, challenge = proof()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect,
            "state": "s t&te",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "resource": f"{self.url}{self.path}/mcp",
            **other,
        }
        told = httpx2.QueryParams({name: value for name, value in query.items() if value is not None})
        return f"{self.url}{self.path}/authorize?{told}"

    async def token(self, **other: str) -> httpx2.Response:
        return await self.http.post(f"{self.url}{self.path}/token", data={"client_id": self.client_id, **other})

    async def exchange(self, code: str, **other: str) -> httpx2.Response:
        told = {"code": code, "redirect_uri": self.redirect, "code_verifier": self.verifier, **other}
        return await self.token(grant_type="authorization_code", **told)

    async def refresh(self, token: str, **other: str) -> httpx2.Response:
        return await self.token(grant_type="refresh_token", refresh_token=token, **other)


def sdk_client(
    url: str, kept: Kept, consent: Callable[[str], Awaitable[dict[str, str]]], **other: Any
) -> OAuthClientProvider:
    """The SDK's client of the MCP endpoint at *url*; *consent* does what a person does at the address it is given."""
    answer: dict[str, str] = {}

    async def sent(address: str) -> None:
        answer.update(await consent(address))

    async def came_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    told = OAuthClientMetadata(redirect_uris=[REDIRECT], client_name="Test app")  # type: ignore[list-item]
    return OAuthClientProvider(url, told, kept, sent, came_back, **other)


@asynccontextmanager
async def served(place: Place | None = None, **ais: list[Any]) -> AsyncIterator[Opened]:
    """A door at which apps can be connected."""
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, ais or {"gpt": []}), place or Place(port=0, oauth=True)) as house:
            yield house


@asynccontextmanager
async def asking(house: Opened, **metadata: Any) -> AsyncIterator[App]:
    """An app that is registered."""
    async with client(house.url) as http:
        app = App(http, house.url)
        assert (await app.register(**metadata)).status_code == 201
        yield app


async def connected(app: App, code_of: Callable[[], str]) -> dict[str, Any]:
    """The tokens of *app*, once it was allowed."""
    form = await open_form(app.http, app.address())
    _, answer = led_to(await form.post(code_of()))
    reply = await app.exchange(answer["code"])
    assert reply.status_code == 200, reply.text
    return reply.json()


def printed_code(program: Program) -> str:
    """The next code that *program* prints. Blocks."""
    assert program.process.stderr
    for line in program.process.stderr:
        if found := PRINTED_CODE.search(line):
            return found[1]
    raise AssertionError


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def status(house: Opened, token: str) -> int:
    """What *token* is worth."""
    async with client(house.url, **bearer(token)) as http:
        return (await http.get("/api/status")).status_code
