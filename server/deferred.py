"""Lets a library's pydantic models build their validators when they are first used, not while it is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def built_when_used() -> Iterator[None]:
    """Define models in here as with `defer_build`: of the SDK's 550 a call needs a few, and they are a tenth of its
    import. For one thread alone; models that set `defer_build` themselves keep their own setting.
    """
    from pydantic import BaseModel

    usual = BaseModel.model_config
    BaseModel.model_config = {**usual, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = usual
