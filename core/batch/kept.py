"""What was set aside of an output that was changed by somebody else, and the records that are still in it.

Nothing is ever deleted: the file is renamed, as it is, and whatever can be placed in it is taken over into the new one.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import IO

from core.batch.records import Form, Piece, Record, form_of, is_table, pieces, read_at

_NOWHERE = -1


def set_aside(path: Path) -> Path:
    """A second name for *path*, under which it stays when it is written anew: the first `.moot-kept-N` that is free.

    Raises:
        OSError: There can be none.
    """
    for number in count(1):
        kept = path.with_name(f"{path.name}.moot-kept-{number}")
        try:
            os.link(path, kept, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            _copy(path, kept)
        return kept
    raise AssertionError("there is always a next number")


def keep_bytes(path: Path, data: bytes) -> Path:
    """*data*, which is about to be cut off *path*, in a file of its own beside it.

    Raises:
        OSError: It cannot be written.
    """
    for number in count(1):
        kept = path.with_name(f"{path.name}.moot-kept-{number}")
        try:
            _write_new(kept, data)
        except FileExistsError:
            continue
        return kept
    raise AssertionError("there is always a next number")


class Kept:
    """The records in *paths*, by row and AI; of several for one, an answer goes before a failure. All blocks.

    Args:
        total: Rows of the batch. Sixteen bytes of memory for each row and AI.
    """

    def __init__(self, paths: Sequence[Path], ais: Sequence[str], total: int) -> None:
        self._paths = paths
        self._ais = {ai: place for place, ai in enumerate(ais)}
        self._total = total
        slots = total * len(ais)
        self._starts = array("q", [_NOWHERE]) * slots
        self._files = array("h", [0]) * slots
        self._ok = bytearray(slots)
        self._open: dict[int, tuple[IO[bytes], Form]] = {}
        self._stack = ExitStack()
        for number, path in enumerate(paths):
            for piece in pieces(path):
                self._place(number, piece)

    @property
    def found(self) -> int:
        """How many records there are."""
        return len(self._starts) - self._starts.count(_NOWHERE)

    def get(self, index: int, ai: str) -> Record | None:
        """The record of a row and AI."""
        slot = self._slot(index, ai)
        if slot is None or self._starts[slot] == _NOWHERE:
            return None
        number = self._files[slot]
        if number not in self._open:
            opened = self._stack.enter_context(self._paths[number].open("rb"))
            self._open[number] = opened, form_of(opened, table=is_table(self._paths[number]))
        file, form = self._open[number]
        return read_at(file, self._starts[slot], form)

    def close(self) -> None:
        self._stack.close()

    def _place(self, number: int, piece: Piece) -> None:
        record = piece.record
        slot = self._slot(record["index"], record["ai"]) if record else None
        if record is None or slot is None:
            return
        ok = record["status"] == "ok"
        if self._starts[slot] == _NOWHERE or (ok and not self._ok[slot]):
            self._starts[slot], self._files[slot], self._ok[slot] = piece.start, number, ok

    def _slot(self, index: int, ai: str) -> int | None:
        place = self._ais.get(ai)
        if place is None or index >= self._total:
            return None
        return index * len(self._ais) + place


def _copy(path: Path, kept: Path) -> None:
    with path.open("rb") as source, os.fdopen(_new(kept), "wb") as target:
        while data := source.read(1_048_576):
            target.write(data)
        target.flush()
        os.fsync(target.fileno())


def _write_new(path: Path, data: bytes) -> None:
    with os.fdopen(_new(path), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
