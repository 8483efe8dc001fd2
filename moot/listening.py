"""A public ear for everything that happens, wherever in this process it does."""

from __future__ import annotations

from contextlib import AbstractContextManager

from core.events import Sink, heard_everywhere


def subscribe(on_event: Sink, *, tokens: bool = True) -> AbstractContextManager[None]:
    """Have *on_event* called with every event of this process while the `with` block runs.

    Events are frozen records such as `moot.CallStarted` and `moot.CallFinished`; each has the id of its `run`. It is
    called on the thread in which they happen, and must not block; what it raises is logged and goes no further.

    Args:
        on_event: A function of one event.
        tokens: Whether it hears every piece of text as it arrives, too: by far the most events.
    """
    return heard_everywhere(on_event, tokens=tokens)
