"""Numbers as people and models write them: separators, exponents, fractions, percent, currency, words and units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_PLAIN = str.maketrans(_SUPERSCRIPTS + "−–×·", "0123456789-+--xx")
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS = {word: value for value, word in enumerate(_NAMES)}
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_CURRENCIES = {
    "$": "usd",
    "us$": "usd",
    "dollar": "usd",
    "€": "eur",
    "euro": "eur",
    "£": "gbp",
    "¥": "jpy",
    "yen": "jpy",
}
_UNITS = {
    "m": {"m meter metre": "1", "km kilometer kilometre": "1000", "cm centimeter centimetre": "1/100", "mm": "1/1000"},
    "g": {"g gram": "1", "kg kilogram": "1000", "mg milligram": "1/1000", "t tonne": "1000000"},
    "s": {"s sec second": "1", "ms millisecond": "1/1000", "min minute": "60", "h hr hour": "3600"},
    "l": {"l liter litre": "1", "ml milliliter millilitre": "1/1000"},
}
_UNIT_OF = {
    name: (base, Fraction(factor))
    for base, rows in _UNITS.items()
    for names, factor in rows.items()
    for name in names.split()
}
_HEDGE = re.compile(r"^(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly|≈|~|=)\s*", re.I)
_EQUATION = re.compile(r"^[A-Za-z](?:_\w+)?\s*=\s*(?=[-+\d.$€£¥])")
_DIGITS = "|".join(
    (
        r"\d{1,3}(?:[,' _\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?",
        r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?",
        r"\d{1,3}(?:\.\d{3})+,\d+",
        r"\d*[.,]?\d+",
    )
)
_NUMBER = re.compile(
    rf"^(?P<sign>[-+]?)\s*(?P<money>us\$|[$€£¥])?\s*(?P<neg>-?)(?P<digits>{_DIGITS})"
    r"(?:\s*/\s*(?P<under>\d+))?"
    r"(?:e(?P<e>[-+]?\d{1,3})|\s*x\s*10\s*\^?\s*(?P<ten>[-+]?\d{1,3}))?"
    r"\s*(?P<scale>hundred|thousand|million|billion|trillion)?"
    r"\s*(?P<unit>%|percent|per cent|[a-z°µ$€£¥][\w°/^ -]{0,24}?)?\.?$",
    re.I,
)
_MOST_DIGITS = 60
_POWER = re.compile(r"^10\s*\^\s*([-+]?\d{1,3})(?=\D|$)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in its base unit. `bare` is it as written, without its unit; `decimals` how exact it was given."""

    value: Fraction
    unit: str
    bare: Fraction
    decimals: int | None

    def key(self) -> str:
        return f"{self.value}{f' {self.unit}' if self.unit else ''}"


def read_number(text: str) -> Number | None:
    """The number that *text* consists of, or None when it is not one number with at most a unit."""
    if len(text) > _MOST_DIGITS:
        return None
    line = _plain(text)
    match = _NUMBER.match(line)
    if match is None or match["under"] == "0":
        return None
    digits, decimals = _decimal(match["digits"])
    bare = digits / int(match["under"] or 1) * Fraction(10) ** int(match["e"] or match["ten"] or 0)
    bare *= Fraction(10) ** _SCALES.get((match["scale"] or "").lower(), 0)
    if "-" in (match["sign"], match["neg"]):
        bare = -bare
    base, factor = _unit(match["money"] or match["unit"] or "")
    exponent = bool(match["e"] or match["ten"] or match["scale"])
    return Number(bare * factor, base, bare, None if match["under"] or exponent else decimals)


def _plain(text: str) -> str:
    """*text* without LaTeX, hedges and typographic forms."""
    line = re.sub(r"\\(?:d|t)?frac\{(-?\d+)\}\{(\d+)\}", r"\1/\2", text.strip())
    line = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r" \1", line)
    line = re.sub(r"\\times|\\cdot", "x", line).replace("\\%", "%").replace("^\\circ", "°")
    line = re.sub(r"\\[,;! ]", "", line).replace("{,}", ",")
    line = re.sub(r"\^\{([-+]?\d+)\}", r"^\1", line)
    line = re.sub(rf"(?<=10)([{_SUPERSCRIPTS}]+)", r"^\1", line).translate(_PLAIN)
    for sign, plain in _VULGAR.items():
        line = line.replace(sign, plain)
    line = re.sub(r"(?<=\d)\s*\*\s*(?=10)", "x", line)
    if re.fullmatch(r"\$[^$]+\$", line):
        line = line[1:-1].strip()
    line = _HEDGE.sub("", _EQUATION.sub("", line.strip(" *_`\"'")))
    line = _POWER.sub(r"1e\1", line)
    first, _, rest = line.partition(" ")
    return f"{_WORDS[first.lower()]} {rest}".strip() if first.lower() in _WORDS else line


def _decimal(digits: str) -> tuple[Fraction, int]:
    """The value of *digits*, with either habit of separators, and how many decimals it has."""
    plain = re.sub(r"[' _\u00a0\u2009\u202f]", "", digits)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain) and not plain.startswith("0,"):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    return Fraction(plain if not plain.startswith(".") else f"0{plain}"), len(plain.partition(".")[2])


def _unit(written: str) -> tuple[str, Fraction]:
    """The base unit and what one of *written* is in it; an unknown unit is its own base."""
    unit = " ".join(written.lower().split())
    if unit in ("%", "percent", "per cent"):
        return "", Fraction(1, 100)
    for name in (unit, unit.removesuffix("s")):
        if name in _CURRENCIES:
            return _CURRENCIES[name], Fraction(1)
        if name in _UNIT_OF:
            return _UNIT_OF[name]
    if unit.startswith(("°", "degree")):
        return unit.replace("degrees", "°").replace("degree", "°").replace(" ", "").replace("celsius", "c"), Fraction(1)
    return unit.removesuffix("s") if len(unit) > 3 else unit, Fraction(1)
