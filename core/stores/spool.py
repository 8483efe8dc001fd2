"""The append-only file beside the journal that makes a finished call survive kill -9 before its commit.

One `os.write` for each call, before anything else happens to the answer. Two segments take turns, and each is emptied
when the store has all of it, so the files stay small however long a job is. A file that somebody else removed,
replaced or cut is noticed with the next call, and what the store may not have yet is written again. When the owner is
found dead, whoever takes over merges what is left; a line that broke off is skipped.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.files.atomic import private_folder

log = logging.getLogger(__name__)

_quoted = json.JSONEncoder().encode
_SEGMENT_BYTES = 4_000_000


class Segment:
    """One of the two files, and how many of its lines the store does not have yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd: int | None = None
        self.place = (0, 0)
        """Device and number of the open file, which no other file has while it is open."""
        self.size = 0
        self.waiting = 0
        self.lines: list[bytes] = []
        """What was put into it since it was emptied last, for when somebody else changes the file."""

    def unchanged(self) -> bool:
        """Whether the file is the one at `path`, and has all that was written."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self.place and there.st_size >= self.size

    def opened(self, fd: int) -> None:
        """Write to *fd* from now on."""
        found = os.fstat(fd)
        self.fd, self.place, self.size = fd, (found.st_dev, found.st_ino), found.st_size

    def write_again(self) -> bool:
        """Put all of it into the file at `path`, whatever that is by now; whether it is there.

        Raises:
            OSError: It cannot be written.
        """
        private_folder(self.path.parent)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(self.path, flags, 0o600)
        if self.fd is not None:
            os.close(self.fd)
        self.opened(fd)
        data = b"".join(self.lines)
        self.size += len(data)  # what is not written of it is missed the next time
        return os.write(fd, data) == len(data)


class Spool:
    """The spool of the owner called *owner*."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._segments = [Segment(folder / f"{owner}.{number}.spool") for number in range(2)]
        self._current = 0
        self._lock = threading.Lock()
        self.failed = False
        """Whether the last line could not be written: finished calls are only in memory then."""

    @property
    def waiting(self) -> int:
        """How many finished calls the store does not have yet."""
        first, second = self._segments
        return first.waiting + second.waiting

    def open(self) -> None:
        """Make the files. Blocks for a moment.

        Raises:
            OSError: They cannot be made.
        """
        with self._lock:
            for segment in self._segments:
                if segment.fd is None:
                    private_folder(segment.path.parent)
                    segment.opened(os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))

    def put(self, job: str, key: str, value: str, at: float) -> Segment:
        """Append one finished call, *value* being JSON; give the segment to `done` when the store has it.

        Never raises.
        """
        # a line that broke off spoils nothing behind it
        line = f"\n[{_quoted(job)}, {_quoted(key)}, {value}, {at!r}]\n".encode()
        with self._lock:
            segment = self._choose()
            segment.waiting += 1
            segment.lines.append(line)
            try:
                self.failed = not self._written(segment, line)
            except OSError as error:
                if not self.failed:
                    log.warning("A finished call could not be kept in %r: %s", segment.path.name, error.strerror)
                self.failed = True
            return segment

    def _written(self, segment: Segment, line: bytes) -> bool:
        """Append *line*, after all that was there before it if that is gone."""
        assert segment.fd is not None, "open() comes first"
        if segment.unchanged():
            segment.size += len(line)  # what is not written of it is missed the next time
            return os.write(segment.fd, line) == len(line)
        if not self.failed:
            log.warning(
                "%r was changed by another program; what it held is written again. Leave the files in Moot's data "
                "folder alone.",
                segment.path.name,
            )
        return segment.write_again()

    def _choose(self) -> Segment:
        other = self._segments[1 - self._current]
        if self._segments[self._current].size > _SEGMENT_BYTES and other.waiting == 0:
            self._current = 1 - self._current
        return self._segments[self._current]

    def done(self, segment: Segment, lines: int = 1) -> None:
        """The store has so many more *lines* of *segment*."""
        with self._lock:
            segment.waiting -= lines
            if segment.waiting == 0:
                self.failed = False
                segment.size = 0
                segment.lines.clear()
                if segment.fd is not None:
                    os.ftruncate(segment.fd, 0)

    def close(self) -> None:
        """Close the files, and remove those the store has all of."""
        with self._lock:
            for segment in self._segments:
                fd, segment.fd = segment.fd, None
                if fd is not None:
                    os.close(fd)
                    if segment.waiting == 0:
                        segment.path.unlink(missing_ok=True)


def left_behind(folder: Path) -> dict[str, list[Path]]:
    """The spools in *folder* by their owners."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.glob("*.spool")):
            found.setdefault(path.name.partition(".")[0], []).append(path)
    return found


def read_spool(path: Path) -> Iterator[tuple[str, str, str, float]]:
    """Job, key, value and time of every whole line."""
    with path.open("rb") as file:
        for line in file:
            if line.strip() and (fields := _fields(line)):
                yield fields


def _fields(line: bytes) -> tuple[str, str, str, float] | None:
    try:
        fields: Any = json.loads(line)
    except ValueError:
        return None
    match fields:
        case [str(job), str(key), value, float(at)]:
            return job, key, json.dumps(value), at
    return None
