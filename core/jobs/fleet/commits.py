"""Finished calls on their way into a fleet's database: those of one moment go as one statement."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.jobs.fleet import rows as pg_rows
from core.jobs.fleet.rows import Line
from core.stores.owners import Owner
from core.stores.pg_connection import Connection
from core.stores.postgres import PostgresStore
from core.stores.spool import Segment, Spool, left_behind, read_spool

log = logging.getLogger(__name__)

_MERGED_AT_ONCE = 500


class Commits:
    """See `core.jobs.engine.Journal.record` and `settle`.

    Args:
        heard: Is called, on whatever thread, whenever the store has taken something.
    """

    def __init__(self, store: PostgresStore, spool: Spool, heard: Callable[[], None]) -> None:
        self._store = store
        self._spool = spool
        self._heard = heard
        self._lock = threading.Lock()
        self._lines: list[tuple[Line, Segment]] = []
        self._landed: asyncio.Future[None] | None = None

    def add(self, line: Line, segment: Segment) -> None:
        with self._lock:
            self._lines.append((line, segment))
            if len(self._lines) > 1:
                return
            self._landed = asyncio.get_running_loop().create_future()
        _Batch(self._take, self._landed, self._resend, self._heard).send(self._store, self._spool)

    async def landed(self) -> None:
        if self._landed is not None:
            await asyncio.shield(self._landed)

    def _take(self) -> list[tuple[Line, Segment]]:
        with self._lock:
            lines, self._lines = self._lines, []
            return lines

    def _resend(self, line: tuple[Line, Segment]) -> None:
        """One call alone: something in its batch could not be written."""
        _Batch(lambda: [line], None, None, self._heard).send(self._store, self._spool)


class _Batch:
    """Some finished calls, taken together at the moment they are first written, so that late ones may still join."""

    def __init__(
        self,
        take: Callable[[], list[tuple[Line, Segment]]],
        landed: asyncio.Future[None] | None,
        resend: Callable[[tuple[Line, Segment]], None] | None,
        heard: Callable[[], None],
    ) -> None:
        self._take = take
        self._landed = landed
        self._resend = resend
        self._heard = heard
        self._lines: list[tuple[Line, Segment]] | None = None

    def send(self, store: PostgresStore, spool: Spool) -> None:
        written: Future[None] = store.submit(self._write, patient=True, hurried=False)
        written.add_done_callback(partial(self._written, spool))

    def _write(self, connection: Connection) -> None:
        if self._lines is None:
            self._lines = self._take()
        pg_rows.keep_calls(connection, [line for line, _ in self._lines])

    def _written(self, spool: Spool, written: Future[None]) -> None:
        failure = written.exception()
        if failure is None:
            self._heard()
            for _, segment in self._lines or ():
                spool.done(segment)
        elif not isinstance(failure, StoreError):  # closed with the store away: the spool has them
            log.error("Finished calls could not be recorded together: %s", type(failure).__name__)
            for line in self._lines or () if self._resend else ():
                self._resend(line)  # type: ignore[misc]
        if self._landed is not None:
            with_loop = self._landed.get_loop()
            if not with_loop.is_closed():
                with_loop.call_soon_threadsafe(_set, self._landed)


def _set(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)


def rescue(store: PostgresStore, folder: Path, owner: Owner) -> None:
    """Bring what dead processes of this machine had finished but not committed into the store. Blocks.

    Raises:
        StoreError: It cannot be written now.
    """
    for holder, paths in left_behind(folder).items():
        if not owner.alive(holder):
            for path in paths:
                lines = list(read_spool(path)) if path.exists() else []
                for start in range(0, len(lines), _MERGED_AT_ONCE):
                    merge = partial(pg_rows.keep_calls, lines=lines[start : start + _MERGED_AT_ONCE])
                    store.submit(merge).result()
                path.unlink(missing_ok=True)
            owner.bury(holder)


def looked_at(written: asyncio.Future[Any]) -> None:
    """Whoever waited may have been cancelled; a failure is nobody's business then."""
    if not written.cancelled():
        written.exception()
