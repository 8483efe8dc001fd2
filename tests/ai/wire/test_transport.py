"""The shared HTTP client: what it says of broken connections, and what it keeps away from proxies."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import anyio
import anyio.to_thread
import httpx2
import pytest
from fake_provider import FakeProvider

from ai.wire.raw.unusable import UnusableClientError
from ai.wire.transport import AiohttpTransport, SharedHTTP


@pytest.fixture
def raw_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends the bytes it is given to whoever connects, and hangs up."""
    replies: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(replies.pop(0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], replies
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def fetch(port: int) -> httpx2.Response:
    http = SharedHTTP()
    try:
        return await http.client.post(f"http://127.0.0.1:{port}/", json={"a": 1})
    finally:
        await http.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"garbage that is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot hex",
    ],
)
async def test_a_connection_that_breaks_after_sending_is_never_taken_for_a_failed_connect(
    raw_server: tuple[int, list[bytes]], reply: bytes
) -> None:
    port, replies = raw_server
    replies.append(reply)
    with anyio.fail_after(5), pytest.raises(httpx2.RemoteProtocolError):
        await fetch(port)


async def test_a_refused_connection_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(httpx2.ConnectError):
        await fetch(port)


async def test_an_unknown_scheme_is_told_as_such() -> None:
    http = SharedHTTP()
    with pytest.raises(httpx2.UnsupportedProtocol):
        await http.client.get("ftp://127.0.0.1/")
    await http.aclose()


async def test_connections_are_kept_and_used_again(provider: FakeProvider) -> None:
    http = SharedHTTP()
    for _ in range(3):
        (await http.client.get(f"{provider.base_url}/models")).raise_for_status()
    transport = http.client._transport
    assert isinstance(transport, AiohttpTransport)
    assert transport._session is not None
    assert transport._session.connector is not None
    assert sum(len(idle) for idle in transport._session.connector._conns.values()) == 1
    await http.aclose()


async def test_this_machine_is_never_reached_through_a_proxy(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    http = SharedHTTP()
    assert (await http.client.get(f"{provider.base_url}/models")).status_code == 200
    done = await anyio.to_thread.run_sync(http.sync_client.get, f"{provider.base_url}/models")
    assert done.status_code == 200
    await http.aclose()


def test_other_machines_are_reached_through_the_proxy_unless_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:8080")
    monkeypatch.setenv("no_proxy", "inside.test")
    transport = AiohttpTransport()
    assert transport._proxy(httpx2.URL("https://outside.test/")) == "http://proxy.test:8080"
    assert transport._proxy(httpx2.URL("https://inside.test/")) is None
    assert transport._proxy(httpx2.URL("http://outside.test/")) is None
    assert transport._proxy(httpx2.URL("https://localhost/")) is None


async def test_a_client_that_was_closed_says_so_before_anything_is_sent() -> None:
    http = SharedHTTP(httpx2.MockTransport(lambda request: pytest.fail("it was sent")))
    held = http.client  # as an SDK holds it
    await http.aclose()
    with pytest.raises(UnusableClientError):
        await held.get("http://127.0.0.1/")


def test_a_session_serves_no_other_event_loop(raw_server: tuple[int, list[bytes]]) -> None:
    http, (port, replies) = SharedHTTP(), raw_server
    url = f"http://127.0.0.1:{port}/"
    replies.append(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    first = asyncio.new_event_loop()
    try:
        assert first.run_until_complete(http.client.get(url)).status_code == 200
        with pytest.raises(UnusableClientError):
            asyncio.run(_get(http, url))
        first.run_until_complete(http.aclose())
    finally:
        first.close()


async def _get(http: SharedHTTP, url: str) -> None:
    await http.client.get(url)
