"""The text of a page on the web, for `-f https://...`. Only public addresses are reached.

A page can redirect, and a name can point anywhere, also to this machine or its network. So every name is resolved
here, every address it has must be public, and the connection goes to the very address that was checked, after each
redirect anew. No proxy is asked, since it would resolve the name itself. Everything here blocks.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from core.errors import InvalidInputError
from core.files.documents import DocumentError, page_of, pdf_text

MAX_BYTES = 5 * 1024 * 1024
_MOST_REDIRECTS = 5
_PATIENCE_S = 20.0
_PIECE = 65_536
_KINDS = (
    "text/",
    "application/json",
    "application/xml",
    "application/xhtml+xml",
    "application/pdf",
    "application/yaml",
)
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]


class LinkRefusedError(InvalidInputError):
    """A page that is not read; the message names its address and says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was found at `url`, where all redirects led."""

    url: str
    text: str
    notes: tuple[str, ...] = ()
    kind: str = ""


_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6; whatever lies beside it is somebody's own, or for special use."""
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "2001::/23",  # Teredo, and what protocols were given
            "3fff::/20",  # documentation
            "192.0.0.0/24",  # what protocols were given
            "192.88.99.0/24",  # relays that are no more
        ),
    )
)
"""Where nobody has a site, though Python calls some of it global; RFC 6890 and its registry."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether *address* is one of the open internet: not of this machine, its network, or for special use."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not _special(ip)
    if ip.scope_id is not None:  # an address of one of this machine's networks
        return False
    inner = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(str(inner))
    return ip in _UNICAST and ip.is_global and not _special(ip)


def _special(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(ip in network for network in _SPECIAL)


def resolve(host: str, port: int) -> list[str]:
    """Every address of *host*."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


def fetch(
    url: str,
    *,
    look_up: Resolve = resolve,
    allowed: Callable[[str], bool] = is_public,
    most: int = MAX_BYTES,
    redirects: int = _MOST_REDIRECTS,
) -> Page:
    """The text at *url*.

    Args:
        most: Bytes of it that are taken.
        redirects: How many are followed.

    Raises:
        LinkRefusedError: It may not, or cannot, be read.
    """
    for _ in range(redirects + 1):
        reply = _get(url, look_up, allowed, most)
        if reply.location is None:
            return _page(url, reply)
        url = _joined(url, reply.location)
    raise LinkRefusedError(f"{_told(url)} is not read: it redirects more than {redirects} times.")


def _joined(url: str, location: str) -> str:
    """Where a page leads to."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise LinkRefusedError(f"{_told(url)} is not read: it leads to no address. Open it in a browser.") from None


@dataclass(frozen=True, slots=True)
class _Reply:
    location: str | None
    kind: str = ""
    charset: str = "utf-8"
    body: bytes = b""


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name that was asked for."""

    def __init__(self, host: str, port: int, address: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=_PATIENCE_S)
        self._address = address
        self._tls = tls

    def connect(self) -> None:
        bare = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(bare, server_hostname=self.host) if self._tls else bare


def _get(url: str, look_up: Resolve, allowed: Callable[[str], bool], most: int) -> _Reply:
    parts = _parts(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    address = _checked(url, host, port, look_up, allowed)
    connection = _Pinned(host, port, address, ssl.create_default_context() if parts.scheme == "https" else None)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "text/html, text/*, */*;q=0.5", "User-Agent": "moot"})
        with connection.getresponse() as response:
            return _read(url, response, most)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise LinkRefusedError(f"{_told(url)} cannot be read ({type(error).__name__}). Check the address.") from error
    finally:
        connection.close()


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LinkRefusedError(f"{_told(url)} is no address. Correct it.") from None
    if parts.scheme not in _PORTS:
        raise LinkRefusedError(f"{_told(url)} is not read: it leads away from the web. Give the address itself.")
    if parts.username or parts.password:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise LinkRefusedError(f"{_told(bare)} was given with a password in it. Leave that out.")
    if not _HOST.fullmatch(parts.hostname or "") or not url.isascii() or any(letter.isspace() for letter in url):
        raise LinkRefusedError(f"{_told(url)} is no address. Correct it, with %-codes for what is not ASCII.")
    if port not in (None, *_PORTS.values()):
        raise LinkRefusedError(f"{_told(url)} is not read: pages are at ports 80 and 443 alone.")
    return parts


def _checked(url: str, host: str, port: int, look_up: Resolve, allowed: Callable[[str], bool]) -> str:
    """An address of *host*; none of its addresses may lie on this machine or in its network."""
    try:
        addresses = look_up(host, port)
    except (OSError, UnicodeError):
        raise LinkRefusedError(f"{_told(url)} cannot be found: nobody knows {host!r}. Check the address.") from None
    if not addresses or not all(map(allowed, addresses)):
        raise LinkRefusedError(f"{_told(url)} is not read: it is no public address. Save the page, and send the file.")
    return addresses[0]


def _read(url: str, response: http.client.HTTPResponse, most: int) -> _Reply:
    if response.status in (301, 302, 303, 307, 308) and (location := response.getheader("location")):
        return _Reply(location)
    if response.status != 200:
        raise LinkRefusedError(f"{_told(url)} cannot be read: it answers {response.status}. Open it in a browser.")
    kind = response.headers.get_content_type()
    if not kind.startswith(_KINDS):
        raise LinkRefusedError(f"{_told(url)} is {kind}, which is no text. Pages, text and PDF files are read.")
    body, until = bytearray(), time.monotonic() + _PATIENCE_S
    while len(body) <= most and (piece := response.read1(_PIECE)):
        body += piece
        if time.monotonic() > until:
            raise LinkRefusedError(f"{_told(url)} took longer than {_PATIENCE_S:.0f} s. Save it, and send the file.")
    coding = (response.getheader("content-encoding") or "").lower()
    if coding in ("gzip", "deflate"):
        body = bytearray(zlib.decompressobj(47).decompress(bytes(body), most + 1))
    if len(body) > most:
        size = f"{most // 1024 // 1024} MB" if most >= 1024 * 1024 else f"{most // 1024} KB"
        raise LinkRefusedError(f"{_told(url)} is larger than {size}. Send a part of it.")
    return _Reply(None, kind, response.headers.get_content_charset() or "", bytes(body))


def _page(url: str, reply: _Reply) -> Page:
    try:
        if reply.kind == "application/pdf":
            document = pdf_text(reply.body)
            return Page(url, document.text, document.notes, reply.kind)
        if "html" in reply.kind:
            document = page_of(reply.body, charset=reply.charset)
            return Page(url, document.text, document.notes, reply.kind)
    except DocumentError as error:
        raise LinkRefusedError(f"{_told(url)} {error}") from error
    try:
        text = reply.body.decode(reply.charset or "utf-8", "replace")
    except LookupError:
        text = reply.body.decode("utf-8", "replace")
    return Page(url, text, kind=reply.kind)


def _told(url: str) -> str:
    return repr(url if len(url) <= 200 else f"{url[:200]}…")
