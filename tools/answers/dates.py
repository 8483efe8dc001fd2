"""Dates in the forms people and models write them, as ISO 8601 (a year and month, or a day without year, as well)."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
_FORMS = tuple(
    re.compile(rf"^{_WEEKDAY}{form}$", re.I)
    for form in (
        r"(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T ][\d:.Z+-]+)?",
        rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
        rf"{_MONTH}\s+(?:the\s+)?{_DAY}(?:,?\s+{_YEAR})?",
        rf"{_MONTH},?\s+(?:of\s+)?{_YEAR}",
        r"(?P<year>\d{4})-(?P<number>0[1-9]|1[0-2])",
        r"(?P<day>\d{1,2})\.\s?(?P<number>\d{1,2})\.\s?(?P<year>\d{4})",
    )
)
_CLOCK = re.compile(
    r"^(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?\s*(?P<half>a\.?m\.?|p\.?m\.?)?(?P<word>\s*(?:h|hrs|uhr|o'clock))?$",
    re.I,
)
_SLASHED = re.compile(r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$")


def read_date(text: str) -> tuple[str, ...]:
    """The dates *text* may mean: none, one, or two where day and month cannot be told apart."""
    line = " ".join(text[:100].split()).strip(" .*_`\"'")
    if len(text) > 100:
        return ()
    if slashed := _SLASHED.match(line):
        one, two, year = map(int, slashed.groups())
        both = (_iso(year, one, two), _iso(year, two, one))
        return tuple(dict.fromkeys(form for form in both if form))
    match = next((found for form in _FORMS if (found := form.match(line))), None)
    iso = _named(match.groupdict()) if match else None
    return (iso,) if iso else ()


def read_time(text: str) -> tuple[str, ...]:
    """The time of day that *text* is; none where it may be a ratio, or half a day off."""
    match = _CLOCK.match(" ".join(text.split()).strip(" .*_`\"'")) if len(text) < 30 else None
    if match is None:
        return ()
    hour, minute, second = int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0)
    half = (match["half"] or "")[:1].lower()
    told = bool(half) or (match["minute"] is not None and hour > 12)
    if not told or hour > 23 or minute > 59 or second > 59 or (half and not 1 <= hour <= 12):
        return ()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return (f"T{hour:02d}:{minute:02d}:{second:02d}",)


def _named(found: dict[str, str | None]) -> str | None:
    word, digits = found.get("month"), found.get("number")
    month = _MONTHS.index(word[:3].lower()) + 1 if word else int(digits or 0)
    year, day = found.get("year"), found.get("day")
    return _iso(int(year) if year else None, month, int(day) if day else None)


def _iso(year: int | None, month: int, day: int | None) -> str | None:
    try:
        whole = date(year or 2000, month, day or 1)  # 2000 has a 29th of February
    except ValueError:
        return None
    if year is None:
        return f"--{whole:%m-%d}"
    return f"{year:04d}-{month:02d}" if day is None else whole.isoformat()
