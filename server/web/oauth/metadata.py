"""Where an app finds what: RFC 9728 of the MCP endpoint, RFC 8414 of the authorization server."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from mcp.server.auth.handlers.metadata import MetadataHandler, ProtectedResourceMetadataHandler
from mcp.server.auth.routes import build_metadata
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.routing import BaseRoute, Route

from server.web.oauth.clients import BY_PKCE_ALONE, SCOPE

_URL = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
_SERVER = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"
_RESOURCE = "/.well-known/oauth-protected-resource"


def web_address(url: str) -> AnyHttpUrl:
    """*url* without a slash where it has no path, since issuers are compared letter by letter."""
    return _URL.validate_python(url)


def resource_metadata_url(url: str) -> str:
    """Where whoever asks without a token is sent: below *url*, so that a proxy that passes on only that will do."""
    return f"{url}{_RESOURCE}/mcp"


def resource_routes(url: str, issuers: Sequence[str]) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """The metadata of `/mcp`: routes below *url*, and at the root of its host."""
    told = ProtectedResourceMetadata(
        resource=web_address(f"{url}/mcp"), authorization_servers=[*map(web_address, issuers)], resource_name="Moot"
    )
    handle = ProtectedResourceMetadataHandler(told).handle
    path = urlsplit(url).path
    below: list[BaseRoute] = [Route(_RESOURCE, handle), Route(f"{_RESOURCE}/mcp", handle)]
    return below, [Route(f"{_RESOURCE}{path}/mcp", handle)] if path else []


def server_routes(url: str) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """The metadata of the authorization server at *url*: routes below it, and at the root of its host."""
    handle = MetadataHandler(server_metadata(url)).handle
    path = urlsplit(url).path
    below: list[BaseRoute] = [Route(_SERVER, handle), Route(_OIDC, handle)]
    return below, [Route(f"{_SERVER}{path}", handle), Route(f"{_OIDC}{path}", handle)] if path else []


def server_metadata(url: str) -> OAuthMetadata:
    """What the authorization server at *url* can."""
    made = build_metadata(
        web_address(url), None, ClientRegistrationOptions(enabled=True), RevocationOptions(enabled=True)
    )
    return made.model_copy(
        update={
            "scopes_supported": [SCOPE],
            "token_endpoint_auth_methods_supported": [BY_PKCE_ALONE],
            "revocation_endpoint_auth_methods_supported": [BY_PKCE_ALONE],
            "client_id_metadata_document_supported": True,
            "authorization_response_iss_parameter_supported": True,
        }
    )
