"""A model of the fleet's protocol, small enough to be searched completely: every order in which things can happen.

A process that is stopped is one whose next step comes late, and any step may come as late as it likes. Time is the rest
of the lease at the server and the age of a lease at its holder, so that there are finitely many states although a run
has no end. The queue may offer a job at any time, also while its owner is alive and well: it only supposes.

What decides whether a lease may still be counted on is the product's own `Lease`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, Self, TypeVar

from core.jobs.fleet.leases import Lease

LEASE = 2
"""In ticks of the clock."""
_NOT = -1


@dataclass(frozen=True)
class Guards:
    """What protects the protocol; each can be taken out."""

    call_needs_lease: bool = True
    """A call leaves only with enough left of the lease, by the holder's own clock."""
    taken_only_when_lapsed: bool = True
    """The journal gives a job to another only when the lease of its owner has run out."""
    end_spares_the_entry: bool = True
    """Whoever has lost a job leaves its entry in the queue alone."""
    changes_are_fenced: bool = True
    """The journal refuses what a holder changes that has lost the job."""
    vanished_is_looked_up: bool = True
    """What a slice had asked that is gone is looked for in the journal of the job."""
    close_gives_back: bool = True
    """A process that closes gives back all that is its own in the journal, also what it was never told of."""
    write_needs_lease: bool = True
    """The output is written only with enough left of the lease."""


class State(Protocol):
    @property
    def done(self) -> bool: ...
    @property
    def alive(self) -> bool: ...
    @property
    def fault(self) -> str: ...
    def steps(self, guards: Guards) -> Iterator[Self]: ...
    def plain(self) -> Self: ...


S = TypeVar("S", bound=State)


@dataclass
class Found(Generic[S]):
    """What a search brought to light: faults by name, states that never end, and how many states there are."""

    faults: set[str] = field(default_factory=set)
    stuck: list[S] = field(default_factory=list)
    states: int = 0


def search(first: S, guards: Guards) -> Found[S]:
    """Visit every state that can be reached from *first*."""
    found: Found[S] = Found()
    before: dict[S, list[S]] = {first: []}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        if state.fault:
            found.faults.add(state.fault)
            continue
        for step in state.steps(guards):
            after = step.plain()
            if after not in before:
                before[after] = []
                waiting.append(after)
            before[after].append(state)
    ends = deque(state for state in before if state.done or state.fault)
    can_end = set(ends)
    while ends:
        for state in before[ends.popleft()]:
            if state not in can_end:
                can_end.add(state)
                ends.append(state)
    found.states = len(before)
    found.stuck = [state for state in before if state.alive and state not in can_end]
    return found


@dataclass(frozen=True, order=True)
class Process:
    """One that works on the job, or holds it; `age` is that of its lease."""

    phase: str = "idle"
    fence: int = 0
    age: int = 0
    asking: int = _NOT
    """How long ago it asked for a new lease, while the answer is on its way."""
    entry: bool = False
    """Whether the queue's entry is in its hands, as the queue sees it."""
    seen: bool = False
    """Whether what it was to write stood in the output when it opened that."""

    @property
    def alive(self) -> bool:
        return self.phase not in ("dead", "closes")

    @property
    def enough(self) -> bool:
        return Lease(-float(self.age), LEASE).enough(0.0)

    def older(self) -> Process:
        if self.phase in ("idle", "dead"):
            return self
        asking = _NOT if self.asking == _NOT else min(self.asking + 1, LEASE)
        return replace(self, age=min(self.age + 1, LEASE), asking=asking)


@dataclass(frozen=True)
class Job:
    """The row of the journal; `remains` is what is left of the lease of its owner."""

    state: str = "queued"
    fence: int = 0
    remains: int = 0

    def belongs_to(self, process: Process) -> bool:
        return self.state == "running" and self.fence == process.fence

    def may_be_taken(self, guards: Guards) -> bool:
        free = self.remains == 0 or not guards.taken_only_when_lapsed
        return self.state == "queued" or (self.state == "running" and free)


_IDLE = Process()


@dataclass(frozen=True)
class Shared:
    """What both models have: a job, two processes, and one kill."""

    job: Job = Job()
    processes: tuple[Process, ...] = (_IDLE, _IDLE)
    kills: int = 1
    fault: str = ""

    @property
    def done(self) -> bool:
        return self.job.state == "done"

    @property
    def alive(self) -> bool:
        return any(process.alive for process in self.processes)

    def plain(self) -> Self:
        """The same by other names: fences are only compared, and the processes are alike."""
        fences = sorted({self.job.fence, *(process.fence for process in self.processes), *self.marks, 0})
        number = {fence: n for n, fence in enumerate(fences)}
        processes = sorted(replace(process, fence=number[process.fence]) for process in self.processes)
        job = replace(self.job, fence=number[self.job.fence])
        return replace(self, job=job, processes=tuple(processes)).marked(number)

    @property
    def marks(self) -> tuple[int, ...]:
        """Fences that are written down."""
        return ()

    def marked(self, number: dict[int, int]) -> Self:
        return self

    def put(self, n: int, process: Process, **changes: object) -> Self:
        processes = tuple(process if n == m else other for m, other in enumerate(self.processes))
        return replace(self, processes=processes, **changes)  # type: ignore[arg-type]

    def time(self) -> Iterator[Self]:
        job = replace(self.job, remains=max(self.job.remains - 1, 0))
        yield replace(self, job=job, processes=tuple(process.older() for process in self.processes))

    def deaths(self) -> Iterator[Self]:
        for n, process in enumerate(self.processes):
            if self.kills and process.alive and self.processes[1 - n].alive:
                yield self.put(n, Process("dead", entry=process.entry), kills=self.kills - 1)

    def taken(self, n: int, asked: int, phase: str) -> Self:
        fence = self.job.fence + 1
        mine = Process(phase, fence, age=asked, entry=self.processes[n].entry)
        return self.put(n, mine, job=Job("running", fence, LEASE))

    def renewals(self, n: int) -> Iterator[Self]:
        """Ask for a new lease; and, some time later, be told that it is granted, or that the job is lost."""
        process = self.processes[n]
        if process.asking == _NOT:
            yield self.put(n, replace(process, asking=0))
        elif self.job.belongs_to(process):
            renewed = replace(process, age=process.asking, asking=_NOT)
            yield self.put(n, renewed, job=replace(self.job, remains=LEASE))
        else:
            yield self.put(n, replace(_IDLE, entry=process.entry))


@dataclass(frozen=True)
class Working(Shared):
    """One job of one call: workers take it from the queue, ask, keep the answer, and end it."""

    queued: bool = True
    """Whether the entry waits in the queue; else it is in somebody's hands, or gone."""
    recorded: int = 0
    """The fence of the first whose answer is in the journal."""

    @property
    def marks(self) -> tuple[int, ...]:
        return (self.recorded,)

    def marked(self, number: dict[int, int]) -> Self:
        return replace(self, recorded=number[self.recorded])

    def steps(self, guards: Guards) -> Iterator[Self]:
        yield from self.time()
        yield from self.deaths()
        for n, process in enumerate(self.processes):
            if process.entry:  # the queue supposes that whoever has it is gone
                yield self.put(n, replace(process, entry=False), queued=True)
            yield from self._of(n, process, guards)

    def _of(self, n: int, process: Process, guards: Guards) -> Iterator[Self]:
        match process.phase:
            case "idle" if self.queued:
                yield self.put(n, Process("taking", entry=True), queued=False)
            case "taking":
                yield self._take(n, process, guards)
                yield self._take_untold(n, process, guards)
            case "closes":
                yield self._close(n, process, guards)
            case "took":
                yield self.put(n, replace(process, phase="kept" if self.recorded else "missing"))
                yield from self.renewals(n)
            case "missing":
                if process.enough or not guards.call_needs_lease:
                    paid = self.recorded > process.fence
                    yield self.put(n, replace(process, phase="asked"), fault="paid for what others finished" * paid)
                yield from self.renewals(n)
            case "asked":  # also of one who has lost the job: what is paid for is kept
                yield self.put(n, replace(process, phase="kept"), recorded=self.recorded or process.fence)
                yield from self.renewals(n)
            case "kept":
                yield self._end(n, process, guards)

    def _take(self, n: int, process: Process, guards: Guards) -> Self:
        if self.job.state == "done":
            return self.put(n, _IDLE)
        if not self.job.may_be_taken(guards):
            return self.put(n, _IDLE, queued=self.queued or process.entry)
        return self.taken(n, process.age, "took")

    def _take_untold(self, n: int, process: Process, guards: Guards) -> Self:
        """It closes while the journal is being asked, which gives it the job all the same."""
        after = self._take(n, process, guards)
        return after.put(n, replace(after.processes[n], phase="closes", entry=process.entry))

    def _close(self, n: int, process: Process, guards: Guards) -> Self:
        mine = self.job.belongs_to(process)
        back = self.put(n, Process("dead"), queued=self.queued or process.entry)
        if mine and not guards.close_gives_back:
            return replace(back, fault="closed, and its job waits for a lease")
        return replace(back, queued=True, job=replace(self.job, state="queued", remains=0)) if mine else back

    def _end(self, n: int, process: Process, guards: Guards) -> Self:
        if self.job.belongs_to(process):
            return self.put(n, _IDLE, job=replace(self.job, state="done"))
        if guards.end_spares_the_entry:
            return self.put(n, replace(_IDLE, entry=process.entry))
        ended = self.put(n, _IDLE, queued=False)
        return replace(ended, processes=tuple(replace(process, entry=False) for process in ended.processes))


@dataclass(frozen=True)
class Holding(Shared):
    """A batch with one slice that is finished: holders take the slice back, write the output, and end the batch."""

    slice: bool = True
    """Whether it is there still; its answer is in it or, then, in the journal of the batch."""
    kept: bool = False
    written: int = 0

    def steps(self, guards: Guards) -> Iterator[Self]:
        yield from self.time()
        yield from self.deaths()
        for n, process in enumerate(self.processes):
            yield from self._of(n, process, guards)

    def _of(self, n: int, process: Process, guards: Guards) -> Iterator[Self]:
        if process.phase not in ("idle", "dead"):
            yield from self.renewals(n)
        match process.phase:
            case "idle" if self.job.may_be_taken(guards):
                yield self.taken(n, 0, "opened")._opened(n)
            case "opened":
                yield self.put(n, replace(process, phase="waits" if self.slice else "looks"))
            case "waits":
                yield from self._absorbed(n, process, guards)
            case "looks" if self.kept:
                yield self.put(n, replace(process, phase="ends" if process.seen else "writes"))
            case "writes" if process.enough or not guards.write_needs_lease:
                written = self.written + 1
                twice = "written twice" * (written > 1)
                yield self.put(n, replace(process, phase="ends"), written=written, fault=twice)
            case "ends":
                mine = self.job.belongs_to(process)
                yield self.put(n, _IDLE, job=replace(self.job, state="done") if mine else self.job)

    def _opened(self, n: int) -> Self:
        return self.put(n, replace(self.processes[n], seen=self.written > 0))

    def _absorbed(self, n: int, process: Process, guards: Guards) -> Iterator[Self]:
        if guards.changes_are_fenced and not self.job.belongs_to(process):
            yield self.put(n, _IDLE)
        elif self.slice:
            yield self.put(n, replace(process, phase="looks"), slice=False, kept=True)
        elif guards.vanished_is_looked_up:
            yield self.put(n, replace(process, phase="looks"))
