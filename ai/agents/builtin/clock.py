"""Dates and times as tools, which models otherwise guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from typing import Annotated

from pydantic import Field

from ai.agents.function_tools import FunctionTools, tool
from core.errors import InvalidInputError

Zone = Annotated[str, Field(min_length=1, max_length=64)]
Day = Annotated[str, Field(min_length=4, max_length=40)]


def _now() -> datetime:
    return datetime.now(UTC)


def clock_tools(now: Callable[[], datetime] = _now) -> FunctionTools:
    """`date_and_time` and `date_difference`; *now* gives the time."""

    @tool(read_only=True)
    def date_and_time(zone: Zone = "UTC") -> str:
        """Say the date, the weekday and the time now.

        Args:
            zone: A time zone such as Europe/Berlin.
        """
        at = now().astimezone(_zone(zone))
        year, week, _ = at.isocalendar()
        return f"{at:%A}, {at.isoformat(sep=' ', timespec='seconds')} ({zone}), week {week} of {year}"

    @tool(read_only=True)
    def date_difference(start: Day, end: Day, zone: Zone = "UTC") -> str:
        """Say how far two dates or times are apart, and on which weekdays they fall.

        Args:
            start: Such as 2026-02-28 or 2026-02-28T14:30.
            end: The same; may lie before.
            zone: The time zone of those that name none.
        """
        where = _zone(zone)
        first, last = _moment("start", start, where), _moment("end", end, where)
        days = (last.date() - first.date()).days
        seconds = round((last.astimezone(UTC) - first.astimezone(UTC)).total_seconds())
        return (
            f"From {first:%A}, {first.isoformat(sep=' ')} to {last:%A}, {last.isoformat(sep=' ')}: {days:,} days by "
            f"the calendar, {_parts(first.date(), last.date())}; {seconds:,} seconds."
        )

    return FunctionTools([date_and_time, date_difference])


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name.upper() in ("UTC", "Z"):
        return UTC  # where the machine has no time zones
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(f"{name!r} is no time zone here. Give one such as Europe/Berlin, or UTC.") from None


def _moment(field: str, said: str, zone: tzinfo) -> datetime:
    try:
        if len(said) == 10:
            return datetime.combine(date.fromisoformat(said), time(), zone)
        found = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInputError(
            f"{field!r} is {said!r}, which is no date. Write it as 2026-02-28 or 2026-02-28T14:30."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _parts(first: date, last: date) -> str:
    """How far two days are apart as people say it: whole months, and the days that are left."""
    if last < first:
        return f"minus {_parts(last, first)}"
    months = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
    begun = _months_later(first, months)
    years, months = divmod(months, 12)
    return f"{years} years, {months} months and {(last - begun).days} days"


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        if last <= day.day:
            try:
                return date(day.year + year, month + 1, last)
            except ValueError:  # a month that is shorter
                continue
    raise InvalidInputError("The dates are too far apart.")
