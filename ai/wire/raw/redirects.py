"""What becomes of an answer that sends us elsewhere: keys and prompts go where the configuration says.

A redirect is followed within one origin alone, and only where it leaves the request as it is. HTTP clients drop
`Authorization` on the way to another origin, but no other header that holds a key, nor the prompt.
"""

from __future__ import annotations

import httpx2

_KEEP_METHOD = frozenset((307, 308))
_SAFE_METHODS = frozenset(("GET", "HEAD"))
_DEFAULT_PORTS = {"http": 80, "https": 443}


class RedirectRefusedError(httpx2.HTTPError):
    """An endpoint pointed elsewhere; *target* says where, without what may be a secret."""

    def __init__(self, status: int, target: str, request: httpx2.Request) -> None:
        super().__init__(f"redirected to {target}")
        self.status = status
        self.target = target
        self.request = request


def check_redirect(response: httpx2.Response) -> None:
    """Refuse a redirect to another origin, and one that would make another request of this one.

    Raises:
        RedirectRefusedError: It is one of these.
    """
    if not response.has_redirect_location:
        return
    request = response.request
    try:
        target = request.url.join(response.headers["location"])
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise RedirectRefusedError(response.status_code, "an address that is none", request) from None
    kept = response.status_code in _KEEP_METHOD or request.method in _SAFE_METHODS
    if not kept or _origin(target) != _origin(request.url):
        raise RedirectRefusedError(response.status_code, _told(target), request)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)


def _told(url: httpx2.URL) -> str:
    """The address without a login and without a query, either of which may hold a key."""
    port = f":{url.port}" if url.port else ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return repr(f"{url.scheme}://{host}{port}{url.path}"[:200])
