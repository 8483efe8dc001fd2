"""Copies of what was forgotten, known again in whatever holds words: a tool's result, an answer, a record of a run.

A tool shows a turn cut, quoted or with marks in it, so that words are compared, not texts: some that stand together in
both are a copy. A turn of few signs is known by its words and its time together, since "ok" stands anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from core.memory.words import UNSPACED, folded

TELLING = 16
"""Characters: a shorter text stands in much that has nothing to do with it."""
_TOGETHER = 8
"""Words that stand together by no chance."""
_WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
_MARKS = re.compile(r"<<|>>")
_MUCH = 2_000_000
"""Characters of which every run of words is known; of more, every second to every eighth: most copies are longer."""
_TIME = 16
"""Of a time, what tools show: until the minute."""


class Copies:
    """Tells what holds words of *said*: pairs of a time, as it is kept, and a text."""

    def __init__(self, said: Sequence[tuple[str, str]]) -> None:
        self._runs: dict[int, set[int]] = {}
        self._short: list[tuple[str, tuple[str, ...]]] = []
        self._firsts: set[str] = set()
        self._texts = {text.strip() for _, text in said}
        every = min(_TOGETHER, 1 + sum(len(text) for _, text in said) // _MUCH)
        for at, text in said:
            words = _words(text)
            if not words:
                continue
            if len(text.strip()) < TELLING:
                self._short.append((at[:_TIME], words))
                continue
            length = min(_TOGETHER, len(words))
            known = self._runs.setdefault(length, set())
            for start in (*range(0, len(words) - length, every), len(words) - length):
                known.add(hash(words[start : start + length]))
                self._firsts.add(words[start])

    def __bool__(self) -> bool:
        return bool(self._runs or self._short)

    def told_by(self, text: str, *, long: bool = False) -> bool:
        """Whether *text* holds one of them, also if it is cut or quoted there; with *long* eight words of one at least:
        a shorter text stands by chance in files and pages, too."""
        if not long and text.strip() in self._texts and len(text.strip()) >= TELLING:
            return True
        words = _words(text)
        if not self._firsts.isdisjoint(words):
            for length, runs in self._runs.items():
                if length < _TOGETHER and long:
                    continue
                if any(hash(run) in runs for run in _runs(words, length)):
                    return True
        if long:
            return False
        here = [short for at, short in self._short if at and at in text] if self._short else []
        return any(run == short for short in here for run in _runs(words, len(short)))

    def in_value(self, value: Any, *, long: bool = False) -> bool:
        """Whether a text anywhere in *value*, which is JSON, holds one of them."""
        return any(self.told_by(text, long=long) for text in _texts(value))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(folded(_MARKS.sub("", text))))


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + length]) for start in range(len(words) - length + 1))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
