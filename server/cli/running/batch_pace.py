"""How fast a batch goes and how long it still takes, as one process sees it: never negative, never endless."""

from __future__ import annotations

import time
from collections.abc import Callable

_LEAST_S = 1.0
"""Before so much time has passed nothing is said of the pace: what others had done would count as done in it."""
_LONGEST_S = 365 * 86_400.0


class Pace:
    """Counts what is finished from the first figure that is known, on a clock that nobody sets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._begun: float | None = None
        self._done = 0.0

    def saw(self, done: object) -> None:
        """*done* are finished by now; None where nobody has said so yet. Fewer than before: counting begins anew."""
        if not isinstance(done, int | float) or isinstance(done, bool) or not 0 <= done < float("inf"):
            return
        if self._begun is None or done < self._done:
            self._since, self._begun = self._clock(), done
        self._done = done

    @property
    def a_second(self) -> float:
        """Finished per second; 0 as long as that cannot be told."""
        passed_s = self._clock() - self._since
        if self._begun is None or passed_s < _LEAST_S:
            return 0.0
        return max(self._done - self._begun, 0.0) / passed_s

    def left_s(self, total: float) -> float | None:
        """Seconds until *total* are finished at this pace; None where that cannot be told, or nothing is left."""
        left, rate = total - self._done, self.a_second
        if left <= 0 or rate <= 0 or left / rate > _LONGEST_S:
            return None
        return left / rate
