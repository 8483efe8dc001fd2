"""A response body that ends, whatever an endpoint sends: unpacked, counted, and cut off past its limit.

2 MB of gzip unpack to 2 GB, and an error page may never end. The SDKs read bodies whole, so the limit stands below
them, in the shared client's hook for responses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2

MEGABYTE = 1_048_576
LONGEST_RESPONSE = 256 * MEGABYTE
"""Bytes after unpacking, events and all; an answer of a million tokens takes some 200 bytes for each."""
LONGEST_ERROR = MEGABYTE
"""An error body is cut without an error of its own: what it says stands at its beginning."""
LONGEST_LINE = 64 * MEGABYTE
UNBOUNDED = "moot.unbounded"
"""A request's extension for downloads that are read line by line, such as the results of a provider's batch."""


class ResponseTooLongError(httpx2.DecodingError):
    """A response went past the limit. The request was accepted, so it is never sent again."""


def bound(response: httpx2.Response, longest: int) -> None:
    """Have the body of *response*, which nobody has begun to read, end after *longest* bytes."""
    error = not response.is_success
    if response.is_closed or (response.request.extensions.get(UNBOUNDED) and not error):
        return
    body = _Body(response, min(longest, LONGEST_ERROR) if error else longest, cut=error)
    for name in ("content-encoding", "content-length"):
        response.headers.pop(name, None)
    response.stream = body


async def lines(response: httpx2.Response, longest: int = LONGEST_LINE) -> AsyncIterator[bytes]:
    """The lines of a body that is not kept whole, without their ends.

    Raises:
        ResponseTooLongError: One of them is longer than *longest* bytes.
    """
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        *whole, last = chunk.split(b"\n")
        if whole:
            yield bytes(rest + whole[0])
            for line in whole[1:]:
                yield line
            rest.clear()
        rest += last
        if len(rest) > longest:
            raise ResponseTooLongError(f"one line has more than {longest // MEGABYTE:,} MB", request=response.request)
    if rest:
        yield bytes(rest)


class _Body(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """The unpacked bytes of a response; with *cut*, the end at the limit is no error."""

    def __init__(self, response: httpx2.Response, longest: int, *, cut: bool) -> None:
        self._packed = httpx2.Response(
            response.status_code, headers=response.headers, stream=response.stream, request=response.request
        )
        self._left = longest
        self._longest = longest
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._packed.aiter_bytes():
            if piece := self._counted(chunk):
                yield piece
            if self._left < 0:
                return

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._packed.iter_bytes():
            if piece := self._counted(chunk):
                yield piece
            if self._left < 0:
                return

    def _counted(self, chunk: bytes) -> bytes:
        left, self._left = self._left, self._left - len(chunk)
        if self._left >= 0:
            return chunk
        if self._cut:
            return chunk[:left]
        raise ResponseTooLongError(
            f"more than {self._longest // MEGABYTE:,} MB were sent", request=self._packed.request
        )

    async def aclose(self) -> None:
        await self._packed.aclose()

    def close(self) -> None:
        self._packed.close()
