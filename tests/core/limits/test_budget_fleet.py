"""Budgets of a fleet, on a real PostgreSQL: what was promised holds, whoever dies or is cut off."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from postgres_server import PostgresServer

from core.config import BudgetLimits
from core.errors import BudgetExceededError
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate

ONE = Estimate("a", "m", 1, 0, 0.5, 1.0)


@pytest.fixture
def pair(fleet_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Budget, Budget]:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    here, there = (Budget(tmp_path / name, BudgetLimits(per_day_usd=3.0), {}) for name in ("here", "there"))
    return here, there


async def left(budget: Budget) -> float:
    """How many dollars can be reserved, in halves."""
    steps = [n / 2 for n in range(1, 7)]
    refused = [await budget.refusal("", [Estimate("a", "m", 0, 0, n, n)]) is not None for n in steps]
    return max([n for n, no in zip(steps, refused, strict=True) if not no], default=0.0)


async def cut_off(postgres: PostgresServer, url: str) -> None:
    """What a network that breaks, or a server that is started anew, does to everybody's connections."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    await anyio.to_thread.run_sync(postgres.query, url, query)


async def closed(*budgets: Budget) -> None:
    for budget in budgets:
        await anyio.to_thread.run_sync(budget.close)


async def test_what_one_that_died_had_reserved_counts_as_spent(
    pair: tuple[Budget, Budget], fleet_url: str, postgres: PostgresServer
) -> None:
    dead, alive = pair
    await dead.reserve("r", [ONE, ONE])
    await cut_off(postgres, fleet_url)  # nobody hears of it again
    await alive.reserve("r", [ONE])
    with pytest.raises(BudgetExceededError, match=r"\$3.00 is spent"):
        await alive.reserve("r", [ONE])
    await closed(*pair)


async def test_one_that_was_only_cut_off_puts_what_it_really_took_in_place_of_its_reservation(
    pair: tuple[Budget, Budget], fleet_url: str, postgres: PostgresServer
) -> None:
    lost, other = pair
    cheap, unsent = await lost.reserve("r", [ONE, ONE])
    await cut_off(postgres, fleet_url)
    await other.reserve("r", [ONE])  # takes the other one for dead
    assert await left(other) == 0
    lost.settle(cheap, usd=0.5, tokens=1)
    lost.refund(unsent)
    with anyio.fail_after(20):
        while await left(other) != 1.5:
            await anyio.sleep(0.02)
    await closed(*pair)
