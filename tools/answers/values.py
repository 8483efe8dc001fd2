r"""Closed answers by value: what an AI finally says, in a form in which equal answers are equal however written.

Read are `\boxed{}`, option letters, numbers (`_numbers.py`), bounds (`_ranges.py`), yes and no, dates (`_dates.py`),
lists and sets of these. Equal keys have only values that were read whole; anything else is its exact text
(`_exact_text.py`), of kind "text", and whether two texts mean the same is for a referee to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from core.untrusted import clean
from tools.answers.dates import read_date, read_time
from tools.answers.exact_text import exact, unstyled
from tools.answers.numerals import Number, read_number
from tools.answers.options import Options
from tools.answers.ranges import read_range

AnswerKind = Literal["letter", "number", "range", "yes or no", "date", "list", "text"]

_LONGEST_SHOWN = 300
_LONGEST_READ = 2_000
_LONGEST_COMPARED = 20_000
_MOST_MEMBERS = 40
_LETTER = re.compile(r"(?:(?:the\s+)?(?:option|choice|answer|letter)\s*:?\s+)?[(\[]?([A-Z])[)\].:]*", re.I)
_LETTER_AND_TEXT = re.compile(
    r"(?:(?:option|choice)\s+([A-Z])[).:]*|[(\[]([A-Z])[)\]]|([A-Z])\))[\s:.-]+\S.*", re.I | re.S
)
_YES = frozenset(
    [
        "yes",
        "true",
        "correct",
        "t",
        "yep",
        "affirmative",
        "ja",
        "oui",
        "sí",
        "si",
        "sim",
        "да",
        "是",
        "はい",
        "예",
        "네",
        "wahr",
        "vrai",
        "verdadero",
        "vero",
        "verdadeiro",
    ]
)
_NO = frozenset("no false incorrect f nope negative nein non não nie нет 否 いいえ 아니요 falsch faux falso".split())  # noqa: SIM905
_REASON = re.compile(r"(yes|no|true|false)\s*(?:[,;.:!(]|\s[—–-]|\s(?=because|since))\s*(.+)", re.I | re.S)
_CONDITION = re.compile(
    r"\b(?:if|unless|but|except|only|when|until|however|although|though|not|provided|mostly|partly|partially|sometimes|"
    r"depends?|usually|often|while|whereas|or|yes|no|true|false|maybe|perhaps|assuming|in some|some|most)\b",
    re.I,
)
_BECAUSE = re.compile(r"(?:because|since|as|it|this|that|they|he|she|we|you|there|for|due|given)\b", re.I)
_LETTER_OR_NAME = re.compile(r"([A-Z])\.\s+\S")
_QUOTES = ("'", '"', "`", "“", "”", "‘", "’", "«", "»", "„")
_PICTURES = " \t\r\n\ufe0f✅✔☑👉➡➤▶🔹🔸🟢📌🏁🎯⭐🌟🎉✨💡🙂😊👍💯🏆🔑📍"
_CROSSED_NO = re.compile(r"^[❌✗✘]\ufe0f?\s*(?=(?:no|false)\W*$)|(?:(?<=^no)|(?<=^false))\s*[❌✗✘]\ufe0f?$", re.I)
_BRACKETS = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class Value:
    """A final answer. Equal `key` means equal answer; `could_be` are keys it has if its unit or order is left open."""

    kind: AnswerKind
    key: str
    display: str
    could_be: tuple[str, ...] = ()
    number: Number | None = None
    name: str = ""
    """What it is said to be the value of, as in `x = 4`."""
    unnamed: Value | None = None
    """The value without that."""


def value_of(answer: str, options: Options | None = None) -> Value:
    """*answer* by value. *options* are those of the question, so that an option's text is its letter."""
    if len(answer) > _LONGEST_COMPARED:
        line = " ".join(clean(answer).split())
        return Value("text", f"text {line}", line[:_LONGEST_SHOWN])
    bare = bare_answer(answer)
    display = " ".join(bare.split())[:_LONGEST_SHOWN]
    read = bare if len(bare) <= _LONGEST_READ else ""
    value = _labelled(read, options, display) if options and read else None
    if value := value or (_closed(read, display) if read else None):
        return value
    maybe = _LETTER_OR_NAME.match(read)
    letter = (f"letter {maybe[1]}",) if maybe and not (options and options.labelled) else ()
    return Value("text", f"text {exact(bare)}", display, letter)


def grouped(values: Sequence[Value]) -> list[int]:
    """For each value the number of its group, counted from 0 in order of appearance.

    A number without a unit joins the one group it equals but for the unit, a rounded number the one group it is a
    rounding of, an ambiguous date the one group it may mean. Where there are two such groups it stays alone. What the
    value is of counts only where the answers name different things.
    """
    if len({value.name for value in values if value.name}) < 2:
        values = [value.unnamed or value for value in values]
    values = _among_letters(values)
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
    order = {key: place for place, key in enumerate(dict.fromkeys(final))}
    return [order[key] for key in final]


def _among_letters(values: Sequence[Value]) -> Sequence[Value]:
    """*values* with `B. Paris` as B where most answers are letters, so that it is no name with an initial."""
    letters = sum(value.kind == "letter" for value in values)
    if letters < 2 or letters * 2 <= len(values):
        return values
    return [
        replace(value, kind="letter", key=value.could_be[0], could_be=())
        if value.kind == "text" and value.could_be
        else value
        for value in values
    ]


def is_closed(values: Sequence[Value]) -> bool:
    """Whether all *values* can be compared by value alone, without anybody who reads them."""
    if len(set(grouped(values))) == 1:
        return True
    return all(value.kind != "text" for value in _among_letters(values)) and not leaves_open(values)


def leaves_open(values: Sequence[Value]) -> bool:
    """Whether any two of *values* may be the same: `42 apples`, `42 fruits`; `[0, 1]`, `0 ≤ x ≤ 1`."""
    if {"list", "range"} <= {value.kind for value in values}:
        return True  # `[0, 1]` may be an interval
    numbers = [value.number for value in values if value.number is not None]
    return any(_may_be_same(one, other) for one, other in combinations(numbers, 2))


def _may_be_same(one: Number, other: Number) -> bool:
    if one.unit == other.unit:
        return False
    nouns = not (one.known and other.known) and bool(one.unit and other.unit) and one.bare == other.bare
    return nouns or {one.unit, other.unit} == {"month", "s"}


def surely_differ(one: Value, other: Value) -> bool:
    """Whether the two are values of one kind, both read whole, that cannot be the same answer."""
    return one.kind == other.kind != "text" and len(set(grouped([one, other]))) == 2 and not leaves_open([one, other])


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{}` that is closed, with balanced braces inside."""
    end = len(text)
    for _ in range(3):
        start = text.rfind("\\boxed{", 0, end)
        if start < 0:
            return None
        if (found := _braced(text, start + len("\\boxed"))) is not None:
            return found.strip() or None
        end = start
    return None


def bare_answer(answer: str) -> str:
    """*answer* without a box, emphasis, quotes and LaTeX wrappers around all of it."""
    text = unicodedata.normalize("NFC", unstyled(clean(answer))).strip()
    text = boxed(text) or text
    for pattern in (r"\\(?:text|textbf|mathrm|mathbf|mathit)\{([^{}]*)\}", r"\\\((.*)\\\)", r"\\\[(.*)\\\]"):
        if wrapped := re.fullmatch(pattern, text, re.S):
            text = wrapped[1]
    text = re.sub(r"^\$\s*(\\text\{[^{}]*\}|[A-Za-z]|[^$]*[=<>\\][^$]*)\s*\$$", r"\1", text)
    if wrapped := re.fullmatch(r"\\(?:text|textbf|mathrm)\{([^{}]*)\}", text):
        text = wrapped[1]
    return _unquoted(_undecorated(text).strip(" \t\r\n*_`")).removesuffix(".").strip(' *_`"“”')


def _undecorated(text: str) -> str:
    """*text* without pictures before or behind it; a cross stays unless it says what the word says."""
    if text.isascii() or not any(character.isalnum() for character in text):
        return text
    bare = text.strip(_PICTURES)
    return _CROSSED_NO.sub("", bare)


def _unquoted(text: str) -> str:
    """*text* without its quotation marks; one behind a number or a letter alone is a foot, an inch or a prime."""
    while len(text) > 1 and text[0] in _QUOTES:
        text = text[1:].lstrip()
        if text[-1:] in _QUOTES:
            text = text[:-1].rstrip()
    return text if re.search(r"(?:\d|\b[A-Za-z])['\"”’]{1,3}$", text) else text.rstrip("".join(_QUOTES) + " ")


def _braced(text: str, begin: int) -> str | None:
    depth = 0
    for position in range(begin, min(len(text), begin + _LONGEST_READ)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[begin + 1 : position]
    return None


def _labelled(bare: str, options: Options, display: str) -> Value | None:
    """*bare* as one or several of the labelled options."""
    label = options.label_of(bare) or _by_value(bare, options)
    if label is None and options.contradicts(bare):
        return Value("text", f"text {exact(bare)}", display)
    if label is not None:
        if label.isdigit():
            return Value("number", f"number {label}", display, (), read_number(label))
        return Value("letter", f"letter {label}", display)
    if labels := options.labels_of(bare):
        return Value("letter", f"letters {' '.join(labels)}", display)
    return None


def _by_value(bare: str, options: Options) -> str | None:
    """The label of the one option that has the value of *bare*, as `5000 m` has that of `5 km`."""
    number = read_number(bare)
    if number is None or bare.upper() in options.labelled:
        return None
    numbers = {label: read_number(text) for label, text in options.labelled.items()}
    same = [label for label, one in numbers.items() if one is not None and one.key() == number.key()]
    return same[0] if len(same) == 1 else None


def _closed(bare: str, display: str) -> Value | None:
    if word := _yes_or_no(bare):
        return Value("yes or no", word, display)
    if match := _LETTER.fullmatch(bare) or _LETTER_AND_TEXT.fullmatch(bare):
        return Value("letter", f"letter {next(group for group in match.groups() if group).upper()}", display)
    if dates := read_date(bare) or read_time(bare):
        return Value("date", f"date {' or '.join(dates)}", display, tuple(f"date {one}" for one in dates))
    if number := read_number(bare) or _said_twice(bare):
        return _numeric(number, display)
    if found := read_range(bare):
        unnamed = Value("range", f"range {replace(found, name='').key()}", display)
        return replace(unnamed, key=f"range {found.key()}", name=found.name, unnamed=unnamed) if found.name else unnamed
    return _members(bare, display)


def _said_twice(bare: str) -> Number | None:
    """`42 (forty-two)`: a number that is said again in brackets."""
    match = re.fullmatch(r"([^()]{1,80}?)\s*\(([^()]{1,80})\)", bare) if len(bare) < 160 else None
    one, other = (read_number(match[1]), read_number(match[2])) if match else (None, None)
    return one if one and other and one.key() == other.key() else None


def _numeric(number: Number, display: str) -> Value:
    alone = replace(number, name="")
    forms = tuple(f"number {form}" for form in alone.could_be())
    unnamed = Value("number", f"number {alone.key()}", display, forms, alone)
    if not number.name:
        return unnamed
    return replace(unnamed, key=f"number {number.key()}", could_be=(), name=number.name, unnamed=unnamed)


def _yes_or_no(bare: str) -> str | None:
    """Yes or no, alone or before a reason that takes nothing of it back."""
    word = bare.strip(" .!,").casefold()
    if match := _REASON.fullmatch(bare[:_LONGEST_SHOWN]):
        reason = match[2]
        if _BECAUSE.match(reason) and not _CONDITION.search(  # not ours
            re.sub(r"\b(?:can|do|does|is|are|was|will)(?:no|n['’])t\b", "", reason)
        ):
            word = match[1].casefold()
    return "yes" if word in _YES else "no" if word in _NO else None


def _members(bare: str, display: str) -> Value | None:
    """A set, whose order means nothing, or a list, whose order may."""
    text = bare.replace("\\{", "{").replace("\\}", "}")
    if len(text) < 2 or _BRACKETS.get(text[0]) != text[-1] or any(sign in text[1:-1] for sign in "{}[]()"):
        return None
    parts = [part.strip() for part in re.split(r"\s*[,;]\s*", text[1:-1])]
    if not 1 < len(parts) <= _MOST_MEMBERS or not all(parts):
        return None
    members = [_closed(part, part) or Value("text", f"text {exact(part)}", part) for part in parts]
    keys = [member.key for member in members]
    ordered = sorted(set(keys)) if text[0] == "{" else keys
    typed = all(member.kind != "text" for member in members)
    return Value("list" if typed else "text", f"list {text[0]} {' | '.join(ordered)}", display)


def _root(key: str, joined: Mapping[str, str]) -> str:
    seen = {key}
    while (host := joined.get(key)) is not None and host not in seen:
        seen.add(host)
        key = host
    return key


def _exactness(value: Value) -> tuple[int, int, str]:
    """Sorts the exact before the rounded, so that a rounding finds its host already in its group."""
    decimals = value.number.decimals if value.number else None
    specific = len(value.could_be) if value.kind == "number" else 0
    return (-specific, -1000 if decimals is None else -decimals, value.key)


def _may_join(one: Value, other: Value) -> bool:
    if one.kind == "date" and other.kind == "date":
        return len(one.could_be) > len(other.could_be) and bool(set(one.could_be) & set(other.could_be))
    if one.kind != "number" or other.kind != "number":
        return False
    if one.key in other.could_be:
        return len(other.could_be) > len(one.could_be)
    if one.number is None or other.number is None:
        return False
    same = (one.number.unit, one.number.percent) == (other.number.unit, other.number.percent)
    return same and one.name == other.name and _is_rounding(one.number, other.number)


def _is_rounding(one: Number, other: Number) -> bool:
    """Whether *one* is *other* with fewer decimals, but with enough of them to mean it."""
    if one.decimals is None or one.decimals < 2 or one.value != one.bare:
        return False
    more = other.decimals is None or other.decimals > one.decimals
    return more and other.value == other.bare and round(other.value, one.decimals) == one.value
