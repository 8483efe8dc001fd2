"""Looks at runs in the background and steers them: list, get, cancel, resume, retry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ai.runs.run import Run
from core.errors import InvalidInputError
from core.jobs.jobs import Jobs
from core.jobs.states import CancelMode, JobState
from core.untrusted import quoted
from tools.recipe.kit import Cost, counted
from tools.recipe.result import Part, Prose, Result

if TYPE_CHECKING:
    from core.jobs.values import Job, JobResult, KeptCall

Action = Literal["list", "get", "cancel", "resume", "retry"]
Id = Annotated[str | None, Field(description="Which job; needed by all but list.", max_length=64)]
WaitS = Annotated[float, Field(ge=0, le=50, description="get: wait so many seconds for news.")]
After = Annotated[int | None, Field(ge=0, description="get: finished calls behind this cursor.")]
Mode = Annotated[CancelMode, Field(description="cancel: drain keeps the answers under way.")]

_CALLS_SHOWN = 20
_OF_A_TOOL = "call:tool:"
_TEXT_SHOWN = 4_000


class JobView(Part):
    """One job. `reason` says why it is paused or failed; `calls` counts finished ones that are kept."""

    model_config = ConfigDict(defer_build=True)  # a server starts faster

    id: str
    kind: str
    state: JobState
    reason: str = ""
    calls: int
    total: int | None = None
    progress: dict[str, Any] = {}
    created: str
    finished: str | None = None

    @classmethod
    def of(cls, job: Job) -> JobView:
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            reason=job.reason or _problem(job) or ("It is being cancelled." if job.cancel and not job.over else ""),
            calls=job.calls,
            total=job.total,
            progress=dict(job.progress),
            created=_time(job.created),
            finished=_time(job.finished) if job.finished else None,
        )

    def markdown(self) -> str:
        why = f" {self.reason}" if self.reason else ""
        return f"**{self.id}** {self.kind}: {self.state}, {self._done()}, since {self.created}.{why}"

    def _done(self) -> str:
        if "done" in self.progress:
            cost = Cost(known_usd=self.progress["cost_usd"], complete=self.progress["cost_complete"])
            return f"{self.progress['done']:,} of {self.total:,} finished, {self.progress['failed']:,} failed, {cost}"
        return (
            f"{self.calls} of {counted(self.total, 'call')} finished"
            if self.total is not None
            else f"{counted(self.calls, 'call')} finished"
        )


class FinishedCall(Part):
    """One finished call of a job; `cursor` is what to pass as `after` to read on."""

    model_config = ConfigDict(defer_build=True)

    cursor: int
    name: str
    text: Prose

    @classmethod
    def of(cls, call: KeptCall) -> FinishedCall:
        value = call.value
        name, text = "call", json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict) and isinstance(value.get("ai"), str):
            role = call.key.partition(":")[0]
            name = f"{value['ai']} ({role})" if role else value["ai"]
            text = str(value.get("text", "")) or _called(value)
        elif call.key.startswith(_OF_A_TOOL) and isinstance(value, dict):
            name, text = call.key.split(":")[-2], str(value.get("result") or value.get("error") or "")
        if len(text) > _TEXT_SHOWN:
            text = f"{text[:_TEXT_SHOWN]} ... ({len(text):,} characters; all of it is in the job's result)"
        return cls(cursor=call.seq, name=name, text=text)


def _called(answer: Mapping[str, Any]) -> str:
    """What a turn without text did."""
    names = [str(call.get("name")) for call in answer.get("tool_calls") or ()]
    return f"(calls {', '.join(names)})" if names else ""


def is_told(call: KeptCall) -> bool:
    """Whether *call* is for a reader, and not what the journal keeps for itself, such as a question and its answer."""
    from core.jobs.approvals import ANSWERED, ASKED, BEGAN

    return not call.key.startswith((ASKED, ANSWERED, BEGAN))


def finished_calls(calls: Iterable[KeptCall]) -> list[FinishedCall]:
    """Those of *calls* that are for a reader."""
    return [FinishedCall.of(one) for one in calls if is_told(one)]


class JobReport(Result):
    """Jobs, newest first, or one job with its finished calls and, when it is done, its tool's own result."""

    model_config = ConfigDict(defer_build=True)

    summary: str
    jobs: list[JobView]
    calls: list[FinishedCall] = []
    text: Prose = ""
    result: dict[str, Any] | None = None

    def markdown(self) -> str:
        listed = [f"- {job.markdown()}" for job in self.jobs]
        parts = [self.summary, "\n".join(listed) if not self.result else "", self.text]
        parts += [f"## {call.name} (cursor {call.cursor})\n{quoted(call.text)}" for call in self.calls]
        return "\n\n".join(part for part in parts if part)


async def jobs(
    run: Run,
    action: Action = "list",
    *,
    id: Id = None,
    wait_s: WaitS = 0,
    after: After = None,
    mode: Mode = "abort",
) -> JobReport:
    """List, read, cancel, resume or retry jobs: tool calls started with background=true."""
    assert run.jobs is not None, "every door opens jobs"
    if action == "list":
        found = await run.jobs.list_jobs()
        return JobReport(
            summary=f"{counted(len(found), 'job')}." if found else "No jobs.", jobs=[JobView.of(job) for job in found]
        )
    if not id:
        raise InvalidInputError(f"'id' is missing: say which job to {action}. List the jobs to see their ids.")
    id = await run.jobs.named(id)  # noqa: A001 - the argument's own word
    match action:
        case "get":
            return await read_job(run.jobs, await run.jobs.wait(id, wait_s, after=after), after=after)
        case "cancel":
            return _steered(await run.jobs.cancel(id, mode))
        case "resume":
            return _steered(await run.jobs.resume(id))
        case "retry":
            return _steered(await run.jobs.retry(id))


_WORDLESS = "What was said in it has been deleted (moot jobs clean --words)."


async def read_job(kept_in: Jobs, job: Job, *, after: int | None = None, limit: int = _CALLS_SHOWN) -> JobReport:
    """Of a finished job its result, of any other, or where *after* is given, the calls that have finished so far."""
    result: JobResult | None = await kept_in.result(job.id) if job.state == "done" else None
    kept = await kept_in.calls(job.id, after=after or 0, limit=limit) if result is None or after is not None else []
    view = JobView.of(job)
    return JobReport(
        summary=f"Job {job.id} is {job.state}.",
        jobs=[view],
        calls=finished_calls(kept),
        text=result.markdown if result else _WORDLESS if job.state == "done" and after is None else "",
        result=dict(result.structured) if result else None,
        partial=bool(result and result.structured.get("partial")),
    )


def _steered(job: Job) -> JobReport:
    return JobReport(summary=f"Job {job.id} is {job.state}.", jobs=[JobView.of(job)])


def _problem(job: Job) -> str:
    return str(job.progress.get("problem", "")) if job.state == "running" else ""


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
