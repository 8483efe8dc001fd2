"""What happens to the parts of a job while somebody else changes them at the same moment, on a real PostgreSQL."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import psycopg

from core.jobs.fleet.engine import PostgresJobs
from core.jobs.fleet.parts import parts
from core.jobs.kinds import SLICE


async def test_a_part_that_is_taken_up_while_its_whole_is_drained_runs_and_drains(
    fleet_url: str, tmp_path: Path
) -> None:
    engine = PostgresJobs(fleet_url, tmp_path)
    try:
        await engine.submit("ask_many", {})
        whole = await engine.claim(("ask_many",))
        assert whole is not None
        part = await engine.parts.add(whole.id, SLICE, {})
        with psycopg.connect(fleet_url) as worker:
            worker.execute("UPDATE moot_jobs.jobs SET state = 'running', fence = fence + 1 WHERE id = %s", (part,))
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(engine.cancel, whole.id, "drain")
                    while not await anyio.to_thread.run_sync(_somebody_waits, fleet_url):
                        await anyio.lowlevel.checkpoint()
                    worker.commit()
        (found,) = await engine.read(partial(parts, job=whole.id))
        assert (found.state, found.cancel) == ("running", "drain"), "its calls under way finish, and are kept"
    finally:
        await engine.aclose()


def _somebody_waits(url: str) -> bool:
    with psycopg.connect(url) as looks:
        return looks.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None
