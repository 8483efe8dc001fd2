"""Apps that are called by the address of a document that describes them (client id metadata documents).

Whoever owns the host of that address says what is in it: that is all the trust there is, and why no redirect is
followed, and why it must be JSON. Only public addresses are reached (`core/files/links.py`).
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from core.errors import InvalidInputError
from core.files.links import fetch
from core.people.apps import Apps, Client
from core.untrusted import one_line
from server.web.oauth.clients import BY_PKCE_ALONE, LONGEST_ID, BadClientError, checked_client
from server.web.oauth.guard import Pace

log = logging.getLogger(__name__)

_MOST_BYTES = 16 * 1024
_PATIENCE_S = 10.0
_FRESH_S = 3_600.0
_STALE_S = 7 * 86_400.0
"""How long what was read is good while it cannot be read again."""
_BAD_S = 60.0
_MOST_BAD = 500
_AT_ONCE = 4
_IN_A_MINUTE = 30


class Documents:
    """What such documents say; read again by the hour."""

    def __init__(self, apps: Apps, clock: Callable[[], float] = time.monotonic) -> None:
        self._apps = apps
        self._clock = clock
        self._bad: OrderedDict[str, float] = OrderedDict()
        self._pace = Pace(_IN_A_MINUTE, _IN_A_MINUTE, clock)
        self._threads = anyio.CapacityLimiter(_AT_ONCE)

    async def client(self, url: str) -> Client | None:
        """The app that the document at *url* describes; None: there is none that counts."""
        if not is_document(url):
            return None
        known = await anyio.to_thread.run_sync(self._apps.client, url)
        if known is not None and known[1] < _FRESH_S:
            return known[0]
        found = await self._read(url)
        if found is None:
            return known[0] if known is not None and known[1] < _STALE_S else None
        await anyio.to_thread.run_sync(self._apps.keep_client, found)
        return found

    async def _read(self, url: str) -> Client | None:
        if self._clock() < self._bad.get(url, 0.0) or not self._pace.may(""):
            return None
        try:
            with anyio.fail_after(_PATIENCE_S):
                return await anyio.to_thread.run_sync(described, url, limiter=self._threads, abandon_on_cancel=True)
        except (InvalidInputError, BadClientError, TimeoutError) as error:
            why = str(error) or "it took too long"
            log.warning("An app is not let in by its document %s: %s", one_line(url, 200), one_line(why, 300))
        self._bad[url] = self._clock() + _BAD_S
        self._bad.move_to_end(url)
        if len(self._bad) > _MOST_BAD:
            self._bad.popitem(last=False)
        return None


def is_document(url: str) -> bool:
    """Whether *url* can be the address of such a document."""
    if len(url) > LONGEST_ID or not url.isascii() or not url.isprintable() or set(url) & set(' \\#?@"<>'):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    steps = parts.path.split("/")
    return parts.scheme == "https" and bool(parts.hostname) and any(steps) and not {".", ".."} & {*steps}


def described(url: str) -> Client:
    """The app that the document at *url* describes. Blocks.

    Raises:
        InvalidInputError: The document cannot be read.
        BadClientError: It describes no app that can be let in.
    """
    page = fetch(url, most=_MOST_BYTES, redirects=0)
    try:
        told: Any = json.loads(page.text) if page.kind == "application/json" else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise BadClientError("It is no JSON object, sent as application/json.")
    if told.get("client_id") != url:
        raise BadClientError("Its 'client_id' is not its address.")
    if told.get("token_endpoint_auth_method", BY_PKCE_ALONE) != BY_PKCE_ALONE or "client_secret" in told:
        raise BadClientError("Its 'token_endpoint_auth_method' must be 'none'.")
    uris, kinds = told.get("redirect_uris"), told.get("grant_types", ["authorization_code", "refresh_token"])
    if not isinstance(uris, list) or not isinstance(kinds, list):
        raise BadClientError("Its 'redirect_uris' and 'grant_types' must be lists.")
    return checked_client(url, told.get("client_name") or urlsplit(url).hostname, uris, kinds)
