"""The one HTTP client that all SDKs share.

Its transport is aiohttp underneath: httpx2's own pool walks all its connections on every request (1.0 ms of CPU a
call at 64 in flight, 3.3 ms at 1,000), aiohttp's does not. Errors are mapped with one question in mind: may the
provider have accepted the request? A transport that reports a lost connection as a failed connect would make the
retry layer pay twice.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2

from ai.lazy import load
from ai.wire.ancestry import tell_depth
from ai.wire.rate_headers import tell
from ai.wire.raw.bounded import LONGEST_RESPONSE, bound
from ai.wire.raw.redirects import check_redirect
from ai.wire.raw.unusable import UnusableClientError
from core.secrecy.config_row import register_url_secrets

if TYPE_CHECKING:
    import aiohttp

_KEEPALIVE_S = 4.0
"""Below the 5 s after which Node, uvicorn and llama.cpp close an idle connection: a request sent into that closing
may or may not have been accepted, and so could neither be repeated nor trusted."""
_CONNECT_S = 15.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHUNK_BYTES = 16_384
"""A proxy that buffers delivers thousands of tokens at once. In one piece they would hold up every other call, and
overflow the queue of a view that is not slow at all."""
_DEFAULT_TIMEOUT = httpx2.Timeout(None, connect=_CONNECT_S)
"""Everything after the connect is the deadline layer's business: an SDK's read timeout never ends a slow drip."""


class SharedHTTP:
    """Holds one asynchronous and one synchronous HTTP client, each built on first use. Close it in the end.

    Args:
        transport, sync_transport: Replace the network, as `httpx2.MockTransport` does in tests.
        longest_response: Bytes of one response, unpacked, after which it is cut off.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport | None = None,
        sync_transport: httpx2.BaseTransport | None = None,
        *,
        longest_response: int = LONGEST_RESPONSE,
    ) -> None:
        self._longest = longest_response
        self._transport = transport
        self._sync_transport = sync_transport
        self._client: httpx2.AsyncClient | None = None
        self._sync_client: httpx2.Client | None = None

    @property
    def client(self) -> httpx2.AsyncClient:
        if self._client is None:
            transport = self._transport or AiohttpTransport()
            self._client = _Client(
                transport=transport,
                timeout=_DEFAULT_TIMEOUT,
                follow_redirects=True,
                event_hooks={"request": [_sent], "response": [self._received]},
            )
        return self._client

    async def prepare(self) -> None:
        """Import what the first request needs, so that no limit of it is lost to that."""
        if self._transport is None:
            await load("aiohttp")

    @property
    def sync_client(self) -> httpx2.Client:
        if self._sync_client is None:
            self._sync_client = httpx2.Client(
                transport=self._sync_transport,
                mounts={f"all://{f'[{host}]' if ':' in host else host}": None for host in _LOOPBACK},  # never by proxy
                timeout=_DEFAULT_TIMEOUT,
                follow_redirects=True,
                event_hooks={"request": [tell_depth], "response": [self._take_in]},
            )
        return self._sync_client

    async def _received(self, response: httpx2.Response) -> None:
        self._take_in(response)

    def _take_in(self, response: httpx2.Response) -> None:
        check_redirect(response)
        tell(response.headers)
        bound(response, self._longest)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self.close()

    def close(self) -> None:
        """Close the synchronous client only."""
        client, self._sync_client = self._sync_client, None
        if client is not None:
            client.close()


async def _sent(request: httpx2.Request) -> None:
    tell_depth(request)


class _Client(httpx2.AsyncClient):
    """One that says by the kind of its error that it is closed; SDKs keep it longer than we do."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if self.is_closed:
            raise UnusableClientError("the client is closed", request=request)
        return await super().send(request, **options)


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """An httpx2 transport over one `aiohttp.ClientSession`, opened by the first request."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: ssl.SSLContext | None = None
        self._proxies = urllib.request.getproxies()
        for proxy in self._proxies.values():
            register_url_secrets(proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._check_loop(request)
        aiohttp = await load("aiohttp")
        timeout = request.extensions.get("timeout", {})
        connect = timeout.get("connect") or _CONNECT_S  # google-genai sets none at all
        tls = await self._context() if request.url.scheme == "https" else True
        with _mapped_errors(request, sent=False):
            reply = await self._open_session().request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=connect, sock_read=timeout.get("read")),
                ssl=tls,
                proxy=self._proxy(request.url),
            )
        return httpx2.Response(reply.status, headers=reply.raw_headers, stream=_Body(reply, request), request=request)

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _check_loop(self, request: httpx2.Request) -> None:
        """A session serves the event loop it was opened in, and no other."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise UnusableClientError("there is no asyncio loop", request=request) from None
        if self._session is not None and (self._session.closed or running is not self._loop):
            raise UnusableClientError("the session belongs to another event loop", request=request)

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._loop = asyncio.get_running_loop()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    def _proxy(self, url: httpx2.URL) -> str | None:
        """The proxy of the environment for *url*; none for this machine, where it could only do harm."""
        if not self._proxies or url.host in _LOOPBACK or urllib.request.proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # 30 ms of reading certificates, not wanted for a local model
            self._tls = await anyio.to_thread.run_sync(httpx2.create_ssl_context)
        return self._tls


class _Body(httpx2.AsyncByteStream):
    def __init__(self, reply: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._reply = reply
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped_errors(self._request, sent=True):
            async for chunk in self._reply.content.iter_chunked(_CHUNK_BYTES):
                yield chunk
                if len(chunk) == _CHUNK_BYTES:  # more is waiting: let the others have the loop first
                    await asyncio.sleep(0)

    async def aclose(self) -> None:
        # close() drops the connection when the body was not read to its end: that is how a cancelled call
        # reaches the provider. release() would read on.
        if self._reply.content.at_eof():
            self._reply.release()
        else:
            self._reply.close()


@contextmanager
def _mapped_errors(request: httpx2.Request, *, sent: bool) -> Iterator[None]:
    import aiohttp

    try:
        yield
    except (aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError) as error:
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError) and not sent
        kind = httpx2.ConnectTimeout if connecting else httpx2.ReadTimeout
        raise kind(str(error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error.os_error), request=request) from error
    except aiohttp.ClientHttpProxyError as error:
        raise httpx2.ProxyError(str(error), request=request) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx2.UnsupportedProtocol(str(error), request=request) from error
    except ValueError as error:
        if sent:
            raise
        raise httpx2.LocalProtocolError("a header cannot be sent", request=request) from error
    except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
        # Disconnects, resets, broken payloads, a loop that ends: the request was, or may have been, on its way.
        raise httpx2.RemoteProtocolError(str(error) or type(error).__name__, request=request) from error
