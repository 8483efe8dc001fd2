"""One numbering for several processes: each sends its events to the first, and gets all of them back in one order.

So whichever process a browser talks to, it hears the same stream, and goes on in it where another one left off. The
first process starts the others and does nothing else; what it hands on it does not look into. Lines of JSON, over a
socket that only this user can open.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from core.files.atomic import private_folder

log = logging.getLogger(__name__)

_KEPT = 20_000
_KEPT_BYTES = 32 * 1024 * 1024
_MOST_LINE = 64 * 1024 * 1024
_MOST_WAITING = 64 * 1024 * 1024
"""Bytes that may wait for a process that does not read, above which it is let go, and joins anew."""
_LEAD = b"lead\n"


class Relay:
    """The first process's part; runs in a thread of its own while `open` is entered."""

    def __init__(self, folder: Path) -> None:
        self.path = private_folder(folder) / f"{secrets.token_hex(8)}.sock"
        self.name = secrets.token_hex(4)
        self._number = 0
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._members: list[asyncio.StreamWriter] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None

    def __enter__(self) -> Relay:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="moot-relay", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._loop is not None and self._done is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._done.set)
            self._thread.join(5)
        self.path.unlink(missing_ok=True)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_unix_server(self._member, self.path, limit=_MOST_LINE)
        self.path.chmod(0o600)
        ready.set()
        async with server:
            await self._done.wait()
            for member in self._members:
                member.close()

    async def _member(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps({"name": self.name}).encode() + b"\n" + b"".join(self._lines))
        self._members.append(writer)
        if len(self._members) == 1:
            writer.write(_LEAD)
        try:
            while line := await reader.readline():
                self._spread(line)
        except (OSError, ValueError):
            pass  # it is gone, or sends what no process of ours does
        finally:
            self._leave(writer)

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        led = bool(self._members) and self._members[0] is writer
        if writer in self._members:
            self._members.remove(writer)
        writer.close()
        if led and self._members:
            self._members[0].write(_LEAD)

    def _spread(self, line: bytes) -> None:
        self._number += 1
        numbered = b"%d %s" % (self._number, line)
        self._lines.append(numbered)
        self._bytes += len(numbered)
        while len(self._lines) > _KEPT or self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._lines.popleft())
        for member in tuple(self._members):
            if member.transport.get_write_buffer_size() > _MOST_WAITING:
                member.transport.abort()
            else:
                member.write(numbered)


class Membership:
    """The part of every other process: it sends what happens here, and hears what happens anywhere."""

    def __init__(self, path: Path, hear: Callable[[int, dict[str, Any]], None]) -> None:
        self._path = path
        self._hear = hear
        self._writer: asyncio.StreamWriter | None = None
        self.leads = asyncio.Event()
        """Set in the one process that does what only one should."""

    def send(self, told: dict[str, Any]) -> None:
        """Have *told* get its number and come back to everybody. Never blocks."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(
                json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
            )

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[str]:
        """Take part while the block runs; gives the name under which events are numbered."""
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_MOST_LINE)
        name = str(json.loads(await reader.readline())["name"])
        self._writer = writer
        listening = asyncio.create_task(self._listen(reader))
        try:
            yield name
        finally:
            self._writer = None
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line == _LEAD:
                self.leads.set()
                continue
            number, _, told = line.partition(b" ")
            self._hear(int(number), json.loads(told))
        log.warning("The process that started this one is gone, so events of the others do not arrive any more.")
