"""The index by meaning on a Chroma server, which CHROMA_URL names: by its HTTP protocol, version 2.

Chroma's own client brings a hundred megabytes for six requests. No word is kept there: numbers of turns and vectors, a
collection for each file and embedder. In one that several files share, a search for one of them would stop among the
neighbours of the others.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, StoreError
from core.memory.index import Matrix, Near, Part
from core.redact import register_secret
from core.stores.sqlite import Store

if TYPE_CHECKING:
    import httpx2

TOKEN = "CHROMA_TOKEN"  # noqa: S105 - the name of the variable
_PREFIX = "moot-"
_SPACE = {"hnsw": {"space": "cosine", "ef_search": 400, "ef_construction": 200, "max_neighbors": 32}}
_AT_ONCE = 250
_TIMEOUT_S = 10.0
_SILENT_S = 30.0
"""How long one that took too long is not asked again: not every question shall wait for it."""
_LONGEST_S = 20.0
_LARGEST = 32 * 1024 * 1024
"""Bytes of a reply; ours are a tenth of a megabyte."""
_LISTED = 1_000
_MOST = 2**63
"""No number of a turn is as high."""
_ODD = "The server of CHROMA_URL answers oddly. Check that it is a Chroma server, 1.0 or newer."
_AWAY = "The Chroma server of CHROMA_URL does not answer. Start it, or correct CHROMA_URL."


class ChromaIndex:
    """A `VectorIndex` on the server at *url*, for what is in *store*.

    Raises:
        ConfigError: That is no address.
    """

    name = "chroma"

    def __init__(self, url: str, store: Store) -> None:
        url = url.strip().rstrip("/")
        if not re.fullmatch(r"https?://[^\s@]+", url):
            raise ConfigError("CHROMA_URL must be an address such as http://127.0.0.1:8000. Correct it.")
        tenant = os.environ.get("CHROMA_TENANT", "").strip() or "default_tenant"
        database = os.environ.get("CHROMA_DATABASE", "").strip() or "default_database"
        self._base = f"{url}/api/v2/tenants/{tenant}/databases/{database}/collections"
        self._store = store
        self._client: httpx2.Client | None = None
        self._collections: dict[str, str] = {}
        self._ours = ""
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def add(self, embedder: str, parts: Sequence[Part], vectors: Matrix) -> None:
        for start in range(0, len(parts), _AT_ONCE):
            some = parts[start : start + _AT_ONCE]
            told = [{"thread": p.thread, "turn": p.turn, "part": p.part} for p in some]
            body = {
                "ids": [f"{p.turn}:{p.part}" for p in some],
                "embeddings": [[float(number) for number in row] for row in vectors[start : start + _AT_ONCE]],
                "metadatas": told,
            }
            self._post(f"{self._collection(embedder)}/upsert", body)

    def nearest(self, embedder: str, threads: Collection[int] | None, vector: Matrix, *, most: int) -> list[Near]:
        body: dict[str, Any] = {
            "query_embeddings": [[float(number) for number in vector]],
            "n_results": 2 * most,  # a long turn has several parts
            "include": ["metadatas", "distances"],
        }
        if threads is not None:
            body["where"] = {"thread": {"$in": sorted(threads)}}
        reply = self._post(f"{self._collection(embedder)}/query", body)
        try:
            pairs = zip(reply["metadatas"][0], reply["distances"][0], strict=True)
            found = [_near(told, far) for told, far in pairs]
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise StoreError(_ODD) from error
        once: dict[int, Near] = {}
        for near in found:
            once.setdefault(near.turn, near)
        return list(once.values())[:most]

    def forget(self, turns: Sequence[int]) -> None:
        for collection in self._all():
            for start in range(0, len(turns), _AT_ONCE):
                some = list(turns[start : start + _AT_ONCE])
                self._post(f"{collection}/delete", {"where": {"turn": {"$in": some}}})

    def drop(self, embedder: str) -> None:
        name = self._name(embedder)
        self._collections.pop(embedder, None)
        if name in self._listed():
            self._send("DELETE", f"{self._base}/{name}", None)

    def count(self, embedder: str) -> int:
        many = self._send("GET", f"{self._collection(embedder)}/count", None)
        if not isinstance(many, int):
            raise StoreError(_ODD)
        return many

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _file(self) -> str:
        """The name of the file whose turns these are."""
        if not self._ours:
            query = "SELECT value FROM notes WHERE key = 'store'"
            self._ours = str(self._store.read(lambda c: c.execute(query).fetchone()[0]))
        return self._ours

    def _name(self, embedder: str) -> str:
        return f"{_PREFIX}{self._file}-{re.sub(r'[^A-Za-z0-9-]+', '-', embedder).strip('-')[:180]}"

    def _collection(self, embedder: str) -> str:
        if embedder not in self._collections:
            body = {"name": self._name(embedder), "get_or_create": True, "configuration": _SPACE}
            self._collections[embedder] = f"{self._base}/{_told(self._post(self._base, body))[1]}"
        return self._collections[embedder]

    def _all(self) -> list[str]:
        """The collections of this file, by whatever embedder."""
        ours = f"{_PREFIX}{self._file}-"
        return [f"{self._base}/{number}" for name, number in self._listed().items() if name.startswith(ours)]

    def _listed(self) -> dict[str, str]:
        """What the server calls each collection, by our name for it."""
        told: dict[str, str] = {}
        while True:
            found = self._send("GET", f"{self._base}?limit={_LISTED}&offset={len(told)}", None)
            if not isinstance(found, list):
                raise StoreError(_ODD)
            before = len(told)
            told |= dict(map(_told, found))
            if len(found) < _LISTED or len(told) == before:
                return told

    def _post(self, url: str, body: dict[str, Any]) -> Any:
        return self._send("POST", url, body)

    def _send(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        import httpx2

        if time.monotonic() < self._silent_until:
            raise StoreError(_AWAY)
        try:
            with self._connected().stream(method, url, json=body) as reply:
                text = _read(reply)
        except httpx2.TimeoutException as error:
            self._silent_until = time.monotonic() + _SILENT_S
            raise StoreError(_AWAY) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise StoreError(_AWAY) from error
        if reply.status_code in (401, 403):
            raise StoreError(f"The Chroma server of CHROMA_URL lets nobody in. Set {TOKEN}.")
        if reply.status_code == 404:  # it was emptied or set up anew: what is remembered of it is of no use
            self._collections.clear()
        if not reply.is_success:
            raise StoreError(f"The server of CHROMA_URL refuses a request ({reply.status_code}). Try again later.")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StoreError(_ODD) from error

    def _connected(self) -> httpx2.Client:
        import httpx2

        with self._lock:
            if self._client is None:
                headers = {}
                if token := os.environ.get(TOKEN, "").strip():
                    register_secret(token)
                    headers = {"x-chroma-token": token}
                self._client = httpx2.Client(timeout=_TIMEOUT_S, headers=headers)
            return self._client


def _read(reply: httpx2.Response) -> bytes:
    """All that *reply* holds, within bounds."""
    import httpx2

    until, found = time.monotonic() + _LONGEST_S, bytearray()
    for piece in reply.iter_bytes():
        found += piece
        if len(found) > _LARGEST:
            raise StoreError(_ODD)
        if time.monotonic() > until:
            raise httpx2.ReadTimeout("a reply that comes by drops")
    return bytes(found)


def _told(collection: Any) -> tuple[str, str]:
    """The name of *collection* and what the server calls it, which becomes a part of an address."""
    try:
        name, number = collection["name"], collection["id"]
    except (KeyError, TypeError) as error:
        raise StoreError(_ODD) from error
    if not isinstance(name, str) or not isinstance(number, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,64}", number):
        raise StoreError(_ODD)
    return name, number


def _near(told: Any, far: Any) -> Near:
    near = Near(int(told["turn"]), int(told["part"]), 1 - float(far))
    if not 0 < near.turn < _MOST or not 0 <= near.part < _MOST:
        raise ValueError
    return near
