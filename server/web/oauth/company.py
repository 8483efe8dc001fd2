"""JWTs of a company's issuer, as `auth` in `credentials.json` says: whose they are, and what that person may."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Any

import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier

from core.config import AuthConfig
from core.people.person import LONGEST_NAME, Person
from core.untrusted import one_line
from server.web.oauth.company_keys import ALGORITHMS, CompanyKeys

log = logging.getLogger(__name__)

_LEEWAY_S = 60
_LONGEST_TOKEN = 16_000
_LONGEST_CLAIM = 500
_DIGEST = 24
_KINDS = (None, "jwt", "at+jwt", "application/at+jwt")


class CompanyTokens(TokenVerifier):
    """Knows the tokens that the issuer of *auth* gave out for us."""

    def __init__(self, auth: AuthConfig, keys: CompanyKeys | None = None) -> None:
        self._auth = auth
        self._keys = keys or CompanyKeys(auth)

    async def verify_token(self, token: str) -> AccessToken | None:
        """What *token* says, if it was signed by the issuer, for us, and is good now."""
        try:
            claims = await self._claims(token)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            if token.count(".") == 2:
                log.info("A JWT is not taken: %s", one_line(str(error), 200))
            return None
        subject = self._subject(claims)
        if not subject:
            log.info("A JWT is not taken: its claim %r names nobody", self._auth.person_claim)
            return None
        client = claims.get("client_id", claims.get("azp"))
        return AccessToken(
            token=token,
            client_id=client if isinstance(client, str) else self._auth.audience,
            scopes=[],
            expires_at=int(claims["exp"]),
            resource=self._auth.audience,
            subject=subject,
            claims=claims,
        )

    def person(self, access: AccessToken) -> Person:
        """Who came with *access*, and what they may."""
        auth = self._auth
        admin = auth.admin_claim is not None and (access.claims or {}).get(auth.admin_claim) is True
        return Person(_name(auth.issuer, access.subject or ""), tuple(auth.ais), auth.per_day_usd, admin)

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST_TOKEN or token.count(".") != 2:
            raise ValueError("it is none")
        header = jwt.get_unverified_header(token)
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise ValueError(f"it is signed by {one_line(str(algorithm), 20)}; {' and '.join(ALGORITHMS)} are taken")
        if (kind.casefold() if isinstance(kind, str) else kind) not in _KINDS or "crit" in header:
            raise ValueError("it is of another kind")
        key = await self._keys.key(kid if isinstance(kid, str) else None, algorithm)
        if key is None:
            raise ValueError("its key is not one of its issuer's")
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._auth.audience,
            issuer=self._auth.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )

    def _subject(self, claims: dict[str, Any]) -> str:
        """By whom it was sent; empty where the claim cannot tell."""
        claim = self._auth.person_claim
        value = claims.get(claim)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_CLAIM:
            return ""
        if claim != "email":
            return value
        return value.casefold() if claims.get("email_verified", True) is True else ""


def _name(issuer: str, subject: str) -> str:
    """What the person whom *issuer* calls *subject* is called here: like nobody with a token, whose names have no dot.

    It is a folder's name, too. What tells two apart is the hash; the letters before it are for people to read.
    """
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    letters = re.sub(r"[^a-z0-9]+", "-", subject.casefold().partition("@")[0])[: LONGEST_NAME - _DIGEST - 3]
    return f"u-{letters.strip('-')}.{digest}"
