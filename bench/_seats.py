"""Simulated AIs for `panel.py`: they know what is right as often as they are made to, and write it in many styles.

A seat finds the question it is asked by its number in the prompt. What it does in the critique round it does with what
the prompt shows it, through the real fences: a conformist counts the answers it reads and joins the largest group.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field

from _styles import STYLES, conclusion, written

from ai.client import AIClient, AsyncAIClient, Emit
from core.values import Request, Response, Usage

CHOICES = 4
_ANSWER_LINE = re.compile(r"^Answer: (.+)$", re.M)
_BLOCK = re.compile(r'<answer-([0-9a-f]{12}) (?:number|letter)="(\w+)">\n(.*?)\n</answer-\1>', re.S)

_FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "letter": tuple((f"{x}", f"({x})", f"**{x}**", f"Option {x}", f"{x}. option {x.lower()}") for x in "ABCD"),
    "number": tuple(
        (f"{n:,}", f"{n}", f"{n}.0", f"\\boxed{{{n}}}", f"{n / 1000:g}e3", f"x = {n}", f"about {n}")
        for n in (12_500, 13_400, 1_250, 125_000)
    ),
    "unit": tuple(
        (f"{n} km", f"{n * 1000:,} m", f"{n} kilometres", f"{n}", f"${n}\\text{{ km}}$") for n in (5, 6, 50, 8)
    ),
    "percent": tuple((f"{n}%", f"{n} percent", f"{n / 100}", f"{n} \\%") for n in (12, 15, 21, 60)),
    "date": tuple(
        (f"2024-03-{d:02d}", f"{d} March 2024", f"March {d}, 2024", f"{d}.3.2024", f"the {d}th of March 2024")
        for d in (14, 15, 16, 24)
    ),
    "phrase": (("Paris", "The city of Paris"), ("Lyon", "It is Lyon"), ("Nice", "Nice, France"), ("Lille", "In Lille")),
}
"""The same four answers of each kind, each in the styles that AIs write them in."""
KINDS = tuple(_FORMS)
FORMS = _FORMS
_READ = {kind: {form: n for n, forms in enumerate(rows) for form in forms} for kind, rows in _FORMS.items()}


@dataclass(frozen=True)
class Nature:
    """What a seat is like. *accuracy* is that on hard questions; the easy ones nearly everybody knows."""

    name: str
    provider: str
    accuracy: float
    conformist: bool = False
    boastful: bool = False
    silent_on_confidence: bool = False
    styled: bool | None = None
    """Writes in all styles: marked or, where False, not. None: in marker lines."""


@dataclass
class Question:
    number: int
    kind: str
    hard: bool
    right: int
    first: dict[str, int | None] = field(default_factory=dict)
    """What each seat answers independently; None: it abstains."""
    last: dict[str, int | None] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"Question {self.number}, of the kind {self.kind}: what is it?"


class _NoSync(AIClient):
    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        raise AssertionError("the synchronous client must not be used")


NO_SYNC = _NoSync()


class SimulatedSeat(AsyncAIClient):
    def __init__(self, nature: Nature, questions: dict[int, Question]) -> None:
        self.nature = nature
        self._questions = questions

    async def complete(self, request: Request, emit: Emit) -> Response:
        prompt = request.messages[0].text
        question = self._questions[int(re.search(r"Question (\d+)", prompt)[1])]  # type: ignore[index]
        if prompt.startswith("Several AIs answered"):
            return _response(_matched(question, prompt), emit)
        rng = random.Random(f"{self.nature.name}:{question.number}:{'Other AIs' in prompt}")
        own = question.first[self.nature.name]
        if "Other AIs disagree" in prompt:
            own = question.last[self.nature.name] = self._reconsider(question, own, prompt, rng)
        else:
            question.last[self.nature.name] = own
        return _response(self._say(question, own, rng), emit)

    def _reconsider(self, question: Question, own: int | None, prompt: str, rng: random.Random) -> int | None:
        """Conformists follow the crowd; others see a right argument in one of four cases, and may lose their own."""
        seen = [_READ[question.kind].get(line) for line in _ANSWER_LINE.findall(prompt)]
        crowd = Counter(answer for answer in [*seen, own] if answer is not None).most_common(1)
        leader = crowd[0][0] if crowd else own
        if self.nature.conformist:
            return leader if rng.random() < 0.8 else own
        if own != question.right:
            return question.right if question.right in seen and rng.random() < 0.25 else own
        return leader if rng.random() < 0.1 else own

    def _say(self, question: Question, answer: int | None, rng: random.Random) -> str:
        if answer is None:
            return "I cannot tell.\nANSWER: abstain\nCONFIDENCE: 0"
        form = rng.choice(_FORMS[question.kind][answer])
        if self.nature.styled is not None:
            return written(form, rng.choice(STYLES), marked=self.nature.styled, rng=rng)
        reasons = f"Consider the facts of case {rng.random():.3f}."
        if self.nature.silent_on_confidence:
            return f"{reasons}\n**ANSWER:** {form}"
        knows = 0.90 if answer == question.right else 0.87 if self.nature.boastful else 0.75
        sure = min(max(rng.gauss(knows, 0.08), 0.0), 1.0)
        return f"{reasons}\nANSWER: {form}\nCONFIDENCE: {sure * 100:.0f}"


class SimulatedReferee(AsyncAIClient):
    """Matches answers by what they mean; in one of 20 cases it answers nonsense instead."""

    def __init__(self, questions: dict[int, Question]) -> None:
        self._questions = questions

    async def complete(self, request: Request, emit: Emit) -> Response:
        prompt = request.messages[0].text
        number = int(re.search(r"Question (\d+)", prompt)[1])  # type: ignore[index]
        if random.Random(f"referee:{number}").random() < 0.05:
            return _response("They all have a point.", emit)
        return _response(_matched(self._questions[number], prompt), emit)


class BiasedJudge(AsyncAIClient):
    """Prefers what it reads first, unless the other is better by more than its bias. A text tells its own worth."""

    BIAS = 0.12

    async def complete(self, request: Request, emit: Emit) -> Response:
        blocks = _BLOCK.findall(request.messages[0].text)
        seen = {
            label: float(re.search(r"quality (\d\.\d+)", body)[1]) - self.BIAS * place  # type: ignore[index]
            for place, (_, label, body) in enumerate(blocks)
        }
        best_first = sorted(seen, key=lambda label: -seen[label])
        return _response(json.dumps({"reason": "", "better": best_first[0], "ranking": best_first}), emit)


def _matched(question: Question, prompt: str) -> str:
    """What a referee says that understands the answers."""
    groups: dict[int, list[int]] = {}
    for _, label, body in _BLOCK.findall(prompt):
        said = conclusion(body) or body.splitlines()[0]
        meaning = _READ[question.kind].get(said)
        if meaning is not None:
            groups.setdefault(meaning, []).append(int(label))
    positions = [{"position": f"answer {meaning}", "answers": members} for meaning, members in groups.items()]
    return json.dumps({"positions": positions, "claims": []})


def _response(text: str, emit: Emit) -> Response:
    emit(text)
    return Response(text, "simulated", usage=Usage(100, 20))


def draw(number: int, natures: list[Nature], chance: random.Random) -> Question:
    """A question and what everybody first thinks.

    One of five is hard. There half of a family's luck and errors is shared, and many errors fall into one trap.
    """
    question = Question(number, chance.choice(KINDS), chance.random() < 0.2, chance.randrange(CHOICES))
    wrong = [n for n in range(CHOICES) if n != question.right]
    trap = chance.choice(wrong)
    families = {nature.provider: (chance.random(), chance.choice(wrong)) for nature in natures}
    for nature in natures:
        luck, habit = families[nature.provider]
        shared = chance.random() < 0.5
        knows = nature.accuracy if question.hard else 0.995
        if (luck if shared else chance.random()) < knows:
            question.first[nature.name] = question.right
        elif question.hard and chance.random() < 0.05:
            question.first[nature.name] = None
        else:
            question.first[nature.name] = habit if shared else chance.choice([trap, chance.choice(wrong)])
    return question
