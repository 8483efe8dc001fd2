"""Which programs of a name are on PATH, and what version they say they have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROGRAM_S = 20.0


def programs_on_path(name: str, path: str) -> list[str]:
    """Every program called *name* in the folders of *path*, the one that runs first; links to one file count once."""
    found: dict[Path, str] = {}
    for folder in path.split(os.pathsep):
        program = shutil.which(name, path=folder) if folder else None
        if program:
            found.setdefault(Path(program).resolve(), program)
    return list(found.values())


def version_of(program: str) -> str | None:
    """The last word of what it prints for `--version`; None when it does not run."""
    try:
        done = subprocess.run(
            [program, "--version"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split()[-1] if done.returncode == 0 and done.stdout.split() else None
