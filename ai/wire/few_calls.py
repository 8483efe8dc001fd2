"""The transport of a program that makes a handful of calls and ends: httpx2's own.

With a thousand calls in flight it costs three times as much a call as aiohttp (`transport.py`); but to import it
costs a fifth, and that is what one question at the command line pays for.
"""

from __future__ import annotations

import urllib.request

import anyio
import anyio.to_thread
import httpx2

from core.secrecy.config_row import register_url_secrets

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class FewCalls(httpx2.AsyncBaseTransport):
    """Opens a connection pool for each way out, by the first request that takes it."""

    def __init__(self) -> None:
        self._pools: dict[tuple[bool, str | None], httpx2.AsyncHTTPTransport] = {}
        self._opening = anyio.Lock()
        self._proxies = urllib.request.getproxies()
        for proxy in self._proxies.values():
            register_url_secrets(proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        way = (request.url.scheme == "https", self._proxy(request.url))
        async with self._opening:
            if way not in self._pools:
                self._pools[way] = await anyio.to_thread.run_sync(_open, *way)
        return await self._pools[way].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def _proxy(self, url: httpx2.URL) -> str | None:
        """The proxy of the environment for *url*; none for this machine, where it could only do harm."""
        if not self._proxies or url.host in _LOOPBACK or urllib.request.proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")


def _open(secure: bool, proxy: str | None) -> httpx2.AsyncHTTPTransport:
    """Reading the certificates takes 30 ms, which a local model can do without."""
    return httpx2.AsyncHTTPTransport(verify=httpx2.create_ssl_context() if secure else False, proxy=proxy)
