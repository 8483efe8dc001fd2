"""The recipes every door offers, in the order they are listed. A new tool is one line here."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from ai.lazy import load
from core.jobs.kinds import BATCH, CALL_OFF, SLICE
from core.names.naming import module_name

if TYPE_CHECKING:
    from tools.recipe.result import Result


@dataclass(frozen=True, slots=True)
class Recipe:
    source: Callable[..., Awaitable[Result]] | str
    """The function, or `module:function` for one that is imported when it is first needed: few calls need two."""
    title: str
    asks_others: bool = True
    """Whether calling it reaches other AIs, and so the outside world and the bill."""
    background: bool = False
    """Whether it may be run as a job: doors then offer `background`."""
    read_only: bool = True
    added: bool = False
    """Whether a package of somebody else's adds it."""

    @property
    def name(self) -> str:
        return self.source.partition(":")[2] if isinstance(self.source, str) else self.source.__name__

    @property
    def run(self) -> Callable[..., Awaitable[Result]]:
        """The function. Blocks until its module is imported, unless `load` has been awaited."""
        if not isinstance(self.source, str):
            return self.source
        module, _, name = self.source.partition(":")
        return cast("Callable[..., Awaitable[Result]]", getattr(import_module(module_name(module)), name))

    async def load(self) -> None:
        """Import what `run` needs without blocking the event loop."""
        if isinstance(self.source, str):
            await load(self.source.partition(":")[0])


@cache
def parameters_of(recipe: Recipe) -> Mapping[str, Any]:
    """The types of what *recipe* takes, by name, but for the run. Blocks until its module is imported."""
    parameters = inspect.signature(recipe.run, eval_str=True).parameters
    return {name: parameter.annotation for name, parameter in parameters.items() if name != "run"}


RECIPES = (
    Recipe("tools.ask_one:ask_one", "Ask one AI", background=True),
    Recipe("tools.ask_many:ask_many", "Ask several AIs", background=True),
    Recipe("tools.consensus:consensus", "Consensus", background=True),
    Recipe("tools.debate:debate", "Debate", background=True),
    Recipe("tools.judge:judge", "Judge answers", background=True),
    Recipe("tools.agent:agent", "Agent", background=True, read_only=False),
    Recipe("tools.review:review", "Review code", background=True),
    Recipe("tools.batch:batch", "Batch", read_only=False),
    Recipe("tools.status:status", "Status", asks_others=False),
    Recipe("tools.jobs:jobs", "Jobs", asks_others=False, read_only=False),
)

KINDS = {recipe.name: recipe for recipe in RECIPES if recipe.background} | {
    BATCH: Recipe("tools.batching.run:run_batch", "Batch", background=True),  # what `batch` and `moot batch` start
    SLICE: Recipe("tools.batching.slices:run_slice", "Batch", background=True),
    CALL_OFF: Recipe("tools.batching.call_off:call_off", "Call off", background=True),
}
"""What a job can be."""
