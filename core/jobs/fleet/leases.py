"""Leases on jobs, as the process that holds them knows them: by its own clock, from before it asked for them.

A server grants a lease for so many seconds from the moment it hears of the wish. Whoever counts them from before it
asked, on a clock that also runs while the machine sleeps, never takes a lease for valid that the server lets others
have. A process that was stopped finds all of them run out when it goes on, however late it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.errors import LostJobError
from core.jobs.values import Job, JobClaim

LEASE_S = 12.0
"""A process that was not heard of for so long has lost its jobs."""
_RENEWALS = 6
"""How often a lease is renewed before it would run out."""
_ENOUGH = 3
"""A call is only begun while at least one part in so many is left: so long it may take until it is on the wire."""

Clock = Callable[[], float]


_SINCE_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
"""Of macOS the second one, which counts while it sleeps, as `time.monotonic` there does not."""


def since_boot() -> float:
    """Seconds on a clock that nobody sets, and that counts while the machine sleeps where the system has such a one."""
    return time.monotonic() if _SINCE_BOOT is None else time.clock_gettime(_SINCE_BOOT)


@dataclass(frozen=True, slots=True)
class Lease:
    """Granted for *seconds* by a server that was asked at *asked*, of the clock of whoever holds it."""

    asked: float
    seconds: float

    def left(self, now: float) -> float:
        return self.asked + self.seconds - now

    def enough(self, now: float) -> bool:
        """Whether what must be over before the lease is may begin."""
        return self.left(now) >= self.seconds / _ENOUGH

    def due(self, now: float) -> bool:
        """Whether it is time to renew it."""
        return now - self.asked >= self.seconds / _RENEWALS


@dataclass(slots=True)
class Hold:
    """A job that runs here. `entry` is what the queue knows of it; None where it did not come from there."""

    job: Job
    entry: int | None
    lease: Lease
    lost: bool = False
    """Whether somebody else has it by now; it stays here until its run has ended."""


class Holds:
    """The jobs this process holds. One that was lost is held no more, and not taken again before its run has ended."""

    def __init__(self, lease_s: float, clock: Clock = since_boot) -> None:
        self.lease_s = lease_s
        self.clock = clock
        self._holds: dict[str, Hold] = {}

    def __contains__(self, job: object) -> bool:
        return job in self._holds

    def __iter__(self) -> Iterator[str]:
        return iter(self._holds)

    @property
    def entries(self) -> set[int]:
        """The entries of the queue that are ours."""
        return {hold.entry for hold in self._holds.values() if hold.entry is not None and not hold.lost}

    @property
    def valid(self) -> list[Job]:
        """What is held, as far as we know."""
        return [hold.job for hold in self._holds.values() if not hold.lost]

    @property
    def due(self) -> bool:
        """Whether something is to be renewed."""
        now = self.clock()
        return any(hold.lease.due(now) for hold in self._holds.values() if not hold.lost)

    def take(self, job: Job, entry: int | None, asked: float) -> None:
        self._holds[job.id] = Hold(job, entry, Lease(asked, self.lease_s))

    def renewed(self, claims: Mapping[str, JobClaim], asked: float) -> None:
        """The server's answer to a wish of the moment *asked* to keep what *claims* names."""
        for job, claim in claims.items():
            if (hold := self._holds.get(job)) is not None:
                if claim.mine:
                    hold.lease = Lease(asked, self.lease_s)
                else:
                    hold.lost = True

    def lost(self, id: str) -> bool:
        """Whether the job is not ours, or not any more."""
        hold = self._holds.get(id)
        return hold is None or hold.lost

    def enough(self, id: str) -> bool:
        """Whether the lease on the job is known to be valid for long enough to begin something."""
        hold = self._holds.get(id)
        return hold is not None and not hold.lost and hold.lease.enough(self.clock())

    def fence(self, id: str) -> int:
        """What marks our hold on the job.

        Raises:
            LostJobError: It is not ours.
        """
        hold = self._holds.get(id)
        if hold is None or hold.lost:
            raise LostJobError(f"Job {id} belongs to another process by now.")
        return hold.job.fence

    def let_go(self, id: str) -> Hold | None:
        return self._holds.pop(id, None)
