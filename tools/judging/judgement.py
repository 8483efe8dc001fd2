"""A judging as a result: who is ahead and by what, how often the order alone decided, and what judges said."""

from __future__ import annotations

from statistics import median

from core.untrusted import quoted
from tools.judging.judging import Judging, standings, winner
from tools.recipe.result import Part, Prose


class Standing(Part):
    """One candidate's place: comparisons won, lost and without a consistent preference, and the share of points."""

    name: str
    points: float
    wins: int
    losses: int
    undecided: int
    words: int


class Reason(Part):
    """What a judge said of some candidates, named in the order it was shown them, and its order of them."""

    judge: str
    shown: list[str]
    ranking: str
    reason: Prose


class Judgement(Part):
    """The outcome of a judging. `flip_rate` is the share of preferences that the order alone turned around; those do
    not count. `winner` null means a tie, or no readable judgement."""

    winner: str | None
    verdict: str
    standings: list[Standing]
    judges: list[str]
    flip_rate: float | None
    unreadable: int
    length: str
    reasons: list[Reason]
    failed: list[str]

    @classmethod
    def of(cls, judging: Judging) -> Judgement:
        names = [candidate.name for candidate in judging.candidates]
        best = winner(judging)
        return cls(
            winner=None if best is None else names[best],
            verdict=_verdict(judging, best),
            standings=_standings(judging),
            judges=list(dict.fromkeys(opinion.case.judge for opinion in judging.opinions)),
            flip_rate=judging.flip_rate,
            unreadable=judging.unreadable,
            length=_length(judging, best),
            reasons=[
                Reason(
                    judge=opinion.case.judge,
                    shown=[names[place] for place in opinion.case.order],
                    ranking=" > ".join(" = ".join(names[place] for place in tier) for tier in opinion.tiers),
                    reason=opinion.reason,
                )
                for opinion in judging.opinions
            ],
            failed=judging.failed,
        )

    def markdown(self) -> str:
        parts = [f"## Verdict\n**{self.verdict}**"]
        if self.standings:
            rows = [f"{place}. {_row(standing)}" for place, standing in enumerate(self.standings, 1)]
            parts.append("## Ranking\n" + "\n".join(rows))
        flips = "unknown" if self.flip_rate is None else f"{self.flip_rate:.0%}"
        parts.append(
            f"Judged by {', '.join(self.judges) or 'nobody'}. Preferences that changed with the order, and so do not "
            f"count: {flips}. Unreadable judgements: {self.unreadable}. {self.length}"
        )
        if self.reasons:
            parts.append("## What the judges said")
            parts += map(_reason, self.reasons)
        if self.failed:
            parts.append("## Not counted\n" + "\n".join(f"- {reason}" for reason in self.failed))
        return "\n\n".join(parts)


def _row(s: Standing) -> str:
    return f"**{s.name}**: {s.points:.0%} of the points; {s.wins} won, {s.losses} lost, {s.undecided} open"


def _reason(r: Reason) -> str:
    return f"**{r.judge}**, shown {', '.join(r.shown)}: {r.ranking}\n\n{quoted(r.reason)}"


def _verdict(judging: Judging, best: int | None) -> str:
    if best is not None:
        return f"{judging.candidates[best].name} is the best."
    if judging.flip_rate is None:
        return "No verdict: no judge gave a preference that could be read in both orders."
    return "No verdict: the best are tied, or the judges' preferences only followed the order."


def _standings(judging: Judging) -> list[Standing]:
    if judging.flip_rate is None:
        return []
    return [
        Standing(
            name=judging.candidates[score.candidate].name,
            points=round(score.points, 4),
            wins=score.wins,
            losses=score.losses,
            undecided=score.undecided,
            words=_words(judging, score.candidate),
        )
        for score in standings(judging)
    ]


def _words(judging: Judging, place: int) -> int:
    return len(judging.candidates[place].text.split())


def _length(judging: Judging, best: int | None) -> str:
    """How long the winner is beside the others, since judges favour length."""
    if best is None:
        return ""
    lengths = [_words(judging, place) for place in range(len(judging.candidates))]
    place = "the longest" if lengths[best] == max(lengths) > min(lengths) else "not the longest"
    return f"The winner has {lengths[best]} words (median {median(lengths):g}) and is {place}; judges favour length."
