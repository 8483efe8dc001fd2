"""Bounds and intervals: `x > 5`, `at least 5 km`, `5 to 10`, `5 < x ≤ 10`. Each bound is a number read whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.answers.numerals import LONGEST, Number, plain, read_number

_OPERATORS = {"≤": "<=", "≥": ">=", "⩽": "<=", "⩾": ">=", "≦": "<=", "≧": ">=", "≠": "!=", "=<": "<=", "=>": ">="}
_LATEX = {r"\\leq?(?:slant)?(?![a-z])": "<=", r"\\geq?(?:slant)?(?![a-z])": ">=", r"\\neq?(?![a-z])": "!="}
_LATEX |= {r"\\lt(?![a-z])": "<", r"\\gt(?![a-z])": ">"}
_BEFORE = (
    (r"(?:at least|no less than|not less than|no fewer than|not fewer than|a minimum of|minimum of|minimum)", ">="),
    (r"(?:at most|no more than|not more than|up to|a maximum of|maximum of|maximum|not over|no greater than)", "<="),
    (r"(?:more than|greater than|larger than|over|above|exceeding|higher than|bigger than)", ">"),
    (r"(?:less than|fewer than|under|below|smaller than|lower than)", "<"),
    (r"(?:not equal to|anything but|not)", "!="),
)
_AFTER = (
    (r"(?:or (?:more|greater|higher|above|larger|over)|and (?:up|above|more|over)|at least|minimum|\+)", ">="),
    (r"(?:or (?:less|fewer|lower|below|smaller|under)|and (?:below|under|less)|at most|maximum)", "<="),
)
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}
_NAME = r"[A-Za-z](?:_?\w{1,2})?"


@dataclass(frozen=True, slots=True)
class Range:
    """What lies between two bounds; None: there is none on that side. `name` is of what it is said."""

    low: Number | None
    high: Number | None
    closed: tuple[bool, bool]
    excluded: bool = False
    name: str = ""

    def key(self) -> str:
        """Equal for equal ranges."""
        low = "" if self.low is None else f"{'>=' if self.closed[0] else '>'} {self.low.key()}"
        high = "" if self.high is None else f"{'<=' if self.closed[1] else '<'} {self.high.key()}"
        of = f" = {self.name}" if self.name else ""
        return f"{'not ' if self.excluded else ''}{low} {high}".strip() + of


def read_range(text: str) -> Range | None:
    """The bound or interval that *text* consists of."""
    if len(text) > LONGEST:
        return None
    line = _operators(text)
    return _compared(line) or _worded(line) or _between(line)


def _operators(text: str) -> str:
    line = text.strip()
    for pattern, operator in _LATEX.items():
        line = re.sub(pattern, f" {operator} ", line)
    for sign, operator in _OPERATORS.items():
        line = line.replace(sign, operator)
    return plain(line)[0] if not re.match(rf"{_NAME}\s*[<>!]", line) else line.strip("$ ")


def _compared(line: str) -> Range | None:
    parts = re.split(r"\s*(<=|>=|!=|<|>)\s*", line)
    if len(parts) == 3:
        left, operator, right = parts
        if right and re.fullmatch(_NAME, right) and not re.fullmatch(_NAME, left or "-"):
            left, operator, right = right, _TURNED[operator], left
        number = read_number(right)
        if number is None or number.name or not (left == "" or re.fullmatch(_NAME, left)):
            return None
        return _bound(operator, number, left)
    if len(parts) == 5 and re.fullmatch(_NAME, parts[2]):
        return _chain(parts)
    return None


def _chain(parts: list[str]) -> Range | None:
    first, one, name, other, last = parts
    if {one, other} <= {">", ">="}:
        first, one, other, last = last, _TURNED[other], _TURNED[one], first
    low, high = _pair(first, last)
    if low is None or high is None or not {one, other} <= {"<", "<="}:
        return None
    return Range(low, high, (one == "<=", other == "<="), name=name)


def _bound(operator: str, number: Number, name: str) -> Range:
    if operator == "!=":
        return Range(number, number, (True, True), excluded=True, name=name)
    closed = operator.endswith("=")
    return (
        Range(number, None, (closed, False), name=name)
        if operator[0] == ">"
        else Range(None, number, (False, closed), name=name)
    )


def _worded(line: str) -> Range | None:
    for words, operator in _BEFORE:
        if match := re.match(rf"{words}\s+(?=[-\w$€£¥])", line, re.I):
            number = read_number(line[match.end() :])
            return None if number is None or number.name else _bound(operator, number, "")
    for words, operator in _AFTER:
        if match := re.search(rf"\s*{words}$", line, re.I):
            number = read_number(line[: match.start()])
            if number is not None:
                return _bound(operator, number, "")
        if match := re.match(rf"(\S+)\s+{words}\s+(.+)$", line, re.I):
            number = read_number(f"{match[1]} {match[2]}")
            if number is not None:
                return _bound(operator, number, "")
    return None


def _between(line: str) -> Range | None:
    match = re.fullmatch(r"(?:between|from)\s+(.+?)\s+(?:and|to)\s+(.+)", line, re.I)
    match = match or re.fullmatch(r"(.*?\d\S*(?:\s[a-z°%]+)?)\s*(?:-|\s(?:to|through)\s)\s*(\S*\d.*)", line, re.I)
    if match is None:
        return None
    low, high = _pair(match[1], match[2])
    if low is None or high is None or low.value >= high.value:
        return None
    return Range(low, high, (True, True))


def _pair(first: str, last: str) -> tuple[Number | None, Number | None]:
    """Two ends; a unit or a currency that stands at one of them is meant for both."""
    low, high = read_number(first), read_number(last)
    if low is None or high is None or low.name or high.name:
        return None, None
    if low.unit == high.unit and low.percent == high.percent:
        return low, high
    if not low.unit and not low.percent:
        tail = re.sub(r"^[-+\d.,' ]+", "", last)
        low = read_number(f"{first} {tail}") if tail else read_number(f"{_lead(last)}{first}")
    elif not high.unit and not high.percent:
        high = read_number(f"{_lead(first)}{last}")
    same = low and high and low.unit == high.unit and low.percent == high.percent
    return (low, high) if same else (None, None)


def _lead(text: str) -> str:
    match = re.match(r"[^-+\d]*", text)
    return match[0] if match else ""
