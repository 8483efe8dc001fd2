"""Talks of one person with an assistant over months, in the shape of LongMemEval (Wu et al., ICLR 2025), from a seed.

Six kinds of question: what the person said once, what the assistant said, what the person likes, what only several
sessions tell together, when something was, and what changed. Each person has 50 sessions of filler, which speak of the
same things now and then. Half of the questions use other words than what answers them; those about time and change
share a word with it, so that a search can know. Nothing is taken from the original data.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

_TOLD = tomllib.loads(Path(__file__).with_name("_matters.toml").read_text(encoding="utf-8"))
NAMES, PLACES, COUNTS, FOODS, DAYS, NOUNS, OTHERS = (
    _TOLD[name].split() for name in ("names", "places", "counts", "foods", "days", "nouns", "others")
)
OPENERS, ASKS, TELLS = _TOLD["openers"], _TOLD["asks"], _TOLD["tells"]
USER, ASSISTANT, PREFERENCE = _TOLD["user"], _TOLD["assistant"], _TOLD["preference"]
MULTI, TEMPORAL, THINGS, UPDATE = _TOLD["multi"], _TOLD["temporal"], _TOLD["things"], _TOLD["update"]
OF_THESE = _TOLD["of_these"]

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
FILLER = 50
KINDS = ("user", "assistant", "preference", "multi", "temporal", "update")


@dataclass(frozen=True, slots=True)
class Said:
    author: str
    text: str
    at: datetime
    key: str = ""
    """What a question names it by; empty: filler."""


@dataclass(frozen=True, slots=True)
class Asked:
    kind: str
    question: str
    answers: tuple[str, ...]
    """The keys of what must be found, all of them; of an update the newest first."""


@dataclass(frozen=True, slots=True)
class Talks:
    """One person's: `sessions` in the order of time."""

    sessions: tuple[tuple[Said, ...], ...]
    questions: tuple[Asked, ...] = field(default=())


def people(seed: int, many: int) -> Iterator[Talks]:
    """The talks of *many* people."""
    for number in range(many):
        yield _person(random.Random(f"{seed}:{number}"))


def _person(rng: random.Random) -> Talks:
    evidence: list[tuple[float, list[Said]]] = []
    questions: list[Asked] = []
    made = _Made(rng, evidence, questions)
    for group in (made.users, made.assistants, made.preferences, made.multis, made.temporals, made.updates):
        group()
    filler = [(rng.uniform(1, 300), _session(rng, [])) for _ in range(FILLER)]
    sessions = sorted([*filler, *evidence], key=lambda one: -one[0])
    dated = tuple(_dated(talk, days) for days, talk in sessions)
    rng.shuffle(questions)
    return Talks(dated, tuple(questions))


def _dated(talk: Sequence[Said], days: float) -> tuple[Said, ...]:
    start = NOW - timedelta(days=days)
    return tuple(Said(one.author, one.text, start + timedelta(minutes=2 * n), one.key) for n, one in enumerate(talk))


def _session(rng: random.Random, told: Sequence[Said]) -> list[Said]:
    """Some turns back and forth, with what is *told* somewhere among them."""
    talk: list[Said] = []
    for _ in range(rng.randint(2, 4)):
        a, b, c = (rng.choice(NOUNS if rng.random() < OF_THESE else OTHERS) for _ in range(3))
        talk.append(Said("user", rng.choice(ASKS).format(a=a, b=b), NOW))
        talk.append(Said("gpt", rng.choice(TELLS).format(a=a, b=b, c=c), NOW))
    at = 2 * rng.randint(0, len(talk) // 2)
    for one in reversed(told):
        talk.insert(at, one)
    return talk


@dataclass(slots=True)
class _Made:
    rng: random.Random
    evidence: list[tuple[float, list[Said]]]
    questions: list[Asked]
    number: int = 0

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def slots(self) -> dict[str, str]:
        pick = self.rng.choice
        return {"n": pick(COUNTS), "name": pick(NAMES), "place": pick(PLACES), "food": pick(FOODS), "day": pick(DAYS)}

    def tell(self, said: str, days: float, *, author: str = "user") -> str:
        """Have it said in a session of its own so many days ago; its key."""
        key = self.key()
        if author == "user":
            shown = self.rng.choice(OPENERS).format(said=said, Said=said[0].upper() + said[1:])
            turns = [
                Said("user", shown, NOW, key),
                Said("gpt", "Thank you for telling me. What else is on your mind?", NOW),
            ]
        else:
            ask = f"Let us speak of something else. {self.rng.choice(ASKS).format(a='this', b='that')}"
            turns = [Said("user", ask, NOW), Said("gpt", f"{said}. Tell me how it goes.", NOW, key)]
        self.evidence.append((days, _session(self.rng, turns)))
        return key

    def ask(self, kind: str, same: str, other: str, answers: Sequence[str], **slots: str) -> None:
        question = (same if self.rng.random() < 0.5 else other).format(**slots)
        self.questions.append(Asked(kind, question, tuple(answers)))

    def users(self) -> None:
        for said, same, other in self.rng.sample(USER, 10):
            slots = self.slots()
            self.ask("user", same, other, [self.tell(said.format(**slots), self.rng.uniform(2, 280))], **slots)

    def assistants(self) -> None:
        for said, same, other in ASSISTANT:
            slots = self.slots()
            key = self.tell(said.format(**slots), self.rng.uniform(2, 280), author="gpt")
            self.ask("assistant", same, other, [key], **slots)

    def preferences(self) -> None:
        for said, same, other in PREFERENCE:
            self.ask("preference", same, other, [self.tell(said, self.rng.uniform(2, 280))], **self.slots())

    def multis(self) -> None:
        for *said, same, other in MULTI:
            slots = self.slots()
            keys = [self.tell(one.format(**slots), self.rng.uniform(2, 280)) for one in said]
            self.ask("multi", same, other, keys, **slots)

    def temporals(self) -> None:
        """The same thing at four times, of which the question names one."""
        for number, (said, same, other) in enumerate(TEMPORAL):
            things = self.rng.sample(THINGS[number], 4)
            days = [self.rng.uniform(*span) for span in ((3.6, 8.9), (48, 76), (110, 170), (200, 280))]
            keys = [
                self.tell(said.format(thing=thing, name=self.rng.choice(NAMES)), ago)
                for thing, ago in zip(things, days, strict=True)
            ]
            for at in self.rng.sample(range(4), 2):
                self.ask("temporal", same, other, [keys[at]], when=self._when(at, days[at]))

    def _when(self, at: int, days: float) -> str:
        moment = NOW - timedelta(days=days)
        month, iso = f"in {moment:%B} {moment:%Y}", f"on {moment:%Y-%m-%d}"
        if at == 0:
            return self.rng.choice(["last week", iso, f"on {moment:%B} {moment.day}"])
        if at == 3:
            return self.rng.choice([month, iso, f"before {moment + timedelta(days=9):%Y-%m-%d}"])
        return self.rng.choice(
            [month, iso, f"between {moment - timedelta(days=4):%Y-%m-%d} and {moment + timedelta(days=4):%Y-%m-%d}"]
        )

    def updates(self) -> None:
        for said, same, other in UPDATE:
            old, new = self.slots(), self.slots()
            while said.format(**old) == said.format(**new):
                new = self.slots()
            first = self.tell(said.format(**old), self.rng.uniform(120, 280))
            second = self.tell(said.format(**new), self.rng.uniform(3, 100))
            self.ask("update", same, other, [second, first])
