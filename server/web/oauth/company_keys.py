"""The public keys of a company's issuer: fetched within bounds, kept for an hour, looked for again when one is new."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import jwt

from core.config import AuthConfig
from core.untrusted import one_line

log = logging.getLogger(__name__)

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""What a signature may be made by, and the kind of key that belongs to it."""
_FRESH_S = 3_600.0
_STALE_S = 86_400.0
_BETWEEN_S = 60.0
_PATIENCE_S = 5.0
_MOST_BYTES = 512 * 1024
_MOST_KEYS = 100
_LONGEST_MODULUS = 1_400
"""Letters of an RSA key of 8192 bits; a larger one takes too long."""


class KeysError(Exception):
    """The keys cannot be read; the message says why."""


class CompanyKeys:
    """Finds the key that a token names."""

    def __init__(self, auth: AuthConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._auth = auth
        self._clock = clock
        self._keys: list[dict[str, Any]] = []
        self._read_at = -_STALE_S
        self._tried_at = -_BETWEEN_S
        self._lock = anyio.Lock()

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key called *kid* for *algorithm*; None: there is none, or none can be had.

        A token may name none where there is but one. What is not known is looked for once in a minute, whoever asks.
        """
        if self._clock() - self._read_at > _FRESH_S or not self._fitting(kid, algorithm):
            async with self._lock:
                if self._clock() - self._tried_at >= _BETWEEN_S:
                    await self._fetch()
        fitting = self._fitting(kid, algorithm)
        if len(fitting) != 1 or self._clock() - self._read_at > _STALE_S:
            return None
        try:
            return jwt.PyJWK(fitting[0], algorithm=algorithm)
        except jwt.PyJWTError:
            return None

    def _fitting(self, kid: str | None, algorithm: str) -> list[dict[str, Any]]:
        return [
            key
            for key in self._keys
            if key.get("kty") == ALGORITHMS[algorithm]
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (algorithm != "ES256" or key.get("crv") == "P-256")
            and len(str(key.get("n", ""))) <= _LONGEST_MODULUS
            and (kid is None or key.get("kid") == kid)
        ]

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = await anyio.to_thread.run_sync(read_keys, self._auth)
            self._read_at = self._clock()
        except KeysError as error:
            log.warning("The keys of %s cannot be read: %s Check 'auth' in credentials.json.", self._auth.issuer, error)


def read_keys(auth: AuthConfig) -> list[dict[str, Any]]:
    """The keys of *auth*'s issuer. Blocks.

    Raises:
        KeysError: They cannot be read.
    """
    found = _read(auth.jwks_url or _where(auth.issuer)).get("keys")
    if not isinstance(found, list):
        raise KeysError("What is at its jwks_url has no 'keys'.")
    return [key for key in found[:_MOST_KEYS] if isinstance(key, dict)]


def _where(issuer: str) -> str:
    """Where the metadata of *issuer* says its keys are: OpenID Connect's place for it, then that of RFC 8414."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    places = (
        f"{root}{path}/.well-known/openid-configuration",
        f"{root}/.well-known/oauth-authorization-server{path}",
    )
    problems = []
    for place in places:
        try:
            told = _read(place)
        except KeysError as error:
            problems.append(str(error))
            continue
        if told.get("issuer") != issuer:
            raise KeysError(f"Its metadata says that it is {one_line(str(told.get('issuer')), 200)}.")
        try:
            return AuthConfig(issuer=issuer, audience="-", jwks_url=told.get("jwks_uri")).jwks_url or ""
        except ValueError:
            raise KeysError("Its metadata names no jwks_uri that begins with https://.") from None
    raise KeysError(" ".join(problems))


def _read(url: str) -> dict[str, Any]:
    """The JSON object at *url*: no redirect is followed, and size and time are bounded."""
    import httpx2

    if not url:
        raise KeysError("Its metadata names no jwks_uri.")
    body, until = bytearray(), time.monotonic() + _PATIENCE_S
    try:
        with (
            httpx2.Client(timeout=_PATIENCE_S, follow_redirects=False) as client,
            client.stream("GET", url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != 200:
                raise KeysError(f"{url} answers {response.status_code}.")
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES or time.monotonic() > until:
                    raise KeysError(f"{url} is too large, or too slow.")
        told = json.loads(bytes(body))
    except httpx2.HTTPError as error:
        raise KeysError(f"{url} cannot be reached ({type(error).__name__}).") from error
    except (ValueError, RecursionError):
        raise KeysError(f"{url} is no JSON.") from None
    if not isinstance(told, dict):
        raise KeysError(f"{url} is no JSON object.")
    return told
