"""What the host sends, line by line: bounded, with everything else before calls of tools, and ended from our side.

The SDK would read stdin line by line in worker threads that nothing can interrupt, so a server told to stop by a
signal would wait for the host's next line, and a `ping` behind a thousand calls for all of them. Here one thread reads
for the whole connection; blank lines are nothing, calls wait for their turn, and a line longer than any message is
refused instead of being kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from core.untrusted import in_whole_characters

LONGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes. The longest prompt, with every character escaped, takes less than half of it."""
MOST_CALLS = 128
"""Calls of tools under way at once. More of them only keep each other, and the rest of the connection, waiting."""
_MOST_WAITING = 2 * LONGEST_MESSAGE
_CHUNK = 65_536
_CALL, _CANCELLED = "tools/call", "notifications/cancelled"
_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,16}|"[^"\\]{1,200}")')
_ID_WITHIN = 4_096
TOO_LONG = "refused/message-longer-than-32-MiB"
"""No method: a request that is too long becomes one of that name, so that whoever sent it hears why it fails."""


UNREADABLE = "refused/message-that-is-none"


class HostInput:
    """The lines on fd 0, for `async for` on the event loop that this is made on; children find it empty.

    Args:
        first: What was read from fd 0 before.
        ended: Called when the input ends, whoever ends it; from any thread.
    """

    def __init__(self, first: bytes = b"", ended: Callable[[], None] = lambda: None) -> None:
        self._ended = ended
        self._host = _taken_stdin()
        self._queue = _Queue()
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._pump, args=(first,), name="moot-stdin", daemon=True).start()

    def hang_up(self) -> None:
        """End the input, as if the host had hung up; may be called twice, and from any thread."""
        self._ended()
        self._queue.close(drop=True)
        self._wake()

    def answered(self, id: str | int | None) -> None:
        """The call of that id is over: another one may begin."""
        if self._queue.finish(id):
            self._more.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            while (line := self._queue.take()) is not None:
                yield self._understood(line.decode("utf-8", "replace"))
            if self._queue.ended:
                return
            await self._more.wait()
            self._more.clear()

    def _understood(self, line: str) -> str:
        """*line*, or in its place what can be answered: the SDK would drop what it cannot read without a word."""
        if _is_message(line):
            return line
        message = _message(line.encode("utf-8", "replace"), always=True)
        whole = in_whole_characters(json.dumps(message, ensure_ascii=False)) if isinstance(message, dict) else ""
        if _is_message(whole):
            return whole
        if isinstance(message, dict) and isinstance(message.get("id"), str | int):
            self.answered(message["id"])
        return _unreadable(line)

    def _pump(self, first: bytes) -> None:
        split = _Lines()
        try:
            data = first
            while data or (data := os.read(self._host, _CHUNK)):
                if not self._keep(split.feed(data)):
                    return
                data = b""
            self._keep(split.rest())
        except OSError:
            pass  # the host is gone
        self._ended()
        self._queue.close(drop=False)
        self._wake()

    def _keep(self, lines: list[bytes]) -> bool:
        if lines and not self._queue.put(lines, self._wake):
            return False
        self._wake()
        return True

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._more.set)
        except RuntimeError:  # the loop has ended before the host
            self._queue.close(drop=True)


def _taken_stdin() -> int:
    """The host's end, under a number that no child inherits; fd 0 is empty from here on."""
    host = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return host


class _Lines:
    """Bytes into lines that hold something. One that is too long is refused as soon as it is."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._refused = False

    def feed(self, data: bytes) -> list[bytes]:
        *whole, last = data.split(b"\n")
        found = [line for part in whole if (line := self._end(part))]
        self._add(last)
        if len(self._rest) > LONGEST_MESSAGE and not self._refused:
            found.append(_refusal(self._rest))
            self._refused = True
            self._rest.clear()
        return found

    def rest(self) -> list[bytes]:
        line = self._end(b"")
        return [line] if line else []

    def _end(self, part: bytes) -> bytes:
        self._add(part)
        line, refused = bytes(self._rest), self._refused
        self._rest.clear()
        self._refused = False
        return b"" if refused or line.isspace() else line

    def _add(self, part: bytes) -> None:
        if not self._refused:
            self._rest += part


def _refusal(line: bytearray) -> bytes:
    """A request that nobody answers, in the place of one that is too long."""
    found = _ID.search(line, 0, _ID_WITHIN)
    sys.stderr.write(f"moot: a message of more than {LONGEST_MESSAGE // 1_048_576} MiB was refused.\n")
    return b'{"jsonrpc":"2.0","id":%s,"method":"%s"}' % (found[1] if found else b'"?"', TOO_LONG.encode())


class _Queue:
    """Lines that wait: calls of tools behind everything else, and no more of them at once than there may be."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._others: deque[bytes] = deque()
        self._calls: OrderedDict[object, bytes] = OrderedDict()
        self._begun: set[object] = set()
        self._size = 0
        self._closed = False

    @property
    def ended(self) -> bool:
        with self._changed:
            return self._closed and not (self._others or self._calls)

    def put(self, lines: list[bytes], full: Callable[[], None]) -> bool:
        """Add *lines*, waiting while there are too many; False when the input was ended meanwhile."""
        with self._changed:
            for line in lines:
                while self._size > _MOST_WAITING and not self._closed:
                    full()
                    self._changed.wait()
                if self._closed:
                    return False
                self._add(line)
        return True

    def take(self) -> bytes | None:
        """The next line that may go to the server now."""
        with self._changed:
            if self._others:
                line = self._others.popleft()
            elif self._calls and (len(self._begun) < MOST_CALLS or self._closed):
                call, line = self._calls.popitem(last=False)
                self._begun.add(call)
            else:
                return None
            self._shrink(line)
            return line

    def finish(self, id: object) -> bool:
        """Whether *id* was a call that had begun."""
        with self._changed:
            known = id in self._begun
            self._begun.discard(id)
            return known

    def close(self, *, drop: bool) -> None:
        with self._changed:
            self._closed = True
            if drop:
                self._others.clear()
                self._calls.clear()
            self._changed.notify_all()

    def _add(self, line: bytes) -> None:
        self._size += len(line)
        message = _message(line)
        match message:
            case {"method": "tools/call", "id": str() | int() as call} if call not in self._calls:
                self._calls[call] = line
            case {"method": "notifications/cancelled", "params": {"requestId": str() | int() as call}}:
                self._cancel(call, line)
            case _:
                self._others.append(line)

    def _cancel(self, id: object, line: bytes) -> None:
        """Cancel a call that has not begun by forgetting both; the server hears of any other."""
        waiting = self._calls.pop(id, None)
        if waiting is None:
            self._begun.discard(id)  # a cancelled call is not answered
            self._others.append(line)
        else:
            self._shrink(waiting)
            self._shrink(line)

    def _shrink(self, line: bytes) -> None:
        self._size -= len(line)
        self._changed.notify_all()


def _is_message(line: str) -> bool:
    from mcp.types import jsonrpc_message_adapter  # there by now: this is for the server that the SDK runs

    try:
        jsonrpc_message_adapter.validate_json(line, by_name=False)
    except Exception:  # as the SDK itself does, which goes on with the next line
        return False
    return True


def _unreadable(line: str) -> str:
    """A request that nobody answers in the place of one that cannot be read; *line* itself where it has no id."""
    found = _ID.search(line.encode("utf-8", "replace"), 0, _ID_WITHIN)
    return f'{{"jsonrpc":"2.0","id":{found[1].decode()},"method":"{UNREADABLE}"}}' if found else line


def _message(line: bytes, *, always: bool = False) -> Any:
    """*line* parsed, if its place in the queue depends on what it says."""
    if not (always or _CALL.encode() in line or _CANCELLED.encode() in line):
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
