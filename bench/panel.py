"""A simulated panel through the real recipes: how good a consensus is, and whether it knows how good.

Three panels of five seats with known accuracy answer 1,000 questions each, 80 of 100 uncontroversial: a mixed one whose
three weak seats share a family and its errors, one strong seat among four weak conformists of different families, and
five equals. Bounds: the consensus is right at least 0.98 times as often as the best weighted vote on the same first
answers (log-odds of the accuracies, which only the simulation knows); the agreement reported is within 0.02 of the true
one; 1.5 calls per seat; and a judge with position bias gives the same verdict in whatever order the candidates come.
The same bound holds when no seat states how sure it is. Shown without one: the hard questions alone, where luck moves
the ratio by some hundredths, and the plain majority. A round is another seed.

Answers in six styles, with and without markers, cost at most a point against a majority over the values that were
meant; of 10,000 questions none is told as agreed on that is not, and at most one value in 1,000 is misread. How many
independent votes a panel is worth is right within 15 of 100 where it is called known, over correlations from 0 to 1 and
accuracies from 0.5 to 0.95; and one good seat among four that err together is believed once the record shows it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from statistics import fmean

from _measure import Figure, exact, main

QUESTIONS = 1_000
READ_QUESTIONS = 10_000
_MOST_ORDERS = 24


@dataclass
class Tally:
    """What was counted over a panel's questions."""

    right: Counter[str] = field(default_factory=Counter)
    oracle: Counter[str] = field(default_factory=Counter)
    majority: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    seats: int = 0
    errors: list[float] = field(default_factory=list)


def measure(rounds: int) -> list[Figure]:
    logging.disable(logging.WARNING)
    told = {name: asyncio.run(_panel(natures, rounds)) for name, natures in _panels().items()}
    mute = {
        name: asyncio.run(_panel([replace(nature, silent_on_confidence=True) for nature in natures], rounds))
        for name, natures in _panels().items()
    }
    errors = [error for tally in told.values() for error in tally.errors]
    calls = sum(tally.calls for tally in told.values()) / sum(tally.seats for tally in told.values())
    return [
        *_accuracies("best weighted vote / consensus", told, bound=1 / 0.98),
        *_accuracies("the same without stated confidence", mute, bound=1 / 0.98),
        exact("reported agreement, mean distance from the truth", fmean(errors), bound=0.02, unit="x"),
        exact("reported agreement, questions where it is off", sum(e > 1e-9 for e in errors), unit="questions"),
        exact("calls per seat and question", calls, bound=1.5, unit="x"),
        *_style_figures(rounds),
        *_reading_figures(),
        *_worth_figures(),
        *_judge_figures(),
    ]


def _style_figures(rounds: int) -> list[Figure]:
    """Seats that write in six styles, against a majority over what they meant."""
    figures = []
    for name, marked in (("marked", True), ("unmarked", False)):
        natures = [replace(nature, styled=marked) for nature in _panels()["equals"]]
        tally = asyncio.run(_panel(natures, rounds))
        behind = (tally.majority["all"] - tally.right["all"]) / (QUESTIONS * rounds) * 100
        note = f"{tally.right['all']} right, majority over the true values {tally.majority['all']}"
        figures.append(
            exact(f"six styles, {name}, points behind a majority", max(behind, 0), bound=1, unit="x", note=note)
        )
    return figures


def _reading_figures() -> list[Figure]:
    """Five independent seats on each question: values misread, and agreement told where there is none."""
    from _readings import readings

    misread, read, false, told = readings(READ_QUESTIONS)
    share = f"of {read} answers that were read; {told} consensuses on {READ_QUESTIONS} questions"
    return [
        exact("misread values, per 1,000", misread / read * 1_000, bound=1, unit="x", note=share),
        exact("false consensus", false, bound=0, unit="questions"),
    ]


def _worth_figures() -> list[Figure]:
    from _worth import false_majority, independent_votes

    wrong, known, total, covered = independent_votes()
    majority, by_record = false_majority()
    wrong_by_majority = f"by majority {1 - majority:.2f}"
    said = f"called known in {known} of {total} simulated panels after 200 questions"
    return [
        exact("independent votes, 9 of 10 known figures are off by at most", wrong, bound=0.15, unit="x", note=said),
        exact("independent votes, intervals that miss the truth", 1 - covered, bound=0.2, unit="x"),
        exact(
            "false majority, errors by track record",
            1 - by_record,
            bound=0.15,
            unit="x",
            note=wrong_by_majority,
        ),
    ]


def _accuracies(name: str, tallies: dict[str, Tally], *, bound: float | None = None) -> list[Figure]:
    """Over all questions, where the bound holds, and over the hard ones alone."""
    both = [(which, panel, tally) for which in ("all", "hard") for panel, tally in tallies.items()]
    return [
        _accuracy(f"{panel}, {name}", tally, which, bound=bound if which == "all" else None)
        for which, panel, tally in both
    ]


def _accuracy(name: str, tally: Tally, which: str, *, bound: float | None = None) -> Figure:
    note = f"{tally.right[which]} right, best vote {tally.oracle[which]}, majority {tally.majority[which]}"
    return exact(
        f"{name}, {which} questions", tally.oracle[which] / tally.right[which], bound=bound, unit="x", note=note
    )


def _panels() -> dict[str, list]:
    from _seats import Nature

    return {
        "weak family": [
            Nature("one", "openai", 0.80),
            Nature("two", "anthropic", 0.75),
            Nature("three", "gemini", 0.55, conformist=True),
            Nature("four", "gemini", 0.55, conformist=True, boastful=True),
            Nature("five", "gemini", 0.50, boastful=True),
        ],
        "weak crowd": [
            Nature("six", "openai", 0.85),
            Nature("seven", "anthropic", 0.55, conformist=True),
            Nature("eight", "gemini", 0.55, conformist=True, boastful=True),
            Nature("nine", "xai", 0.50, conformist=True),
            Nature("ten", "mistral", 0.50, boastful=True),
        ],
        "equals": [Nature(str(n), p, 0.7) for n, p in enumerate(("openai", "anthropic", "gemini", "xai", "mistral"))],
    }


async def _panel(natures: list, rounds: int) -> Tally:
    """One panel's questions, one after the other, for so many seeds."""
    from _seats import draw

    tally = Tally()
    for seed in range(rounds):
        chance = random.Random(seed)
        await _answer({number: draw(number, natures, chance) for number in range(QUESTIONS)}, natures, tally)
    return tally


async def _answer(questions: dict, natures: list, tally: Tally) -> None:
    from _seats import SimulatedReferee, SimulatedSeat

    from tools.consensus import consensus

    clients = {nature.name: (nature.provider, SimulatedSeat(nature, questions)) for nature in natures}
    app = _app(clients | {"referee": ("deepseek", SimulatedReferee(questions))})
    for question in questions.values():
        async with app.run("consensus", run_id=f"bench-{question.number}") as run:
            result = await consensus(run, question.text, ais=[nature.name for nature in natures])
        tally.calls += result.calls
        tally.seats += len(natures)
        for which in ("all", "hard") if question.hard else ("all",):
            tally.right[which] += _is_right(question, result)
            tally.oracle[which] += _oracle(question, natures) == question.right
            tally.majority[which] += _largest(question.first) == question.right
        for reported, answers in ((result.first_agreement, question.first), (result.agreement, question.last)):
            tally.errors.append(abs((reported or 0.0) - _agreement(answers)))


def _is_right(question, result) -> bool:  # type: ignore[no-untyped-def]
    """Whether the verdict means the right answer, whatever its words: who is behind it tells."""
    if result.verdict is None:
        return False
    position = next(p for p in result.positions if p.answer == result.verdict)
    answers = {question.last[ai] for ai in position.ais} or {_said_first(question, result)}
    return answers == {question.right}


def _said_first(question, result) -> int | None:  # type: ignore[no-untyped-def]
    """The meaning of a verdict nobody holds any more: of whoever left it."""
    return next(question.first[flip.ai] for flip in result.flips if flip.before == result.verdict)


def _oracle(question, natures) -> int | None:  # type: ignore[no-untyped-def]
    """The answer with the greatest log-odds, for four choices, of the seats that give it."""
    from _seats import CHOICES

    weight: defaultdict[int, float] = defaultdict(float)
    for nature in natures:
        answer = question.first[nature.name]
        if answer is not None:
            known = nature.accuracy if question.hard else 0.995
            weight[answer] += math.log(known * (CHOICES - 1) / (1 - known))
    return max(weight, key=weight.__getitem__) if weight else None


def _largest(answers: dict[str, int | None]) -> int | None:
    given = Counter(answer for answer in answers.values() if answer is not None)
    return given.most_common(1)[0][0] if given else None


def _agreement(answers: dict[str, int | None]) -> float:
    given = Counter(answer for answer in answers.values() if answer is not None)
    return max(given.values()) / given.total() if given else 0.0


def _judge_figures() -> list[Figure]:
    changed, wrong, total = asyncio.run(_judge())
    return [
        exact("judge, verdicts changed by the order of candidates", changed, bound=0, unit="verdicts"),
        exact("judge, verdicts for another than the best", wrong, bound=0, unit="verdicts"),
        exact("judge, verdicts asked for", total, unit="verdicts"),
    ]


async def _judge() -> tuple[int, int, int]:
    """Verdicts that differ from those on the first order, verdicts that are wrong, and how many there were."""
    from _seats import BiasedJudge

    from tools.judge import judge

    app = _app({"judge": ("openai", BiasedJudge())})
    chance = random.Random(7)
    changed = wrong = total = 0
    for case in range(12):
        count = 3 if case % 2 else 4
        worth = chance.sample([round(0.05 + n * 0.06, 2) for n in range(15)], count)
        texts = [f"An answer of quality {value:.2f}, number {n}." for n, value in enumerate(worth)]
        verdicts = []
        for number, order in enumerate(itertools.islice(itertools.permutations(texts), _MOST_ORDERS)):
            async with app.run("judge", run_id=f"judge-{case}-{number}") as run:
                result = await judge(run, "Which?", candidates=list(order), judges=["judge"], method="pairwise")
            assert result.judgement
            won = result.judgement.winner
            verdicts.append(order[int(won.split()[-1]) - 1] if won else None)
        changed += sum(verdict != verdicts[0] for verdict in verdicts)
        best = texts[worth.index(max(worth))]
        wrong += sum(verdict not in (None, best) for verdict in verdicts)
        total += len(verdicts)
    return changed, wrong, total


def _app(clients):  # type: ignore[no-untyped-def]
    """An app with simulated AIs behind the real layers, without the store."""
    from _seats import NO_SYNC

    from ai.caller import Caller
    from ai.providers.catalog import PROVIDERS
    from ai.roster.build import build_ai
    from ai.roster.key_lane import Key
    from ai.roster.roster import Roster
    from ai.runs.app import App
    from core.config import AIConfig, Config, Defaults
    from core.events import EventBus

    config = Config()
    roster, bus = Roster(config), EventBus()
    for name, (provider, client) in clients.items():
        roster.seats[name] = build_ai(
            name,
            AIConfig(),
            PROVIDERS[provider],
            [Key("", name, client, NO_SYNC)],
            buckets=roster.buckets,
            defaults=Defaults(attempts=1),
            find=roster.seat,
        )
    return App(config, roster, bus, Caller(roster, bus))


if __name__ == "__main__":
    main(measure, rounds=2)
