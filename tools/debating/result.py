"""What a debate returns: the verdict with its dissent, and every seat with all it said."""

from __future__ import annotations

from tools.recipe.kit import Cost, Reply, along
from tools.recipe.panel import said
from tools.recipe.result import Part, Result


class DebateSeat(Part):
    """One debater: everything it said, first to last, and where it ended."""

    ai: str
    letter: str
    statements: list[Reply]
    opening_position: str
    position: str
    changed: bool
    dissents: bool | None
    note: str | None = None


class Debate(Result):
    """The outcome of a debate. `summary` says first whether anything is missing; `dissents` null means not ruled on."""

    summary: str
    verdict: str | None
    judge: Reply | None
    seats: list[DebateSeat]
    failed: list[str]
    cost: Cost

    @property
    def told(self) -> str:
        """The outcome in short, as a thread keeps it."""
        positions = "\n".join(f"- {seat.ai}: {seat.position}" for seat in self.seats)
        verdict = f"Verdict: {self.verdict}\n" if self.verdict else ""
        return f"{verdict}{self.summary}\n{positions}"

    def markdown(self) -> str:
        parts = [self.summary]
        if self.verdict:
            parts.append(f"## Verdict\n**{self.verdict}**")
        if self.judge:
            parts.append(f"### Reasons of the judge, {self.judge.ai}\n{said(self.judge)}")
        dissent = [f"- **{s.ai}** ({s.letter}): {s.position}" for s in self.seats if s.dissents]
        parts.append("## Dissent\n" + ("\n".join(dissent) if dissent else self._no_dissent()))
        moved = [f"- **{s.ai}**: from “{s.opening_position}” to “{s.position}”" for s in self.seats if s.changed]
        parts.append("## Changes of mind\n" + ("\n".join(moved) or "None."))
        parts += [self._seat_markdown(seat) for seat in self.seats]
        if self.failed:
            parts.append("## Not heard\n" + "\n".join(f"- {reason}" for reason in self.failed))
        return "\n\n".join(parts) + along(self.sent_along)

    def _no_dissent(self) -> str:
        if self.verdict is None or any(seat.dissents is None for seat in self.seats):
            return "Not ruled on; compare the positions below."
        return "None."

    def _seat_markdown(self, seat: DebateSeat) -> str:
        parts = [f"## {seat.letter} = {seat.ai}\n**Position: {seat.position}**"]
        if seat.note:
            parts.append(f"> {seat.note}")
        for number, reply in enumerate(seat.statements):
            parts.append(f"### {seat.letter}, {f'round {number}' if number else 'opening'}\n{said(reply)}")
        return "\n\n".join(parts)
