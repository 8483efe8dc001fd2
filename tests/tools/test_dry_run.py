from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_ai import ScriptedApp, scripted_app

from core.config import BudgetLimits
from core.errors import BudgetExceededError, ServerError, TruncatedError
from core.limits.budget import Budget
from core.values import Request, Response, Usage
from tools.ask_many import ask_many
from tools.ask_one import ask_one
from tools.debate import debate

PRICED = "gpt-6.1-sol"
"""2 and 10 dollars for a million tokens in and out."""


def priced(app: ScriptedApp) -> None:
    for seat in app.roster.seats.values():
        seat.model = PRICED


async def test_a_dry_run_tells_tokens_and_cost_range_and_asks_nobody() -> None:
    async with scripted_app({"a": [], "b": []}) as app, app.run("ask_many") as run:
        priced(app)
        replies = await ask_many(run, "x" * 4_000, max_tokens=1_000, dry_run=True)
        reply = await ask_one(run, "x" * 4_000, max_tokens=1_000, dry_run=True)
    assert replies.summary == "DRY RUN: nothing was sent. 2 calls, $0.0080 to $0.0240."
    assert reply.text == ("Dry run, nothing was sent: about 1,000 tokens in, up to 1,000 out, $0.0040 to $0.0120.")
    assert not app.events[1:-1], "no call was started"


async def test_an_unknown_price_is_told_as_unknown() -> None:
    async with scripted_app({"a": []}) as app, app.run("ask_one") as run:
        app.roster.seats["a"].model = "nobody-knows-1"
        assert "cost unknown" in (await ask_one(run, "hi", dry_run=True)).text


async def test_a_debate_s_dry_run_counts_every_round_and_the_judge() -> None:
    async with scripted_app({"a": [], "b": [], "c": []}) as app, app.run("debate") as run:
        priced(app)
        outcome = await debate(run, "Well?", rounds=2, max_tokens=100, dry_run=True)
    assert outcome.summary.startswith("DRY RUN: nothing was sent. 7 calls, $")
    assert [len(seat.statements) for seat in outcome.seats] == [3, 3]
    assert outcome.judge is not None
    assert outcome.judge.ai == "c"


@pytest.fixture
def spender(tmp_path: Path) -> Iterator[Budget]:
    budget = Budget(tmp_path, BudgetLimits(per_run_usd=0.05), {})
    yield budget
    budget.close()


async def test_a_fan_out_over_budget_is_refused_before_anybody_is_asked(spender: Budget) -> None:
    async with scripted_app({"a": [], "b": []}) as app, app.run("ask_many") as run:
        priced(app)
        app.roster.budget = spender
        with pytest.raises(BudgetExceededError, match=r"defaults.budget.per_run_usd allows \$0.0500"):
            await ask_many(run, "hi", max_tokens=3_000)


async def test_a_dry_run_says_when_a_budget_would_refuse_the_real_one_and_reserves_nothing(spender: Budget) -> None:
    async with scripted_app({"a": [], "b": []}) as app, app.run("ask_many") as run:
        priced(app)
        app.roster.budget = spender
        for _ in range(2):  # a dry run leaves no trace in what is spent
            fits = await ask_one(run, "hi", max_tokens=4_000, dry_run=True)
            assert fits.note is None
        refused = [
            (await ask_one(run, "hi", max_tokens=6_000, dry_run=True)).note,
            (await ask_many(run, "hi", max_tokens=3_000, dry_run=True)).summary,
            (await debate(run, "hi", max_tokens=3_000, dry_run=True)).summary,
        ]
    for words in refused:
        assert words and "A budget would refuse it now: " in words and "per_run_usd allows $0.0500" in words


async def test_what_an_answer_really_cost_is_what_counts(spender: Budget) -> None:
    small = Response("yes", PRICED, usage=Usage(10, 1))
    async with scripted_app({"a": [small, small]}) as app, app.run("ask_one") as run:
        priced(app)
        app.roster.budget = spender
        for _ in range(2):  # each may take 0.04; together they would not fit
            await ask_one(run, "hi", max_tokens=4_000)


async def test_a_failed_call_is_given_back_and_a_broken_answer_is_not(spender: Budget) -> None:
    steps = [ServerError("down"), TruncatedError("cut", partial="half"), Response("yes", PRICED)]
    async with scripted_app({"a": steps}) as app, app.run("ask_many") as run:
        priced(app)
        app.roster.budget = spender
        await run.ask_many([("a", _request())])
        await run.ask_many([("a", _request())])
        with pytest.raises(BudgetExceededError):
            await run.ask_many([("a", _request())])
        app.roster.budget = None
        await run.ask_many([("a", _request())])


async def test_a_debate_that_runs_out_of_money_keeps_what_was_said(spender: Budget) -> None:
    costly = [Response(f"{name}\nPOSITION: {name}", PRICED, usage=Usage(10, 1_900)) for name in "ab"]
    async with scripted_app({"a": [costly[0]], "b": [costly[1]], "j": []}) as app, app.run("debate") as run:
        priced(app)
        app.roster.budget = spender
        outcome = await debate(run, "Well?", ais=["a", "b"], max_tokens=2_000)
    assert outcome.summary.startswith("PARTIAL: 2 of 2 AIs debated, but no judge answered")
    assert [seat.position for seat in sorted(outcome.seats, key=lambda seat: seat.ai)] == ["a", "b"]
    assert any("Over budget" in reason for reason in outcome.failed)


def _request() -> Request:

    return Request.of("hi", max_tokens=4_000)
