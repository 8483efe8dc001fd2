"""Opening a file without ever being led elsewhere: from a folder downwards, name by name, following no link.

A path that was checked and is then opened as one string may lead elsewhere by then, when a folder in it has been
swapped for a link. Here every name is looked up in the folder that is already open, and what is read is what was
opened. Everything blocks for as long as the disk takes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_BASE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = _BASE | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)  # to pass through takes no right to read
_FILE = _BASE | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BY_FOLDER = os.open in os.supports_dir_fd and os.readlink in os.supports_dir_fd
"""False on Windows, where making a link takes rights that a program seldom has."""


class NotPlainError(OSError):
    """What is there is no file that may be read; the message is the end of a sentence: "is a folder"."""


def read_below(root: Path, parts: Sequence[str], longest: int, *, hard_links: bool = False) -> bytes:
    """The bytes of the file at *parts* below *root*.

    Args:
        hard_links: A person named it, so it may have a second name that lies elsewhere.

    Raises:
        NotPlainError: It is a folder, a pipe or a device, has a second name, or more than *longest* bytes.
        OSError: It cannot be opened, or something on the way to it is a link.
    """
    return read_with_mode(root, parts, longest, hard_links=hard_links)[0]


def read_with_mode(root: Path, parts: Sequence[str], longest: int, *, hard_links: bool = False) -> tuple[bytes, int]:
    """The bytes of the file at *parts* below *root*, and its permission bits."""
    with _folder_of(root, parts) as (folder, name):
        number = os.open(name, _FILE, dir_fd=folder) if _BY_FOLDER else os.open(name, _FILE)
        try:
            state = os.fstat(number)
            _check(state, longest)
            if not hard_links:
                _check_names(state)
            with open(number, "rb", closefd=False) as file:
                data = file.read(longest + 1)
        finally:
            os.close(number)
    if len(data) > longest:
        raise NotPlainError(f"grew beyond {_size(longest)} while it was read")
    return data, stat.S_IMODE(state.st_mode)


def open_resolved(path: Path) -> int:
    """The descriptor of the file at *path*, which was resolved and checked: no part of it may be a link by now.

    Raises:
        NotPlainError: It has a second name.
        OSError: It cannot be opened, or something on the way to it is a link.
    """
    with _folder_of(Path(path.anchor), path.parts[1:]) as (folder, name):
        number = os.open(name, _FILE, dir_fd=folder) if _BY_FOLDER else os.open(name, _FILE)
    try:
        _check_names(os.fstat(number))
    except BaseException:
        os.close(number)
        raise
    return number


def link_below(root: Path, parts: Sequence[str]) -> str:
    """Where the link at *parts* below *root* points, as it is written in it.

    Raises:
        OSError: It is no link, or something on the way to it is one.
    """
    with _folder_of(root, parts) as (folder, name):
        return os.readlink(name, dir_fd=folder) if _BY_FOLDER else os.readlink(name)


def _check(state: os.stat_result, longest: int) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise NotPlainError("is a folder; name files, or a pattern such as 'folder/*.py'")
    if not stat.S_ISREG(state.st_mode):
        raise NotPlainError("is no plain file")
    if state.st_size > longest:
        raise NotPlainError(f"has {state.st_size / 1_048_576:,.1f} MB; at most {_size(longest)} are read")


def _check_names(state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:
        raise NotPlainError("has a second name (a hard link), which may lie outside. Copy it to a file of its own")


def _size(longest: int) -> str:
    return f"{longest // 1_048_576} MB"


@contextmanager
def _folder_of(root: Path, parts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The open folder that holds the last of *parts*, and what to open in it."""
    if not parts or any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise NotPlainError("is no name of a file")
    if not _BY_FOLDER:
        yield -1, str(root.joinpath(*parts))
        return
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder, parts[-1]
    finally:
        os.close(folder)
