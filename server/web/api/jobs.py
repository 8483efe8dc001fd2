"""Jobs: everything that runs in the background, whichever door it came through."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictBool
from starlette.exceptions import HTTPException

from core.jobs.approvals import Approval
from core.jobs.states import OVER, CancelMode, JobState
from core.untrusted import visible
from server.web.api.endpoint import Asked, Body, Endpoint, Query
from tools.jobs import FinishedCall, JobView, read_job
from tools.recipe.result import shown

_LONGEST_QUESTION = 500
_ASKED = ("prompt", "question", "focus", "task")


class JobsQuery(Query):
    state: JobState | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50


class CallsQuery(Query):
    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class CancelAsk(Body):
    mode: CancelMode = "abort"
    """`drain` keeps the answers of calls under way."""


class AnswerAsk(Body):
    allow: StrictBool
    """Whether exactly this call may be made, once."""


class Waiting(BaseModel):
    """What a person has to answer before the job goes on: whether `agent` may call `tool` with these arguments."""

    id: str
    agent: str
    tool: str
    arguments: str
    """JSON."""
    why: str
    """`changes`: it may change things; `unknown`: whether an earlier try of this call did is not known."""
    question: str
    asked_at: float
    expires_at: float

    @classmethod
    def of(cls, one: Approval) -> Waiting:
        return cls(
            id=one.id,
            agent=one.agent,
            tool=shown(one.tool),
            arguments=visible(one.arguments),
            why=one.why,
            question=shown(one.sentence()),
            asked_at=one.asked_at,
            expires_at=one.expires_at,
        )


class ListedJob(JobView):
    """A job in a list; `question` is what it was asked, in a line, where its words are still there."""

    question: str = ""
    ais: list[str] = []


class JobDetail(BaseModel):
    job: ListedJob
    calls: list[FinishedCall]
    text: str
    """What the job returned, to read."""
    result: dict[str, Any] | None
    waits_for: list[Waiting] = []


async def list_jobs(asked: Asked[JobsQuery, Body]) -> list[ListedJob]:
    """The newest jobs first."""
    jobs = asked.house.app.jobs
    found = await jobs.list_jobs((asked.query.state,) if asked.query.state else (), limit=asked.query.limit)
    told = await jobs.asked([job.id for job in found])
    return [_listed(JobView.of(job), told.get(job.id, {})) for job in found]


async def job(asked: Asked[CallsQuery, Body]) -> JobDetail:
    """One job, with its finished calls behind a cursor, and its result once it is done."""
    jobs = asked.house.app.jobs
    found = await jobs.get(await jobs.named(asked.path["job_id"]))
    report = await read_job(jobs, found, after=asked.query.after, limit=asked.query.limit)
    told = (await jobs.asked([found.id])).get(found.id, {})
    waiting = [Waiting.of(one) for one in await jobs.approvals(found.id)] if found.state == "paused" else []
    return JobDetail(
        job=_listed(report.jobs[0], told),
        calls=report.calls,
        text=report.text,
        result=report.result,
        waits_for=waiting,
    )


async def cancel_job(asked: Asked[Query, CancelAsk]) -> JobView:
    """Cancel a job: at once, or when its calls under way have ended."""
    return JobView.of(await asked.house.app.jobs.cancel(asked.path["job_id"], asked.body.mode))


async def answer_job(asked: Asked[Query, AnswerAsk]) -> JobView:
    """Say whether a call may be made for which a job waits. When no further one waits, the job goes on."""
    jobs, id_ = asked.house.app.jobs, asked.path["job_id"]
    await jobs.approve(id_, asked.path["approval_id"], yes=asked.body.allow)
    return JobView.of(await jobs.get(id_))


async def resume_job(asked: Asked[Query, Body]) -> JobView:
    """Go on with a paused, failed or cancelled job; what it has paid for is not asked again."""
    return JobView.of(await asked.house.app.jobs.resume(asked.path["job_id"]))


async def retry_job(asked: Asked[Query, Body]) -> JobView:
    """Ask again what failed in a job that is over."""
    return JobView.of(await asked.house.app.jobs.retry(asked.path["job_id"]))


async def forget_job(asked: Asked[Query, Body]) -> None:
    """Forget a job that is over, with all that was said in it."""
    jobs = asked.house.app.jobs
    if (await jobs.get(asked.path["job_id"])).state not in OVER:
        raise HTTPException(409, "It is not over yet. Cancel it first, then delete it again.")
    await jobs.forget(asked.path["job_id"])


def _listed(view: JobView, arguments: dict[str, Any]) -> ListedJob:
    said = next((arguments[name] for name in _ASKED if arguments.get(name)), "")
    ais = arguments.get("ais") or ([arguments["ai"]] if isinstance(arguments.get("ai"), str) else [])
    line = " ".join(str(said).split())[:_LONGEST_QUESTION]
    return ListedJob(**view.model_dump(), question=line, ais=[str(ai) for ai in ais])


_UNKNOWN = {404: "There is no such job, or it is somebody else's."}

ENDPOINTS = (
    Endpoint("GET", "/api/jobs", list_jobs, list[ListedJob], query=JobsQuery),
    Endpoint("GET", "/api/jobs/{job_id}", job, JobDetail, query=CallsQuery, also=_UNKNOWN),
    Endpoint("POST", "/api/jobs/{job_id}/cancel", cancel_job, JobView, body=CancelAsk, also=_UNKNOWN),
    Endpoint(
        "POST",
        "/api/jobs/{job_id}/approvals/{approval_id}",
        answer_job,
        JobView,
        body=AnswerAsk,
        also=_UNKNOWN | {400: "No such question stands."},
    ),
    Endpoint("POST", "/api/jobs/{job_id}/resume", resume_job, JobView, also=_UNKNOWN),
    Endpoint("POST", "/api/jobs/{job_id}/retry", retry_job, JobView, also=_UNKNOWN),
    Endpoint("DELETE", "/api/jobs/{job_id}", forget_job, None, status=204, also=_UNKNOWN | {409: "It is not over."}),
)
