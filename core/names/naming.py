"""The real names of Moot's own modules: a clone has `ai`, `core`, `server`, `tools` at its top, a wheel below `moot`.

Imports need none of this: the build leads them to the right place. It is for names that are data.
"""

from __future__ import annotations

_HERE = "core.names.naming"
_FOLDERS = frozenset({"ai", "core", "server", "tools"})

PREFIX = __name__.removesuffix(_HERE)
"""What stands before the name of every module of ours: nothing in a clone, `moot.` in an installed Moot."""


def module_name(name: str) -> str:
    """The real name of the module that a clone calls *name*; any other name as it is."""
    return PREFIX + name if name.partition(".")[0] in _FOLDERS else name
