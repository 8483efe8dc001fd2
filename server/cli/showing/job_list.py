"""Jobs as a list for a person: what was asked, of whom, how far it is, where the output goes, and how old it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import anyio

from core.jobs.jobs import Jobs
from core.jobs.values import Job
from core.untrusted import one_line
from server.cli.options import OK, note
from server.cli.showing.past import age, cut, list_width

_LISTED = 50


def show_jobs() -> int:
    """Print the newest jobs."""
    found, asked = anyio.run(_read)
    width = list_width()
    for line in lines(found, asked, datetime.now(UTC)):
        print(cut(line, width))
    if not found:
        print("No jobs.")
    note("read one with: moot show ID" if found else "to start one: moot ask --background ...")
    return OK


def lines(jobs: Sequence[Job], asked: Mapping[str, Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """Two lines for a job: the second has its question, which may be long."""
    for job in jobs:
        arguments = asked.get(job.id, {})
        old = age(datetime.fromtimestamp(job.created, UTC).isoformat(), now)
        who = ", ".join(_ais(arguments)) or "all"
        why = f": {one_line(job.reason)}" if job.reason else ""
        yield f"{job.id}  {old:>4}  {job.kind} by {one_line(who, 40)}, {job.state}, {_far(job)}{why}"
        told = _question(arguments)
        if told:
            yield f"    {one_line(told, 300)}"


def _far(job: Job) -> str:
    if "done" in job.progress:
        failed = job.progress.get("failed")
        return f"{job.progress['done']:,} of {job.total or 0:,} rows{f', {failed:,} failed' if failed else ''}"
    if job.total is not None:
        return f"{min(job.calls, job.total)} of {job.total} calls"
    return f"{job.calls} {'call' if job.calls == 1 else 'calls'}"


def _ais(arguments: Mapping[str, Any]) -> list[str]:
    named = arguments.get("ais") or arguments.get("ai") or _spec(arguments).get("ais") or []
    return [named] if isinstance(named, str) else [str(name) for name in named]


def _spec(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a batch is, of the arguments of its job."""
    spec = arguments.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _question(arguments: Mapping[str, Any]) -> str:
    spec = _spec(arguments)
    if source := spec.get("path"):
        return f"{PurePath(str(source)).name} > {spec.get('output', '')}"
    return str(arguments.get("prompt") or arguments.get("question") or arguments.get("focus") or "")


async def _read() -> tuple[list[Job], dict[str, dict[str, Any]]]:
    jobs = Jobs()
    try:
        found = await jobs.list_jobs(limit=_LISTED)
        return found, await jobs.asked([job.id for job in found])
    finally:
        await jobs.aclose()
