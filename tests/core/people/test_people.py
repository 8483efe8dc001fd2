"""Who asks: what a token is worth, and that nobody hears of another's jobs, threads and money."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest

from core.errors import BudgetExceededError, InvalidInputError, UnknownJobError
from core.jobs.jobs import Jobs
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate
from core.people.person import OWNER, Person, acting, acting_as
from core.people.tokens import PREFIX, Tokens

ADA = Person("ada", ("gpt",), 1.0)
BOB = Person("bob")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOOT_HOME", str(tmp_path))
    return tmp_path


def estimate(usd: float | None) -> Estimate:
    return Estimate("gpt", "gpt-6", 10, 10, usd, usd)


def test_a_token_is_its_persons_until_it_is_taken_back(home: Path) -> None:
    tokens = Tokens()
    token = tokens.add(ADA)
    assert token.startswith(PREFIX)
    assert tokens.who(token) == ADA
    assert [one.person for one in tokens.all()] == [ADA]
    assert tokens.revoke("ada")
    assert tokens.who(token) is None
    assert not tokens.revoke("ada")
    tokens.close()


def test_only_a_hash_of_a_token_is_kept(home: Path) -> None:
    tokens = Tokens()
    token = tokens.add(ADA)
    tokens.close()
    assert token.encode() not in (home / "people.db").read_bytes()


@pytest.mark.parametrize("said", ["", "moot_", "moot_x", "x" * 500, "moot_" + "x" * 500, "moot_\ud800"])
def test_what_is_no_token_is_nobodys(said: str) -> None:
    tokens = Tokens()
    tokens.add(BOB)
    assert tokens.who(said) is None
    tokens.close()


@pytest.mark.parametrize("name", ["", "Ada", "a b", "../x", "-a", "a" * 41, "ada\n", "ü"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a person's name"):
        Tokens().add(Person(name))


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_an_amount_that_is_none_is_refused(amount: float) -> None:
    with pytest.raises(InvalidInputError, match="per_day_usd"):
        Tokens().add(Person("ada", (), amount))


def test_a_second_token_of_one_name_is_refused() -> None:
    tokens = Tokens()
    tokens.add(BOB)
    with pytest.raises(InvalidInputError, match="moot tokens revoke bob"):
        tokens.add(BOB)
    tokens.close()


def test_whoever_acts_is_the_owner_until_a_door_says_otherwise() -> None:
    assert acting() is OWNER
    with acting_as(ADA):
        assert acting() is ADA
    assert acting() is OWNER


def test_a_person_goes_along_with_a_job_without_rights_over_others() -> None:
    told = Person("ada", ("gpt",), 2.0, admin=True).as_json()
    assert Person.of_json(told) == Person("ada", ("gpt",), 2.0)


async def test_nobody_hears_of_anothers_job(home: Path) -> None:
    jobs = Jobs()
    with acting_as(ADA):
        job = await jobs.submit("ask_one", {"prompt": "hers"})
        assert [one.id for one in await jobs.list_jobs()] == [job.id]
    for other in (BOB, OWNER):
        with acting_as(other):
            assert await jobs.list_jobs() == []
            for look in (jobs.get, jobs.result, jobs.calls, jobs.cancel, jobs.resume, jobs.retry, jobs.named):
                with pytest.raises(UnknownJobError):
                    await look(job.id)
            await jobs.forget(job.id)
    with acting_as(ADA):
        assert (await jobs.get(job.id)).state == "queued"
    await jobs.aclose()


async def test_one_request_is_one_job_of_its_person(home: Path) -> None:
    jobs = Jobs()
    with acting_as(ADA):
        first = await jobs.submit("ask_one", {"prompt": "x"}, request_key="k")
        again = await jobs.submit("ask_one", {"prompt": "x"}, request_key="k")
        other = await jobs.submit("ask_one", {"prompt": "x"}, request_key="l")
    with acting_as(BOB):
        his = await jobs.submit("ask_one", {"prompt": "x"}, request_key="k")
    assert again.id == first.id
    assert len({first.id, other.id, his.id}) == 3
    await jobs.aclose()


async def test_a_person_spends_what_they_may_in_a_day_and_nobody_else_is_held_to_it(tmp_path: Path) -> None:
    budget = Budget(tmp_path, None, {})
    with acting_as(ADA):
        (hold,) = await budget.reserve("r", [estimate(0.6)])
        with pytest.raises(BudgetExceededError, match=r"'ada' may spend \$1.00 a day"):
            await budget.reserve("r2", [estimate(0.6)])
        assert "may spend" in str(await budget.refusal("r2", [estimate(0.6)]))
        budget.settle(hold, usd=0.1, tokens=20)
        await budget.reserve("r3", [estimate(0.6)])
        with pytest.raises(BudgetExceededError, match="price"):
            await budget.reserve("r4", [estimate(None)])
    assert await budget.reserve("r5", [estimate(100.0)]) == []
    await anyio.to_thread.run_sync(budget.close)
