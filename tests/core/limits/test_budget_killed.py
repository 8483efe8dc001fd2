"""A budget over kills: what a dead process is known to have taken counts as that, all else at its estimate."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from core.config import BudgetLimits
from core.errors import BudgetExceededError
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate

ROOT = Path(__file__).parents[3]
HELD, TAKEN, LIMIT, KILLS = 20, 9, 6_000, 20
CHILD = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate
from core.config import BudgetLimits
from core.errors import BudgetExceededError
async def main():
    budget = Budget(Path(sys.argv[1]), BudgetLimits(per_day_tokens={LIMIT}), {{}})
    while True:
        try:
            (hold,) = await budget.reserve("r", [Estimate("a", "m", {HELD}, 0, 0.0, 0.0)])
        except BudgetExceededError:
            os.write(1, b"r")
            break
        os.write(1, b"s")
        await asyncio.sleep(0)
        budget.settle(hold, usd=0.0, tokens={TAKEN})
        os.write(1, b"f")
asyncio.run(main())
"""


def sent_until(folder: Path, most: int) -> str:
    """What a process did that is killed after so many calls, or ends by itself."""
    command = [sys.executable, "-c", CHILD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        done = b""
        while done.count(b"s") < most and (one := os.read(process.stdout.fileno(), 1)):
            done += one
        process.kill()
        done += process.stdout.read()
    return done.decode()


@pytest.mark.slow
def test_over_twenty_kills_no_more_is_sent_than_the_limit_allows_and_hardly_less(tmp_path: Path) -> None:
    chance, runs = random.Random(7), []
    for _ in range(KILLS):
        runs.append(sent_until(tmp_path, chance.randint(1, 25)))
    runs.append(sent_until(tmp_path, sys.maxsize))
    assert runs[-1].endswith("r"), "the last one stops by itself"
    sent, finished = (sum(run.count(what) for run in runs) for what in "sf")
    assert sent - finished <= KILLS
    assert sent * TAKEN <= LIMIT + TAKEN
    assert finished * TAKEN + (KILLS * 2) * HELD >= LIMIT - 2 * HELD, "only what was cut off counts as it was estimated"


async def test_what_a_killed_process_had_settled_counts_by_what_it_took(tmp_path: Path) -> None:
    program = CHILD.replace('os.write(1, b"f")', "os.kill(os.getpid(), 9)")
    with anyio.fail_after(30):
        await anyio.run_process([sys.executable, "-c", program, str(tmp_path)], check=False)
    budget = Budget(tmp_path, BudgetLimits(per_day_tokens=LIMIT), {})
    with pytest.raises(BudgetExceededError, match=f"of which {TAKEN} tokens"):
        await budget.reserve("r", [Estimate("a", "m", LIMIT, 0, 0.0, 0.0)])
    assert await budget.reserve("r", [Estimate("a", "m", LIMIT - TAKEN, 0, 0.0, 0.0)])
    await anyio.to_thread.run_sync(budget.close)
    assert not list((tmp_path / "holds").iterdir())


@pytest.mark.parametrize(
    "line", ['["HOLD", "a", [NaN, 9], 1.0]', '["HOLD", "a", [0, -5], 1.0]', '["HOLD", "a", 1, 1.0]']
)
async def test_a_file_that_says_what_cannot_be_changes_nothing(line: str, tmp_path: Path) -> None:
    dead = Budget(tmp_path, BudgetLimits(per_day_tokens=LIMIT), {})
    (hold,) = await dead.reserve("r", [Estimate("a", "m", HELD, 0, 0.0, 0.0)])
    await anyio.to_thread.run_sync(dead.close)
    (tmp_path / "holds" / "holds-dead.0.spool").write_text(line.replace("HOLD", hold.id) + "\n")
    budget = Budget(tmp_path, BudgetLimits(per_day_tokens=LIMIT), {})
    with pytest.raises(BudgetExceededError, match=f"of which {HELD} tokens"):
        await budget.reserve("r", [Estimate("a", "m", LIMIT, 0, 0.0, 0.0)])
    await anyio.to_thread.run_sync(budget.close)


async def test_what_is_written_once_more_after_a_lost_connection_counts_once(tmp_path: Path) -> None:
    budget = Budget(tmp_path, BudgetLimits(per_day_tokens=LIMIT), {})
    (hold,) = await budget.reserve("r", [Estimate("a", "m", HELD, 0, 0.0, 0.0)])
    for _ in range(3):
        budget.settle(hold, usd=0.0, tokens=TAKEN)
    with pytest.raises(BudgetExceededError, match=f"of which {TAKEN} tokens"):
        await budget.reserve("r", [Estimate("a", "m", LIMIT, 0, 0.0, 0.0)])
    await anyio.to_thread.run_sync(budget.close)
