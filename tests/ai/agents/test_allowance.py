"""What a tree of agents may spend: reserved before, settled after, and never more."""

from __future__ import annotations

import random

import anyio
import pytest

from ai.agents.allowance import Allowance, Limits, SpentError
from core.values import Usage


def used(tokens: int) -> Usage:
    return Usage(tokens, 0, 0, 0)


async def test_what_is_reserved_counts_at_every_level_up_to_the_root() -> None:
    root = Allowance(Limits(usd=1.0))
    child = root.child(Limits(usd=0.8))
    hold = await child.reserve(0.5, 10)
    child.settle(hold, usd=0.4, usage=used(10))
    assert (root.spent_usd, child.spent_usd, root.spent_tokens) == (0.4, 0.4, 10)
    with pytest.raises(SpentError, match=r"\$0\.4000 of \$0\.8000 are left"):
        await child.reserve(0.5, 0)
    await root.reserve(0.5, 0)


async def test_a_call_waits_for_what_others_hold_and_may_give_back() -> None:
    root = Allowance(Limits(usd=1.0))
    first = await root.reserve(0.9, 0)
    got: list[bool] = []

    async def second() -> None:
        root.settle(await root.reserve(0.5, 0), usd=0.5, usage=used(0))
        got.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        assert not got
        root.settle(first, usd=0.1, usage=used(0))
    assert got and root.spent_usd == pytest.approx(0.6)


async def test_nothing_left_is_no_and_not_unlimited() -> None:
    root = Allowance(Limits(usd=0.5, tokens=10))
    root.settle(await root.reserve(0.5, 10), usd=0.5, usage=used(10))
    for usd, tokens in ((0.000_001, 0), (0.0, 1)):
        with pytest.raises(SpentError):
            await root.reserve(usd, tokens)


async def test_a_price_that_nobody_knows_is_refused_where_dollars_are_limited() -> None:
    with pytest.raises(SpentError, match="price is not known"):
        await Allowance(Limits(usd=5)).reserve(None, 1)
    await Allowance(Limits(tokens=5)).reserve(None, 1)


async def test_what_is_not_known_afterwards_counts_as_what_was_held() -> None:
    root = Allowance(Limits(usd=1.0))
    root.settle(await root.reserve(0.3, 7), usd=None, usage=Usage())
    assert (root.spent_usd, root.spent_tokens, root.unpriced, root.spent) == (0.3, 7, True, Usage())


def test_levels_and_number_of_sub_agents_are_counted_for_the_whole_tree() -> None:
    root = Allowance(Limits(depth=2, agents=3))
    child = root.child(Limits(depth=9, agents=99))
    grandchild = child.child(Limits())
    with pytest.raises(SpentError, match="levels"):
        grandchild.child(Limits())
    child.child(Limits())
    with pytest.raises(SpentError, match="number"):
        root.child(Limits())


@pytest.mark.parametrize("seed", range(20))
async def test_sixty_four_that_all_want_more_never_take_a_cent_too_much(seed: int) -> None:
    chance = random.Random(seed)
    root = Allowance(Limits(usd=1.0, tokens=50_000, depth=3, agents=64))
    most = 0.0

    async def one(level: Allowance) -> None:
        nonlocal most
        while True:
            worst = chance.uniform(0.001, 0.05)
            try:
                hold = await level.reserve(worst, 400)
            except SpentError:
                return
            await anyio.lowlevel.checkpoint()
            level.settle(hold, usd=chance.choice([None, worst * chance.random()]), usage=used(chance.randint(0, 400)))
            most = max(most, root.spent_usd)

    async with anyio.create_task_group() as tasks:
        for _ in range(64):
            tasks.start_soon(one, root.child(Limits()))
    assert most <= 1.0 and root.spent_tokens <= 50_000
