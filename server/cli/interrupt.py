"""Ctrl-C. Before anything is asked it ends the program at once; then the first one cancels, and the second ends it.

A signal handler that raises could break an import in two and show a traceback, so none of these raises.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from server.cli.options import INTERRUPTED

if TYPE_CHECKING:
    import anyio

_AS_IT_WAS = b"\x1b[?1049l\x1b[?25h"
"""Leaves the alternate screen and shows the cursor, for a terminal that was being drawn on."""


class Interruption:
    """What Ctrl-C does: cancel what is reached, and where nothing is yet, end the program.

    Args:
        goes_on: The program has more to do than this: what is not reached yet is cancelled then.
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        self._goes_on = goes_on
        self._scope: anyio.CancelScope | None = None
        self.told = False

    def reach(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        if self.told:
            scope.cancel()

    def tell(self) -> None:
        if self.told or (self._scope is None and not self._goes_on):
            end_at_once()
        self.told = True
        if self._scope is not None:
            self._scope.cancel()


_held = threading.Event()
"""Whether a Ctrl-C came that nothing has heard yet."""


@contextmanager
def one_interrupt_held() -> Iterator[None]:
    """Have a Ctrl-C in the block wait for what it can cancel, and not end a program that has more to do."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGINT, _hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _held.clear()


def forget_interrupt() -> None:
    """Let go of what `one_interrupt_held` holds: what it was meant for is over."""
    _held.clear()


def _hold(*_: Any) -> None:
    if _held.is_set():
        end_at_once()
    _held.set()


@asynccontextmanager
async def interruptible(*, goes_on: bool = False) -> AsyncIterator[Interruption]:
    """Hear Ctrl-C while the block runs."""
    told = Interruption(goes_on=goes_on)
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield told
        return
    import asyncio  # which costs more than all else that --help needs

    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, told.tell)
    try:
        if _held.is_set():
            _held.clear()
            told.tell()
        yield told
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt in the block, for what tidies up by itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def nobody_need_read() -> Iterator[None]:
    """Write in the block though Ctrl-C may have ended whoever reads: that is no failure then.

    Left by `return`, it has written everything, or thrown it away.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def end_on_interrupt() -> None:
    """From here on Ctrl-C ends the program, without a word and without a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, end_at_once)


_at_the_end: list[Callable[[], None]] = []


@contextmanager
def done_at_the_end(action: Callable[[], None]) -> Iterator[None]:
    """Have *action* done when the block is left, also by a Ctrl-C that ends the program at once."""
    _at_the_end.append(action)
    try:
        yield
    finally:
        _at_the_end.remove(action)
        action()


def end_at_once(*_: Any) -> None:
    for action in _at_the_end:
        with suppress(Exception):  # nothing may keep the program from ending
            action()
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, _AS_IT_WAS)
    os._exit(INTERRUPTED)
