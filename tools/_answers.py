r"""Closed answers by value: what an AI finally says, in a form in which equal answers are equal however written.

Read are `\boxed{}`, option letters, numbers (`_numbers.py`), yes and no, dates (`_dates.py`), and short phrases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.untrusted import clean
from tools._dates import read_date
from tools._numbers import Number, read_number

Kind = Literal["letter", "number", "yes or no", "date", "text"]

_LONGEST_PHRASE = 120
_LONGEST_SHOWN = 300
_MARKER = re.compile(r"^[ \t>*_#-]*(?:FINAL\s+)?ANSWER[\s*_]*[:=][\s*_]*(.+)$", re.I | re.M)
"""Like all these anchored to one line: blanks by the thousand must not take the square of their number to look at."""
_SENTENCE = re.compile(r"\b(?:the\s+)?(?:final|correct)\s+answer\s+is:?\s+(.+?)(?:\.\s|\.?$)", re.I | re.M)
_LETTER = re.compile(r"^(?:(?:option|choice|answer)\s+)?[(\[]?([A-Z])[)\].:]*$", re.I)
_LETTER_AND_TEXT = re.compile(r"^(?:(?:option|choice)\s+)?(?:[(\[]([A-Z])[)\]]|([A-Z])[).:])[\s:.-]+\S", re.I)
_OPTION = re.compile(r"^[ \t]*[(\[]?([A-Z])[)\].:]\s+(\S.*)$", re.M)
_YES = re.compile(r"^(yes|true|correct)\b(?=\s*(?:[.,;:!—–-]|$))", re.I)
_NO = re.compile(r"^(no|false|incorrect)\b(?=\s*(?:[.,;:!—–-]|$))", re.I)
_ABSTAIN = re.compile(
    r"^(?:i\s+)?(?:abstain|pass|unknown|unsure|n/?a|none given|"
    r"(?:do\s+not|don['’]t|cannot|can['’]t)\s+(?:know|tell|say))\b[^a-z]*$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Value:
    """A final answer. Equal `key` means equal answer; `could_be` are keys it has if its unit or order is left open."""

    kind: Kind
    key: str
    display: str
    could_be: tuple[str, ...] = ()
    number: Number | None = None


def final_answer(text: str) -> str | None:
    r"""What *text* gives as its answer: its last ANSWER line, else `\boxed{}`, else all of it when it is short."""
    text = clean(text).strip()
    if marked := [found for found in _MARKER.findall(text) if found.strip(" *_")]:
        return _boxed(marked[-1]) or marked[-1].strip()
    if boxed := _boxed(text):
        return boxed
    if said := _SENTENCE.findall(text):
        return str(said[-1]).strip()
    return text if 0 < len(text) <= _LONGEST_PHRASE and "\n" not in text else None


def abstains(answer: str | None) -> bool:
    """Whether *answer* declines to answer, or is missing."""
    return answer is None or not _bare(answer) or bool(_ABSTAIN.match(_bare(answer)))


def options(question: str) -> dict[str, str]:
    """The options a multiple-choice question lists, by letter; empty when it lists none."""
    found = {letter.upper(): text.rstrip() for letter, text in _OPTION.findall(question)}
    expected = [chr(ord("A") + number) for number in range(len(found))]
    return found if len(found) > 1 and sorted(found) == expected else {}


def value_of(answer: str, choices: Mapping[str, str] | None = None) -> Value:
    """*answer* by value. *choices* are the options of the question, so that an option's text is its letter."""
    bare = _bare(answer)
    display = " ".join(bare.split())[:_LONGEST_SHOWN]
    if letter := _letter(bare, choices or {}):
        return Value("letter", f"letter {letter}", display)
    if dates := read_date(bare):
        return Value("date", f"date {' or '.join(dates)}", display, tuple(f"date {one}" for one in dates))
    if number := read_number(bare):
        other = () if number.bare == number.value and not number.unit else (f"number {number.bare}",)
        return Value("number", f"number {number.key()}", display, other, number)
    for pattern, word in ((_YES, "yes"), (_NO, "no")):
        if pattern.match(bare):
            return Value("yes or no", word, display)
    return Value("text", f"text {_folded(bare)}", display)


def grouped(values: Sequence[Value]) -> list[int]:
    """For each value the number of its group, counted from 0 in order of appearance.

    A number without a unit joins the one group it equals but for the unit, a rounded number the one group it is a
    rounding of, an ambiguous date the one group it may mean. Where there are two such groups it stays alone.
    """
    first = {value.key: value for value in values}
    for key, value in first.items():
        also = [form for other in values if other.key == key for form in other.could_be]
        first[key] = replace(value, could_be=tuple(dict.fromkeys(also)))
    joined: dict[str, str] = {}
    for key in sorted(first, key=lambda key: _exactness(first[key])):
        hosts = {_root(other, joined) for other in first if other != key and _may_join(first[key], first[other])}
        if len(hosts - {key}) == 1:
            (joined[key],) = hosts - {key}
    final = [_root(value.key, joined) for value in values]
    order = list(dict.fromkeys(final))
    return [order.index(key) for key in final]


def is_closed(values: Sequence[Value]) -> bool:
    """Whether all *values* can be compared by value alone, without anybody who reads them."""
    return all(value.kind != "text" for value in values) or len(set(grouped(values))) == 1


def _root(key: str, joined: Mapping[str, str]) -> str:
    seen = {key}
    while (host := joined.get(key)) is not None and host not in seen:
        seen.add(host)
        key = host
    return key


def _exactness(value: Value) -> tuple[int, int, str]:
    """Sorts the exact before the rounded, so that a rounding finds its host already in its group."""
    decimals = value.number.decimals if value.number else None
    return (0 if value.number and value.number.unit else 1, -1000 if decimals is None else -decimals, value.key)


def _may_join(one: Value, other: Value) -> bool:
    if one.kind == "date" and other.kind == "date":
        return len(one.could_be) > len(other.could_be) and bool(set(one.could_be) & set(other.could_be))
    if one.number is None or other.number is None:
        return False
    if one.key in other.could_be:
        return True
    return one.number.unit == other.number.unit and _is_rounding(one.number, other.number)


def _is_rounding(one: Number, other: Number) -> bool:
    """Whether *one* is *other* with fewer decimals, but with enough of them to mean it."""
    if one.decimals is None or one.decimals < 2 or one.value != one.bare:
        return False
    more = other.decimals is None or other.decimals > one.decimals
    return more and other.value == other.bare and round(other.value, one.decimals) == one.value


def _letter(bare: str, choices: Mapping[str, str]) -> str | None:
    match = _LETTER.match(bare) or _LETTER_AND_TEXT.match(bare)
    if match:
        letter = next(group for group in match.groups() if group).upper()
        if not choices or letter in choices:
            return letter
    same = [letter for letter, text in choices.items() if _folded(text) == _folded(bare)]
    return same[0] if len(same) == 1 else None


def _boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{}`, with balanced braces inside."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for position in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[begin + 1 : position].strip() or None
    return None


def _bare(answer: str) -> str:
    """*answer* without a box, emphasis, quotes and LaTeX wrappers around all of it."""
    text = unicodedata.normalize("NFC", clean(answer)).strip()
    text = _boxed(text) or text
    if wrapped := re.fullmatch(r"\\(?:text|textbf|mathrm|mathbf)\{([^{}]*)\}", text):
        text = wrapped[1]
    return text.strip(" \t\r\n*_`\"'“”‘’").removesuffix(".").strip(" *_`")


def _folded(text: str) -> str:
    """*text* without case, accents of width, articles and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = re.sub(r"[^\w\s+#/-]", " ", folded).split()
    return " ".join(word for word in words if word not in ("the", "a", "an")) or " ".join(words) or folded.strip()
