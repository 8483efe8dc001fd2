"""Imports heavy modules when they are first needed, in a worker thread, so that the event loop stays responsive."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import anyio.to_thread

from core.names.naming import module_name

_loaded: dict[str, ModuleType] = {}
_READ_LATE = {"openai": ("openai.types", "openai.types.responses", "openai.types.shared")}
"""Packages of which an SDK imports every module and a call needs few: 470 of them, a third of what a call costs."""
_DONE_WITHOUT = ("openai._vendor.httpx_aiohttp",)
"""What an SDK has for want of a transport of ours: left out as if its extra were not installed."""


def loaded(name: str) -> ModuleType | None:
    """The module called *name* if `load` has been through with it."""
    return _loaded.get(name)


async def load(name: str) -> ModuleType:
    """The module called *name*, one of ours as a clone calls it.

    Not out of `sys.modules`: what another thread is still importing is there already.
    """
    if name not in _loaded:
        _loaded[name] = await anyio.to_thread.run_sync(_import, module_name(name))
        # An SDK leaves some 100,000 objects that live as long as the process. The garbage collector need not walk
        # them again and again: with 1,000 calls in flight that was a sixth of all CPU.
        gc.freeze()
    return _loaded[name]


def _import(name: str) -> ModuleType:
    if name not in _READ_LATE:
        return importlib.import_module(name)
    with read_when_used(*_READ_LATE[name]):
        return importlib.import_module(name)


@contextmanager
def read_when_used(*packages: str) -> Iterator[None]:
    """Have what is imported in the block import *packages* without running them: their first attribute does that.

    Their submodules are found and run as ever.
    """
    finder = _ReadLate(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _ReadLate(MetaPathFinder):
    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in _DONE_WITHOUT:
            raise ImportError(f"{name} is left out on purpose", name=name)
        spec = PathFinder.find_spec(name, path) if name in self._packages else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader)
        return spec


class _Later(Loader):
    """Leaves a module unread, and knows how to read it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.reading = threading.RLock()

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Unread


class _Unread(ModuleType):
    """A module that is run as soon as anything of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        later = self.__spec__.loader if self.__spec__ else None
        if name.startswith("__") or not isinstance(later, _Later):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with later.reading:
            if isinstance(self, _Unread):
                self.__class__ = ModuleType  # type: ignore[assignment]  # it is read from now on
                later.loader.exec_module(self)
        return getattr(self, name)
