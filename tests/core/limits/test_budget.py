from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import BudgetLimits
from core.errors import BudgetExceededError
from core.limits import budget as budget_module
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate

ROOT = Path(__file__).parents[3]


def cost(usd: float | None, ai: str = "a", tokens: int = 100) -> Estimate:
    return Estimate(ai, "m", tokens, 0, usd, usd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def refused(budget: Budget, *estimates: Estimate, run: str = "r") -> str:
    with pytest.raises(BudgetExceededError) as caught:
        await budget.reserve(run, estimates)
    return str(caught.value)


async def test_without_limits_nothing_is_held_and_no_file_is_made(folder: Path) -> None:
    budget = Budget(folder, None, {})
    assert await budget.reserve("r", [cost(1e9)]) == []
    assert not folder.exists()


async def test_a_call_above_its_limit_is_refused_with_estimate_limit_and_setting(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_call_usd=0.5), {})
    assert len(await budget.reserve("r", [cost(0.5)])) == 1
    assert await refused(budget, cost(0.51)) == (
        "Over budget: this may take up to $0.5100, and defaults.budget.per_call_usd allows $0.5000. "
        "Nothing was sent. Ask fewer AIs, set a smaller max_tokens, or raise the limit in credentials.json."
    )


async def test_a_fan_out_is_reserved_as_a_whole_or_not_at_all(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_run_usd=1.0), {})
    await refused(budget, cost(0.6), cost(0.6))
    assert len(await budget.reserve("r", [cost(0.5), cost(0.5)])) == 2
    assert "of which $1.00 is spent or reserved" in await refused(budget, cost(0.1))
    assert len(await budget.reserve("another run", [cost(1.0)])) == 1


async def test_what_was_really_taken_replaces_the_reservation(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_day_usd=1.0, per_day_tokens=1_000), {})
    (hold,) = await budget.reserve("r", [cost(0.9, tokens=900)])
    budget.settle(hold, usd=0.1, tokens=50)
    (second,) = await budget.reserve("r", [cost(0.9, tokens=900)])
    budget.settle(second, usd=None, tokens=None)
    assert "1,000 tokens, of which 950" in await refused(budget, cost(0.0, tokens=51))


async def test_a_refund_gives_everything_back(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    (hold,) = await budget.reserve("r", [cost(1.0)])
    budget.refund(hold)
    assert len(await budget.reserve("r", [cost(1.0)])) == 1


async def test_one_ai_s_limit_binds_that_ai_alone(folder: Path) -> None:
    budget = Budget(folder, None, {"a": BudgetLimits(per_day_usd=1.0)})
    await budget.reserve("r", [cost(1.0, "a"), cost(50.0, "b")])
    assert "ais.a.budget.per_day_usd" in await refused(budget, cost(0.1, "a"))
    assert len(await budget.reserve("r", [cost(50.0, "b")])) == 1


async def test_an_unknown_price_is_refused_unless_allowed(folder: Path) -> None:
    strict = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    assert 'set defaults.budget.unknown_price to "allow"' in await refused(strict, cost(None))
    lenient = Budget(folder, BudgetLimits(per_day_usd=1.0, unknown_price="allow"), {})
    assert len(await lenient.reserve("r", [cost(None)])) == 1
    counting_tokens = Budget(folder, BudgetLimits(per_day_tokens=1_000), {})
    assert len(await counting_tokens.reserve("r", [cost(None)])) == 1


async def test_processes_share_a_day_s_budget(folder: Path) -> None:
    here, there = (Budget(folder, BudgetLimits(per_day_usd=1.0), {}) for _ in range(2))
    await here.reserve("r", [cost(0.7)])
    assert "of which $0.7000" in await refused(there, cost(0.7))


def test_what_a_killed_process_had_reserved_counts_as_spent_since_it_may_be_on_the_bill(folder: Path) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from core.config import BudgetLimits
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate
async def main():
    budget = Budget(Path({str(folder)!r}), BudgetLimits(per_day_usd=1.0), {{}})
    await budget.reserve("r", [Estimate("a", "m", 1, 0, 1.0, 1.0)])
    print("held", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    import asyncio

    async def reserve() -> None:
        budget = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            await refused(budget, cost(0.5))
            process.kill()
            process.wait()
        assert "of which $1.00 is spent" in await refused(budget, cost(0.5))

    asyncio.run(reserve())


@pytest.mark.parametrize("limits", [{"per_day_usd": 0}, {"per_day_usd": -1}, {"per_day_usd": 1e12}, {"per_dya_usd": 1}])
def test_absurd_limits_are_refused_when_they_are_read(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="per_d"):
        BudgetLimits.model_validate(limits)


async def test_a_reservation_whose_caller_was_cancelled_is_given_back(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    with anyio.CancelScope() as scope:
        scope.cancel()
        await budget.reserve("r", [cost(1.0)])
    with anyio.fail_after(5):
        while True:
            try:
                (hold,) = await budget.reserve("r", [cost(1.0)])
                break
            except BudgetExceededError:
                await anyio.lowlevel.checkpoint()
    assert hold.estimate.high_usd == 1.0
    await anyio.to_thread.run_sync(budget.close)


async def test_what_no_limit_looks_at_any_more_is_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "_today", lambda: "2020-01-01")
    old = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    await old.reserve("r", [cost(1.0)])
    await anyio.to_thread.run_sync(old.close)
    monkeypatch.undo()
    new = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    await new.reserve("r", [cost(1.0)])

    def rows() -> int:
        return new._store.read(lambda c: c.execute("SELECT COUNT(*) FROM totals WHERE day < '2021'").fetchone()[0])

    assert await anyio.to_thread.run_sync(rows) == 0
    await anyio.to_thread.run_sync(new.close)


async def test_a_store_of_the_first_version_keeps_its_sums(folder: Path) -> None:
    folder.mkdir()
    store = sqlite3.connect(folder / "budget.db")
    store.executescript(budget_module.MIGRATIONS[0])
    day = budget_module._today()
    store.executemany(
        "INSERT INTO holds VALUES (?, 'gone', ?, ?, 'r', 'a', ?, 10)", [("h1", 0, day, 0.25), ("h2", 1, day, 0.5)]
    )
    store.execute("PRAGMA user_version = 1")
    store.commit()
    store.close()
    budget = Budget(folder, BudgetLimits(per_day_usd=1.0), {})
    refusal = await refused(budget, cost(0.8))  # the open one belonged to a process that is gone
    assert "of which $0.7500 is spent" in refusal
    await anyio.to_thread.run_sync(budget.close)


@given(steps=st.lists(st.tuples(st.sampled_from(["settle", "refund", "keep"]), st.integers(0, 40)), max_size=30))
@settings(max_examples=25, deadline=None)
def test_the_sum_is_what_was_taken_and_what_is_still_held(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(Path(folder), BudgetLimits(per_day_tokens=10_000), {})
        due = 0
        for step, tokens in steps:
            (hold,) = budget.reserve_blocking("r", [cost(0.0, tokens=20)])
            if step == "settle":
                budget.settle(hold, usd=0, tokens=tokens)
            elif step == "refund":
                budget.refund(hold)
            due += {"settle": tokens, "refund": 0, "keep": 20}[step]
        with pytest.raises(BudgetExceededError) as caught:
            budget.reserve_blocking("r", [cost(0.0, tokens=10_001 - due)])
        assert not due or f"of which {due:,} tokens is spent or reserved" in str(caught.value)
        assert budget.reserve_blocking("r", [cost(0.0, tokens=10_000 - due)])
        budget.close()


async def test_calls_outside_of_a_run_are_each_a_run_of_their_own(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_run_usd=1.0), {})
    for _ in range(3):
        await budget.reserve("", [cost(0.9)])
    assert "allows $1.00." in await refused(budget, cost(1.1), run="")
    await anyio.to_thread.run_sync(budget.close)


async def test_the_parts_of_a_run_spend_what_the_run_may(folder: Path) -> None:
    budget = Budget(folder, BudgetLimits(per_run_usd=1.0), {})
    await budget.reserve("job.1", [cost(0.6)])
    assert "of which $0.6000 is spent" in await refused(budget, cost(0.6), run="job.2")
    await budget.reserve("another", [cost(0.6)])
    await anyio.to_thread.run_sync(budget.close)
