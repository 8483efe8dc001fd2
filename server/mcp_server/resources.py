"""Resources: what hosts can attach or read without a tool: usage, the threads, and the jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError

from ai.runs.app import App
from core.errors import MootError
from core.people.person import acting
from core.usage.ledger import usage_report
from server.mcp_server.reply import LongResults
from tools.jobs import JobView, finished_calls, read_job

T = TypeVar("T")
THREAD = "moot://threads/{name}"
JOB = "moot://jobs/{id}"
EVENTS = "moot://jobs/{id}/events{?after}"
_CALLS_SHOWN = 100


def add_resources(server: MCPServer[App], app: Callable[[], App], results: LongResults) -> None:
    """Register every resource; *app* gives the one that is open when a resource is read."""

    @server.resource(
        "moot://usage",
        name="usage",
        title="Usage",
        description="Calls, tokens and cost of the last 30 days, by day and by AI. An unknown cost is null.",
        mime_type="application/json",
    )
    def usage() -> dict[str, Any]:
        person = acting()
        whose = None if person.owns else person.name
        return _read(lambda: usage_report(app().ledger, datetime.now(UTC), whose))

    @server.resource(
        "moot://threads",
        name="threads",
        title="Threads",
        description="The conversations that `thread` continues, latest first.",
        mime_type="application/json",
    )
    def threads() -> list[dict[str, Any]]:
        listed = _read(app().materials_of(acting()).threads.all)
        return [
            {"name": one.name, "turns": one.turns, "updated": one.updated, "opening": one.opening} for one in listed
        ]

    @server.resource(
        THREAD, name="thread", title="Thread", description="A conversation as Markdown.", mime_type="text/markdown"
    )
    def thread(name: str) -> str:
        return _read(lambda: app().materials_of(acting()).threads.markdown(name))

    @server.resource(
        "moot://jobs",
        name="jobs",
        title="Jobs",
        description="Runs in the background, newest first: state, finished calls, and why one is paused or failed.",
        mime_type="application/json",
    )
    async def jobs() -> list[dict[str, Any]]:
        return [JobView.of(job).model_dump() for job in await _awaited(app().jobs.list_jobs())]

    @server.resource(
        JOB,
        name="job",
        title="Job",
        description=f"A job's state, its first {_CALLS_SHOWN} finished calls, and its result once it is done.",
        mime_type="application/json",
    )
    async def job(id: str) -> dict[str, Any]:
        jobs = app().jobs
        report = read_job(jobs, await _awaited(jobs.get(id)), after=0, limit=_CALLS_SHOWN)
        return (await _awaited(report)).model_dump()

    @server.resource(
        EVENTS,
        name="job events",
        title="Events of a job",
        description=f"Its finished calls in order, {_CALLS_SHOWN} at a time: pass `cursor` as `after` to read on.",
        mime_type="application/json",
    )
    async def events(id: str, after: int = 0) -> dict[str, Any]:
        jobs = app().jobs
        job = await _awaited(jobs.get(id))
        calls = await _awaited(jobs.calls(id, after=max(after, 0), limit=_CALLS_SHOWN))
        return {
            "job": JobView.of(job).model_dump(),
            "events": [call.model_dump() for call in finished_calls(calls)],
            "cursor": calls[-1].seq if calls else after,
        }

    @server.resource(
        "moot://results/{id}",
        name="result",
        title="Full result",
        description="A tool's result that was too long for one reply.",
        mime_type="text/markdown",
    )
    def result(id: str) -> str:
        return _read(lambda: results.read(id))


def _read(source: Callable[[], T]) -> T:
    try:
        return source()
    except MootError as error:
        raise ResourceError(str(error)) from error


async def _awaited(source: Awaitable[T]) -> T:
    try:
        return await source
    except MootError as error:
        raise ResourceError(str(error)) from error
