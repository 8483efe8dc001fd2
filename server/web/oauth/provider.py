"""The authorization server behind the SDK's endpoints: it keeps what `core/people/apps.py` keeps, and asks a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio.to_thread
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    TokenError,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl, ValidationError

from core.people.apps import ACCESS_S, Apps, Asked, Grant
from server.web.oauth.clients import (
    BY_PKCE_ALONE,
    SCOPE,
    BadClientError,
    BadRedirectError,
    KnownClient,
    checked_client,
    host_of,
)
from server.web.oauth.documents import Documents

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST_STATE = 2_000


class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Gives out tokens for the MCP endpoint at *url*`/mcp` alone.

    Args:
        tell: Says a line to whoever started the server.
    """

    def __init__(self, url: str, apps: Apps, documents: Documents, tell: Callable[[str], None]) -> None:
        self.resource = f"{url}/mcp"
        self._url = url
        self._apps = apps
        self._documents = documents
        self._tell = tell

    def meant(self, resource: str) -> bool:
        """Whether *resource* is what we give out tokens for."""
        return _canonical(resource) == _canonical(self.resource)

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        if client_id.startswith("https:"):
            found = await self._documents.client(client_id)
        else:
            known = await anyio.to_thread.run_sync(self._apps.client, client_id[:100])
            found = known[0] if known else None
        return KnownClient.of(found) if found else None

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what is needed of it, and have it know that it gets no secret, which would prove nothing."""
        uris = [str(uri) for uri in client_info.redirect_uris or ()]
        try:
            client = checked_client(client_info.client_id, client_info.client_name, uris, client_info.grant_types)
        except BadClientError as error:
            kind = "invalid_redirect_uri" if isinstance(error, BadRedirectError) else "invalid_client_metadata"
            raise RegistrationError(kind, str(error)) from None  # type: ignore[arg-type]
        await anyio.to_thread.run_sync(self._apps.keep_client, client)
        client_info.client_name = client.name
        client_info.grant_types = list(client.grant_types)
        client_info.token_endpoint_auth_method = BY_PKCE_ALONE
        client_info.client_secret = client_info.client_secret_expires_at = None

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        """Where a person is asked, with a code that only whoever started the server can read."""
        if params.resource is not None and not self.meant(params.resource):
            raise AuthorizeError("invalid_target", f"This server gives out tokens for {self.resource} alone.")
        if not _CHALLENGE.fullmatch(params.code_challenge):
            raise AuthorizeError("invalid_request", "The code challenge is none of S256.")
        if len(params.state or "") > _LONGEST_STATE:
            raise AuthorizeError("invalid_request", "The state is too long.")
        uri = str(params.redirect_uri)
        asked = Asked(
            client=client.client_id,
            name=client.client_name or "",
            host=host_of(uri),
            redirect_uri=uri,
            explicit=params.redirect_uri_provided_explicitly,
            state=params.state,
            challenge=params.code_challenge,
            resource=self.resource,
        )
        request, code = await anyio.to_thread.run_sync(self._apps.ask, asked)
        self._tell(f"{asked.name} ({asked.host}) asks to use Moot. If you asked it to, type this code there: {code}")
        return f"{self._url}/oauth/consent?request={request}"

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        find = partial(self._apps.by_code, authorization_code, client.client_id)
        grant = await anyio.to_thread.run_sync(find)
        if grant is None or not self._ours(grant):
            return None
        return AuthorizationCode(
            code=authorization_code,
            scopes=[SCOPE],
            expires_at=grant.until,
            client_id=grant.asked.client,
            code_challenge=grant.asked.challenge,
            redirect_uri=AnyUrl(grant.asked.redirect_uri),
            redirect_uri_provided_explicitly=grant.asked.explicit,
            resource=grant.asked.resource,
            subject=grant.person,
        )

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        made = await anyio.to_thread.run_sync(self._apps.exchange, authorization_code.code)
        return _token(client, made)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        grant = await anyio.to_thread.run_sync(partial(self._apps.by_refresh, refresh_token, client.client_id))
        if grant is None or not self._ours(grant):
            return None
        return RefreshToken(token=refresh_token, **_told(grant))

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        return _token(client, await anyio.to_thread.run_sync(self._apps.renew, refresh_token.token))

    async def load_access_token(self, token: str) -> AccessToken | None:
        grant = await self.grant(token)
        return AccessToken(token=token, **_told(grant)) if grant else None

    async def grant(self, token: str) -> Grant | None:
        """What the access token *token* allows on this server; None: nothing, or not any more."""
        grant = await anyio.to_thread.run_sync(self._apps.by_access, token)
        return grant if grant is not None and self._ours(grant) else None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """Take back all of what *token* belongs to."""
        grant = await anyio.to_thread.run_sync(self._apps.by_access, token.token)
        if grant is None:
            grant = await anyio.to_thread.run_sync(partial(self._apps.by_refresh, token.token, token.client_id))
        if grant is not None:
            await anyio.to_thread.run_sync(self._apps.end, grant)

    def _ours(self, grant: Grant) -> bool:
        """Whether it was given for this server, at the address where it is reached now."""
        return self.meant(grant.asked.resource)


def _token(client: OAuthClientInformationFull, made: tuple[str, str] | None) -> OAuthToken:
    if made is None:
        raise TokenError("invalid_grant", "It was used before, so all that it was for has ended.")
    refresh = made[1] if "refresh_token" in client.grant_types else None
    return OAuthToken(access_token=made[0], expires_in=ACCESS_S, scope=SCOPE, refresh_token=refresh)


def _told(grant: Grant) -> dict[str, Any]:
    return {
        "client_id": grant.asked.client,
        "scopes": [SCOPE],
        "expires_at": int(grant.until),
        "resource": grant.asked.resource,
        "subject": grant.person,
    }


def _canonical(resource: str) -> str:
    """*resource* as it is compared: case of the host, the usual port and a last slash do not matter."""
    try:
        return str(AnyHttpUrl(resource)).rstrip("/")
    except ValidationError:
        return ""
