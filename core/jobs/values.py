"""A job as everybody sees it, whichever engine keeps it: frozen values."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.jobs.states import OVER, CancelMode, JobState

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]
_TASK_STATUS: dict[JobState, TaskStatus] = {
    "queued": "working",
    "running": "working",
    "paused": "input_required",
    "done": "completed",
    "failed": "completed",  # with a result that says so: a tool that fails has run all the same
    "cancelled": "cancelled",
}

MOST_ATTEMPTS = 5
"""A job that killed its worker so often without a single new finished call is not tried again. Of a worker that ran
several jobs when it ended, each has its share."""
WORN_OUT = f"It ended its worker {MOST_ATTEMPTS} times without finishing a call, so it is not tried again."
UNWRITABLE = "Jobs need a data folder that can be written. Free some space, check its permissions, or set MOOT_HOME."
LOST_SPOOL = "The disk is full, so finished calls cannot be kept. Free some space; the job then goes on by itself."
CRASHED = "It failed unexpectedly; the log of the process that ran it says more."


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since the epoch; `calls` counts the finished calls that are kept."""

    id: str
    kind: str
    state: JobState
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Only there when the job is submitted or claimed; they may be long."""
    reason: str = ""
    """Why it is paused or failed, in one sentence."""
    waits: bool = False
    """Paused by something that may pass by itself, such as a full disk: it goes on without being asked."""
    creator: str = ""
    owner: str | None = None
    fence: int = 0
    """Grows with every owner; what an earlier owner says of the job's state is refused."""
    attempts: int = 0
    """How often it was taken up since its last finished call."""
    cancel: CancelMode | None = None
    calls: int = 0
    total: int | None = None
    """How many calls there will be, where the recipe knows."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """What the recipe says of it, where it says anything: for a batch `done`, `failed`, `cost_usd`."""
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    person: str = ""
    """Whose it is; empty: the owner of this installation."""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def broke(self) -> bool:
        """Whether it failed by a fault of the program, not by anything its recipe can explain."""
        return self.state == "failed" and self.reason in (CRASHED, WORN_OUT)

    @property
    def task_status(self) -> TaskStatus:
        """The state in the words of MCP's tasks extension (SEP-2663)."""
        if self.broke:
            return "failed"
        return "working" if self.waits else _TASK_STATUS[self.state]


_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are taken for one another."""


def new_id() -> str:
    """An id that can be read out, begins differently from the others', and cannot be guessed."""
    signs = [secrets.choice(_LETTERS) for _ in range(15)]
    return "-".join("".join(signs[start : start + 5]) for start in (0, 5, 10))


def is_job(run: str) -> bool:
    """Whether *run* can be a job's: the runs of no job have ids of another form."""
    return "-" in run


def part_id(job: str) -> str:
    """An id for a part of *job*; those of later parts sort behind it."""
    return f"{job}.{time.time_ns() // 1_000_000:011x}{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class KeptCall:
    """One finished call of a job. `seq` grows; it is the cursor for reading on."""

    seq: int
    key: str
    value: Any
    at: float


@dataclass(frozen=True, slots=True)
class JobResult:
    """What the job's recipe returned, as text and as data."""

    markdown: str
    structured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobClaim:
    """What an owner must know of a job it runs: whether it is still its own, and whether to stop."""

    mine: bool
    cancel: CancelMode | None = None
