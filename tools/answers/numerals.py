"""Numbers as people and models write them: separators, exponents, fractions, percent, currency, words and units.

Exact throughout. A text is a number only when all of it was read: what is left over makes it something else, and what
may mean two numbers (`10.000`, `5 C`) is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tools.answers.number_words import read_number_words
from tools.answers.units import CURRENCY_SIGNS, Unit, read_unit, share_of

LONGEST = 120
"""Characters of the longest text that is looked at; every pattern here sees no more."""

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_PLAIN = str.maketrans(_SUPERSCRIPTS + "−–×", "0123456789-+--x")
_VULGAR = {
    "½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "mn": 10**6, "mio": 10**6, "mln": 10**6,
    "billion": 10**9, "bn": 10**9, "mrd": 10**9, "trillion": 10**12, "tn": 10**12, "lakh": 10**5, "crore": 10**7,
    "dozen": 12,
}  # fmt: skip
_SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "MM": 10**6}
_MONEY_SUFFIXES = _SUFFIXES | {"m": 10**6, "B": 10**9, "b": 10**9, "T": 10**12, "t": 10**12}
_HEDGE = re.compile(
    r"^(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly|precisely|only|just|a total of|≈|~|=)\s*",
    re.I,
)
_EQUATION = re.compile(r"^(?P<name>[A-Za-z](?:_?\w{1,2})?)\s*(?:=|:=|≈)\s*(?=[-+−(\d.$€£¥½¼¾\\])")
_GROUPED = "|".join(
    (
        r"\d{1,3}(?:,\d{2})+,\d{3}(?:\.\d+)?",
        r"\d{1,3}(?:[,' _\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?",
        r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?",
        r"\d{1,3}(?:\.\d{3})+,\d+",
        r"\d{1,3}(?: \d{3})+,\d+",
        r"\d*[.,]?\d+",
    )
)
_CORE = re.compile(
    rf"(?P<whole>\d{{1,6}})\s+(?P<above>\d{{1,4}})/(?P<below>\d{{1,4}})(?![\d/.])"
    rf"|(?P<digits>{_GROUPED})(?![\d])\.?(?!\d)"
    r"(?:\s*/\s*(?P<under>\d{1,12})(?![\d./]))?"
    r"(?:[eE](?P<e>[-+]?\d{1,3})(?!\w)|\s*x\s*10\s*\^?\s*(?P<ten>[-+]?\d{1,3})(?!\d)|\^(?P<power>[-+]?\d{1,3})(?!\d))?"
)
_EITHER = re.compile(r"[1-9]\d{0,2}\.\d\d0")
"""Thousands where dots group digits, decimals where they do not: the question's country decides, which nobody knows."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in its base unit. `bare` is it as written, without its unit; `decimals` how exact it was given."""

    value: Fraction
    unit: str
    bare: Fraction
    decimals: int | None
    percent: bool = False
    name: str = ""
    """What it is said to be the value of, as in `x = 4`."""
    known: bool = True
    """Whether its unit is one, and not a noun that two people may choose differently."""

    def key(self) -> str:
        """Equal for equal numbers."""
        plain = f"{self.bare} %" if self.percent else f"{self.value}{f' {self.unit}' if self.unit else ''}"
        return f"{plain} = {self.name}" if self.name else plain

    def could_be(self) -> tuple[str, ...]:
        """The keys it has when its unit is left out."""
        forms: list[str] = []
        if self.percent:
            forms += [str(self.value), *([str(self.bare)] if abs(self.bare) > 1 else [])]
        elif self.unit:
            forms.append(str(self.bare))
        return tuple(form for form in dict.fromkeys(forms) if form != self.key())


def read_number(text: str) -> Number | None:
    """The number that *text* consists of, or None when it is not one number with at most a unit."""
    if len(text) > LONGEST:
        return None
    line, name = plain(text)
    negative = re.match(r"(?:minus|negative)\s+", line, re.I)
    if negative:
        line = line[negative.end() :]
    number = _several(line) or _one(line, name)
    if number is None or not negative:
        return number
    return Number(-number.value, number.unit, -number.bare, number.decimals, number.percent, number.name)


def plain(text: str) -> tuple[str, str]:
    """*text* without LaTeX, hedges and typographic forms, and the name it says it is the value of."""
    line = re.sub(r"\\(?:d|t)?frac\{(-?\d+)\}\{(\d+)\}", r" \1/\2", text.strip()).strip()
    line = re.sub(r"\\(?:text|mathrm|textrm|mbox)\{([^{}]*)\}", r" \1", line)
    line = re.sub(r"\\times|\\cdot", "x", line).replace("\\%", "%").replace("^\\circ", "°").replace("^{\\circ}", "°")
    line = re.sub(r"\\[,;:! ]", "", line).replace("{,}", ",").replace("\\$", "$").replace("\\approx", "≈")
    line = re.sub(r"\^\{([-+]?\d+)\}", r"^\1", line)
    for wrapped in (r"\\\((.*)\\\)", r"\\\[(.*)\\\]", r"\$\$?([^$]+)\$\$?"):
        if match := re.fullmatch(wrapped, line):
            line = match[1].strip()
    line = re.sub(rf"(?<=\d)([{_SUPERSCRIPTS}]+)(?=\s|$)", r"^\1", line).translate(_PLAIN)
    for sign, fraction in _VULGAR.items():
        line = re.sub(rf"(?<=\d)\s?{sign}", f" {fraction}", line).replace(sign, fraction)
    line = re.sub(r"(?<=\d)\s*[*·]\s*(?=10(?:\D|$))", "x", line).strip(" *_`")
    line = line[1:-1].strip() if len(line) > 2 and line[0] == line[-1] and line[0] in "\"'" else line
    name = ""
    if match := _EQUATION.match(line):
        name, line = match["name"], line[match.end() :]
    line = _HEDGE.sub("", line)
    return line.strip(), name


def _several(line: str) -> Number | None:
    """A length or a time in parts, such as `5 ft 10 in` or `1 h 30 min`."""
    parts = re.fullmatch(r"(\d+)\s*([a-z′']+)[\s,]+(?:and\s+)?(\d+(?:\.\d+)?)\s*([a-z″\"']+)", line, re.I)
    if parts is None:
        return None
    units = [read_unit(name) for name in (parts[2], parts[4])]
    first, second = units
    if first is None or second is None or not (first.known and second.known) or first.key != second.key:
        return None
    if first.factor <= second.factor or first.zero:
        return None
    value = int(parts[1]) * first.factor + Fraction(parts[3]) * second.factor
    return Number(value, first.key, value / first.factor, None)


def _one(line: str, name: str) -> Number | None:
    sign = -1 if line.startswith("-") else 1
    line = line.removeprefix("-").removeprefix("+").strip()
    money, line = _currency(line)
    if line.startswith("-"):
        sign, line = -sign, line[1:].strip()
    read = _written(line) or _in_words(line)
    if read is None:
        return None
    bare, decimals, rest, exact = read
    scaled = _scale(rest, money=bool(money))
    if scaled is None:
        return None
    factor, rest = scaled
    if factor != 1:
        exact = True
    bare *= sign * factor
    return _with_unit(bare, None if exact else decimals, money, rest, name)


def _with_unit(bare: Fraction, decimals: int | None, money: str, rest: str, name: str) -> Number | None:
    glued, rest = rest[:1].strip(), rest.strip()
    if shares := share_of(rest):
        return None if money else Number(bare / shares, "", bare * 100 / shares, decimals, percent=True, name=name)
    if money and rest and not re.match(r"per\s|/", rest):
        if (again := read_unit(rest)) is None or read_unit(money) != again:
            return None
        rest = ""
    unit = read_unit(f"{money}{f' {rest}' if rest else ''}".strip()) if money or rest else Unit(())
    if unit is None or (glued and not unit.known) or (glued and rest == "s" and _is_decade(bare)):
        return None
    return Number(bare * unit.factor + unit.zero, unit.key, bare, decimals, name=name, known=unit.known)


def _is_decade(bare: Fraction) -> bool:
    """Whether a glued `s` makes it the 1980s and not 1,980 seconds."""
    return bare.denominator == 1 and bare % 10 == 0 and 100 <= bare < 3000


def _currency(line: str) -> tuple[str, str]:
    for sign in CURRENCY_SIGNS:
        if line.upper().startswith(sign):
            return sign.lower(), line[len(sign) :].strip()
    if match := re.match(r"(USD|EUR|GBP|JPY|CNY|INR|CHF|CAD|AUD)\s*(?=[-\d])", line):
        return match[1].lower(), line[match.end() :]
    if match := re.match(r"(?:no\.|nr\.|number|№|#|n[º°])\s*(?=\d)", line, re.I):
        return "no.", line[match.end() :]
    return "", line


def _written(line: str) -> tuple[Fraction, int, str, bool] | None:
    """The number in digits that *line* begins with, its decimals, what follows, and whether it is exact."""
    match = _CORE.match(line)
    if match is None or match["under"] in ("0",) or match["below"] in ("0",):
        return None
    rest = line[match.end() :]
    if match["whole"]:
        mixed = int(match["whole"]) + Fraction(int(match["above"]), int(match["below"]))
        return mixed, 0, rest, True
    digits, plain_rest = match["digits"], not match["under"] and match["e"] is None and match["ten"] is None
    if _EITHER.fullmatch(digits) and plain_rest and match["power"] is None:
        return None
    value, decimals = _decimal(digits)
    if match["under"]:
        value /= int(match["under"])
    if match["power"] is not None:
        if value.denominator != 1 or abs(value) > 1000 or not value:
            return None
        return value ** int(match["power"]), 0, rest, True
    value *= Fraction(10) ** int(match["e"] or match["ten"] or 0)
    return value, decimals, rest, not plain_rest


def _in_words(line: str) -> tuple[Fraction, int, str, bool] | None:
    read = read_number_words(line)
    return None if read is None else (read[0], 0, f" {read[1]}" if read[1] else "", True)


def _scale(rest: str, *, money: bool) -> tuple[int, str] | None:
    """What the number is multiplied with, and what is left; None where a letter may mean a scale or a unit."""
    if match := re.match(
        r"\s*-?(hundred|thousand|million|billion|trillion|mn|mio|mln|bn|mrd|tn|lakh|crore|dozen)s?\.?(?![a-z])",
        rest,
        re.I,
    ):
        return _SCALES[match[1].lower()], rest[match.end() :]
    if match := re.match(r"(MM|[kKMBTmbt])(?=$|\s|/)", rest):
        after = rest[match.end() :]
        known = _MONEY_SUFFIXES if money else _SUFFIXES
        if match[1] in known:
            return known[match[1]], after
        if match[1] in "BT":
            return (_MONEY_SUFFIXES[match[1]], after) if after.strip() else None
    return 1, rest


def _decimal(digits: str) -> tuple[Fraction, int]:
    """The value of *digits*, with either habit of separators, and how many decimals it has."""
    text = re.sub(r"[' _\u00a0\u2009\u202f]", "", digits)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", text):
        text = text.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?", text) and not text.startswith("0,"):
        text = text.replace(",", "")
    text = text.replace(",", ".")
    return Fraction(text if not text.startswith(".") else f"0{text}"), len(text.partition(".")[2])
