"""Has a worker do what a command has queued, where the configuration wants one."""

from __future__ import annotations

from core.config import load_config
from core.paths import credentials_path
from server.jobs import worker


def start_worker_here() -> None:
    """A worker that does what was queued here; whoever is quicker, it or an open window, does it."""
    if load_config(credentials_path()).defaults.detach:
        worker.start_worker()
