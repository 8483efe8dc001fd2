"""What happened, page by page: from the ledger and the jobs, so it is whole after a restart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import anyio.to_thread
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field

from core.usage.activity import Activity, Kind, Wish
from core.usage.rows import stamp
from server.web.api import chats
from server.web.api.endpoint import Asked, Body, Endpoint, Query
from tools.recipe.result import shown

Type = Literal["agent_execution", "tool_invocation", "ai_call", "error"]
_LEDGER_KINDS: tuple[Kind, ...] = ("tool_invocation", "ai_call", "error")
_JOBS_LOOKED_AT = 1_000
_CURSOR = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z~[\w.-]{1,80}$"


def _written_out(said: object) -> object:
    """A moment by its date: a number alone says nothing of the zone it is in, or of its unit."""
    if isinstance(said, str) and "T" not in said.upper():
        raise ValueError("write it as 2026-11-29T06:30:00Z")
    return said


def _in_utc(said: datetime) -> datetime:
    try:
        return said.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is not within the years 1 to 9999 of UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class ActivitiesQuery(Query):
    type: Type | None = None
    chat: Annotated[str | None, Field(max_length=64)] = None
    ai: Annotated[str | None, Field(max_length=200)] = None
    since: Moment | None = None
    until: Moment | None = None
    cursor: Annotated[str | None, Field(pattern=_CURSOR, description="Where the page before ended.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class ActivityView(BaseModel):
    """One thing that happened. A cost of null is unknown."""

    id: str
    at: str
    type: Type
    chat: str
    """The run or job it belongs to."""
    tool: str
    ai: str
    model: str
    role: str
    outcome: str
    latency_s: float | None
    cost_usd: float | None
    calls: int


class ActivityPage(BaseModel):
    activities: list[ActivityView]
    next: str | None
    """The cursor of the next page; null at the end."""


async def activities(asked: Asked[ActivitiesQuery, Body]) -> ActivityPage:
    """What happened to whoever asks, newest first: runs, jobs, calls of AIs, errors."""
    query = asked.query
    before, last_id = _cursor(query.cursor)
    bounds = [bound for bound in (before, stamp(query.until) if query.until else None) if bound is not None]
    until = min(bounds, default=None)
    found = await _from_ledger(asked, until)
    if query.type in (None, "agent_execution"):
        found += await _from_jobs(asked, until)
    found.sort(key=lambda one: (one.at, one.id), reverse=True)
    if before is not None:
        found = [one for one in found if (one.at, one.id) < (before, last_id)]
    page = found[: query.limit]
    more = len(found) > query.limit
    return ActivityPage(activities=page, next=f"{page[-1].at}~{page[-1].id}" if more else None)


async def _from_ledger(asked: Asked[ActivitiesQuery, Body], until: str | None) -> list[ActivityView]:
    query = asked.query
    # An error is a call too: without a type it is told once, as an error
    kinds = _LEDGER_KINDS if query.type is None else tuple(kind for kind in _LEDGER_KINDS if kind == query.type)
    found: dict[str, ActivityView] = {}
    for kind in kinds:
        wish = Wish(
            person=asked.person.name,
            kind=kind,
            before=until,
            since=stamp(query.since) if query.since else None,
            run=query.chat,
            ai=query.ai,
            limit=2 * query.limit + 1,
        )
        rows = await anyio.to_thread.run_sync(asked.house.app.ledger.activities, wish)
        found |= {row.id: _view(row) for row in rows}
    return list(found.values())


async def _from_jobs(asked: Asked[ActivitiesQuery, Body], until: str | None) -> list[ActivityView]:
    query, jobs = asked.query, asked.house.app.jobs
    since = stamp(query.since) if query.since else ""
    views = []
    listed = await jobs.list_jobs(limit=_JOBS_LOOKED_AT)
    told = await jobs.asked([job.id for job in listed])
    for job in listed:
        arguments = told.get(job.id, {})
        ais = [str(ai) for ai in [arguments.get("ai"), *(arguments.get("ais") or [])] if ai]
        at = chats.stamp(job.finished or job.started or job.created)
        if (query.chat and job.id != query.chat) or (query.ai and query.ai not in ais):
            continue
        if at < since or (until is not None and at > until):
            continue
        views.append(
            ActivityView(
                id=f"job-{job.id}",
                at=at,
                type="agent_execution",
                chat=job.id,
                tool=job.kind,
                ai=", ".join(ais),
                model="",
                role="",
                outcome="ok" if job.state == "done" else job.state,
                latency_s=round(job.finished - job.started, 3) if job.finished and job.started else None,
                cost_usd=None,
                calls=job.calls,
            )
        )
    return views


def _view(row: Activity) -> ActivityView:
    return ActivityView(
        id=row.id,
        at=row.at,
        type="error" if row.kind == "ai_call" and row.outcome not in ("ok", "cancelled") else row.kind,
        chat=row.run,
        tool=row.tool,
        ai=shown(row.ai),
        model=shown(row.model),
        role=row.role,
        outcome=row.outcome,
        latency_s=row.latency_s,
        cost_usd=row.cost_usd,
        calls=row.calls,
    )


def _cursor(said: str | None) -> tuple[str | None, str]:
    if said is None:
        return None, ""
    at, _, id_ = said.partition("~")
    return at, id_


ENDPOINTS = (Endpoint("GET", "/api/activities", activities, ActivityPage, query=ActivitiesQuery),)
