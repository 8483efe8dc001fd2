"""A picture from standard input: `pngpaste - | moot ask -i - "What is this?"`.

It lies in a temporary folder for as long as it is needed, for its owner alone. A second Ctrl-C takes it along. What a
killed process left is removed by the next that puts one there: each writes down where, before it does, and holds a
lock for as long as it lives.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from core.files.atomic import private_folder, write_atomically
from core.paths import data_dir
from core.stores.owners import Owner
from server.cli.asking.reading import input_bytes
from server.cli.interrupt import done_at_the_end

_PREFIX = "moot-input-"
_WRITTEN_DOWN = ".folder"


@contextmanager
def picture_from_input() -> Iterator[str]:
    """A file, for its owner alone, that holds what is piped in for as long as the block runs.

    Raises:
        click.UsageError: Nothing is piped in.
        click.ClickException: It cannot be put anywhere.
    """
    data = input_bytes()
    owner = Owner(data_dir() / "input")
    try:
        path = _place(owner)
    except (OSError, sqlite3.Error) as error:
        owner.close()
        raise _unkept(error) from error
    with done_at_the_end(lambda: _forget(owner)):
        _put(path, data)
        yield str(path)


def _put(path: Path, data: bytes) -> None:
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(data)
    except OSError as error:
        raise _unkept(error) from error


def _unkept(error: Exception) -> click.ClickException:
    why = getattr(error, "strerror", None) or type(error).__name__
    return click.ClickException(
        f"What is piped in for -i - cannot be kept for the while ({why}). Free some space, or give a file: -i FILE"
    )


def _place(owner: Owner) -> Path:
    """Where this process may put its picture; what those left that are gone is removed."""
    notes = data_dir() / "input"
    private_folder(notes)
    owner.register()
    for note in notes.glob(f"*{_WRITTEN_DOWN}"):
        if not owner.alive(note.stem):
            _remove(note.stem)
            owner.bury(note.stem)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    write_atomically(notes / f"{owner.name}{_WRITTEN_DOWN}", str(folder))
    return folder / "standard-input"


def _forget(owner: Owner) -> None:
    _remove(owner.name)
    owner.close()


def _remove(name: str) -> None:
    """Remove the folder that the process called *name* wrote down, and the note."""
    note = data_dir() / "input" / f"{name}{_WRITTEN_DOWN}"
    try:
        folder = Path(note.read_text(encoding="utf-8"))
    except OSError:
        return
    if folder.name.startswith(_PREFIX) and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
    note.unlink(missing_ok=True)
