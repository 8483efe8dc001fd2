"""What a question says of time, and whose words it is about: "last week", "before 2026-03-01", "what is it now"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero janeiro",
            "february feb februar febrero fevereiro",
            "march mar m\u00e4rz marzo mar\u00e7o",
            "april apr abril",
            "may mai mayo maio",
            "june jun juni junio junho",
            "july jul juli julio julho",
            "august aug agosto",
            "september sep sept septiembre setembro",
            "october oct oktober octubre outubro",
            "november nov noviembre novembro",
            "december dec dezember diciembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
_DAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday montag lunes segunda-feira",
            "tuesday dienstag martes ter\u00e7a-feira",
            "wednesday mittwoch mi\u00e9rcoles quarta-feira",
            "thursday donnerstag jueves quinta-feira",
            "friday freitag viernes sexta-feira",
            "saturday samstag s\u00e1bado",
            "sunday sonntag domingo",
        )
    )
    for name in names.split()
}
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_COUNTS |= {"a": 1, "an": 1, "couple of": 2, "few": 3}
_UNITS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = "|".join(_DAYS)
_COUNT = "|".join([r"\d{1,3}", *sorted(_COUNTS, key=len, reverse=True)])
_NEWEST = re.compile(
    r"\b(now|nowadays|current(ly)?|latest|newest|most recent(ly)?|these days|at the moment|still|any ?more|changed?"
    r"|updated?|aktuell\w*|jetzt|derzeit|zuletzt|ahora|actual\w*|agora|atual\w*|\u00faltim[oa])\b",
    re.I,
)
_OLDEST = re.compile(
    r"\b(original(ly)?|at first|initial(ly)?|in the beginning|used to|previous(ly)?|formerly|zuerst"
    r"|urspr\u00fcnglich\w*|antes|al principio|no in\u00edcio)\b",
    re.I,
)
_BEFORE = re.compile(
    r"\b(before|until|till|prior to|up to|earlier than|vor dem|bis|antes de|at\u00e9|hasta)\s*(the\s*)?$", re.I
)
_AFTER = re.compile(r"\b(after|since|later than|nach dem|seit|despu\u00e9s de|desde|depois de)\s*(the\s*)?$", re.I)

_OF_THEMSELVES = re.compile(
    r"\b(i|me|my|mine|myself|we|us|our|ours|ich|mich|mir|mein\w*|wir|uns\w*|yo|mi|mis|m\u00ed|nosotr[oa]s|nuestr\w+|eu|meu\w*"
    r"|minh\w+|n\u00f3s|noss\w+)\b",
    re.I,
)
_OF_THE_ANSWERS = re.compile(
    r"\b(you|your|du|dein\w*|sie|ihr\w*|t\u00fa|usted|tu|voc\u00ea|seu)\b[^.?!]{0,24}?\b(said|say|told|tell|recommend\w*"
    r"|suggest\w*|advis\w+|list\w*|name[d]?|give|gave|mention\w*|explain\w*|teach|taught|mean\w*|came up|come up|wrote"
    r"|answer\w*"
    r"|gesagt|empfohlen|vorgeschlagen|genannt|erkl\u00e4rt|dijiste|recomendaste|sugeriste|disse|recomendou|sugeriu)\b"
    r"|\b(according to you|as you explained|deiner antwort|seg\u00fan t\u00fa)\b",
    re.I,
)

_ADVICE = re.compile(
    r"\b(should|can|could|may|must|would|shall) (i|we)\b|\bdo (i|we) (need|have to)\b|\b(soll\w*|kann|muss) ich\b"
    r"|\b(debo|puedo|devo|posso)\b",
    re.I,
)
"""Which may have been answered, or told by whoever asks."""

Span = tuple[datetime, datetime]
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question says of time.

    Args:
        span: From when to when, the second excluded; None: it names no time.
        rest: The question without the words for that time.
        newest: Whether it asks how something is by now, or what changed.
        oldest: Whether it asks how something was at first.
        who: Whose words it is more likely about: those of the `people` who ask, or the `answers` they got.
    """

    span: Span | None
    rest: str
    newest: bool = False
    oldest: bool = False
    who: Literal["people", "answers", "anybody"] = "anybody"


def asked_of(question: str, now: datetime) -> Asked:
    """What *question*, asked *now* (aware of its zone), says of time."""
    found: list[tuple[int, int, Span]] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(question):
            begin = match.end("lead") if match.groupdict().get("lead") else match.start()
            if any(begin < end and start < match.end() for start, end, _ in found):
                continue
            if (span := _in_reach(read, match, now)) is not None:
                found.append((begin, match.end(), span))
    newest, oldest, who = bool(_NEWEST.search(question)), bool(_OLDEST.search(question)), _who(question)
    if not found:
        return Asked(None, question, newest, oldest, who)
    found.sort()
    try:
        span = _joined(question, found, now)
    except OverflowError:  # a clock at the end of all time
        return Asked(None, question, newest, oldest, who)
    rest = question
    for start, end, _ in reversed(found):
        rest = f"{rest[:start]} {rest[end:]}"
    return Asked(span, rest, newest, oldest, who)


def _in_reach(
    read: Callable[[re.Match[str], datetime], Span | None], match: re.Match[str], now: datetime
) -> Span | None:
    """What *read* makes of *match*; None for a time that no clock shows, here or in UTC."""
    try:
        span = read(match, now)
        for moment in span or ():
            moment.astimezone(UTC)
    except (ValueError, OverflowError, KeyError):  # KeyError: a dotless i is an i for a pattern, not for a table
        return None
    return span


def _who(question: str) -> Literal["people", "answers", "anybody"]:
    if _OF_THE_ANSWERS.search(question):
        return "answers"
    if _ADVICE.search(question):
        return "anybody"
    return "people" if _OF_THEMSELVES.search(question) else "anybody"


def _joined(question: str, found: list[tuple[int, int, Span]], now: datetime) -> Span:
    """One span of all that were named: what lies between two, before one, or after one."""
    start, _, first = found[0]
    last = found[-1][2]
    if len(found) > 1:
        return min(first[0], last[0]), max(first[1], last[1])
    if _BEFORE.search(question[:start]):
        return _EVER, first[0]
    if _AFTER.search(question[:start]):
        return first[0], now + timedelta(days=1)
    return first


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(start: datetime, many: float) -> Span:
    return start, start + timedelta(days=many)


def _month(year: int, month: int, zone: datetime) -> Span:
    start = _day(zone).replace(year=year, month=month, day=1)
    return start, (start + timedelta(days=32)).replace(day=1)


def _iso(match: re.Match[str], now: datetime) -> Span | None:
    year, month, day = int(match[1]), int(match[2]), match[3]
    try:
        if day is None:
            return _month(year, month, now)
        return _days(_day(now).replace(year=year, month=month, day=int(day)), 1)
    except ValueError:
        return None


def _named_month(match: re.Match[str], now: datetime) -> Span | None:
    month = _MONTHS[match["month"].casefold()]
    led = match["lead"] or match["day"] or match["day2"] or match["year"]
    if not led and not match["month"][0].isupper():
        return None  # "march", "may": a word like any other
    if match["month"].casefold() in ("may", "mar", "mai") and not led:
        return None
    year = int(match["year"]) if match["year"] else now.year - (month > now.month)
    day = match["day"] or match["day2"]
    try:
        if not day:
            return _month(year, month, now)
        start = _day(now).replace(year=year, month=month, day=int(day))
        return _days(start if match["year"] or start <= now else start.replace(year=year - 1), 1)
    except ValueError:
        return None


def _year(match: re.Match[str], now: datetime) -> Span | None:
    start = _day(now).replace(year=int(match["year"]), month=1, day=1)
    return start, start.replace(year=start.year + 1)


def _relative(match: re.Match[str], now: datetime) -> Span | None:
    word = " ".join(match[0].casefold().split())
    today = _day(now)
    if word in ("today", "heute", "hoy", "hoje"):
        return _days(today, 1)
    if word in ("yesterday", "last night", "gestern", "ayer", "ontem"):
        return _days(today - timedelta(days=1), 1)
    return _days(today - timedelta(days=2), 1)


def _this_or_last(match: re.Match[str], now: datetime) -> Span | None:
    back = match["which"].casefold() not in ("this", "diese", "dieser", "esta", "este")
    unit = match["unit"].casefold()
    today = _day(now)
    if unit in ("week", "woche", "semana"):
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return _days(monday, 7)
    if unit in ("month", "monat", "mes", "m\u00eas"):
        first = today.replace(day=1)
        first = (first - timedelta(days=1)).replace(day=1) if back else first
        return _month(first.year, first.month, now)
    if unit in ("weekend",):
        saturday = today - timedelta(days=(today.weekday() - 5) % 7 or 7 * back)
        return _days(saturday, 2)
    start = today.replace(month=1, day=1, year=today.year - back)
    return start, start.replace(year=start.year + 1)


def _ago(match: re.Match[str], now: datetime) -> Span | None:
    many, unit = _number(match["count"]), _unit(match["unit"])
    middle = _day(now) - timedelta(days=many * _UNITS[unit])
    about = {"day": 0, "week": 3, "fortnight": 4, "month": 15, "year": 90}[unit]
    return middle - timedelta(days=about), middle + timedelta(days=about + 1)


def _past(match: re.Match[str], now: datetime) -> Span | None:
    many = _number(match["count"]) * _UNITS[_unit(match["unit"])]
    return _day(now) - timedelta(days=many), now + timedelta(days=1)


def _weekday(match: re.Match[str], now: datetime) -> Span | None:
    back = (now.weekday() - _DAYS[match["day"].casefold()]) % 7 or 7
    return _days(_day(now) - timedelta(days=back), 1)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _COUNTS[word.casefold()]


def _unit(word: str) -> str:
    return word.casefold().rstrip("s")


_LEAD = (
    r"(?:\b(?P<lead>in|on|of|since|before|after|until|till|by|during|last|early|late|mid|im|am|seit|vor|nach|en|desde"
    r"|em)\s+)?"
)
_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], Span | None]], ...] = (
    (re.compile(r"\b(\d{4})-(\d{2})(?:-(\d{2}))?\b"), _iso),
    (re.compile(rf"\b(?P<count>{_COUNT})\s+(?P<unit>(?:day|week|fortnight|month|year)s?)\s+ago\b", re.I), _ago),
    (
        re.compile(rf"\b(?:last|past)\s+(?P<count>{_COUNT})\s+(?P<unit>(?:day|week|month|year)s?)\b", re.I),
        _past,
    ),
    (
        re.compile(
            r"\b(?P<which>this|last|past|previous|diese[r]?|letzte[nr]?|vorige[nr]?|esta|este|la|passad[ao])\s+"
            r"(?P<unit>week|weekend|month|year|woche|monat|jahr|semana|mes|m\u00eas|a\u00f1o|ano)"
            r"(?:\s+(?:pasad|passad)[ao])?\b",
            re.I,
        ),
        _this_or_last,
    ),
    (
        re.compile(
            r"\b(?:the day before yesterday|vorgestern|anteayer|anteontem|today|heute|hoy|hoje|yesterday|last night"
            r"|gestern|ayer|ontem)\b",
            re.I,
        ),
        _relative,
    ),
    (
        re.compile(
            rf"{_LEAD}(?:\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?)?\b(?P<month>{_MONTH})\b\.?"
            r"(?:\s+(?:the\s+)?(?P<day2>\d{1,2})(?:st|nd|rd|th)?\b(?!\d|:))?(?:,?\s+(?:of\s+|de\s+)?(?P<year>(?:19|20)\d{2})\b)?",
            re.I,
        ),
        _named_month,
    ),
    (re.compile(rf"\b(?:(?:on|last|this past|am|letzten|el)\s+)(?P<day>{_DAY})s?\b", re.I), _weekday),
    (re.compile(r"\b(?P<lead>in|during|since|before|after|im Jahr|en|em)\s+(?P<year>(?:19|20)\d{2})\b", re.I), _year),
)
