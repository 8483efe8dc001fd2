"""`moot usage`: the ledger as a table, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.errors import InvalidInputError, MootError
from core.untrusted import clean
from core.usage.ledger import By, Ledger, UsageRow, as_json, days_back

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN_BLOCKS = "_.:-=+*#"
_WIDEST_SPARK = 30
_PIPED_WIDTH = 160
_UNBOUND = 1_000
_EMPTY = "No calls are recorded {when}. Ask something, for example: moot ask 'Hello'"
_BAD_SINCE = "--since {since!r} is neither a number of days such as 7d nor a date such as 2026-11-01."


def show_usage(by: By, since: str, form: str, *, now: datetime | None = None) -> int:
    """Print what was used since *since*; *form* is `table`, `json` or `csv`. The exit code is 1 if it cannot be read.

    Raises:
        InvalidInputError: *since* cannot be understood.
    """
    now = now or datetime.now(UTC)
    start = parse_since(since, now)
    try:
        ledger = Ledger()
        rows = ledger.usage(start, now + timedelta(days=1), by=by)
        problem = ledger.check()
        ledger.close()
    except MootError as error:
        click.echo(f"moot: {error}", err=True)
        return 1
    if problem:
        click.echo(f"moot: {problem}", err=True)
    if form == "json":
        found = {"since": start.isoformat(), "by": by, "rows": [as_json(r, by) for r in rows], "problem": problem}
        click.echo(json.dumps(found, indent=2))
    elif form == "csv":
        click.echo(_csv(rows, by), nl=False)
    elif not rows:
        click.echo(_EMPTY.format(when=f"since {start.date()}" if ledger.exists() else "yet"))
    else:
        _print_table(rows, by, start.date(), now.date())
    return 0


def parse_since(text: str, now: datetime) -> datetime:
    """Midnight UTC of the first day of `7d` (today is one of them), or of a date.

    Raises:
        InvalidInputError: It is neither.
    """
    days = re.fullmatch(r"([1-9]\d{0,4})d", text.strip())
    try:
        return days_back(int(days[1]), now) if days else datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(_BAD_SINCE.format(since=text)) from None


def cost_text(usd: float | None, *, complete: bool) -> str:
    """`$1.20`, `at least $1.20` when some of it is unknown, `?` when all of it is."""
    if usd is None:
        return "?"
    amount = f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"
    if complete:
        return amount
    return f"at least {amount}" if usd else "?"


def spark(values: Sequence[float]) -> str:
    """One block per value, as high as it is; nothing at all is a space."""
    highest = max(values, default=0)
    if not highest:
        return " " * len(values)
    blocks = _BLOCKS if _takes(_BLOCKS) else _PLAIN_BLOCKS
    return "".join(blocks[max(0, round(v / highest * 8) - 1)] if v > 0 else " " for v in values)


def _takes(text: str) -> bool:
    """Whether stdout can write *text*."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _print_table(rows: Sequence[UsageRow], by: By, since: date, today: date) -> None:
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PIPED_WIDTH)
    days = _days(rows, since, today)
    columns = _columns(rows, by, days)
    table = _table(columns, total=len(rows) > 1)
    for name in _DISPENSABLE:
        if console.measure(table, options=console.options.update(width=_UNBOUND)).maximum <= console.width:
            break
        columns = [column for column in columns if not column.heading.endswith(name)]
        table = _table(columns, total=len(rows) > 1)
    console.print(table)
    if by == "day" and len(days) > 1:
        costs = _priced(rows)
        line = spark([next((_height(row, costs) for row in rows if row.key == day), 0) for day in days])
        console.print(f"{_spark_heading(costs)}  {line}")


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    cells: list[str]
    total: str = ""
    left: bool = False


_DISPENSABLE = ("reasoning", "cached", "first token", "latency", "by day", "failed", "output", "input")
"""What a narrow terminal does without, the first named first."""


def _columns(rows: Sequence[UsageRow], by: By, days: Sequence[str]) -> list[_Column]:
    known = [row.cost_usd for row in rows if row.cost_usd is not None]
    cost = cost_text(sum(known) if known else None, complete=all(row.cost_complete for row in rows))
    columns = [
        _Column(by, [clean(row.key) or "(none)" for row in rows], "total", left=True),
        _count("calls", [row.calls for row in rows]),
        _count("failed", [row.failed for row in rows]),
        _count("input", [row.input_tokens for row in rows]),
        _count("output", [row.output_tokens for row in rows]),
        _count("cached", [row.cached_tokens for row in rows]),
        _count("reasoning", [row.reasoning_tokens for row in rows]),
        _Column("cost", [cost_text(row.cost_usd, complete=row.cost_complete) for row in rows], cost),
        _Column("latency", [_seconds(row.latency_s) for row in rows]),
        _Column("first token", [_seconds(row.first_token_s) for row in rows]),
    ]
    if by != "day":
        costs = _priced(rows)
        series = [row.cost_by_day if costs else row.calls_by_day for row in rows]
        lines = [spark([values.get(day, 0) for day in days]) for values in series]
        columns.append(_Column(_spark_heading(costs), lines, left=True))
    return columns


def _table(columns: Sequence[_Column], *, total: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=total)
    for column in columns:
        justify: Literal["left", "right"] = "left" if column.left else "right"
        table.add_column(column.heading, Text(column.total), justify=justify, no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _count(heading: str, counts: Sequence[int]) -> _Column:
    return _Column(heading, [f"{count:,}" for count in counts], f"{sum(counts):,}")


def _priced(rows: Sequence[UsageRow]) -> bool:
    """Whether the cost of everything is known; else the lines are drawn of calls, which always are."""
    return all(row.cost_complete for row in rows) and any(row.cost_usd for row in rows)


def _height(row: UsageRow, costs: bool) -> float:
    return (row.cost_usd or 0) if costs else row.calls


def _spark_heading(costs: bool) -> str:
    return "cost by day" if costs else "calls by day"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _days(rows: Sequence[UsageRow], since: date, today: date) -> list[str]:
    """The days a spark line spans: from the first with a call, no more than fit."""
    first = min(min(row.calls_by_day) for row in rows)
    start = max(since, date.fromisoformat(first), today - timedelta(days=_WIDEST_SPARK - 1))
    return [(start + timedelta(days=n)).isoformat() for n in range((today - start).days + 1)]


def _csv(rows: Sequence[UsageRow], by: By) -> str:
    lines = io.StringIO()
    names = [
        by,
        *(name for name in UsageRow.__dataclass_fields__ if name not in ("key", "calls_by_day", "cost_by_day")),
    ]
    writer = csv.DictWriter(lines, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _tame(value) for name, value in as_json(row, by).items()} for row in rows)
    return lines.getvalue()


def _tame(value: object) -> object:
    """A spreadsheet would run a model's name that begins like a formula."""
    text = clean(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(("=", "+", "-", "@")) else text
