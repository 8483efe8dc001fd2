"""Starts the job of a batch, or goes on with the one its output belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from core.batch.output import Sidecar, find_run
from core.errors import ForgottenJobError, StoreError, UnknownJobError
from core.jobs.jobs import Jobs
from core.jobs.kinds import BATCH
from core.jobs.values import Job
from tools.batching.mend import is_whole
from tools.batching.spec import BatchSpec, Prepared

_AWAY_S = 30.0
"""As long as a database takes that is started again."""
_LOOK_AGAIN_S = 0.5


async def start_batch(jobs: Jobs, batch: Prepared, *, retry_failed: bool = False) -> Job:
    """Start the job of a batch, or go on with the one its output belongs to.

    Raises:
        MootError: It cannot be started; the message says why.
    """
    spec, output = batch.spec, Path(batch.spec.output)
    found = replace(await anyio.to_thread.run_sync(find_run, output, spec.run), width=batch.width)
    job = await _known(jobs, found.job)
    if job is None:
        return await _submit(jobs, spec, found)
    if job.state in ("queued", "running"):
        return job
    await anyio.to_thread.run_sync(found.write, output)
    if job.state != "done":
        return await jobs.resume(job.id)
    again = retry_failed or not await anyio.to_thread.run_sync(is_whole, spec, found)
    try:
        return await jobs.retry(job.id) if again else job
    except ForgottenJobError:
        return await _submit(jobs, spec, found)


async def _submit(jobs: Jobs, spec: BatchSpec, found: Sidecar) -> Job:
    """A new job, named beside its output. Of two starts at the same time only one gets through."""
    output = Path(spec.output)
    job = await jobs.submit(BATCH, {"spec": spec.model_dump(mode="json")})
    claimed = replace(found, job=job.id)
    if found.job:
        await anyio.to_thread.run_sync(claimed.write, output)
    elif (other := await anyio.to_thread.run_sync(claimed.claim, output)).job != job.id:
        await jobs.cancel(job.id)
        return await jobs.get(other.job)
    return job


async def _known(jobs: Jobs, id: str) -> Job | None:
    """The job that the output names. A fleet's database that is away for a moment is waited for."""
    until = anyio.current_time() + _AWAY_S
    while id:
        try:
            return await jobs.get(id)
        except UnknownJobError:
            return None
        except StoreError:
            if not jobs.keeps or anyio.current_time() > until:
                raise
        await anyio.sleep(_LOOK_AGAIN_S)
    return None
