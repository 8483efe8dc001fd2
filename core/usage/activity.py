"""What was done, one by one, read back from the ledger: calls and the runs they belonged to, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["ai_call", "error", "tool_invocation"]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which activities: of whom, and in what bounds. Times are as the ledger has them; None: no bound."""

    person: str
    kind: Kind
    before: str | None = None
    """Activities at this moment or earlier."""
    since: str | None = None
    run: str | None = None
    ai: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Activity:
    """One call, or one run of a tool, that is in the ledger; a cost of None is unknown."""

    id: str
    at: str
    kind: Kind
    run: str
    tool: str
    ai: str
    model: str
    role: str
    outcome: str
    latency_s: float | None
    cost_usd: float | None
    calls: int


def activities(connection: Any, wish: Wish) -> list[Activity]:
    """What *wish* asks for, newest first."""
    where, values = _bounds(wish)
    if wish.kind == "tool_invocation":
        return _runs(connection, wish, where, values)
    if wish.kind == "error":
        where.append("outcome NOT IN ('ok', 'cancelled')")
    query = (
        "SELECT id, at, run, tool, ai, model, role, outcome, latency_s, cost_usd, answered_by FROM calls "  # noqa: S608
        f"WHERE {' AND '.join(where)} ORDER BY at DESC, id DESC LIMIT ?"
    )
    return [
        Activity(
            id=f"call-{row['id']}",
            at=row["at"],
            kind=wish.kind,
            run=row["run"],
            tool=row["tool"],
            ai=row["answered_by"] or row["ai"],
            model=row["model"],
            role=row["role"],
            outcome=row["outcome"],
            latency_s=row["latency_s"],
            cost_usd=row["cost_usd"],
            calls=1,
        )
        for row in connection.execute(query, (*values, wish.limit))
    ]


def _runs(connection: Any, wish: Wish, where: Sequence[str], values: Sequence[Any]) -> list[Activity]:
    query = (
        "SELECT run, MAX(at) AS at, MAX(tool) AS tool, COUNT(*) AS calls, MIN(ai) AS ai, COUNT(DISTINCT ai) AS ais, "  # noqa: S608
        "COUNT(*) FILTER (WHERE outcome = 'ok') AS good, SUM(cost_usd) AS cost, COUNT(cost_usd) AS priced "
        f"FROM calls WHERE {' AND '.join(where)} AND run <> '' GROUP BY run ORDER BY 2 DESC, 1 DESC LIMIT ?"
    )
    return [
        Activity(
            id=f"run-{row['run']}",
            at=row["at"],
            kind="tool_invocation",
            run=row["run"],
            tool=row["tool"],
            ai=row["ai"] if row["ais"] == 1 else f"{row['ais']} AIs",
            model="",
            role="",
            outcome="ok" if row["good"] == row["calls"] else f"{row['good']} of {row['calls']} ok",
            latency_s=None,
            cost_usd=row["cost"] if row["priced"] == row["calls"] else None,
            calls=row["calls"],
        )
        for row in connection.execute(query, (*values, wish.limit))
    ]


def _bounds(wish: Wish) -> tuple[list[str], list[Any]]:
    where, values = ["person = ?"], list[Any]([wish.person])
    bounds = (("at <= ?", wish.before), ("at >= ?", wish.since), ("run = ?", wish.run))
    for condition, value in bounds:
        if value is not None:
            where.append(condition)
            values.append(value)
    if wish.ai is not None:
        where.append("(ai = ? OR answered_by = ?)")
        values += [wish.ai, wish.ai]
    return where, values
