"""Whether a job waits that no process works on: a window that was just opened goes on with it unasked."""

from __future__ import annotations


def work_waits() -> bool:
    """Looks once, and makes nothing. Blocks for a moment, and imports what it needs only where there was ever a job."""
    from core.jobs.jobs import may_exist

    if not may_exist():
        return False
    import sqlite3
    from contextlib import closing

    from core.paths import data_dir
    from core.stores.owners import Owner
    from core.stores.sqlite import result_code

    folder = data_dir()
    holders = "SELECT DISTINCT COALESCE(owner, creator) FROM jobs WHERE state IN ('queued', 'running')"
    try:
        with closing(sqlite3.connect(f"{(folder / 'jobs.db').absolute().as_uri()}?mode=ro", uri=True)) as store:
            found = [holder for (holder,) in store.execute(holders)]
    except sqlite3.Error as error:
        # Whoever was killed within a commit leaves it to the next writer to undo, and one at work keeps readers out:
        # either way somebody had jobs. Anything else is told to whoever asks for a job.
        return result_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY)
    owner = Owner(folder / "owners")
    return not all(owner.alive(holder) for holder in found)
