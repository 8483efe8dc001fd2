"""The answers of all rounds matched, and the vote over them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ai.runs.run import Run
from core.values import Outcome
from tools.recipe.kit import Cost, Reply
from tools.recipe.panel import Turnout, cut_off, family
from tools.voting.past_panels import weighted
from tools.voting.prompts import Take
from tools.voting.referee import Refereeing, match
from tools.voting.referee_prompts import Matching
from tools.voting.track_weights import Record
from tools.voting.votes import Ballot, WeighedVotes, agreement, tally


@dataclass
class Member:
    ai: str
    letter: str
    takes: list[Take] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    note: str | None = None


@dataclass
class Panel:
    """Who answers, what was said, and what it cost so far."""

    question: str
    asked: list[str]
    members: list[Member]
    refereeing: Refereeing
    max_tokens: int | None
    timeout_s: float | None
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def turnout(self) -> Turnout:
        return Turnout(self.asked, [member.ai for member in self.members])

    @property
    def cut(self) -> int:
        """How many answers end where the provider, or a limit, cut them off."""
        return cut_off(self.outcomes)

    @property
    def cost(self) -> Cost:
        return Cost.of([*self.outcomes, *self.refereeing.outcomes])


@dataclass(frozen=True, slots=True)
class Round:
    """The groups of one round's answers, by AI; None for who abstained, and for those that nobody could read."""

    groups: dict[str, int | None]
    unread: frozenset[str] = frozenset()

    @property
    def agreement(self) -> float | None:
        return agreement(list(self.groups.values()))


@dataclass(frozen=True, slots=True)
class Count:
    """The answers of all rounds matched, and the vote over them."""

    matching: Matching
    rounds: tuple[Round, ...]
    vote: WeighedVotes
    speakers: tuple[str, ...]
    """Who gave the answer at each place of the matching."""


async def count_answers(run: Run, panel: Panel, record: Record | None = None) -> Count | None:
    """Match the answers of all rounds together, and vote; None when nobody could match them.

    With a *record* the first answers are weighted by it, else those of all rounds by how sure the seats are.
    """
    rounds = max(len(member.takes) for member in panel.members)
    given = [
        (number, member.ai, member.takes[number])
        for number in range(rounds)
        for member in panel.members
        if not member.takes[number].abstains
    ]
    matching = await match(run, panel.question, [take for _, _, take in given], panel.refereeing)
    if matching is None:
        return None
    group = {(number, ai): matching.groups[place] for place, (number, ai, _) in enumerate(given)}
    ballots = [
        [
            Ballot(m.ai, family(run.roster, m.ai), group.get((number, m.ai)), m.takes[number].confidence)
            for m in panel.members
        ]
        for number in range(rounds)
    ]
    unread = [
        frozenset(m.ai for m in panel.members if not m.takes[number].abstains and group.get((number, m.ai)) is None)
        for number in range(rounds)
    ]
    return Count(
        matching,
        tuple(Round({b.voter: b.group for b in one}, left) for one, left in zip(ballots, unread, strict=True)),
        weighted(record, {b.voter: b.group for b in ballots[0]}, len(matching.wording)) if record else tally(*ballots),
        tuple(ai for _, ai, _ in given),
    )
