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


_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.rclone", "davfs", "vboxsf"}


def network_folder(folder: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of network file system *folder* is on; None when it is local, or when that cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place, kind = "", ""
    for line in lines:
        _, point, found = [*line.split(), "", "", ""][:3]
        if folder.absolute().is_relative_to(point or "//") and len(point) >= len(place):
            place, kind = point, found
    return kind if kind in _NETWORK else None
