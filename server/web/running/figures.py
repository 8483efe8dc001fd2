"""What the system says of this process and of the disk. Blocks for a moment."""

from __future__ import annotations

import os
import shutil
import sys
import time

from core.paths import data_dir

STARTED = time.time()
"""When this process began to serve, as near as it matters."""


def cpu_s() -> float:
    """Seconds of CPU that this process has used."""
    used = os.times()
    return used.user + used.system


def memory_bytes() -> int | None:
    """Memory that this process holds; None where that cannot be told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _most_memory_bytes()


def open_files() -> int | None:
    """Files and connections that this process has open; None where that cannot be told."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None


def disk_free_bytes() -> int | None:
    """What is free where the data folder is; None where that cannot be told."""
    place = data_dir()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _most_memory_bytes() -> int | None:
    """The most that it has held, which is what other systems tell."""
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
