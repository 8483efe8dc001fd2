"""The command line by which Moot starts itself: a worker, the server of a host, the demo, the doctor.

A path instead of a module's name: the folder that such a process is started in may hold packages of any name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ENTRY = Path(__file__).resolve().parents[1] / "moot_entry.py"


def own_command(*arguments: str) -> list[str]:
    """The absolute command that runs this very Moot with *arguments*."""
    return [sys.executable, str(_ENTRY), *arguments]


def command_for_hosts() -> list[str]:
    """The absolute command that hosts start the server with: the installed program, where this process is one."""
    program = Path(sys.argv[0])
    if program.stem == "moot" and program.is_file() and os.access(program, os.X_OK):
        return [str(program.absolute()), "serve"]
    return own_command("serve")
