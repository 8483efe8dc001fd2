"""A provider's batch endpoint: many requests in one submission, at a lower price, answered within a day.

What every protocol can do, and the plain HTTP they share; the protocols are `ai/batch/endpoints/`. Requests are
built and answers folded by the same functions as ordinary calls.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from ai.wire.classify.failure import Who, error_status, not_an_answer, status_error, transport_error
from ai.wire.raw.bounded import UNBOUNDED, lines
from ai.wire.raw.reading import decode
from ai.wire.response.sse_fold import SSEFold
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import AIError, ProviderError
from core.values import Request, Response

log = logging.getLogger(__name__)

_TIMEOUT = httpx2.Timeout(300.0, connect=15.0)
"""An upload of many megabytes is looked through before it is answered."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the provider allows and promises: requests and bytes of one batch, and the part of the price to pay."""

    requests: int
    bytes: int
    price: float


@dataclass(frozen=True, slots=True)
class RemoteStatus:
    """How far a batch is. `reason` says why it ended without an answer to everything, if it did."""

    over: bool
    done: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What became of the request called `custom_id`."""

    custom_id: str
    outcome: Response | AIError


class RemoteBatches(Protocol):
    """One AI's batch endpoint. Every coroutine raises AIError when the provider refuses or cannot be reached."""

    terms: Terms
    marks: bool
    """Whether a batch carries the mark it was submitted with, so that `find` knows it for certain."""

    async def open(self) -> None:
        """Import and build what takes long; comes before everything else."""

    def line(self, custom_id: str, request: Request) -> bytes:
        """*request* as JSON on one line. A custom id has at most 64 letters, digits, `-` and `_`."""

    async def submit(self, mark: str, lines: Sequence[bytes]) -> str:
        """Hand in what `line` made, and return the provider's id for it."""

    async def find(self, mark: str, count: int, since: float) -> list[str]:
        """The batches that may be the one submitted with *mark* and *count* requests after *since* (epoch seconds)."""

    async def status(self, id: str) -> RemoteStatus: ...

    def results(self, id: str) -> AsyncIterator[RemoteResult]:
        """What a batch that is over brought, in any order; requests that were never tried may be missing."""

    async def cancel(self, id: str) -> None: ...


class BatchHTTP:
    """JSON, files and lines over the shared client, with our errors.

    Args:
        headers: How the key is shown; beside those of the settings.
    """

    def __init__(self, settings: ClientSettings, http: SharedHTTP, headers: Mapping[str, str]) -> None:
        assert settings.endpoint is not None
        self.who = settings.who
        self._base = settings.endpoint.base_url.rstrip("/")
        self._query = dict(settings.endpoint.query)
        self._headers = {**headers, **settings.headers}
        self._http = http

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self._json("GET", path, params=query)

    async def post(self, path: str, body: Any = None, *, content: bytes | None = None) -> dict[str, Any]:
        if content is not None:
            return await self._json("POST", path, content=content, headers={"content-type": "application/json"})
        return await self._json("POST", path, json={} if body is None else body)

    async def upload(self, lines: Sequence[bytes]) -> str:
        """Post *lines* as a file for batches; its id."""
        files = {"file": ("batch.jsonl", b"\n".join(lines) + b"\n", "application/jsonl")}
        file = await self._json("POST", "/files", data={"purpose": "batch"}, files=files)
        return str(file["id"])

    async def lines(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a file, one a line."""
        async with self._stream(path) as reply:
            with _transport(self.who):
                async for line in lines(reply):
                    if (row := _row(line.decode("utf-8", "replace"))) is not None:
                        yield row
                    elif line.strip():
                        log.warning("%s: a line of a batch's results cannot be read", self.who.ai)

    async def results(self, path: str, read: Callable[[dict[str, Any]], RemoteResult]) -> AsyncIterator[RemoteResult]:
        """What *read* makes of each line; one that is not as documented spoils no other."""
        async for row in self.lines(path):
            try:
                result = read(row)
            except Exception as error:  # whatever one row's answer does, it is that row's failure
                log.debug("%s: %s in a batch's result", self.who.ai, type(error).__name__, exc_info=error)
                result = RemoteResult(str(row.get("custom_id")), not_an_answer(self.who, repr(row)))
            yield result

    async def file_results(
        self, ids: Iterable[str | None], read: Callable[[dict[str, Any]], RemoteResult]
    ) -> AsyncIterator[RemoteResult]:
        """The results in all files there are among *ids*."""
        for file in filter(None, ids):
            async for result in self.results(f"/files/{file}/content", read):
                yield result

    @asynccontextmanager
    async def _stream(self, path: str) -> AsyncIterator[httpx2.Response]:
        url = f"{self._base}{path}"
        with _transport(self.who):
            async with self._http.client.stream(
                "GET",
                url,
                params=self._query or None,
                headers=self._headers,
                timeout=_TIMEOUT,
                extensions={UNBOUNDED: True},
            ) as reply:
                if reply.status_code >= 300:
                    await reply.aread()
                    raise self._refusal(reply)
                yield reply

    async def _json(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> dict[str, Any]:
        if self._query:
            body["params"] = {**self._query, **(body.get("params") or {})}
        with _transport(self.who):
            reply = await self._http.client.request(
                method, f"{self._base}{path}", headers={**self._headers, **(headers or {})}, timeout=_TIMEOUT, **body
            )
        if reply.status_code >= 300:
            raise self._refusal(reply)
        return self._object(reply.text)

    def _object(self, text: str) -> dict[str, Any]:
        found = _row(text)
        if found is None:
            raise not_an_answer(self.who, text)
        return found

    def _refusal(self, reply: httpx2.Response) -> AIError:
        return status_error(self.who, reply.status_code, reply.text, headers=reply.headers)


@contextmanager
def _transport(who: Who) -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPError as error:
        raise transport_error(who, error) from error


def _row(text: str) -> dict[str, Any] | None:
    try:
        found = decode(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def folded(fold: SSEFold, body: Any) -> Response | AIError:
    """The answer in *body*, read as an ordinary call that did not stream."""
    fold.open({"content-type": "application/json"})
    try:
        fold.feed(encoded(body))
        return fold.finish()
    except AIError as error:
        return error
    except Exception as error:  # one answer, and only that, cannot be read
        log.debug("%s: %s in a batch's answer", fold.who.ai, type(error).__name__, exc_info=error)
        return fold.unreadable(error)


def refused(who: Who, details: Any, status: int | None = None) -> AIError:
    """The error for one request of a batch that the provider answered with an error object."""
    said = details if isinstance(details, dict) else {"message": str(details or "")}
    return status_error(who, status or error_status(said), said)


def unanswered(who: Who, why: str) -> AIError:
    """The error for a request that was never tried, and so costs nothing."""
    return ProviderError(
        f"{who.ai!r}: {why} Nothing was charged for this row. Ask it again with --retry-failed.",
        ai=who.ai,
        provider=who.provider,
    )
