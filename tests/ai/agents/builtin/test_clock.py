"""What the clock says, by a clock of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ai.agents.builtin.clock import clock_tools

TOOLS = clock_tools(lambda: datetime(2026, 3, 29, 0, 30, tzinfo=UTC))


async def said(name: str, **arguments: str) -> str:
    done = await TOOLS.call(name, arguments)
    return done.result or done.error


async def test_the_time_is_told_in_the_zone_that_is_asked_for() -> None:
    assert await said("date_and_time") == "Sunday, 2026-03-29 00:30:00+00:00 (UTC), week 13 of 2026"
    assert await said("date_and_time", zone="Asia/Tokyo") == (
        "Sunday, 2026-03-29 09:30:00+09:00 (Asia/Tokyo), week 13 of 2026"
    )


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        ("2024-02-28", "2024-03-01", "2 days by the calendar, 0 years, 0 months and 2 days; 172,800 seconds"),
        ("2024-01-31", "2025-03-01", "395 days by the calendar, 1 years, 1 months and 1 days"),
        ("2026-03-01", "2026-02-01", "-28 days by the calendar, minus 0 years, 1 months and 0 days"),
        ("2026-03-28T12:00", "2026-03-29T12:00", "0 years, 0 months and 1 days; 82,800 seconds"),
        ("2026-01-01T00:00+02:00", "2026-01-01T00:00+00:00", "0 years, 0 months and 0 days; 7,200 seconds"),
    ],
)  # fmt: skip
async def test_dates_are_so_far_apart(start: str, end: str, told: str) -> None:
    assert told in await said("date_difference", start=start, end=end, zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("date_and_time", {"zone": "Mars/Phobos"}),
        ("date_and_time", {"zone": "../../etc/passwd"}),
        ("date_and_time", {"zone": "/etc/passwd"}),
        ("date_difference", {"start": "yesterday", "end": "2026-01-01"}),
        ("date_difference", {"start": "2026-02-30", "end": "2026-01-01"}),
        ("date_difference", {"start": "2026-01-01"}),
    ],
)
async def test_what_is_no_date_or_zone_is_told(name: str, arguments: dict[str, str]) -> None:
    done = await TOOLS.call(name, arguments)
    assert not done.success and done.error.endswith(".")
