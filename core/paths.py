"""Where Moot keeps its files: the platform's user data folder, or MOOT_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_dir() -> Path:
    home = os.environ.get("MOOT_HOME")
    return Path(home).expanduser() if home else Path(platformdirs.user_data_dir("moot", appauthor=False))


def credentials_path() -> Path:
    named = os.environ.get("MOOT_CREDENTIALS")
    return Path(named).expanduser() if named else data_dir() / "credentials.json"


def weights_dir() -> Path:
    """Where `moot local install` puts the embedded model."""
    return data_dir() / "local"
