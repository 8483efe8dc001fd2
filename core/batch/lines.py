"""Opens a batch's input without trusting it to be a file of text, and reads it line by line within bounds."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import InvalidInputError
from core.files.opening import NotPlainError, open_resolved

LONGEST_ROW = 8_000_000
"""Bytes or characters of one row; nothing longer fits a prompt."""
_LONGEST_SKIPPED = 1_000_000_000
"""Bytes of a line that is too long, after which the rest of the file is not looked through for its end."""
_READ_AT_ONCE = 1_000_000
"""Bytes. Each read has the thread hand the interpreter lock back and wait for it anew."""
_LOOKED_AT = 8_192
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class BadRow:
    """What cannot be asked: where it stands, why, and how many lines it takes."""

    place: str
    reason: str
    lines: int = 1

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@contextmanager
def opened(path: Path, *, confined: bool = False) -> Iterator[IO[bytes]]:
    """The plain file *path*; a pipe is never waited for, since a batch reads its input more than once.

    Args:
        confined: A model named it, so it was resolved and checked, and must be what it was then.

    Raises:
        InvalidInputError: It is no plain file, no text, or not what was checked.
        OSError: It cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        number = open_resolved(path) if confined else os.open(path, flags)
    except NotPlainError as error:
        raise InvalidInputError(f"{path.name!r} {error}.") from None
    with open(number, "rb", buffering=_READ_AT_ONCE) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidInputError(
                f"{path.name!r} is no plain file, and a batch reads its input more than once. Save it to a file first."
            )
        head = file.read(_LOOKED_AT)
        file.seek(0)
        if b"\0" in head and not head.startswith(UTF16):
            raise InvalidInputError(f"{path.name!r} is binary. Give a JSONL or CSV file, or a folder of texts.")
        yield file


def lines(file: IO[bytes], name: str) -> Iterator[bytes | BadRow]:
    """The lines of *file*, with their ends; one that is too long is a `BadRow`, and is not kept.

    Raises:
        InvalidInputError: A line has no end within reason.
    """
    number = 0
    while line := file.readline(LONGEST_ROW):
        number += 1
        if len(line) < LONGEST_ROW or line.endswith(b"\n"):
            yield line
            continue
        _skip_line(file, f"Line {number} of {name!r}")
        yield BadRow(f"line {number}", f"is longer than {LONGEST_ROW:,} bytes.")


def _skip_line(file: IO[bytes], what: str) -> None:
    skipped = LONGEST_ROW
    while (rest := file.readline(LONGEST_ROW)) and not rest.endswith(b"\n"):
        skipped += len(rest)
        if skipped > _LONGEST_SKIPPED:
            raise InvalidInputError(f"{what} has no end within {_LONGEST_SKIPPED:,} bytes. Is it a file of text?")
