"""Which apps may ask, and where they may have a person sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from mcp.shared.auth import InvalidRedirectUriError, OAuthClientInformationFull
from pydantic import AnyUrl

from core.people.apps import Client
from core.untrusted import one_line

SCOPE = "moot"
"""There is one: to act for the person, within what that person may."""
BY_PKCE_ALONE = "none"
"""How an app proves itself at the token endpoint: a secret that anybody can register for would prove nothing."""
LONGEST_ID = 500
_LONGEST_NAME = 80
_LONGEST_URI = 500
_MOST_URIS = 10
_HERE = ("127.0.0.1", "localhost", "::1")
_HOST = re.compile(r"[a-z0-9.-]+")
_GRANT_TYPES = ("authorization_code", "refresh_token")


class BadClientError(ValueError):
    """What an app says of itself is not taken; the message says why."""


class BadRedirectError(BadClientError):
    """It is an address to which nobody is to be sent back."""


class KnownClient(OAuthClientInformationFull):
    """An app as the SDK knows it. It proves itself by PKCE alone, for anybody may register."""

    @classmethod
    def of(cls, client: Client) -> KnownClient:
        return cls(
            client_id=client.id,
            client_name=client.name,
            redirect_uris=[AnyUrl(uri) for uri in client.redirect_uris],
            grant_types=list(client.grant_types),
            token_endpoint_auth_method=BY_PKCE_ALONE,
        )

    def validate_scope(self, requested_scope: str | None) -> list[str]:
        """Whatever scopes it asks for, it gets the one there is, and the answer says so (RFC 6749, 3.3)."""
        return [SCOPE]

    def validate_redirect_uri(self, redirect_uri: AnyUrl | None) -> AnyUrl:
        """*redirect_uri* if it is one of its own; on this machine at whichever port is free (RFC 8252, 7.3)."""
        try:
            return super().validate_redirect_uri(redirect_uri)
        except InvalidRedirectUriError:
            uri = str(redirect_uri or "")
            if (
                not _is_here(uri)
                or "#" in uri
                or _but_port(uri) not in map(_but_port, map(str, self.redirect_uris or ()))
            ):
                raise
            return AnyUrl(uri)


def checked_client(id: str, name: object, redirect_uris: Iterable[object], grant_types: Iterable[object]) -> Client:
    """An app, as far as it can be let in.

    Raises:
        BadClientError: It cannot.
    """
    uris = list(redirect_uris)
    if not 0 < len(uris) <= _MOST_URIS:
        raise BadRedirectError(f"'redirect_uris' must have one to {_MOST_URIS} addresses.")
    checked = tuple(dict.fromkeys(str(AnyUrl(checked_uri(uri))) for uri in uris))
    kinds = tuple(kind for kind in _GRANT_TYPES if kind in list(grant_types))
    if "authorization_code" not in kinds:
        raise BadClientError("'grant_types' must have 'authorization_code'.")
    shown = one_line(name, _LONGEST_NAME) if isinstance(name, str) else ""
    return Client(id, shown or "An app without a name", checked, kinds)


def checked_uri(uri: object) -> str:
    """*uri* if a person and a code may be sent there: by https, or to this machine.

    Raises:
        BadClientError: They may not.
    """
    if not isinstance(uri, str) or len(uri) > _LONGEST_URI or not uri.isascii() or not uri.isprintable():
        raise BadRedirectError("A redirect address is no address, or too long.")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise BadRedirectError("A redirect address is no address.") from None
    if set(uri) & set(" \\#<>\"'`{}|^") or parts.username is not None or parts.password is not None:
        raise BadRedirectError("A redirect address must have no fragment, no name, no blank and no quotation mark.")
    by_https = parts.scheme == "https" and _HOST.fullmatch(parts.hostname or "")
    if not by_https and not _is_here(uri):
        raise BadRedirectError(
            "A redirect address must begin with https://, or be http://127.0.0.1 or http://localhost."
        )
    return uri


def host_of(uri: str) -> str:
    """Where *uri* leads, as people are told."""
    return urlsplit(uri).netloc


def _is_here(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in _HERE and parts.username is None


def _but_port(uri: str) -> tuple[str, str | None, str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.path or "/", parts.query
