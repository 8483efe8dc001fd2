"""How `moot batch` follows its job while the store cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from core.errors import StoreError
from core.jobs.values import Job
from server.cli.running.batch_terminal import Wishes, _followed

AWAY = StoreError("PostgreSQL (db/moot) does not answer. Start it.")
WISHES = Wishes(
    skip_bad=False, retry_failed=False, yes=True, dry_run=False, background=False, as_json=False, provider_batch=False
)


class Jobs:
    """Says, look after look, what *looks* says."""

    def __init__(self, looks: list[Job | StoreError], *, keeps: tuple[str, ...]) -> None:
        self._looks: Iterator[Job | StoreError] = iter(looks)
        self.keeps = keeps
        self.resumed = 0

    async def get(self, id: str) -> Job:
        found = next(self._looks)
        if isinstance(found, StoreError):
            raise found
        return found

    async def resume(self, id: str) -> Job:
        self.resumed += 1
        return Job(id, "batch", "queued")


async def followed(jobs: Jobs) -> Job:
    app: Any = SimpleNamespace(jobs=jobs)
    batch: Any = SimpleNamespace(calls=3)
    with anyio.fail_after(5):
        return await _followed(app, await jobs.get("j"), batch, WISHES)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.running.batch_terminal._POLL_S", 0.0)


RUNNING, QUEUED, DONE = Job("j", "batch", "running"), Job("j", "batch", "queued"), Job("j", "batch", "done")


async def test_a_fleet_s_database_that_is_away_is_waited_for_and_told_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = await followed(Jobs([RUNNING, AWAY, AWAY, AWAY, RUNNING, DONE], keeps=("batch",)))
    assert job == DONE
    assert capsys.readouterr().err.count(str(AWAY)) == 1


async def test_on_one_machine_a_store_that_cannot_be_read_is_told_at_once() -> None:
    with pytest.raises(StoreError):
        await followed(Jobs([RUNNING, AWAY], keeps=()))


async def test_each_time_its_holder_is_gone_the_batch_comes_here() -> None:
    jobs = Jobs([QUEUED, QUEUED, RUNNING, QUEUED, RUNNING, DONE], keeps=("batch",))
    await followed(jobs)
    assert jobs.resumed == 2
