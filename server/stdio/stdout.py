"""Standard output that notices when nobody reads it any more.

A host that crashed may leave our stdin open in another of its children. Then nothing would ever end the server but a
write to stdout, and a server with nothing to say would stay for ever.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio


def watch_stdout(gone: Callable[[], None]) -> None:
    """Call *gone* from a thread of its own once the reader of fd 1 has closed it; a file or terminal has none."""
    if sys.platform == "win32":  # has no poll for pipes; the next write tells there
        return
    reader = os.dup(1)

    def watch() -> None:
        import select

        poll = select.poll()
        poll.register(reader, 0)
        for _, events in poll.poll():
            if events & select.POLLERR:
                gone()
        os.close(reader)

    threading.Thread(target=watch, name="moot-stdout", daemon=True).start()


@contextmanager
def without_reader() -> Iterator[None]:
    """Take the end of whoever reads fd 1 for an ordinary end, and leave nothing that could be written to it later."""
    try:
        yield
    except* (BrokenPipeError, anyio.BrokenResourceError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
