"""A batch that goes on: its job is found also where a fleet's database is away for a moment."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.errors import StoreError, UnknownJobError
from core.jobs.jobs import Jobs
from tools.batching import start


class Away:
    """Jobs whose store fails at first."""

    def __init__(self, failures: int, found: object, *, keeps: tuple[str, ...] = ("batch",)) -> None:
        self.left, self.found, self.keeps = failures, found, keeps

    async def get(self, id: str) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise StoreError("PostgreSQL does not answer.")
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


async def known(jobs: Away, id: str = "j") -> Any:
    return await start._known(cast("Jobs", jobs), id)


async def test_a_database_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_LOOK_AGAIN_S", 0)
    assert await known(Away(3, "the job")) == "the job"
    assert await known(Away(3, UnknownJobError("j"))) is None


async def test_one_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_LOOK_AGAIN_S", 0)
    monkeypatch.setattr(start, "_AWAY_S", -1)
    with pytest.raises(StoreError):
        await known(Away(3, "the job"))


async def test_outside_of_a_fleet_a_store_that_fails_is_told_at_once() -> None:
    with pytest.raises(StoreError):
        await known(Away(1, "the job", keeps=()))


async def test_an_output_that_names_no_job_asks_nobody() -> None:
    assert await known(Away(9, "the job"), "") is None
