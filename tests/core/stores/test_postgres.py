"""What a fleet shares beside its jobs: ledger, rate limits and budgets, in one PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from postgres_server import PostgresServer

from core.config import BudgetLimits
from core.errors import BudgetExceededError, StoreError
from core.events import CallFinished, CallStarted
from core.limits.bucket import MIGRATIONS, Limit
from core.limits.buckets import Buckets, open_buckets
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate
from core.stores.choose import open_store
from core.stores.postgres import PostgresStore
from core.usage.ledger import Ledger
from core.values import Answer, Usage


@pytest.fixture(autouse=True)
def fleet(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    monkeypatch.setattr("core.limits.buckets._STORE_PATIENCE_S", 60.0)  # else a slow machine has buckets of its own
    return fleet_url


def estimate(usd: float) -> Estimate:
    return Estimate("a", "m", 10, 10, usd, usd)


async def closed(*opened: Buckets | Budget) -> None:
    for one in opened:
        await anyio.to_thread.run_sync(one.close)


async def test_all_machines_take_from_the_same_bucket() -> None:
    store = partial(open_store, "limits", MIGRATIONS, durability="OFF", serial=True)
    machines = [Buckets(store(), clock=lambda: 1_800_000_000.0) for _ in range(3)]
    limit = {"requests": Limit(100, 1.0)}
    waits = [
        (await machine.reserve("k", {"requests": 1}, limit)).wait_s  # type: ignore[arg-type]
        for _ in range(10)
        for machine in machines
    ]
    assert waits[:10] == [0.0] * 10, "a tenth of a second's worth goes at once"
    assert waits[10:] == pytest.approx([number / 100 for number in range(1, 21)]), "and then one after the other"
    await closed(*machines)


async def test_a_pause_the_provider_asked_for_holds_for_all_machines() -> None:
    one, other = open_buckets(), open_buckets()
    one.rest("k", 30, "the provider asked for a pause")
    with anyio.fail_after(10):
        while not (await other.reserve("k", {}, {}, longest_s=1)).wait_s:
            await anyio.sleep(0.01)
    await closed(one, other)


async def test_a_thousand_reservations_at_once_are_few_transactions(postgres: PostgresServer, fleet: str) -> None:
    buckets = open_buckets()
    limit = {"requests": Limit(1_000_000)}
    await buckets.reserve("k", {"requests": 1}, limit)  # type: ignore[arg-type]
    counted = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    ((before,),) = await anyio.to_thread.run_sync(postgres.query, fleet, counted)
    async with anyio.create_task_group() as tasks:
        for _ in range(1_000):
            tasks.start_soon(buckets.reserve, "k", {"requests": 1}, limit)
    await closed(buckets)
    ((after,),) = await anyio.to_thread.run_sync(postgres.query, fleet, counted)
    assert after - before < 100


async def test_no_two_machines_together_overspend_a_budget(tmp_path: Path) -> None:
    budgets = [Budget(tmp_path / str(n), BudgetLimits(per_day_usd=1.0), {}) for n in range(2)]
    (hold,) = await budgets[0].reserve("r1", [estimate(0.6)])
    with pytest.raises(BudgetExceededError, match=r"per_day_usd allows \$1\.00"):
        await budgets[1].reserve("r2", [estimate(0.6)])
    budgets[0].settle(hold, usd=0.1, tokens=5)
    with anyio.fail_after(10):
        while True:
            try:
                await budgets[1].reserve("r2", [estimate(0.6)])
                break
            except BudgetExceededError:
                await anyio.sleep(0.01)
    await closed(*budgets)


async def test_what_a_machine_had_reserved_counts_as_spent_when_it_is_gone(tmp_path: Path) -> None:
    gone, other = (Budget(tmp_path / str(n), BudgetLimits(per_day_usd=1.0), {}) for n in range(2))
    await gone.reserve("r1", [estimate(0.9)])
    await closed(gone)
    with pytest.raises(BudgetExceededError):
        await other.reserve("r2", [estimate(0.9)])
    await closed(other)


def test_every_machine_reads_what_all_have_used() -> None:
    machines = [Ledger(), Ledger()]
    for number, ledger in enumerate(machines):
        ledger(CallStarted("r", "c1", "gpt", "m", ""))
        answer = Answer("gpt", "m", "yes", 0.5, usage=Usage(10, 5), cost_usd=0.25 * (number + 1), provider="openai")
        ledger(CallFinished("r", "c1", answer))
        ledger.flush()
    now = datetime.now(UTC)
    (row,) = machines[0].usage(now - timedelta(days=1), now + timedelta(days=1), by="ai")
    assert (row.key, row.calls, row.failed, row.input_tokens, row.cost_usd) == ("gpt", 2, 0, 20, 0.75)
    for ledger in machines:
        ledger.close()


def test_a_failing_write_harms_no_other_of_its_transaction(fleet: str) -> None:
    store = PostgresStore(fleet, "limits")
    good = store.submit(lambda c: c.execute("INSERT INTO rests VALUES ('a', 1, 1, '')"), hurried=False)
    bad = store.submit(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"), hurried=False)
    good.result(10)
    with pytest.raises(Exception, match="nowhere"):
        bad.result(10)
    assert store.read(lambda c: c.execute("SELECT key, seconds FROM rests").fetchone()["seconds"]) == 1
    store.close()
    with pytest.raises(StoreError):
        PostgresStore("postgresql://127.0.0.1:1/x", "limits").read(lambda c: None)
