"""What a vote is reported as: a consensus only when a full panel for the most part says the same."""

from __future__ import annotations

from collections.abc import Sequence

from tools.recipe.panel import cut_told, heading
from tools.voting.count import Count, Member, Panel
from tools.voting.past_panels import Past
from tools.voting.result import Assertion, Consensus, ConsensusOutcome, Flip, Position, Seat

_SAID = {
    "consensus": "consensus on",
    "converged": "no consensus of independent answers, but after reading each other most give",
    "no consensus": "no consensus; the weighted vote gives",
}


def report(panel: Panel, count: Count | None, threshold: float, past: Past) -> Consensus:
    how = _how(panel, count, threshold)
    winner = count.vote.winner if count else None
    verdict = count.matching.wording[winner] if count and winner is not None else None
    unmatched = count is None or any(len(member.takes) > len(count.rounds) for member in panel.members)
    unread = bool(count and count.rounds[-1].unread)
    silent = any(member.note for member in panel.members)
    return Consensus(
        **heading(
            panel.turnout,
            "answered",
            panel.cost,
            then=_then(panel, count, how, verdict, past) + cut_told(panel.cut),
            incomplete=silent or unmatched or unread or bool(panel.failed) or panel.cut > 0,
        ),
        outcome=how,
        verdict=verdict,
        agreement=count.rounds[-1].agreement if count else None,
        first_agreement=count.rounds[0].agreement if count else None,
        effective_votes=past.votes,
        votes_low=past.worth.low if past.worth else None,
        votes_high=past.worth.high if past.worth else None,
        votes_known=bool(past.worth and past.worth.known),
        weighted_by_record=past.record is not None,
        positions=_positions(count) if count else [],
        flips=_flips(panel, count) if count else [],
        claims=_claims(count) if count else [],
        seats=[_seat(member, count) for member in panel.members],
        referee=panel.refereeing.referee,
        failed=[*panel.failed, *panel.refereeing.failed],
        calls=len(panel.outcomes) + len(panel.refereeing.outcomes),
        cost=panel.cost,
    )


def _how(panel: Panel, count: Count | None, threshold: float) -> ConsensusOutcome:
    """What the outcome may be called: a consensus only of a full panel most of which said the same independently."""
    if count is None:
        return "ungrouped"
    last = count.rounds[-1]
    given = [group for group in last.groups.values() if group is not None]
    if not given:
        return "not read" if last.unread else "no answer"
    if len(given) == 1:
        return "single voice"
    if count.vote.winner is None:
        return "tie"
    if panel.turnout.kind != "full" or last.unread:
        return "partial"
    if not _agreed(panel, count, -1, threshold):
        return "no consensus"
    return "consensus" if _agreed(panel, count, 0, threshold) else "converged"


def _agreed(panel: Panel, count: Count, number: int, threshold: float) -> bool:
    """Whether enough gave the winning answer in that round: independently, or after they had read each other."""
    given = [group for group in count.rounds[number].groups.values() if group is not None]
    behind = sum(group == count.vote.winner for group in given)
    return bool(given) and behind / len(given) >= threshold and behind * 2 > len(panel.asked)


def _then(panel: Panel, count: Count | None, how: ConsensusOutcome, verdict: str | None, past: Past) -> str:
    """What came of it, after who was heard."""
    worth = f"{len(panel.members)} seats, {past.told}"
    if past.record is not None:
        by = f"{past.record.questions} earlier questions"
        worth += f"; weighted by track record: how often each was right, and which err together, on {by}"
    if count is None:
        return f", but no referee could match the answers, so agreement is unknown and there is no verdict; {worth}"
    last = count.rounds[-1].groups
    unread = len(count.rounds[-1].unread)
    given = sum(group is not None for group in last.values())
    abstained = len(last) - given - unread
    silence = f", {abstained} abstained" if abstained else ""
    silence += f", {unread} not read, since no final answer could be found in what they say" if unread else ""
    rounds = " after one critique round" if len(count.rounds) > 1 else ""
    if how == "not read":
        return f"{silence}: no verdict"
    if how == "no answer":
        return " and all abstained: no verdict"
    if how == "single voice":
        return f"{silence}: “{verdict}” is one voice{rounds}, not an agreement" if verdict else f"{silence}: one voice"
    if how == "tie":
        return f"{silence}: a tie{rounds}, so there is no verdict; {worth}"
    behind = sum(group == count.vote.winner for group in last.values())
    said_so = _SAID.get(how, "the weighted vote of those heard gives")
    return f"{silence}: {said_so} “{verdict}”{rounds}, {behind} of {given} agree; {worth}"


def _positions(count: Count) -> list[Position]:
    last = count.rounds[-1].groups
    return [
        Position(
            answer=count.matching.wording[group],
            ais=[ai for ai, theirs in last.items() if theirs == group],
            share=round(share, 4),
        )
        for group, share in count.vote.shares.items()
    ]


def _flips(panel: Panel, count: Count) -> list[Flip]:
    first, last = count.rounds[0].groups, count.rounds[-1].groups
    by_letter = {member.letter: member.ai for member in panel.members}

    def shown(number: int, ai: str) -> str:
        group = count.rounds[number].groups[ai]
        if group is not None:
            return count.matching.wording[group]
        return "not read" if ai in count.rounds[number].unread else "abstention"

    return [
        Flip(
            ai=member.ai,
            before=shown(0, member.ai),
            after=shown(-1, member.ai),
            convinced_by=_other(by_letter.get(member.takes[-1].convinced_by or ""), member.ai),
        )
        for member in panel.members
        if first[member.ai] != last[member.ai]
    ]


def _other(named: str | None, itself: str) -> str | None:
    return None if named == itself else named


def _claims(count: Count) -> list[Assertion]:
    def who(places: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(count.speakers[place] for place in places))

    return [Assertion(claim=p.claim, ais=who(p.by), against=who(p.against)) for p in count.matching.points]


def _seat(member: Member, count: Count | None) -> Seat:
    dissents = None
    if count is not None and count.vote.winner is not None:
        group = count.rounds[-1].groups[member.ai]
        dissents = None if group is None else group != count.vote.winner
    return Seat(
        ai=member.ai,
        answers=_answers(member, count),
        confidence=member.takes[-1].confidence,
        dissents=dissents,
        statements=member.replies,
        note=_note(member, count),
        unread=not member.takes[-1].read and (count is None or member.ai in count.rounds[-1].unread),
    )


def _answers(member: Member, count: Count | None) -> list[str | None]:
    """What the seat answered in each round: as it said it, else as the referee understood it."""
    said = [take.answer for take in member.takes]
    for number, one in enumerate(count.rounds if count else ()):
        group = one.groups[member.ai]
        if count and said[number] is None and group is not None:
            said[number] = count.matching.wording[group]
    return said


def _note(member: Member, count: Count | None) -> str | None:
    """What a reader must know of how its last answer was read."""
    if member.takes[-1].read:
        return member.note
    group = count.rounds[-1].groups[member.ai] if count else None
    read = (
        "It marked no answer; the referee read its text."
        if group is not None
        else "Not read: it gives no final answer."
    )
    return f"{member.note} {read}" if member.note else read
