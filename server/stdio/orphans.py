"""Whether a process has died that may have left a job: what a server that nobody calls looks for from time to time.

A look costs a listing and a question to the system for each process that is there; only when one is newly gone, a child
of this process, which is gone again at once, reads whether there is a job of it. Imports nothing that costs.
"""

from __future__ import annotations

import os

from server.stdio.snapshot import data_dir

_FIRST, _LENGTH = 0x40000002, 510
"""The bytes that SQLite locks for reading and, all of them, for writing."""
_WAITS = 10


class Orphans:
    """What was seen so far."""

    def __init__(self) -> None:
        self._gone: set[str] = set()

    def found(self) -> bool:
        """Whether a job waits of a process that has died since the last look. Blocks for a moment."""
        gone = _gone(os.path.join(data_dir(), "owners"))
        fresh, self._gone = gone - self._gone, gone
        return bool(fresh) and _work_waits()


def _gone(folder: str) -> set[str]:
    """Which files in *folder* no process has locked, as `core.stores.owners` does."""
    try:
        return {name for name in os.listdir(folder) if "-" not in name and _unlocked(os.path.join(folder, name))}
    except OSError:
        return set()


def _unlocked(path: str) -> bool:
    from fcntl import LOCK_NB, LOCK_SH, lockf

    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        lockf(file, LOCK_SH | LOCK_NB, _LENGTH, _FIRST)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _work_waits() -> bool:
    child = os.fork()
    if not child:
        status = 0
        try:
            from server.jobs.left_work import work_waits

            status = _WAITS if work_waits() else 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _WAITS
