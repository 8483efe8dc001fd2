"""Whether this process was told to end: calls under way then finish and are kept, instead of being paid for twice."""

from __future__ import annotations

import threading

_told = threading.Event()


def leave() -> None:
    """Say that this process ends soon. From any thread."""
    _told.set()


def is_leaving() -> bool:
    return _told.is_set()
