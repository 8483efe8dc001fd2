"""Writing a file so that nobody ever reads half of it, and nobody else reads it at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """*folder*, made with all that leads to it for its owner alone; one of ours that is open to others is closed.

    Raises:
        OSError: It cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):  # mkdir would make those in between by the umask
        place.mkdir(mode=0o700, exist_ok=True)
    if not missing and os.name == "posix" and folder.stat().st_mode & 0o077:
        with suppress(PermissionError):  # somebody else's: what is in it is private all the same
            folder.chmod(0o700)
    return folder


def close_to_others(place: Path) -> None:
    """Take from everybody but the owner what they may do with *place* and all in it.

    Raises:
        OSError: It cannot be changed.
    """
    for path in (place, *(place.rglob("*") if place.is_dir() else ())):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def new_private_file(path: Path, text: str) -> None:
    """Make *path* with *text*, whole at once; what is there already, or a link, is left alone.

    Raises:
        FileExistsError: Something is there.
        OSError: It cannot be made.
    """
    temporary = _written_beside(path, text)
    try:
        os.link(temporary, path)  # unlike replacing, this fails where something is
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        number = os.open(path, flags, 0o600)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
        except BaseException:
            path.unlink(missing_ok=True)  # it is ours, and not whole
            raise
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(path: Path, text: str) -> None:
    """Put *text* in place of what *path* is, also where that is a link: nothing is written through it.

    Raises:
        OSError: It cannot be written; nothing has changed then.
    """
    temporary = _written_beside(path, text)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _written_beside(path: Path, text: str) -> Path:
    """A new file of a name nobody can guess, next to *path*, for its owner alone."""
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Path(temporary)


def _is_stream(path: Path) -> bool:
    """Whether *path* is no file or folder of its own, so that nothing may take its place."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    opened = path.as_posix().startswith(("/dev/std", "/dev/fd/", "/proc/"))
    return opened or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_atomically(path: Path, text: str, *, private: bool = False) -> None:
    """Put *text* in place of what *path* holds, or leave that as it was.

    A link is written through and stays. A file keeps its mode unless it is to be *private*; a new one, like a
    new folder, is for its owner alone. A device, a pipe and what is open already (`/dev/stdout`) is written into:
    it is never replaced, which root could do to `/dev/null`.

    Raises:
        OSError: It cannot be written; nothing has changed then.
    """
    if _is_stream(path):
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0)), "w", encoding="utf-8") as file:
            file.write(text)
        return
    target = path.resolve()
    if not target.parent.exists():
        private_folder(target.parent)
    temporary = _written_beside(target, text)
    try:
        if target.exists() and not private:
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
