"""Numbers in English words: `forty-two`, `one hundred and five`, `three quarters`, `two and a half million`."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""".split()  # noqa: SIM905
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_VALUES = {word: value for value, word in enumerate(_UNITS)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_VALUES["fourty"] = 40
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8} | {
    "ninth": 9,
    "tenth": 10,
    "hundredth": 100,
    "thousandth": 1000,
}
_MOST_WORDS = 16


def read_number_words(text: str) -> tuple[Fraction, str] | None:
    """The number *text* begins with, and what follows it; None when it begins with no number word."""
    words = [word for word in re.split(r"[\s-]+", text.strip()) if word]
    lower = [word.lower().rstrip(",") for word in words[:_MOST_WORDS]]
    if not lower or (lower[0] not in _VALUES and lower[0] not in ("a", "an", "half", "dozen")):
        return None
    read = _fraction(lower) or _dozen(lower) or _cardinal(lower)
    if read is None:
        return None
    value, used = read
    return value, _rest(text, words, used)


def _rest(text: str, words: list[str], used: int) -> str:
    """What stands after the first *used* words, as it was written."""
    place = 0
    for word in words[:used]:
        place = text.index(word, place) + len(word)
    return text[place:].lstrip(" -\t")


def _cardinal(words: list[str]) -> tuple[Fraction, int] | None:
    """`two million three hundred and four`; an article counts as one before a scale."""
    total, group, used, taken = 0, 0, 0, False
    smallest = 10**15
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _VALUES:
            value = _VALUES[word]
            if taken and not _fits(group, value):
                return None
            group += value
        elif word in ("a", "an") and not taken and following in _SCALES:
            group = 1
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in _SCALES and group and word != "hundred" and _SCALES[word] < smallest:
            smallest = _SCALES[word]
            total, group = total + group * smallest, 0
        elif word == "and" and taken and following in _VALUES and (group % 100 == 0):
            continue
        else:
            break
        taken, used = True, place + 1
    return (Fraction(total + group), used) if taken else None


def _fits(group: int, value: int) -> bool:
    """Whether *value* may follow what was read: `forty two`, but not `two forty`."""
    last = group % 100
    return last == 0 or (value < 10 and last >= 20 and last % 10 == 0 and value > 0)


def _fraction(words: list[str]) -> tuple[Fraction, int] | None:
    """`a half`, `three quarters`, `two thirds`, `one and a half`, `half a million`."""
    if words[0] == "half":
        scale = words[2] if words[1:2] in (["a"], ["an"]) and len(words) > 2 else ""
        return (Fraction(_SCALES[scale], 2), 3) if scale in _SCALES else (Fraction(1, 2), 1)
    if words[:4][1:] == ["and", "a", "half"] and words[0] in _VALUES:
        scaled = words[4] if len(words) > 4 else ""
        value = Fraction(2 * _VALUES[words[0]] + 1, 2)
        return (value * _SCALES[scaled], 5) if scaled in _SCALES else (value, 4)
    if len(words) > 1 and (
        under := _PARTS.get(words[1]) or _PARTS.get(words[1].removesuffix("s").replace("halve", "half"))
    ):
        above = 1 if words[0] in ("a", "an") else _VALUES.get(words[0])
        return None if above is None else (Fraction(above, under), 2)
    return None


def _dozen(words: list[str]) -> tuple[Fraction, int] | None:
    if words[0] == "dozen":
        return Fraction(12), 1
    if words[1:2] in (["dozen"], ["dozens"]) and (words[0] in ("a", "one") or words[0] in _VALUES):
        return Fraction(12 * _VALUES.get(words[0], 1)), 2
    return None
