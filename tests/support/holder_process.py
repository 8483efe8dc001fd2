"""A process that holds a batch of a fleet, as `moot batch` does, for tests that stop and kill it; see `job_process.py`.

    python holder_process.py LOG FOLDER     ask every row of FOLDER/in.jsonl into FOLDER/out.jsonl, and end with it

It asks nothing itself, so its AI writes no log. Started again it goes on where it was.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import anyio
from job_process import make_app

from ai.runs.app import App
from core.batch.input import BatchInput
from core.errors import StoreError
from core.jobs.values import Job
from server.cli.running.batch_terminal import Wishes, _worked
from server.jobs.worker import keep_batches
from tools.batching.spec import Prepared, prepare
from tools.batching.start import start_batch


async def main(log_path: str, folder: Path) -> int:
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    app = make_app(log, 0)
    keep_batches(app)
    batch = prepare(BatchInput(folder / "in.jsonl"), folder / "out.jsonl", ["a"])
    wishes = Wishes(skip_bad=False, retry_failed=False, yes=True, dry_run=False, background=False, as_json=False)
    try:
        job = await _worked(app, await started(app, batch), batch, wishes)
        return 0 if job.state == "done" else 1
    finally:
        with anyio.CancelScope(shield=True):
            await app.jobs.aclose()
            await app.roster.aclose()


async def started(app: App, batch: Prepared) -> Job:
    """Only here PostgreSQL being away is an error, and somebody at a terminal starts again."""
    while True:
        with suppress(StoreError):
            return await start_batch(app.jobs, batch)
        await anyio.sleep(0.1)


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1], Path(sys.argv[2])))
