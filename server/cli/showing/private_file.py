"""A file for what is private: for its owner alone, and whole or not there."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from core.errors import NO_ROOM, InvalidInputError


@contextmanager
def private_output(name: str) -> Iterator[TextIO]:
    """What is written to the file *name*, or to standard output for `-`. The file appears when the block ends well.

    Raises:
        InvalidInputError: It cannot be written; what was there before is as it was.
    """
    if name == "-":
        yield sys.stdout
        return
    path = Path(name)
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # a pipe, a device
            with path.open("w", encoding="utf-8") as file:
                yield file
            return
        with _beside(path.resolve()) as file:
            yield file
    except OSError as error:
        why = "The disk is full" if error.errno in NO_ROOM else error.strerror or type(error).__name__
        raise InvalidInputError(f"{name!r} cannot be written: {why}. Name another file, or free some space.") from error


@contextmanager
def _beside(path: Path) -> Iterator[TextIO]:
    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner alone
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
