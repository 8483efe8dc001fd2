"""Bodies without an end, or that unpack to far more than was sent."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from ai.wire.raw.bounded import LONGEST_ERROR, MEGABYTE, UNBOUNDED, ResponseTooLongError, lines
from ai.wire.transport import SharedHTTP

URL = "http://127.0.0.1:1/"


class Endless(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """The same chunk for ever; counts how often it was taken."""

    def __init__(self, chunk: bytes) -> None:
        self.chunk = chunk
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1
            yield self.chunk

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += 1
            yield self.chunk

    async def aclose(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


def shared(response: httpx2.Response, **options: int) -> SharedHTTP:
    transport = httpx2.MockTransport(lambda request: response)
    return SharedHTTP(transport, transport, **options)


async def test_an_endless_error_page_is_cut_and_its_beginning_kept() -> None:
    body = Endless(b"No. " * 10_000)
    response = await shared(httpx2.Response(500, stream=body)).client.get(URL)
    assert response.status_code == 500
    assert len(response.content) == LONGEST_ERROR
    assert response.text.startswith("No. No. ")
    assert body.closed


async def test_an_endless_answer_ends_with_an_error() -> None:
    body = Endless(b"x" * MEGABYTE)
    with pytest.raises(ResponseTooLongError, match="more than 3 MB"):
        await shared(httpx2.Response(200, stream=body), longest_response=3 * MEGABYTE).client.get(URL)
    assert body.taken == 4
    assert body.closed


def test_the_synchronous_client_is_bounded_alike() -> None:
    body = Endless(b"x" * MEGABYTE)
    http = shared(httpx2.Response(200, stream=body), longest_response=MEGABYTE)
    with pytest.raises(ResponseTooLongError):
        http.sync_client.get(URL)
    assert body.closed
    assert len(shared(httpx2.Response(404, stream=Endless(b"x" * 999))).sync_client.get(URL).content) == LONGEST_ERROR


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_counted_as_it_unpacks(coding: str) -> None:
    plain = bytes(64 * MEGABYTE)
    packed = gzip.compress(plain) if coding == "gzip" else zlib.compress(plain)
    assert len(packed) < 100_000
    response = httpx2.Response(200, headers={"content-encoding": coding}, stream=httpx2.ByteStream(packed))
    with pytest.raises(ResponseTooLongError):
        await shared(response, longest_response=8 * MEGABYTE).client.get(URL)


async def test_what_is_packed_and_within_the_limit_is_read_as_it_was_meant() -> None:
    packed = httpx2.ByteStream(gzip.compress(b'{"a": 1}'))
    response = await shared(httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=packed)).client.get(URL)
    assert response.json() == {"a": 1}


async def test_a_download_is_read_line_by_line_without_a_limit_on_the_whole_but_on_each_line() -> None:
    http = shared(httpx2.Response(200, stream=Endless(b"one\ntwo")), longest_response=10)
    seen = []
    async with http.client.stream("GET", URL, extensions={UNBOUNDED: True}) as reply:
        async for line in lines(reply):
            seen.append(line)
            if len(seen) == 4:
                break
    assert seen == [b"one", b"twoone", b"twoone", b"twoone"]

    http = shared(httpx2.Response(200, stream=Endless(b"x" * MEGABYTE)))
    async with http.client.stream("GET", URL, extensions={UNBOUNDED: True}) as reply:
        with pytest.raises(ResponseTooLongError, match="one line"):
            async for _ in lines(reply, 2 * MEGABYTE):
                pass
