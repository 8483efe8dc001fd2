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

from core.batch_input import BatchInput
from core.errors import StoreError
from server.batch_terminal import Wishes, _watched
from tools._batch import prepare


async def main(log_path: str, folder: Path) -> int:
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    app = make_app(log, 0)
    batch = prepare(BatchInput(folder / "in.jsonl"), folder / "out.jsonl", ["a"])
    wishes = Wishes(skip_bad=False, retry_failed=False, yes=True, dry_run=False, background=False, as_json=False)
    try:
        while True:
            with suppress(StoreError):  # it may be started while PostgreSQL is away
                return await _watched(app, batch, wishes)
            await anyio.sleep(0.1)
    finally:
        with anyio.CancelScope(shield=True):
            await app.jobs.aclose()
            await app.roster.aclose()


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1], Path(sys.argv[2])))
