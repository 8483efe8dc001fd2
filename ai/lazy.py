"""Imports heavy modules when they are first needed, in a worker thread, so that the event loop stays responsive."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType

import anyio.to_thread

from core.naming import module_name

_loaded: dict[str, ModuleType] = {}


def loaded(name: str) -> ModuleType | None:
    """The module called *name* if `load` has been through with it."""
    return _loaded.get(name)


async def load(name: str) -> ModuleType:
    """The module called *name*, one of ours as a clone calls it.

    Not out of `sys.modules`: what another thread is still importing is there already.
    """
    if name not in _loaded:
        _loaded[name] = await anyio.to_thread.run_sync(importlib.import_module, module_name(name))
        # An SDK leaves some 100,000 objects that live as long as the process. The garbage collector need not walk
        # them again and again: with 1,000 calls in flight that was a sixth of all CPU.
        gc.freeze()
    return _loaded[name]
