"""How a run is watched: its one answer written out as it arrives, columns in a terminal, lines in a log, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from core.events import Subscription
from core.redact import held_back, without_secrets
from core.view import CallView, RunView
from server.progress import report
from server.streams import is_terminal

Show = Callable[[Subscription], Coroutine[Any, Any, None]]

_SAID_AFTER_S = 1.0
_DRAWN_AFTER_S = 0.3
"""What is over sooner is not worth a screen of its own."""


class Streamer:
    """Writes the words of the one call of a run to stdout while they arrive."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._out: list[str] = []
        self._chunks = 0
        self._speaks = anyio.Event()
        self.problem: OSError | None = None
        """Why nothing more can be written: nobody reads any more, or there is no room."""

    @property
    def written(self) -> str:
        return "".join(self._out)

    async def show(self, events: Subscription) -> None:
        async with anyio.create_task_group() as tasks:
            if is_drawable(sys.stderr):
                tasks.start_soon(self._say_who_thinks)
            async for _ in events:
                for call in self._view.calls.values():
                    await self._write(call)
                if isinstance(self.problem, BrokenPipeError):
                    break
            self._speaks.set()

    async def _say_who_thinks(self) -> None:
        """A line on the terminal until the first word comes, which stands in its place."""
        started = time.monotonic()
        with anyio.move_on_after(_SAID_AFTER_S):
            await self._speaks.wait()
        while not self._speaks.is_set():
            who = ", ".join(call.ai for call in self._view.calls.values()) or "starting"
            sys.stderr.write(f"\r{who}: thinking, {time.monotonic() - started:.0f} s\x1b[K")
            sys.stderr.flush()
            with anyio.move_on_after(1):
                await self._speaks.wait()
            if self._speaks.is_set():
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    async def _write(self, call: CallView) -> None:
        if self.problem is not None:
            return
        if call.answer is None and len(call.chunks) == self._chunks:  # several tokens were written at once
            return
        self._chunks = len(call.chunks)
        text = safe_part(call.text) if call.answer is None else call.text
        done = self.written
        if len(text) <= len(done) or not text.startswith(done):
            return
        piece = text[len(done) :]
        if not self._speaks.is_set():
            self._speaks.set()
            await anyio.lowlevel.checkpoint()  # the line about it goes first
        self._out.append(piece)
        with anyio.CancelScope(shield=True):
            self.problem = await anyio.to_thread.run_sync(_put, piece)


def safe_part(text: str) -> str:
    """*text* without keys, and without an end that may be the beginning of one."""
    shown = without_secrets(text)
    return shown[: len(shown) - held_back(shown)]


def display(view: RunView, *, as_json: bool, lines: bool = False) -> Show:
    """What shows the run on stderr; *lines*: one after the other also in a terminal, where a question may come up."""
    if as_json:
        return _nothing
    if lines:
        return _lines
    return _columns(view) if is_drawable(sys.stderr) else _lines


def is_drawable(stream: Any) -> bool:
    """Whether it is a terminal on which lines can be drawn over."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("dumb", "")


async def _nothing(events: Subscription) -> None:
    """Show nothing, as --json wants it."""


async def _lines(events: Subscription) -> None:
    async def send(_: float, whole: float | None, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    await report(events, send)


def _columns(view: RunView) -> Show:
    async def show(events: Subscription) -> None:
        with anyio.move_on_after(_DRAWN_AFTER_S):
            async for _ in events:
                pass
            return
        await _draw(view, events)

    return show


async def _draw(view: RunView, events: Subscription) -> None:
    """Columns on a screen of their own: nothing of them is left behind, however often the window changes its size."""
    from rich.console import Console
    from rich.live import Live

    from server.cli.running.columns import FRAMES_PER_S, Columns

    console = Console(stderr=True)
    with Live(Columns(view), console=console, refresh_per_second=FRAMES_PER_S, screen=True):
        async for _ in events:
            pass


def _put(piece: str) -> OSError | None:
    try:
        sys.stdout.write(piece)
        sys.stdout.flush()
    except OSError as error:
        return error
    return None
