"""Standard streams, any of which may be closed: Python then has None in its place."""

from __future__ import annotations

from typing import Any


def is_terminal(stream: Any) -> bool:
    """Whether *stream* is there, and a person sits at it."""
    return stream is not None and stream.isatty()
