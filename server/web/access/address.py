"""Where the server can be reached, and which pages may call it.

A browser lets any page send requests to 127.0.0.1, also under another name that leads there (DNS rebinding). So a
request has to name a host that is ours, and a page that sends one has to come from us.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import InvalidInputError

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where this server stands.

    Args:
        host: What it is bound to.
        port: Its port, as it is bound.
        names: Further hosts, with a port where it is not that of the scheme, by which it may be called.
        public_url: Where it is reached from outside, behind a proxy; empty: as it is bound.
        base_path: Below which path all of it lies; empty or like `/moot`.
    """

    host: str
    port: int
    names: tuple[str, ...] = ()
    public_url: str = ""
    base_path: str = ""

    @property
    def url(self) -> str:
        """Where a person finds it, without a slash at the end."""
        if self.public_url:
            return self.public_url
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{_bracketed(host)}:{self.port}{self.base_path}"

    @property
    def hosts(self) -> frozenset[str]:
        """What the header Host may say."""
        own = [f"{host}:{self.port}" for host in (*_LOOPBACK, _bracketed(self.host))]
        bare = [host.rpartition(":")[0] for host in own] if self.port == 80 else []
        public = [urlsplit(self.public_url).netloc] if self.public_url else []
        return frozenset(host.casefold() for host in (*own, *bare, *public, *self.names))

    @property
    def origins(self) -> frozenset[str]:
        """What the header Origin may say."""
        public = [_origin(self.public_url)] if self.public_url else []
        return frozenset([*(f"http://{host}" for host in self.hosts), *public])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_public_url(url: str) -> str:
    """*url* without a slash at its end.

    Raises:
        InvalidInputError: It is none that a browser could open.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment or parts.username:
        raise InvalidInputError(f"{url[:200]!r} is no address. Give one such as https://moot.example.org/moot")
    return url.rstrip("/")


def check_base_path(path: str) -> str:
    """*path* as it is mounted: empty, or beginning and not ending with a slash.

    Raises:
        InvalidInputError: It cannot be one.
    """
    path = "/" + path.strip("/") if path.strip("/") else ""
    if any(part in ("", ".", "..") for part in path.split("/")[1:]) or not path.isprintable() or " " in path:
        raise InvalidInputError(f"{path[:80]!r} cannot be a path. Give one such as /moot")
    return path


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """*names* by which a server may be called.

    Raises:
        InvalidInputError: One is no host.
    """
    for name in names:
        if not name or "/" in name or "*" in name or not name.isprintable() or " " in name:
            raise InvalidInputError(f"{name[:80]!r} is no host. Give one such as moot.local:8080")
    return tuple(names)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".casefold()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
