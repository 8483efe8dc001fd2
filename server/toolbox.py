"""The recipes every door offers, in the order they are listed. A new tool is one line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from core.jobs.remote import CALL_OFF
from tools._batch import KIND as BATCH
from tools._batch_call_off import call_off
from tools._batch_run import run_batch
from tools._batch_slices import SLICE, run_slice
from tools.ask_many import ask_many
from tools.ask_one import ask_one
from tools.batch import batch
from tools.consensus import consensus
from tools.debate import debate
from tools.jobs import jobs
from tools.judge import judge
from tools.review import review
from tools.status import status


class Result(Protocol):
    """What a recipe returns: a pydantic model that can be read aloud."""

    def markdown(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    run: Callable[..., Awaitable[Result]]
    title: str
    asks_others: bool = True
    """Whether calling it reaches other AIs, and so the outside world and the bill."""
    background: bool = False
    """Whether it may be run as a job: doors then offer `background`."""
    read_only: bool = True

    @property
    def name(self) -> str:
        return self.run.__name__


RECIPES = (
    Recipe(ask_one, "Ask one AI", background=True),
    Recipe(ask_many, "Ask several AIs", background=True),
    Recipe(consensus, "Consensus", background=True),
    Recipe(debate, "Debate", background=True),
    Recipe(judge, "Judge answers", background=True),
    Recipe(review, "Review code", background=True),
    Recipe(batch, "Batch", read_only=False),
    Recipe(status, "Status", asks_others=False),
    Recipe(jobs, "Jobs", asks_others=False, read_only=False),
)

KINDS = {recipe.name: recipe for recipe in RECIPES if recipe.background} | {
    BATCH: Recipe(run_batch, "Batch", background=True),  # what the tool `batch` and `moot batch` start
    SLICE: Recipe(run_slice, "Batch", background=True),
    CALL_OFF: Recipe(call_off, "Call off", background=True),
}
"""What a job can be."""
