"""What is too much, and who is told when it begins and when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from server.monitoring.recorder import Recorder, Vitals

Tell = Callable[[str], Awaitable[None]]
"""Tells the owner one sentence."""
EVERY_S = 15.0
_LOOKS = 3
"""So many looks in a row are too much before anybody is told: a moment is nothing."""
_FEWEST_CALLS = 10


@dataclass(frozen=True, slots=True)
class Bound:
    """*figure* above *most* is told as *says*; once it is below *again*, that it is over."""

    name: str
    figure: Callable[[Vitals], float | None]
    most: float
    again: float
    says: str


BOUNDS = (
    Bound("processor", lambda v: v.cpu, 0.95, 0.80, "The processor is at {0:.0%}."),
    Bound("memory", lambda v: v.memory, 0.92, 0.85, "The memory is {0:.0%} full. End something, or give it more."),
    Bound("disk", lambda v: v.disk, 0.95, 0.92, "The disk is {0:.0%} full. Free some space: moot jobs clean --words"),
    Bound("event loop", lambda v: v.loop_lag_s, 0.5, 0.1, "The event loop is {0:.1f} s late: answers come slowly."),
    Bound("queue", lambda v: float(v.jobs.get("queued", 0)), 200, 50, "{0:.0f} jobs wait. Start another worker."),
    Bound(
        "errors",
        lambda v: v.failed_share if v.calls >= _FEWEST_CALLS else 0.0,
        0.5,
        0.2,
        "{0:.0%} of the calls of the last hour failed. Look at: moot status",
    ),
)


@dataclass
class Alarms:
    """Which bounds are crossed. `of` gives what is new since the last look, as sentences."""

    bounds: tuple[Bound, ...] = BOUNDS
    _above: dict[str, int] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def of(self, vitals: Vitals) -> list[str]:
        """What has to be told after this look."""
        return [sentence for bound in self.bounds if (sentence := self._one(bound, bound.figure(vitals)))]

    def _one(self, bound: Bound, figure: float | None) -> str:
        if figure is None:  # unknown is neither too much nor over
            return ""
        if figure > bound.most:
            self._above[bound.name] = self._above.get(bound.name, 0) + 1
            if self._above[bound.name] == _LOOKS and bound.name not in self._told:
                self._told.add(bound.name)
                return bound.says.format(figure)
        else:
            self._above[bound.name] = 0
            if figure < bound.again and bound.name in self._told:
                self._told.discard(bound.name)
                return f"Over: {bound.name} is at {figure:.2g} again."
        return ""


async def watch(recorder: Recorder, tell: Tell, *, every_s: float = EVERY_S) -> None:
    """Look until cancelled, and tell of every bound that is crossed."""
    alarms = Alarms()
    while True:
        for sentence in alarms.of(await recorder.look()):
            await tell(sentence)
        await anyio.sleep(every_s)
