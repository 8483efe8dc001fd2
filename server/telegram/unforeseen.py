"""What nobody thought of is told of by where it happened, never by what it says: that may be somebody's words."""

from __future__ import annotations

import logging
import traceback

import anyio


def log_unforeseen(log: logging.Logger, what: str, number: int, error: BaseException) -> None:
    """Log that *what*, such as `update`, of that *number* failed, and at which line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("The %s %d failed unexpectedly: %s at %s", what, number, type(error).__name__, where)


def ends_all(error: BaseException) -> bool:
    """Whether *error* is a cancellation or the end of the program, also in a group; all else is one message's failure.

    A library written in Rust fails by what is no `Exception` (pyo3's `PanicException`): it must end nobody else's chat.
    """
    if isinstance(error, BaseExceptionGroup):
        return any(map(ends_all, error.exceptions))
    return isinstance(error, (anyio.get_cancelled_exc_class(), KeyboardInterrupt, SystemExit, GeneratorExit))
