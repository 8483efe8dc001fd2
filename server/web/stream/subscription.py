"""One watcher: what it wants, and what waits to be sent to it. One that does not read is cut off, and comes back."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from server.web.stream.blocks import Blocks

if TYPE_CHECKING:
    from server.web.stream.hub import Entry

_MOST_WAITING = 2_000
_BETWEEN_S = 0.04
"""How far apart drawable pieces of one watcher are: more often than an eye follows is only work."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watcher is sent.

    Args:
        person: Whose events.
        runs: Of these runs, or chats; empty: of all.
        types: These alone; empty: all.
        blocks: Whether text comes as drawable blocks (`blocks.py`) instead of as it was written.
        under_way: Whether one that begins now is first told how far the runs are that go on.
    """

    person: str
    runs: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    blocks: bool = False
    under_way: bool = False

    def takes(self, entry: Entry) -> bool:
        if entry.type == "look" or entry.person != self.person or (self.runs and entry.run not in self.runs):
            return False
        return not self.types or entry.type in self.types


class Subscription:
    """What waits to be sent to one watcher; *live* tells what a call under way has written, and up to which event."""

    __slots__ = ("_blocks", "_closed", "_known", "_live", "_waiting", "_wake", "_wanted", "cut_off")

    def __init__(self, wanted: Wanted, live: Callable[[str], tuple[str, int] | None]) -> None:
        self._wanted = wanted
        self._live = live
        self._waiting: deque[Entry | bytes] = deque()
        self._wake: anyio.Event | None = None
        self._closed = False
        self._blocks: dict[str, Blocks] = {}
        self._known: dict[str, int] = {}
        """Up to which event the text of a call is in its blocks, whatever is still queued."""
        self.cut_off = False
        """Whether so much waited that this is its end: it may come back and go on behind what it has."""

    def offer(self, entry: Entry) -> None:
        if self._closed or not self._wanted.takes(entry):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.cut_off = True
            self.close()
            return
        self._waiting.append(entry)
        self._tell()

    def reset(self, id: str) -> None:
        """Tell that what it had cannot be continued."""
        self._waiting.append(f"id: {id}\ndata: {_encode({'id': id, 'type': 'reset', 'run': ''})}\n\n".encode())

    def close(self) -> None:
        """Have it end once what waits is sent."""
        self._closed = True
        self._tell()

    async def next(self) -> bytes:
        """What is to be sent now, as frames; empty at the end."""
        while not self._waiting and not self._closed:
            await self._woken()
        if self._wanted.blocks:
            with anyio.move_on_after(_BETWEEN_S):
                while self._only_text() and not self._closed:
                    await self._woken()
        waiting, self._waiting = self._waiting, deque()
        if not self._wanted.blocks:
            return b"".join(one if isinstance(one, bytes) else one.frame for one in waiting)
        return b"".join(self._drawn(waiting))

    async def _woken(self) -> None:
        """Wait for more."""
        self._wake = anyio.Event()
        try:
            await self._wake.wait()
        finally:
            self._wake = None

    def _only_text(self) -> bool:
        """Whether nothing waits but more of what is being drawn already."""
        return all(
            not isinstance(one, bytes) and one.type == "token" and one.fields["call"] in self._blocks
            for one in self._waiting
        )

    def _tell(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _drawn(self, waiting: deque[Entry | bytes]) -> list[bytes]:
        """*waiting* with its text as blocks, those of one call together."""
        frames: list[bytes] = []
        changed: dict[str, Entry] = {}
        for one in waiting:
            if isinstance(one, bytes):
                frames.append(one)
                continue
            call = str(one.fields.get("call", ""))
            if one.type == "token":
                self._write(call, one)
                changed[call] = one
                continue
            if entry := changed.pop(call, None):
                frames.append(self._frame(call, entry))
            frames.append(self._whole(call, one))
        return frames + [self._frame(call, entry) for call, entry in changed.items()]

    def _write(self, call: str, entry: Entry) -> None:
        if call not in self._blocks:
            self._blocks[call] = Blocks()
            if (live := self._live(call)) is not None:  # it may have begun before this watcher came
                text, self._known[call] = live
                self._blocks[call].write(text)
                return
        if entry.number > self._known.get(call, 0):
            self._blocks[call].write(str(entry.fields["text"]))

    def _frame(self, call: str, entry: Entry) -> bytes:
        told = {key: value for key, value in entry.fields.items() if key not in ("text", "type")}
        drawn = self._blocks[call].changes()
        told |= {"type": "blocks", "from": drawn.start, "blocks": drawn.trees, "words": drawn.words}
        return f"id: {entry.fields['id']}\ndata: {_encode(told)}\n\n".encode("utf-8", "replace")

    def _whole(self, call: str, entry: Entry) -> bytes:
        """Another event; of an answer that was not followed from its start, with all its blocks."""
        if entry.type in ("retry", "fallback", "waiting"):
            self._blocks.pop(call, None)
        if entry.type not in ("call_finished", "call_failed"):
            return entry.frame
        self._blocks.pop(call, None)
        blocks = Blocks()
        blocks.write(str(entry.fields.get("text") or ""))
        told = {key: value for key, value in entry.fields.items() if key != "text"} | {"blocks": blocks.changes().trees}
        return f"id: {entry.fields['id']}\ndata: {_encode(told)}\n\n".encode("utf-8", "replace")
