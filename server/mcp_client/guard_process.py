"""Ends the servers of a process that was killed: a program of its own, which reads until that process is gone.

On stdin come `+PID` and `-PID`, a line each: the groups that are there. Run by its path; imports nothing that costs.
"""

from __future__ import annotations

import os
import signal
import sys
import time

_GRACE_S = 1.0
"""For a server to end by itself once its stdin is closed, and again once it is asked to."""


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if groups:
            time.sleep(_GRACE_S)
        for pid in groups:
            try:
                os.killpg(pid, number)
            except OSError:
                continue  # it is gone already


if __name__ == "__main__":
    main()
