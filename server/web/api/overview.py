"""Who can be asked, what it costs, and how this server is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, Literal

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from core.roles import all_roles
from core.untrusted import clean
from core.usage.ledger import By as UsageBy
from core.usage.ledger import Ledger, as_json, days_back
from server.monitoring import system
from server.monitoring.recorder import jobs_by_state
from server.web.api.agents import PANELS
from server.web.api.chats import ChatAsk, chat_for
from server.web.api.endpoint import Asked, Body, Endpoint, Query
from server.web.house import House
from server.web.running.readiness import Readiness
from tools.status import AIStatus, status

_VERSION = version("moot-mcp")


class AgentInfo(BaseModel):
    """Whom a chat can be with."""

    id: str
    kind: Literal["ai", "agent", "panel"]
    about: str
    model: str = ""
    provider: str = ""
    ready: bool = True
    problem: str | None = None


class RoleInfo(BaseModel):
    name: str
    about: str


class AIs(BaseModel):
    agents: list[AgentInfo]
    ais: list[AIStatus]
    groups: dict[str, list[str]]
    roles: list[RoleInfo]
    default: str | None
    """The AI that is asked where none is named."""


class UsageQuery(Query):
    by: UsageBy = "ai"
    days: Annotated[int, Field(ge=1, le=366)] = 30
    everybody: Annotated[bool, Field(description="Of all people; for administrators.")] = False


class Usage(BaseModel):
    since: str
    until: str
    by: str
    rows: list[dict[str, Any]]
    problem: str | None
    """Why the ledger takes no calls now; null when it does."""


class ServerHealth(BaseModel):
    """How the server is; for administrators."""

    uptime_s: float
    """Of the process that answers, of which there may be several."""
    workers: int
    jobs: dict[str, int]
    """Of everybody, by state."""
    disk_free_bytes: int | None
    """Null, as below, where that cannot be told."""
    memory_bytes: int | None
    loop_lag_median_ms: float | None
    loop_lag_worst_ms: float | None
    problem: str | None
    """Why it is not ready now."""


class ServerStatus(BaseModel):
    version: str
    person: str
    admin: bool
    per_day_usd: float | None
    """What whoever asks may spend in a day; null: as much as the configuration allows."""
    watching: int
    """Event streams that are open."""
    loop_lag_p99_ms: float | None
    """How late this process's event loop was in the last minute."""
    problems: list[str]
    server: ServerHealth | None = None
    """Null for whoever is no administrator."""


class Plan(BaseModel):
    """What a chat would take; nothing was sent."""

    text: str
    data: dict[str, Any]


async def ais(asked: Asked[Query, Body]) -> AIs:
    """The AIs, panels, groups and roles there are, and what is wrong with those that cannot be used."""
    app = asked.house.app
    async with app.run("status") as run:
        told = await status(run)
    agents = [
        AgentInfo(
            id=ai.name,
            kind="ai",
            about=f"{ai.model} via {ai.provider}" if ai.provider else "",
            model=ai.model,
            provider=ai.provider,
            ready=ai.ready,
            problem=ai.problem,
        )
        for ai in told.ais
    ]
    agents += [
        AgentInfo(
            id=one.name,
            kind="agent",
            about=one.description or f"an agent with {', '.join([*one.tools, *one.skills]) or 'no tools'}",
            model=one.ai,
            ready=one.problem is None,
            problem=one.problem,
        )
        for one in told.agents
    ]
    panels = [AgentInfo(id=name, kind="panel", about=about) for name, (_, _, about) in PANELS.items()]
    names = set(app.roster.names)
    return AIs(
        agents=[*agents, *panels],
        ais=told.ais,
        groups={name: [ai for ai in members if ai in names] for name, members in app.config.groups.items()},
        roles=[RoleInfo(name=name, about=role.description) for name, role in all_roles(app.config.roles).items()],
        default=app.roster.default().name if names else None,
    )


async def usage(asked: Asked[UsageQuery, Body]) -> Usage:
    """Calls, tokens, cost and times, by day, AI, tool or model; a cost that is unknown is null."""
    query, person = asked.query, asked.person
    if (query.everybody or query.by == "person") and not person.admin:
        raise HTTPException(403, "What others use is for administrators. Leave out 'everybody', or use another token.")
    now = datetime.now(UTC)
    whose = None if query.everybody or query.by == "person" else person.name
    read = lambda: _usage(asked.house.app.ledger, now, query, whose)  # noqa: E731 - one line, for a thread
    return await anyio.to_thread.run_sync(read)


def _usage(ledger: Ledger, now: datetime, query: UsageQuery, whose: str | None) -> Usage:
    since = days_back(query.days, now)
    rows = ledger.usage(since, now, by=query.by, person=whose)
    return Usage(
        since=since.isoformat(),
        until=now.isoformat(),
        by=query.by,
        rows=[
            as_json(row, query.by) | {"calls_by_day": row.calls_by_day, "cost_by_day": row.cost_by_day} for row in rows
        ],
        problem=ledger.check(),
    )


async def server_status(asked: Asked[Query, Body]) -> ServerStatus:
    """Who asks, and how this server is."""
    house, person = asked.house, asked.person
    problems = await anyio.to_thread.run_sync(house.app.warnings) if person.owns else []
    return ServerStatus(
        version=_VERSION,
        person=person.name,
        admin=person.admin,
        per_day_usd=person.per_day_usd,
        watching=house.hub.watching,
        loop_lag_p99_ms=_late_ms(house, 0.99),
        problems=[clean(problem) for problem in problems],
        server=await _health(house) if person.admin else None,
    )


async def _health(house: House) -> ServerHealth:
    free, memory = await anyio.to_thread.run_sync(lambda: (system.disk_free_bytes(), system.memory_bytes()))
    return ServerHealth(
        uptime_s=round(time.time() - system.STARTED, 1),
        workers=house.workers,
        jobs=await jobs_by_state(house.app),
        disk_free_bytes=free,
        memory_bytes=memory,
        loop_lag_median_ms=_late_ms(house, 0.5),
        loop_lag_worst_ms=_late_ms(house, 1.0),
        problem=await Readiness(house).problem(),
    )


def _late_ms(house: House, share: float) -> float | None:
    late = house.lag.quantile(share)
    return None if late is None else round(late * 1_000, 2)


async def plan(asked: Asked[Query, ChatAsk]) -> Plan:
    """What a chat would send to whom, and what it may cost. Sends nothing."""
    app = asked.house.app
    made = await chat_for(app, asked.body)
    from server.jobs.worker import read_arguments
    from tools.recipe.result import document

    arguments = read_arguments(made.recipe, made.arguments | {"dry_run": True})
    async with app.run(made.recipe.name) as run:
        result = await made.recipe.run(run, **arguments)
    return Plan(text=document(result), data=result.model_dump(mode="json"))


ENDPOINTS = (
    Endpoint("GET", "/api/ais", ais, AIs),
    Endpoint("GET", "/api/usage", usage, Usage, query=UsageQuery, also={403: "That is for administrators."}),
    Endpoint("GET", "/api/status", server_status, ServerStatus),
    Endpoint("POST", "/api/plan", plan, Plan, body=ChatAsk, also={404: "There is no such agent."}),
)
