"""When a cancelled job leaves another one behind that tells the provider; how it tells is in test_provider_batch.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from ai.runs.app import App, open_app
from core.config import Config
from core.errors import ConfigError
from core.jobs.kinds import CALL_OFF
from core.jobs.provider_chunks import open_at_provider, remote_key
from core.jobs.values import Job
from tools.batching.call_off import call_off


@pytest.fixture
async def app(isolated: Path) -> AsyncIterator[App]:
    async with open_app(Config()) as app:
        yield app


async def paused(app: App, *steps: tuple[int, str]) -> Job:
    """A job that nobody runs, with chunks at a provider that have come so far."""
    engine = await app.jobs.engine()
    await app.jobs.submit("batch", {})
    job = await engine.claim(["batch"])
    assert job is not None
    for number, step in steps:
        engine.record(job.id, remote_key("row", "gpt:4", number, step), "x")  # type: ignore[arg-type]
    engine.record(job.id, "provider:row:last:abcd", {})
    await engine.finish(job, "paused", reason="The key is refused.")
    return job


async def left_behind(app: App) -> list[Job]:
    return [job for job in await app.jobs.list_jobs() if job.kind == CALL_OFF]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([(0, "plan"), (0, "id")], 1),
        ([(0, "plan")], 1),
        ([(0, "plan"), (0, "id"), (0, "end"), (1, "plan")], 1),
        ([(0, "plan"), (0, "id"), (0, "end")], 0),
        ([(0, "plan"), (0, "id"), (0, "off")], 0),
        ([], 0),
    ],
)
async def test_only_what_a_provider_may_still_work_on_is_called_off(
    app: App, steps: list[tuple[int, str]], left: int
) -> None:
    job = await paused(app, *steps)
    assert (await app.jobs.cancel(job.id)).state == "cancelled"
    assert len(await left_behind(app)) == left


async def test_a_drain_leaves_the_provider_alone_and_an_abort_after_it_does_not(app: App) -> None:
    job = await paused(app, (0, "plan"), (0, "id"))
    await app.jobs.cancel(job.id, "drain")
    assert not await left_behind(app)
    await app.jobs.cancel(job.id)
    assert len(await left_behind(app)) == 1


async def test_a_job_that_was_resumed_meanwhile_is_not_called_off(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.batching.call_off._GRACE_S", 0.1)
    job = await paused(app, (0, "plan"), (0, "id"))
    await app.jobs.cancel(job.id)
    await app.jobs.resume(job.id)
    async with app.run("batch") as run:
        with anyio.fail_after(10):
            assert (await call_off(run, job.id)).batches == 0


async def test_an_ai_that_is_not_configured_here_pauses_it(app: App) -> None:
    job = await paused(app, (0, "plan"), (0, "id"))
    await app.jobs.cancel(job.id)
    async with app.run("batch") as run:
        with pytest.raises(ConfigError, match="No AI named 'gpt:4'"):
            await call_off(run, job.id)


def test_an_ai_s_name_may_hold_a_colon() -> None:
    keys = [
        remote_key("row1", "a:b:c", 12, "plan"),
        remote_key("row", "d", 0, "plan"),
        remote_key("row", "d", 0, "end"),
    ]
    assert open_at_provider(keys) == {("row1", "a:b:c")}
