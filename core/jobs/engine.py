"""What an engine can do. The embedded one is `sqlite.SQLiteJobs`; no door and no recipe knows which one runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from core.jobs.states import CancelMode, JobState
from core.jobs.values import Job, JobClaim, JobResult, KeptCall


class Journal(Protocol):
    """The finished calls of jobs: all a recipe needs to be resumed."""

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        """The kept values among *keys*; a big job asks for them range by range.

        Raises:
            StoreError: They cannot be read.
        """

    @property
    def waiting(self) -> int:
        """How many calls recorded here, the newest, the store does not have yet: `memo` would not find them."""

    def record(self, job: str, key: str, value: Any) -> None:
        """Keep a finished call for good; the first value of a key stays. *value* is JSON.

        On return it survives the end of this process (the embedded engine has written it to its spool), and it will
        reach the store whenever the store can be written. Never blocks for the store, never raises, not fenced: what
        was paid for is kept, whoever owns the job by now.
        """

    async def settle(self) -> None:
        """Return once every owner would find what this task has just recorded.

        At once where owners share a machine. In a fleet the spool of a lost machine is lost with it, so this waits for
        the next commit; while the store is away it waits for that.
        """

    async def ready(self, job: str) -> None:
        """Return at a moment at which a new call of *job* may start, and at no other.

        Finished calls can be kept then, and the job is known to be this process's for long enough. Where another
        process has it by now, this never returns: whoever runs the job is told to end it.
        """


class Parts(Protocol):
    """The parts of a job this process owns: jobs whose ids begin with its own, each with a journal of its own.

    Cancelling or resuming the job does the same to its parts. They are in no list of jobs. Nothing raises StoreError:
    it waits until the store is back. All but `arguments` and `values` raise LostJobError when another process owns
    the job by now, and then have changed nothing.
    """

    async def add(self, job: str, kind: str, arguments: Mapping[str, Any]) -> str | None:
        """Queue a part for any worker; its id, or None when the job is being cancelled."""

    async def of(self, job: str) -> list[Job]:
        """The parts that are not absorbed, in the order added."""

    async def assured(self, job: str) -> None:
        """Return at a moment at which the job is known to be ours for long enough to write what only its owner may."""

    async def arguments(self, part: str) -> Mapping[str, Any]: ...

    async def values(self, part: str, keys: Collection[str]) -> dict[str, Any]:
        """The kept values among *keys* of one part."""

    async def absorb(self, part: str) -> None:
        """Move the finished calls of a part that is over into the journal of its job, and forget the part."""


class JobEngine(Journal, Protocol):
    """Keeps jobs and hands each to one owner at a time. One instance belongs to one process, the owner.

    Every method may raise StoreError when the store cannot be used; those that take an id raise UnknownJobError.
    """

    @property
    def owner(self) -> str: ...

    @property
    def problem(self) -> str | None:
        """Why nothing can be written at the moment, in one sentence; None when it can."""

    async def submit(
        self, kind: str, arguments: Mapping[str, Any], *, person: str = "", request_key: str | None = None
    ) -> Job:
        """Accept a job of *person*; it is durable when this returns.

        Where they have made the request called *request_key* before, that is the job which began with it.
        """

    async def get(self, id: str) -> Job: ...

    async def result(self, id: str) -> JobResult | None:
        """What a job that is done returned; None before."""

    async def list_jobs(
        self, states: Collection[JobState] = (), *, limit: int = 50, person: str | None = None
    ) -> list[Job]:
        """The newest jobs first, of *states* or of all, of *person* or of everybody."""

    async def counts(self) -> dict[str, int]:
        """How many jobs of everybody are in each state; a state without one may be missing."""

    async def asked(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """By id, the arguments with which jobs were submitted, of those whose words are still there."""

    async def calls(self, id: str, *, after: int = 0, limit: int = 100) -> list[KeptCall]:
        """Finished calls in the order they were kept, behind the cursor *after*."""

    async def cancel(self, id: str, mode: CancelMode = "abort") -> Job:
        """Cancel it: at once when nobody runs it, else as soon as its owner notices. Harmless when it is over."""

    async def resume(self, id: str) -> Job:
        """Queue a paused, failed or cancelled job again; its finished calls are not made again."""

    async def retry(self, id: str) -> Job:
        """Queue a job again, also one that is done: only the calls that failed are made again."""

    async def note(self, job: str, key: str, value: Any) -> bool:
        """Keep *value* under *key* beside the finished calls; it is in the store when this returns.

        For what others than the job's owner say of it, such as a person's word. False: there is a value already, which
        stays.
        """

    async def kept(self, id: str, prefix: str) -> dict[str, Any]:
        """The finished calls of a job whose keys begin with *prefix*: for the few that stand apart."""

    @property
    def parts(self) -> Parts | None:
        """What hands parts of a job to other machines; None where one machine does it all."""

    def keep(self, kinds: Collection[str]) -> None:
        """Of what is accepted here, do *kinds* in this process: they need its files. Ends with the process."""

    async def clean(self, *, older_than_s: float, most_bytes: int) -> int:
        """Delete jobs that were over so long ago, and the oldest above *most_bytes* of kept data; how many."""

    async def forget(self, id: str) -> None:
        """Delete a job that is over, with its words; harmless where there is none."""

    async def forget_words(self) -> int:
        """Delete the words of all jobs that are over: prompts, files, answers and results; of how many."""

    # For owners.

    @property
    def looks_every_s(self) -> float:
        """How often to look for jobs without being told of them."""

    async def serve(self, kinds: Collection[str], wake: Callable[[], None]) -> None:
        """Be there for others while jobs of *kinds* are worked on, and call *wake* when there may be a new one.

        Returns at once where nothing has to be done for that, else when it is cancelled.
        """

    async def claim(self, kinds: Collection[str]) -> Job | None:
        """Take up a job: one of this process, or one whose owner is gone. Its fence is new.

        A job that ended its workers MOST_ATTEMPTS times without progress becomes failed instead.
        """

    async def watch(self, jobs: Sequence[Job]) -> dict[str, JobClaim]:
        """Extend the leases of *jobs*, and tell of each whether it is still ours and whether to stop."""

    async def set_total(self, id: str, total: int) -> None: ...

    async def set_progress(self, id: str, progress: Mapping[str, Any]) -> None:
        """Replace what the job's recipe says of its progress; JSON, a few figures."""

    async def finish(self, job: Job, state: JobState, *, result: JobResult | None = None, reason: str = "") -> None:
        """End or pause a job this process owns; waits for as long as the store cannot be written.

        Raises:
            LostJobError: Another owner has it by now.
        """

    def let_go(self, job: Job) -> None:
        """Its run here has ended, however that came: it may come here again."""

    async def release(self, job: Job) -> None:
        """Give it back unfinished, for whoever takes it up next."""

    async def pass_on(self, job: Job, reason: str) -> None:
        """Give it back, since it cannot be done by this process; pause it where there is nobody else."""

    async def aclose(self) -> None:
        """Write what is due, and let others see that this owner is gone."""
