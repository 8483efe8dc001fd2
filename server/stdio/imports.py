"""Spares the imports of the real server what a first call does not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


@contextmanager
def built_when_used() -> Iterator[None]:
    """Define pydantic models in here as with `defer_build`: of the SDK's 550 a call needs a few, and building them all
    is a tenth of its import. Models that set `defer_build` themselves keep their own setting. For one thread alone.
    """
    from pydantic import BaseModel

    usual = BaseModel.model_config
    BaseModel.model_config = {**usual, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = usual


@contextmanager
def left_out(module: str) -> Iterator[None]:
    """Let an optional *module* be as if it were not installed, unless it is imported already. For one thread alone."""
    if module in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[module] = None  # the import system's own word for that
    try:
        yield
    finally:
        del modules[module]
