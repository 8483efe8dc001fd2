"""How many messages Telegram takes: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this

One a second to one person with short bursts, twenty a minute to a group, thirty a second in all. The real limits are
not told, so what a refusal says of the time to wait counts more than the figures here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import anyio

_MOST_CHATS = 10_000
_ROOM_LEFT = 2.0
"""Messages to a chat that previews leave for what must be told."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Messages a second: in all, to one person, and to one group; and how many may go at once."""

    overall: float = 30.0
    person: float = 1.0
    group: float = 20 / 60
    person_burst: float = 3.0
    group_burst: float = 5.0


@dataclass(slots=True)
class _Bucket:
    rate: float
    burst: float
    level: float
    at: float
    closed_until: float = 0.0

    def wait_s(self, now: float, cost: float, room: float = 0.0) -> float:
        """Seconds until something that costs as much as *cost* messages may go."""
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        missing = (cost + room - self.level) / self.rate
        return max(0.0, missing if missing > 1e-9 else 0.0, self.closed_until - now)


class Flood:
    """Lets messages go when Telegram takes them."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        everything = self._limits.overall
        self._all = _Bucket(everything, everything, everything, clock())
        self._chats: OrderedDict[int, _Bucket] = OrderedDict()
        self._queues: dict[int, anyio.Lock] = {}
        self._line = anyio.Lock()

    async def turn(self, chat: int, cost: float = 1.0) -> None:
        """Return when a message to *chat* may go; those to one chat go in the order in which they asked.

        Args:
            cost: For how many messages it counts.
        """
        queue = self._queues.setdefault(chat, anyio.Lock())
        async with queue:
            await self._wait(self._of(chat), cost)
            async with self._line:
                await self._wait(self._all, cost)
            self._of(chat).level -= cost
            self._all.level -= cost
        if not queue.statistics().tasks_waiting and not queue.locked():
            self._queues.pop(chat, None)

    def free(self, chat: int, cost: float = 1.0) -> bool:
        """Whether a preview may go to *chat* now; what must be told is left room."""
        if chat in self._queues or self._line.locked():
            return False
        now, bucket = self._clock(), self._of(chat)
        room = _ROOM_LEFT if chat < 0 else 0.0
        if bucket.wait_s(now, cost, room) or self._all.wait_s(now, cost, self._limits.overall / 4):
            return False
        bucket.level -= cost
        self._all.level -= cost
        return True

    def closed(self, chat: int, seconds: float) -> None:
        """Telegram refused a message to *chat*, and said for how long."""
        bucket = self._of(chat)
        bucket.closed_until = max(bucket.closed_until, self._clock() + seconds)

    def waits(self, chat: int) -> bool:
        """Whether Telegram said that *chat* takes nothing now."""
        return self._of(chat).closed_until > self._clock()

    async def _wait(self, bucket: _Bucket, cost: float) -> None:
        while seconds := bucket.wait_s(self._clock(), cost):  # noqa: ASYNC110 - only time tells
            await anyio.sleep(seconds)

    def _of(self, chat: int) -> _Bucket:
        if (found := self._chats.get(chat)) is None:
            group = chat < 0
            rate = self._limits.group if group else self._limits.person
            burst = self._limits.group_burst if group else self._limits.person_burst
            found = self._chats[chat] = _Bucket(rate, burst, burst, self._clock())
            if len(self._chats) > _MOST_CHATS:
                self._chats.popitem(last=False)
        return found
