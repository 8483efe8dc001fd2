"""Remembers answers to exactly the same request, and lets identical requests in flight be one. Off unless asked for.

Only whole answers are kept: nothing cut off, no tool calls. The file is shared by all Moot processes of the user.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from typing import Any

import anyio
import anyio.to_thread

from ai.client import Emit
from ai.layers.pipeline import Complete
from ai.request import request_key
from core.errors import AIError, StoreError
from core.redact import without_secrets
from core.stores.sqlite import Store, now
from core.values import Request, Response, Usage

MIGRATIONS = (
    """
    CREATE TABLE answers (key TEXT PRIMARY KEY, at REAL NOT NULL, response TEXT NOT NULL);
    CREATE INDEX answers_by_age ON answers (at)
    """,
)
_LONGEST_TTL_S = 365 * 86_400


class Cache:
    """Answers of one AI, each for *ttl_s* seconds. *identity* tells AIs apart that could answer differently."""

    def __init__(self, identity: str, ttl_s: float, store: Store) -> None:
        self._identity = identity
        self._ttl_s = ttl_s
        self._store = store
        self._flights: dict[str, _Flight] = {}

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        key = request_key(self._identity, request)
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.response is not None:
                return _replayed(flight.response, emit)
            # Whoever made the call was cancelled; somebody who still wants the answer makes it again.
        self._flights[key] = flight = _Flight()
        try:
            return await self._fly(flight, key, request, emit, call_next)
        except AIError as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.landed.set()

    async def _fly(self, flight: _Flight, key: str, request: Request, emit: Emit, call_next: Complete) -> Response:
        kept = await anyio.to_thread.run_sync(self._find, key)
        if kept is not None:
            flight.response = kept
            return _replayed(kept, emit)
        response = flight.response = await call_next(request, emit)
        if response.finish_reason == "stop" and not response.tool_calls:
            self._keep(key, response)
        return response

    def _find(self, key: str) -> Response | None:
        def look(connection: sqlite3.Connection) -> Any:
            since = now() - self._ttl_s
            return connection.execute("SELECT response FROM answers WHERE key = ? AND at > ?", (key, since)).fetchone()

        try:
            row = self._store.read(look)
        except StoreError:  # a cache that cannot be read is an empty one
            return None
        try:
            return _decoded(row["response"]) if row else None
        except (ValueError, TypeError, KeyError, AttributeError):  # damaged, or of another version
            return None

    def _keep(self, key: str, response: Response) -> None:
        body = json.dumps(asdict(replace(response, text=without_secrets(response.text), parts=())))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, now(), body))
            connection.execute("DELETE FROM answers WHERE at < ?", (now() - _LONGEST_TTL_S,))

        self._store.post(write)


class _Flight:
    """One call that others wait for."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.response: Response | None = None
        self.error: AIError | None = None


def _replayed(response: Response, emit: Emit) -> Response:
    emit(response.text)
    return replace(response, cached=True)


def _decoded(body: str) -> Response:
    fields = json.loads(body)
    return Response(**(fields | {"usage": Usage(**fields["usage"]), "tool_calls": (), "parts": ()}))
