"""What the system says of this process, of the machine and of the disk. Blocks for a moment."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from core.paths import data_dir

STARTED = time.time()
"""When this process began to serve, as near as it matters."""
_PROCESS = psutil.Process()


@dataclass(frozen=True, slots=True)
class Machine:
    """Shares from 0 to 1; None where that cannot be told. Processor: of all cores, since the last look."""

    cpu: float | None
    memory: float | None
    disk: float | None
    disk_free_bytes: int | None


def machine() -> Machine:
    """How the machine is, with the disk on which the data folder lies."""
    cpu = memory = disk = None
    free: int | None = None
    with suppress(psutil.Error, OSError):
        cpu = psutil.cpu_percent(None) / 100
    with suppress(psutil.Error, OSError):
        memory = psutil.virtual_memory().percent / 100
    with suppress(psutil.Error, OSError):
        told = psutil.disk_usage(_place())
        disk, free = told.percent / 100, told.free
    return Machine(cpu, memory, disk, free)


def cpu_s() -> float:
    """Seconds of CPU that this process has used."""
    used = _PROCESS.cpu_times()
    return float(used.user + used.system)


def memory_bytes() -> int | None:
    """Memory that this process holds; None where that cannot be told."""
    try:
        return int(_PROCESS.memory_info().rss)
    except psutil.Error:
        return None


def open_files() -> int | None:
    """Files and connections that this process has open; None where that cannot be told."""
    try:
        return int(_PROCESS.num_fds())
    except (psutil.Error, AttributeError):  # Windows has none
        return None


def disk_free_bytes() -> int | None:
    """What is free where the data folder is; None where that cannot be told."""
    return machine().disk_free_bytes


def _place() -> str:
    place = data_dir()
    while not place.exists() and place != place.parent:
        place = place.parent
    return str(place)
