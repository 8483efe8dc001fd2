"""Reads the log that `job_process.py` writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


class Log:
    """What really happened, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self.finished: Counter[str] = Counter()
        self.taken_up_by: dict[str, int] = {}
        """The last process that took up the job of a label."""

    def read(self) -> Log:
        text = self.path.read_text() if self.path.exists() else ""
        for line in text.splitlines()[len(self.lines) :]:
            self.lines.append(line)
            if line.startswith("f "):
                self.finished[line[2:].partition(":")[0]] += 1
            elif line.startswith("w "):
                _, label, pid = line.split()
                self.taken_up_by[label] = int(pid)
        return self

    def made_again(self) -> list[str]:
        """Calls that were started after their answer could be seen."""
        finished = set()
        again = []
        for line in self.lines:
            kind, _, call = line.partition(" ")
            if kind == "f":
                finished.add(call)
            elif kind == "s" and call in finished:
                again.append(call)
        return again

    def repeated(self, label: str) -> int:
        """How many calls of *label* were started more than once."""
        starts = Counter(line for line in self.lines if line.startswith(f"s {label}:"))
        return sum(count - 1 for count in starts.values())
