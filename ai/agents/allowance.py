"""What an agent and everything below it may spend: money, tokens, time and sub-agents, reserved before each call.

A call is reserved at the most it can take, in every allowance up to the root, and the difference is given back when it
is over. Where nothing is left the answer is no: a limit that is used up never turns into none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio

from core.errors import MootError
from core.values import Usage


def _added(one: Usage, other: Usage) -> Usage:
    def total(name: str) -> int | None:
        counts = getattr(one, name), getattr(other, name)
        return None if None in counts else sum(counts)

    return Usage(*map(total, ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")))


class SpentError(MootError):
    """Nothing is left of an allowance; the message says of what."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited here. Dollars, tokens in and out together, seconds; `depth` is levels of sub-agents below."""

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    depth: int = 2
    agents: int = 16


@dataclass(eq=False)
class Hold:
    """What one call may take at most."""

    usd: float
    tokens: int


@dataclass(eq=False)
class Allowance:
    """One level of the tree. `parent` is what it takes from as well."""

    limits: Limits
    parent: Allowance | None = None
    spent_usd: float = 0.0
    spent: Usage = field(default_factory=lambda: Usage(0, 0, 0, 0))
    """Tokens of all calls together, its own and those below; a count is None once one of them was not known."""
    spent_tokens: int = 0
    spent_agents: int = 0
    unpriced: bool = False
    """Whether the price of a call is not known, so that `spent_usd` is not all of it."""
    until: float = field(init=False)
    _held: list[Hold] = field(default_factory=list)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.until = math.inf if self.limits.seconds is None else time.monotonic() + self.limits.seconds

    @property
    def depth(self) -> int:
        """How many levels may still be below."""
        above = math.inf if self.parent is None else self.parent.depth - 1
        return int(max(0, min(self.limits.depth, above)))

    @property
    def seconds_left(self) -> float:
        return min(level.until for level in self._levels()) - time.monotonic()

    @property
    def counts_dollars(self) -> bool:
        return any(level.limits.usd is not None for level in self._levels())

    @property
    def counts(self) -> bool:
        """Whether money or tokens are limited at all."""
        return any(level.limits.usd is not None or level.limits.tokens is not None for level in self._levels())

    @property
    def smallest_usd(self) -> float | None:
        return min((one.limits.usd for one in self._levels() if one.limits.usd is not None), default=None)

    @property
    def smallest_tokens(self) -> int | None:
        return min((one.limits.tokens for one in self._levels() if one.limits.tokens is not None), default=None)

    async def reserve(self, usd: float | None, tokens: int) -> Hold:
        """Room for a call that takes at most so much; waits for what others hold and may give back.

        Raises:
            SpentError: There is no room, or the price is unknown where money is limited.
        """
        if usd is None and self.counts_dollars:
            raise SpentError(
                "Its price is not known, or that of an AI it may fall back to, so no budget in dollars can hold it."
            )
        hold = Hold(usd or 0.0, tokens)
        while (full := self._full_for(hold)) is not None:
            if not full._held:
                raise SpentError(full._no_room(hold))
            await full._changed.wait()
        for level in self._levels():
            level._held.append(hold)
        return hold

    def settle(self, hold: Hold | None, *, usd: float | None, usage: Usage) -> None:
        """Put what a call really took in place of *hold*; where it is None, what was held. Without one, just count."""
        most = hold or Hold(0.0, 0)
        known = usage.input_tokens is not None and usage.output_tokens is not None
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0) if known else most.tokens
        for level in self._levels():
            level.spent_usd += most.usd if usd is None else usd
            level.unpriced = level.unpriced or usd is None
            level.spent_tokens += tokens
            level.spent = _added(level.spent, usage)
            if hold is not None:
                level._held.remove(hold)
            level._changed.set()
            level._changed = anyio.Event()

    def child(self, limits: Limits) -> Allowance:
        """The allowance of a sub-agent.

        Raises:
            SpentError: No further one may be asked.
        """
        if self.depth < 1:
            raise SpentError("No sub-agent may be asked from here: the levels below it are used up.")
        if any(level.spent_agents >= level.limits.agents for level in self._levels()):
            raise SpentError("No further sub-agent may be asked: their number is used up.")
        for level in self._levels():
            level.spent_agents += 1
        return Allowance(limits, self)

    def _levels(self) -> Iterator[Allowance]:
        level: Allowance | None = self
        while level is not None:
            yield level
            level = level.parent

    def _full_for(self, hold: Hold) -> Allowance | None:
        return next((level for level in self._levels() if level._lacks(hold)), None)

    def _lacks(self, hold: Hold) -> bool:
        usd, tokens = self.limits.usd, self.limits.tokens
        held_usd, held_tokens = math.fsum(one.usd for one in self._held), sum(one.tokens for one in self._held)
        return (usd is not None and self.spent_usd + held_usd + hold.usd > usd) or (
            tokens is not None and self.spent_tokens + held_tokens + hold.tokens > tokens
        )

    def _no_room(self, hold: Hold) -> str:
        usd, tokens = self.limits.usd, self.limits.tokens
        if usd is not None and self.spent_usd + hold.usd > usd:
            left = max(usd - self.spent_usd, 0)
            return f"The next call may cost ${hold.usd:.4f}, and ${left:.4f} of ${usd:.4f} are left."
        left_tokens = max((tokens or 0) - self.spent_tokens, 0)
        return f"The next call may take {hold.tokens:,} tokens, and {left_tokens:,} of {tokens or 0:,} are left."
