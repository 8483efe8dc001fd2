"""The command line by which Moot starts itself: a worker, the server of a host, the demo, the doctor.

A path instead of a module's name: the folder that such a process is started in may hold packages of any name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.names.naming import PREFIX

_FOLDER = Path(__file__).resolve().parents[1]
ENTRY = (_FOLDER if PREFIX else _FOLDER / "moot") / "__main__.py"
"""The program; an installed Moot has the folder of this file inside the package, a clone beside it."""


def own_command(*arguments: str) -> list[str]:
    """The absolute command that runs this very Moot with *arguments*."""
    return [sys.executable, str(ENTRY), *arguments]


def command_for_hosts() -> list[str]:
    """The absolute command that hosts start the server with: the installed program, where this process is one."""
    program = Path(sys.argv[0])
    if program.stem == "moot" and program.is_file() and os.access(program, os.X_OK):
        return [str(program.absolute()), "serve"]
    return own_command("serve")
