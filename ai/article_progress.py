"""How far many articles are, on stderr."""

from __future__ import annotations

import sys
import time

_LINE_EVERY_S = 2.0


class Progress:
    """A line on stderr: at a terminal one that is written over, else one now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()
        self._told = float("-inf")
        self._terminal = sys.stderr.isatty()

    def show(self, done: int, failed: int) -> None:
        now = time.monotonic()
        over = done == self._total
        if not over and now - self._told < (0.1 if self._terminal else _LINE_EVERY_S):
            return
        self._told = now
        rate = done / max(now - self._started, 0.001)
        left = "" if over else f", {(self._total - done) / rate:,.0f} s left"
        line = f"{done:,} of {self._total:,} articles, {failed:,} failed, {rate:,.1f}/s{left}"
        end = "\n" if over or not self._terminal else ""
        sys.stderr.write(f"\r\x1b[K{line}{end}" if self._terminal else f"{line}{end}")
        sys.stderr.flush()
