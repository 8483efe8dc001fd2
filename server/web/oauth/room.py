"""What the rest of the HTTP door sees of tokens that others give out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from starlette.routing import BaseRoute, Route

from core.config import AuthConfig
from core.errors import ConfigError
from core.people.apps import Apps, Grant
from core.people.person import Person
from server.web.access.address import Address, is_loopback
from server.web.access.people import Entry, Look
from server.web.house import House
from server.web.oauth import consent
from server.web.oauth.documents import Documents
from server.web.oauth.guard import Guarded, Pace
from server.web.oauth.metadata import resource_metadata_url, resource_routes, server_routes, web_address
from server.web.oauth.provider import Provider

PUBLIC = ("/.well-known/", "/authorize", "/token", "/register", "/revoke", "/oauth/")
_PACES = {"/authorize": (20, 60), "/register": (20, 100), "/token": (120, 600), "/revoke": (60, 300)}
"""How often in a minute each may come, and all together."""


class OAuthRoom:
    """Apps that people connect to *house*, and people of a company's issuer.

    Args:
        apps: Whether apps may be connected, by an authorization server of our own.
        auth: The company's issuer; None: there is none.
        tell: Says a line to whoever started the server.
    """

    def __init__(self, house: House, *, apps: bool, auth: AuthConfig | None, tell: Callable[[str], None]) -> None:
        self._house = house
        self._url = url = house.address.url
        self._apps = Apps() if apps else None
        self._below: list[BaseRoute] = []
        self.at_root: list[BaseRoute] = []
        self.looks: list[Look] = []
        if self._apps is not None:
            self._add_server(self._apps, Provider(url, self._apps, Documents(self._apps), tell))
        if auth is not None:
            self.looks.append(_people_of(auth))
        if issuers := [*([url] if apps else []), *([auth.issuer] if auth else [])]:
            self._add(resource_routes(url, issuers))
        self._issuers = issuers

    @property
    def public(self) -> tuple[str, ...]:
        """Paths that everybody may ask for."""
        return PUBLIC if self._issuers else ()

    def routes(self, house: House) -> list[BaseRoute]:
        return self._below

    def challenge(self, path: str) -> str:
        """What the header WWW-Authenticate says to whoever asks for *path* without a token."""
        if not self._issuers or path.rstrip("/") != "/mcp":
            return "Bearer"
        return f'Bearer resource_metadata="{resource_metadata_url(self._url)}"'

    @asynccontextmanager
    async def open(self, house: House) -> AsyncIterator[None]:
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                if self._apps is not None:
                    await anyio.to_thread.run_sync(self._apps.close)

    def _add(self, made: tuple[list[BaseRoute], list[BaseRoute]]) -> None:
        self._below += made[0]
        self.at_root += made[1]

    def _add_server(self, apps: Apps, provider: Provider) -> None:
        self._add(server_routes(self._url))
        made = create_auth_routes(
            provider,
            web_address(self._url),
            client_registration_options=ClientRegistrationOptions(enabled=True),
            revocation_options=RevocationOptions(enabled=True),
        )
        self._below += [*_guarded(made, provider), *consent.routes(apps, self._url, urlsplit(self._url).path)]
        self.looks.append(partial(self._of_app, apps, provider))

    async def _of_app(self, apps: Apps, provider: Provider, token: str) -> Entry | None:
        """For whom an app acts, for as long as neither of them is taken back."""
        grant = await provider.grant(token)
        if grant is None:
            return None

        async def stands() -> bool:
            granted = await anyio.to_thread.run_sync(apps.stands, grant)
            return granted and await self._person_of(grant) is not None

        person = await self._person_of(grant)
        return Entry(person, stands) if person else None

    async def _person_of(self, grant: Grant) -> Person | None:
        """Who allowed *grant*. It never administrates: it could let itself in again when it is taken back."""
        if not grant.person:
            return Person()
        person = await anyio.to_thread.run_sync(self._house.tokens.named, grant.person)
        return replace(person, admin=False) if person else None


def check_address(address: Address) -> str:
    """What whoever lets apps be connected at *address* should know; empty: nothing.

    Raises:
        ConfigError: No app would send a token there.
    """
    parts = urlsplit(address.url)
    if parts.scheme == "https":
        return ""
    if not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"Apps connect by https alone, and {address.url} is none. "
            "Give the address where a proxy takes https for it: --public-url https://moot.example.org"
        )
    return "Only programs on this machine can connect. For claude.ai or ChatGPT, give --public-url https://..."


def _people_of(auth: AuthConfig) -> Look:
    from server.web.oauth.company import CompanyTokens  # what reads JWTs costs 5 MB

    company = CompanyTokens(auth)

    async def whose(token: str) -> Entry | None:
        access = await company.verify_token(token)
        return Entry(company.person(access), _never_taken_back) if access else None

    return whose


async def _never_taken_back() -> bool:
    """An issuer tells nobody whom it takes back, and that a token ran out ends nothing that was begun with it."""
    return True


def _guarded(made: Iterable[Route], provider: Provider) -> list[BaseRoute]:
    """The SDK's endpoints behind what they do not see to; its metadata are not those of this server."""
    routes: list[BaseRoute] = []
    for route in made:
        if route.path not in _PACES:
            continue
        each, together = _PACES[route.path]
        meant = provider.meant if route.path in ("/token", "/revoke") else None
        adds = ("client_secret",) if route.path == "/revoke" else ()
        guarded = Guarded(route.app, pace=Pace(each, together), meant=meant, adds=adds)
        routes.append(Route(route.path, guarded, methods=sorted(route.methods or ())))
    return routes
