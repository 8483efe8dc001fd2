"""Lets the whole suite run against an installed Moot: what it imports as `ai` is `moot.ai`, and so on.

MOOT_INSTALLED=1 turns it on (see .ci/run). The suite, its helpers and `bench/` come from the clone all the same.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

WANTED = bool(os.environ.get("MOOT_INSTALLED"))
_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("ai", "core", "server", "tools")


class _Alias(MetaPathFinder, Loader):
    """Gives the module of the installed package for the name it has in a clone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.partition(".")[0] in _FOLDERS else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"moot.{spec.name}")
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own  # which the import system has replaced by that of the alias


def use() -> None:
    """Turn it on, and make sure that the clone's own code is nowhere."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT]
    sys.meta_path.insert(0, _Alias())
    import moot

    assert Path(str(moot.__file__)).parents[1] != _ROOT, "MOOT_INSTALLED needs a Moot that is installed from its wheel"
    sys.path.append(str(_ROOT))


if WANTED:
    use()
