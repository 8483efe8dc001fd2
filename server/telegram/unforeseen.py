"""What nobody thought of is told of by where it happened, never by what it says: that may be somebody's words."""

from __future__ import annotations

import logging
import traceback


def log_unforeseen(log: logging.Logger, what: str, number: int, error: Exception) -> None:
    """Log that *what*, such as `update`, of that *number* failed, and at which line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("The %s %d failed unexpectedly: %s at %s", what, number, type(error).__name__, where)
