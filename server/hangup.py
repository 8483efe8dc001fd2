"""Standard input that can be hung up from our side.

The SDK reads stdin in a worker thread that nothing can interrupt, so a server told to stop by a signal would wait for
the host's next line. Here the host's bytes pass through a pipe of ours; closing it looks to the SDK like the host
hanging up, which it answers by cancelling what is under way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_CHUNK = 65_536


def interpose_stdin(first: bytes = b"") -> Callable[[], None]:
    """Put a pipe between the host and fd 0, with *first* in front of what the host sends.

    The function returned ends the input, and may be called twice.
    """
    host = os.dup(0)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)

    def hang_up() -> None:
        # Replaced rather than closed: the pump may be about to write, and a closed number could be somebody else's.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, writer)
        os.close(nowhere)

    def pump() -> None:
        try:
            data = memoryview(first)
            while data or (data := memoryview(os.read(host, _CHUNK))):
                data = data[os.write(writer, data) :]
        except OSError:
            pass  # either side is gone; the SDK sees the end of the input
        hang_up()

    threading.Thread(target=pump, name="moot-stdin", daemon=True).start()
    return hang_up
