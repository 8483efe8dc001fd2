"""What a consensus returns: positions with their weight, the minority in its own words, who changed and why."""

from __future__ import annotations

from typing import Literal

from tools.recipe.kit import Cost, Reply, along
from tools.recipe.panel import said
from tools.recipe.result import Part, Result

ConsensusOutcome = Literal[
    "consensus", "converged", "no consensus", "partial", "tie", "single voice", "no answer", "not read", "ungrouped"
]


class Position(Part):
    """One answer, who gives it in the end, and its share of the weighted vote over all rounds."""

    answer: str
    ais: list[str]
    share: float | None


class Flip(Part):
    """A change of answer between the rounds; `convinced_by` is whose argument the AI named, if it named one."""

    ai: str
    before: str
    after: str
    convinced_by: str | None


class Assertion(Part):
    claim: str
    ais: list[str]
    against: list[str]


class Seat(Part):
    """One AI: everything it said, its answer in each round (null: none), and how sure it said it was."""

    ai: str
    answers: list[str | None]
    confidence: float | None
    dissents: bool | None
    statements: list[Reply]
    note: str | None = None
    unread: bool = False


class Consensus(Result):
    """`agreement` is the share of the AIs with an answer that give the commonest; the verdict is by weight."""

    summary: str
    outcome: ConsensusOutcome
    verdict: str | None
    agreement: float | None
    first_agreement: float | None
    effective_votes: float
    votes_low: float | None = None
    votes_high: float | None = None
    votes_known: bool = False
    weighted_by_record: bool = False
    positions: list[Position]
    flips: list[Flip]
    claims: list[Assertion]
    seats: list[Seat]
    referee: str | None
    failed: list[str]
    calls: int
    cost: Cost

    @property
    def told(self) -> str:
        """The outcome in short, as a thread keeps it."""
        positions = "\n".join(map(_position, self.positions))
        answer = f"Answer: {self.verdict}\n" if self.verdict is not None else ""
        return f"{answer}{self.summary}\n{positions}"

    def markdown(self) -> str:
        parts = [self.summary]
        if self.verdict is not None:
            parts.append(f"## Answer\n**{self.verdict}**")
        parts.append("## Positions\n" + ("\n".join(map(_position, self.positions)) or "None."))
        if any(len(seat.answers) > 1 for seat in self.seats):
            parts.append("## Changes of mind\n" + ("\n".join(map(_flip, self.flips)) or "None."))
        if self.claims:
            parts.append("## Claims\n" + "\n".join(map(_claim, self.claims)))
        minority = [seat for seat in self.seats if seat.dissents]
        others = [seat for seat in self.seats if not seat.dissents]
        if minority:
            parts += ["## Minority report", *map(_seat, minority)]
        if others:
            parts += ["## Reasons" if self.verdict is not None else "## Answers", *map(_seat, others)]
        if self.failed:
            parts.append("## Not heard\n" + "\n".join(f"- {reason}" for reason in self.failed))
        return "\n\n".join(parts) + along(self.sent_along)


def _position(position: Position) -> str:
    share = "" if position.share is None else f", {position.share:.0%} of the weight"
    return f"- “{position.answer}”: {', '.join(position.ais) or 'nobody any more'}{share}"


def _flip(flip: Flip) -> str:
    why = f"after the argument of {flip.convinced_by}" if flip.convinced_by else "without naming an argument"
    return f"- **{flip.ai}**: from “{flip.before}” to “{flip.after}”, {why}"


def _claim(claim: Assertion) -> str:
    against = f"; against: {', '.join(claim.against)}" if claim.against else ""
    return f"- {claim.claim} ({', '.join(claim.ais) or 'nobody'}{against})"


def _seat(seat: Seat) -> str:
    sure = "" if seat.confidence is None else f", {seat.confidence:.0%} sure"
    parts = [f"### {seat.ai}: {_shown(seat.answers[-1], unread=seat.unread)}{sure}"]
    if seat.note:
        parts.append(f"*{seat.note}*")
    for number, (answer, reply) in enumerate(zip(seat.answers, seat.statements, strict=False)):
        label = "after reading the others" if number else "independently"
        parts.append(f"**{label}: {_shown(answer, unread=seat.unread)}**\n{said(reply)}")
    return "\n\n".join(parts)


def _shown(answer: str | None, *, unread: bool) -> str:
    if answer is None:
        return "not read" if unread else "abstains"
    return f"“{answer}”"
