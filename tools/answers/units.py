"""Units as exact factors of a base: what lets `2 days` be `48 hours` and keeps `5 MW` from being `5 mW`.

A table of our own: the libraries read `Gb` as gilberts, `B` as bels and `M` as molar, work in floating point, and take
seconds to load. Symbols are read with their case; names, and symbols that only one unit has, without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What one of a unit is in its base, and where its zero lies; `key` is equal for units of one base."""

    dimensions: Dimensions
    factor: Fraction = Fraction(1)
    zero: Fraction = Fraction(0)
    known: bool = True

    @property
    def key(self) -> str:
        return " ".join(f"{name}^{power}" if power != 1 else name for name, power in self.dimensions)


_PREFIXES = {
    "p": ("pico", -12), "n": ("nano", -9), "µ": ("micro", -6), "m": ("milli", -3), "k": ("kilo", 3), "M": ("mega", 6),
    "G": ("giga", 9), "T": ("tera", 12), "P": ("peta", 15), "E": ("exa", 18),
}  # fmt: skip
_SMALL = {"c": ("centi", -2), "d": ("deci", -1)}
_BINARY = {"Ki": ("kibi", 10), "Mi": ("mebi", 20), "Gi": ("gibi", 30), "Ti": ("tebi", 40), "Pi": ("pebi", 50)}
_PREFIXABLE = """
m: m meter metre | 1
g: g gram gramme | 1
s: s sec second | 1
m^3: l L liter litre | 1/1000
W: W watt | 1
J: J joule | 1
J: Wh watt-hour watthour | 3600
J: cal calorie | 4184/1000
J: Cal | 4184
eV: eV electronvolt | 1
N: N newton | 1
Pa: Pa pascal | 1
Pa: bar | 100000
Hz: Hz hertz | 1
V: V volt | 1
A: A amp ampere | 1
Ah: Ah amp-hour | 1
ohm: Ω ohm | 1
farad: farad | 1
henry: henry | 1
mol: mol mole | 1
bit: bit b | 1
bit: B byte octet | 8
bit s^-1: bps bit/s | 1
bit s^-1: Bps | 8
K: kelvin | 1
tesla: tesla | 1
Bq: Bq becquerel | 1
Gy: Gy gray | 1
Sv: Sv sievert | 1
lm: lm lumen | 1
lx: lx lux | 1
Da: Da dalton | 1
pc: pc parsec | 1
month: yr | 12
"""
_PLAIN = """
m: in inch inches ″ | 254/10000
m: ft foot feet ′ | 3048/10000
m: yd yard | 9144/10000
m: mi mile | 1609344/1000
m: nmi nautical-mile | 1852
m: ly light-year lightyear | 9460730472580800
m: au astronomical-unit | 149597870700
m: Å angstrom ångström | 1/10000000000
m: micron | 1/1000000
g: t tonne metric-ton | 1000000
g: Mt megatonne | 1000000000000
g: Gt gigatonne | 1000000000000000
g: lb lbs pound-mass | 45359237/100000
g: oz ounce | 28349523125/1000000000
g: ct carat | 2/10
g: quintal | 100000
s: min mins minute | 60
s: h hr hrs hour | 3600
s: d day | 86400
s: week wk | 604800
s: fortnight | 1209600
month: month mo | 1
month: quarter | 3
month: year yr yrs annum | 12
month: decade | 120
month: century centuries | 1200
month: millennium millennia | 12000
m^2: ha hectare | 10000
m^2: acre | 40468564224/10000000
m^2: sqm | 1
m^2: sqft | 9290304/100000000
m^2: sqkm | 1000000
m^3: cc | 1/1000000
m^3: gal gallon | 3785411784/1000000000000
m^3: cup | 2365882365/10000000000000
m s^-1: mph | 44704/100000
m s^-1: kph kmh km/h | 1000/3600
m s^-1: knot kn | 1852/3600
J: btu | 105505585262/100000000
W: hp horsepower | 7457/10
Pa: atm atmosphere | 101325
Pa: psi | 6894757293168/1000000000
Pa: mmHg torr | 101325/760
min^-1: rpm | 1
degree: ° deg degree | 1
degree: arcmin | 1/60
degree: arcsec | 1/3600
rad: rad radian | 1
K: K | 1
dB: dB decibel | 1
no.: no. | 1
usd: $ us$ usd dollar us-dollar buck | 1
usd: ¢ | 1/100
eur: € eur euro | 1
gbp: £ gbp pound-sterling | 1
jpy: ¥ jpy yen | 1
cny: cny rmb yuan | 1
inr: ₹ inr rupee | 1
krw: ₩ krw won | 1
rub: ₽ rub rouble ruble | 1
chf: chf franc | 1
cad: c$ ca$ cad canadian-dollar | 1
aud: a$ au$ aud australian-dollar | 1
nzd: nz$ nzd | 1
hkd: hk$ hkd | 1
sgd: s$ sgd | 1
brl: r$ brl real reais | 1
mxn: mx$ mxn | 1
sek: sek | 1
nok: nok | 1
dkk: dkk | 1
pln: pln zloty | 1
btc: btc bitcoin ₿ | 1
"""
_AFFINE = {
    "c": (Fraction(1), Fraction(27315, 100)),
    "celsius": (Fraction(1), Fraction(27315, 100)),
    "centigrade": (Fraction(1), Fraction(27315, 100)),
    "f": (Fraction(5, 9), Fraction(45967, 100) * Fraction(5, 9)),
    "fahrenheit": (Fraction(5, 9), Fraction(45967, 100) * Fraction(5, 9)),
}
_SHARES = {"%": 100, "percent": 100, "per cent": 100, "pct": 100, "‰": 1000, "per mille": 1000, "bps": 10_000}
_SHARES |= {"basis points": 10_000, "basis point": 10_000}
CURRENCY_SIGNS = ("US$", "CA$", "AU$", "NZ$", "HK$", "MX$", "C$", "A$", "S$", "R$", *"$€£¥₹₩₽₿")
_AMBIGUOUS = frozenset({"C", "F", "T", "B", "ton", "tons", "pound", "pounds", "cent", "cents", "pt", "kt", "bps"})
"""Read by nobody: coulombs or Celsius, teslas or trillions, money or weight: whoever reads the question knows."""
_SHOUTED = frozenset("KM Km KG Kg CM Cm KW Kw FT Ft IN LB Lb OZ Oz YD HR Hr MIN".split())  # noqa: SIM905
"""Short symbols in capitals that can mean one thing only; `5 M` is not `5 m`, nor `5 S` five seconds."""
_NO_NOUN = frozenset(
    """or and to not no per if except minus plus less more than least most x times of over under about but unless when
    only either neither nor approximately between from by with without versus vs is are was in at on for as above below
    up down half points off more-or-less bc bce ad ce am pm increase decrease higher lower squared cubed""".split()  # noqa: SIM905
)
_WORD = re.compile(r"[^\W\d_][\w'’.-]*")


def share_of(written: str) -> int | None:
    """How many of *written* are one whole: 100 for percent; None when it is no share."""
    return _SHARES.get(" ".join(written.lower().split()))


def read_unit(written: str) -> Unit | None:
    """The unit that all of *written* names; a noun nobody knows is its own base. None when it is no unit."""
    text = " ".join(written.replace("μ", "µ").replace("℃", "°C").replace("℉", "°F").split())
    if affine := _temperature(text):
        return affine
    above, *below = re.split(r"\s*/\s*|\s+per\s+", f" {text}" if text.startswith("per ") else text)
    dimensions: dict[str, int] = {}
    factor, known = Fraction(1), True
    for power, part in [(1, above), *((-1, part) for part in below)]:
        if not part.strip() and power > 0 and below:
            continue
        unit = _product(part.strip())
        if unit is None:
            return None
        for name, exponent in unit.dimensions:
            dimensions[name] = dimensions.get(name, 0) + power * exponent
        factor *= unit.factor**power
        known = known and unit.known
    return Unit(tuple(sorted((name, power) for name, power in dimensions.items() if power)), factor, known=known)


def _temperature(text: str) -> Unit | None:
    match = re.fullmatch(
        r"(?:°|degrees?|deg\.?)\s*(C|F|Celsius|Fahrenheit|centigrade)|(celsius|fahrenheit)", text, re.I
    )
    if match is None:
        return None
    factor, zero = _AFFINE[(match[1] or match[2]).lower()]
    return Unit((("K", 1),), factor, zero)


def _product(text: str) -> Unit | None:
    """A unit with its power, or several multiplied with a dot."""
    powered = text.replace("²", "^2").replace("³", "^3").replace("⋅", "·").replace("**", "^")
    dimensions: dict[str, int] = {}
    factor, known = Fraction(1), True
    for part in re.split(r"\s*[·*]\s*", powered):
        unit = _power(part.strip())
        if unit is None:
            return None
        for name, exponent in unit.dimensions:
            dimensions[name] = dimensions.get(name, 0) + exponent
        factor, known = factor * unit.factor, known and unit.known
    return Unit(tuple(sorted(dimensions.items())), factor, known=known)


def _power(text: str) -> Unit | None:
    power = 1
    if match := re.fullmatch(r"(.+?)\s?\^\s?\{?(-?[1-4])\}?", text):
        text, power = match[1], int(match[2])
    elif match := re.fullmatch(r"(square|sq\.?|cubic|cu\.?)\s+(.+)", text, re.I):
        text, power = match[2], 2 if match[1].lower().startswith("s") else 3
    elif match := re.fullmatch(r"(.+?)\s+(squared|cubed)", text, re.I):
        text, power = match[1], 2 if match[2].lower() == "squared" else 3
    elif (match := re.fullmatch(r"([a-zµ]{1,2})([23])", text)) and _look_up(match[1]):
        text, power = match[1], int(match[2])
    unit = _look_up(text) or _noun(text)
    if unit is None:
        return None
    return Unit(tuple((name, e * power) for name, e in unit.dimensions), unit.factor**power, known=unit.known)


def _look_up(text: str) -> Unit | None:
    if text in _AMBIGUOUS:
        return None
    symbols, folded = _table()
    name = text.removesuffix(".").replace(" ", "-") if text.lower() != "no." else "no."
    lower = name.lower()
    if found := symbols.get(name):
        return found
    for form in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if form in folded and (len(form) > 2 or name == lower or name in _SHOUTED):
            return folded[form]
    return None


def _noun(text: str) -> Unit | None:
    """What is counted, where it is no unit: `apples`."""
    words = text.split()
    if not 0 < len(words) <= 3 or not all(_WORD.fullmatch(word) for word in words):
        return None
    if len(words) == 1 and (text in _AMBIGUOUS or (len(text) < 3 and not text.islower())):
        return None
    lower = [word.lower().rstrip(".") for word in words]
    if _NO_NOUN.intersection(lower) or any(word in _AMBIGUOUS for word in words):
        return None
    name = " ".join(lower)
    return Unit(((name.removesuffix("s") if len(name) > 3 and not name.endswith("ss") else name, 1),), known=False)


@cache
def _table() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Units by exact symbol, and by lower-case form where only one unit has it."""
    symbols: dict[str, Unit] = {}
    for line in _PLAIN.strip().splitlines():
        dimensions, names, factor = _row(line)
        symbols |= {name: Unit(dimensions, factor) for name in names}
    for line in _PREFIXABLE.strip().splitlines():
        dimensions, names, factor = _row(line)
        for name in names:
            symbols[name] = Unit(dimensions, factor)
            for symbol, size in _prefixed(name):
                symbols.setdefault(symbol, Unit(dimensions, factor * size))
    meant: dict[str, set[Unit]] = {}
    for name, unit in symbols.items():
        meant.setdefault(name.lower(), set()).add(unit)
    return symbols, {name: next(iter(units)) for name, units in meant.items() if len(units) == 1}


def _row(line: str) -> tuple[Dimensions, list[str], Fraction]:
    dimensions, _, rest = line.partition(":")
    names, _, factor = rest.partition("|")
    powers = (part.partition("^") for part in dimensions.split())
    return tuple(sorted((name, int(power or 1)) for name, _, power in powers)), names.split(), Fraction(factor.strip())


def _prefixed(name: str) -> list[tuple[str, Fraction]]:
    """*name* with every prefix, short before a symbol and long before a word."""
    is_word = (len(name) > 3 and name.isalpha() and name.islower()) or "-" in name
    small = _SMALL if name in ("m", "l", "L", "g", "meter", "metre", "liter", "litre", "gram") else {}
    ten = [(short, long, Fraction(10) ** power) for short, (long, power) in (_PREFIXES | small).items()]
    two = [(short, long, Fraction(2) ** power) for short, (long, power) in _BINARY.items()]
    several = [*ten, *(two if name in ("b", "B", "bit", "byte", "Bps") else [])]
    forms = [(long if is_word else short, size) for short, long, size in several]
    forms += [("u", Fraction(1, 10**6))] if not is_word else []
    forms += [("K", Fraction(1000))] if name == "B" else []
    return [(f"{prefix}{name}", size) for prefix, size in forms]
