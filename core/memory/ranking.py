"""Which turns come first: by words, by meaning and by time, joined by reciprocal rank (Cormack, Clarke and Buettcher,
SIGIR 2009), and of those that tell of one matter the newest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.memory.times import Asked
from core.memory.words import folded, terms

_K = 60
"""Of the paper: how little the first places are worth more than the next."""
_SENTENCE = re.compile(r"(?<=[.!?\u3002])\s*|\n+")
_NUMBERED = re.compile(r"(?<![^\W_])[^\W\d_]*+\d[^\W_]*+")
_READ = 1_000
"""Characters of a turn that are read for what it tells."""
_ROOT = 5
"""Letters by which two words are taken for forms of one."""
_SHARED, _ALIKE = 2, 0.4
"""How many words two turns must share, and which part of the shorter one's, to tell of one matter."""


def fused(*rankings: tuple[Sequence[int], float]) -> dict[int, float]:
    """The turns of *rankings*, each with its weight, by their joint score."""
    scores: dict[int, float] = {}
    for ranking, weight in rankings:
        for place, turn in enumerate(ranking, 1):
            scores[turn] = scores.get(turn, 0.0) + weight / (_K + place)
    return scores


def ordered(scores: Mapping[int, float], most: int | None = None) -> list[int]:
    """The *most* best ones, or all, best first; of two as good the newer."""
    told = scores.items()
    if most is None or len(scores) <= most:
        return [turn for _, turn in sorted([(score, turn) for turn, score in told], reverse=True)]
    least = sorted(scores.values(), reverse=True)[most - 1]  # numbers alone are ordered five times as fast
    return [turn for _, turn in sorted([(score, turn) for turn, score in told if score >= least], reverse=True)[:most]]


def with_span(inside: Sequence[int], overall: Sequence[int]) -> list[int]:
    """What was said in the time that was named, and after every two of those the best of all: what was said in January
    of a plan for March is found by "in March", too."""
    found: list[int] = []
    rest = [turn for turn in overall if turn not in set(inside)]
    ahead = iter(inside)
    while True:
        pair = [turn for turn in (next(ahead, None), next(ahead, None)) if turn is not None]
        found += [*pair, *rest[:1]]
        rest = rest[1:]
        if not pair:
            return [*found, *rest]


def by_matter(turns: Sequence[int], texts: Mapping[int, str], when: Mapping[int, str], asked: Asked) -> list[int]:
    """*turns*, but of those that tell of one matter the newest first: what was said last holds; or the oldest, where
    that was asked for. Both stay. Where a number was asked for, whatever does not hold it is another matter."""
    about = _roots(asked.rest) if asked.newest or asked.oldest else frozenset()
    roots = {turn: _roots(texts[turn]) for turn in turns}
    named = _with_digits(asked.rest)
    holds = {turn: named & _with_digits(texts[turn]) if named else named for turn in turns}
    left, found = list(turns), []
    while left:
        first = left[0]
        near = [turn for turn in left if holds[first] <= holds[turn]]
        same = [turn for turn in near if turn == first or _alike(roots[first], roots[turn], about)]
        places = sorted(turns.index(turn) for turn in same)
        found += list(
            zip(places, sorted(same, key=lambda turn: (when[turn], turn), reverse=not asked.oldest), strict=True)
        )
        left = [turn for turn in left if turn not in same]
    return [turn for _, turn in sorted(found)]


def telling(text: str, question: str) -> str:
    """The sentence of *text* that holds most of what *question* asks of."""
    about = _roots(question)
    sentences = _SENTENCE.split(text[:_READ])
    return max(sentences, key=lambda one: len(_roots(one) & about))


def like_it(sentence: str, others: Sequence[int], texts: Mapping[int, str], question: str) -> list[int]:
    """Those of *others* that tell of the matter of *question* as *sentence* does."""
    roots, about = _roots(sentence), _roots(question)
    about &= roots
    found = []
    for other in others:
        said = _roots(telling(texts[other], question))
        if (said & about or not about) and _alike(roots, said, frozenset()):
            found.append(other)
    return found


def _with_digits(text: str) -> frozenset[str]:
    """The words of *text* that hold a digit: numbers, and names such as `v2`."""
    return frozenset(folded(word) for word in _NUMBERED.findall(text))


def _roots(text: str) -> frozenset[str]:
    return frozenset(word[:_ROOT] for word in terms(text[:600]))


def _alike(one: frozenset[str], other: frozenset[str], about: frozenset[str]) -> bool:
    """Whether they tell of one matter: by what they share, or where that was asked for, by what both hold of it."""
    if one & about and one & about == other & about:
        return True
    shared = len(one & other)
    return shared >= _SHARED and shared / max(1, min(len(one), len(other))) >= _ALIKE
