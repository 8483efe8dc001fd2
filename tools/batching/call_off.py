"""The job that follows a cancelled provider batch: it tells the provider, however often that has to be tried."""

from __future__ import annotations

import time
from contextlib import suppress

import anyio

from ai.runs.run import Run
from core.errors import StoreError
from core.jobs.provider_chunks import REMOTE, open_at_provider
from tools.recipe.result import Result

_GRACE_S = 5.0
"""This job is accepted a moment before the other one is cancelled."""
_LOOK_S = 0.2


class CallOffReport(Result):
    """How many batches were called off at providers."""

    batches: int

    def markdown(self) -> str:
        return f"{self.batches} batch{'es' * (self.batches != 1)} called off at the provider."


async def call_off(run: Run, job: str) -> CallOffReport:
    """Cancel at the providers what the cancelled *job* has handed in and they have not answered yet.

    Raises:
        ConfigError: A provider refuses, or cannot be reached; once that is mended this goes on.
    """
    from ai.batch.provider_pass import errand_of
    from ai.runs.memo import Memo

    assert run.jobs is not None, "only a job is called off"
    if not await _cancelled(run, job):
        return CallOffReport(batches=0)
    engine = await run.jobs.engine()
    batches = 0
    for role, ai in sorted(open_at_provider(await engine.kept(job, REMOTE))):
        errand = errand_of(run, ai, memory=Memo(engine, job), role=role, job=job)
        await errand.open(lambda errand, chunk: None)
        batches += await errand.call_off()
    return CallOffReport(batches=batches)


async def _cancelled(run: Run, job: str) -> bool:
    """Whether it really is, once whoever ran it has noticed. It may be resumed by now, or drained."""
    assert run.jobs is not None, "only a job is called off"
    run.jobs.step_aside(run.id)  # whoever takes that job over, only to end it, may need the place
    began = time.monotonic()
    while True:
        with suppress(StoreError):  # it is away for a moment
            found = await run.jobs.get(job)
            if found.state == "cancelled":
                return found.cancel != "drain"
            if found.over or (found.cancel != "abort" and time.monotonic() - began >= _GRACE_S):
                return False
        await anyio.sleep(_LOOK_S)
