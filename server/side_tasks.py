"""Tasks beside a block, for doors: what the block raises comes out as it is, not wrapped in a group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from ai.lazy import load

if TYPE_CHECKING:
    from ai.runs.app import App

SETTLED_S = 5.0
"""When a door has opened: those who ask come first."""


@asynccontextmanager
async def tasks_beside(*, until_done: bool = False) -> AsyncIterator[TaskGroup]:
    """A task group whose tasks are cancelled when the block ends, or with *until_done* finished first.

    Raises:
        Exception: What the block raised, itself; a task that fails cancels the block, and comes out in a group.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except Exception as error:
            failure = error
        if not until_done:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def keep_memory_indexed(app: App) -> None:
    """Index by meaning what people say, beside all else, until cancelled."""
    await anyio.sleep(SETTLED_S)
    await (await load("ai.recall.keeping_up")).keep_indexed(app)
