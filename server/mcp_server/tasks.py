"""MCP's extension `io.modelcontextprotocol/tasks` (SEP-2663): for hosts that declare it, a job is a task.

A call that is not finished at once is answered with the id of its job, which is durable by then. The host polls it,
cancels it, and passes on what it asks of the user. Hosts that do not declare the extension notice nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ElicitResult,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, Field, ValidationError

from ai.runs.app import App
from core.errors import MootError, StoreError, UnknownJobError
from core.jobs.questions import Question
from core.jobs.states import KEPT_S
from server.jobs.background import attended, finished, submit
from server.mcp_server.adapter import RecipeTool, failure, tell_where
from server.mcp_server.approving import PREFIX, SCHEMA, word
from server.mcp_server.apps import drawable
from server.mcp_server.lazy_server import Tools
from server.mcp_server.reply import LongResults, as_reply
from server.toolbox import KINDS

if TYPE_CHECKING:
    from core.jobs.values import Job

Context = ServerRequestContext[App, Any]

TASKS = "io.modelcontextprotocol/tasks"
"""The extension's identifier."""

DIRECT_S = 0.75
"""What takes no longer is answered with its result; the host is spared the polling."""
POLL_MS = 1_000
_MODERN = frozenset(MODERN_PROTOCOL_VERSIONS)
_COMPLETE = {"resultType": "complete"}


class TaskParams(RequestParams):
    model_config = ConfigDict(defer_build=True)  # a server starts faster

    task_id: str = Field(max_length=64)


class UpdateParams(TaskParams):
    input_responses: dict[str, dict[str, Any]] = Field(default={}, max_length=100)


class TasksExtension(Extension):
    """Answers calls of recipes that can be jobs with tasks.

    Args:
        tools: What is listed; what they say of wrong arguments is said here too.
        results: Where a result goes that is too long for one reply.
    """

    identifier = TASKS

    def __init__(self, tools: Tools, results: LongResults) -> None:
        self._tools = tools
        self._results = results

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self._get, _MODERN),
            MethodBinding("tasks/update", UpdateParams, self._update, _MODERN),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, _MODERN),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        recipe = KINDS.get(params.name)
        if recipe is None or not _declared(ctx):
            return await call_next(ctx)
        arguments = await self._for_job(params)
        if arguments is None:
            return await call_next(ctx)
        try:
            job = await submit(ctx.lifespan_context, recipe, arguments)
        except StoreError:  # there is no job without a store, but there may be an answer
            return await call_next(ctx)
        except MootError as error:
            return failure(error)
        return await self._reply(job, ctx)

    async def _for_job(self, params: CallToolRequestParams) -> dict[str, Any] | None:
        """The arguments of a call that becomes a job; None for one that is for the tool itself to answer.

        Such are wrong arguments, a plan, and `background`, by which the model asks for the job's id.
        """
        tool = await self._tools.get(params.name)
        if tool is None:
            return None
        try:
            given = params.arguments or {}
            meant = tool.meant(given) if isinstance(tool, RecipeTool) else given
            arguments = tool.fn_metadata.validate_arguments(meant)
        except ValidationError:
            return None
        return None if arguments.pop("background") or arguments.get("dry_run") else arguments

    async def _reply(self, job: Job, ctx: Context) -> HandlerResult:
        """The result, or the task where that takes longer."""

        async def send(progress: float, total: float | None, message: str) -> None:
            await ctx.session.report_progress(progress, total, message)

        await tell_where(KINDS[job.kind], self._tools.live, job.id, send)
        with _complaints():
            job = await attended(ctx.lifespan_context, job, DIRECT_S, send)
            task = await self._task(job, ctx)
        if "error" in task:
            raise MCPError(**task["error"])
        if "result" in task:
            result: dict[str, Any] = task["result"]
            if job.state == "done":  # nobody knows of it, so nobody will ask for its words again
                await ctx.lifespan_context.jobs.forget(job.id)
            return result
        task.pop("inputRequests", None)  # a new task tells its id and status alone
        return task | {"resultType": "task"}

    async def _get(self, ctx: Context, params: TaskParams) -> HandlerResult:
        with _complaints():
            return await self._task(await _find(ctx, params), ctx) | _COMPLETE

    async def _cancel(self, ctx: Context, params: TaskParams) -> HandlerResult:
        with _complaints():
            await _find(ctx, params)
            await ctx.lifespan_context.jobs.cancel(params.task_id)
        return _COMPLETE

    async def _update(self, ctx: Context, params: UpdateParams) -> HandlerResult:
        """Settle what the task asked; answers to anything else are ignored, as the extension wants it."""
        with _complaints():
            job = await _find(ctx, params)
            asked = await _questions(ctx.lifespan_context, job)
            answers = {name: _answer(given) for name, given in params.input_responses.items() if name in asked}
            for name, answer in answers.items():
                await _settle(ctx.lifespan_context, job, name, answer)
        return _COMPLETE

    async def _task(self, job: Job, ctx: Context) -> dict[str, Any]:
        """The task as `tasks/get` shows it, but for its `resultType`."""
        task = _base(job)
        if job.broke:
            return task | {"error": {"code": INTERNAL_ERROR, "message": job.reason}}
        if asked := await _questions(ctx.lifespan_context, job):
            if _elicits(ctx):
                requests = {name: _elicitation(question) for name, question in asked.items()}
                return task | {"status": "input_required", "inputRequests": requests}
            if job.state == "paused":
                return task | {"status": "completed", "result": _dumped(failure(_stuck(job)))}
        if job.task_status == "completed":
            return task | {"result": _dumped(await self._result(ctx, job))}
        return task

    async def _result(self, ctx: Context, job: Job) -> CallToolResult:
        """What the tool would have answered."""
        app = ctx.lifespan_context
        try:
            return await drawable(as_reply(await finished(app, KINDS[job.kind], job), job.id, self._results), ctx)
        except MootError as error:
            return failure(error)


def _declared(ctx: Context) -> bool:
    told = ctx.session.client_capabilities
    return ctx.protocol_version in _MODERN and bool(told and told.extensions and TASKS in told.extensions)


def _elicits(ctx: Context) -> bool:
    told = ctx.session.client_capabilities
    return told is not None and told.elicitation is not None


async def _find(ctx: Context, params: TaskParams) -> Job:
    """The job of a request about a task, once the request is found to be in order."""
    require_client_extension(ctx, TASKS)
    headers = getattr(ctx.request, "headers", None)  # there over HTTP alone, where proxies route by it (SEP-2243)
    if headers is not None and headers.get("mcp-name") != params.task_id:
        raise MCPError(code=HEADER_MISMATCH, message="The header Mcp-Name must be the task's id, as in taskId.")
    job = await ctx.lifespan_context.jobs.get(params.task_id)
    if job.kind not in KINDS:
        raise UnknownJobError(job.id)
    return job


@contextmanager
def _complaints() -> Iterator[None]:
    """What goes wrong inside, as errors of the protocol."""
    try:
        yield
    except UnknownJobError as error:
        raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
    except MootError as error:
        raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error


def _base(job: Job) -> dict[str, Any]:
    total = "" if job.total is None else f" of {job.total}"
    return {
        "taskId": job.id,
        "status": job.task_status,
        "statusMessage": job.reason or f"{job.calls}{total} calls finished.",
        "createdAt": _time(job.created),
        "lastUpdatedAt": _time(job.finished or job.started or job.created),
        "ttlMs": int(KEPT_S * 1_000),
        "pollIntervalMs": POLL_MS,
    }


async def _questions(app: App, job: Job) -> dict[str, Question]:
    """What the user has to settle: what a tool waits for, whether a paused job goes on, or what a running one asks."""
    if job.state == "paused" and not job.waits:
        if approvals := await app.jobs.approvals(job.id):
            return {f"{PREFIX}{one.id}": Question(one.sentence(), SCHEMA) for one in approvals}
        return {_go_on(job): Question(f"{job.reason} Go on?")}
    return app.jobs.questions.of(job.id)


def _go_on(job: Job) -> str:
    """The question's id: another one at the next pause, since whoever ran the job had another fence by then."""
    return f"go-on-{job.fence}"


async def _settle(app: App, job: Job, question: str, answer: ElicitResult) -> None:
    if question.startswith(PREFIX):
        if (yes := word(answer)) is not None:
            await app.jobs.approve(job.id, question.removeprefix(PREFIX), yes=yes)
    elif question != _go_on(job):
        app.jobs.questions.answer(job.id, question, (answer.content or {}) if answer.action == "accept" else None)
    elif answer.action == "accept":
        await app.jobs.resume(job.id)
    else:
        await app.jobs.cancel(job.id)


def _answer(response: Mapping[str, Any]) -> ElicitResult:
    try:
        return ElicitResult.model_validate(response, by_name=False)
    except ValidationError as error:
        raise MCPError(
            code=INVALID_PARAMS, message="Each of inputResponses must be an elicitation's result."
        ) from error


def _elicitation(question: Question) -> dict[str, Any]:
    form = {"mode": "form", "message": question.message, "requestedSchema": dict(question.schema)}
    return {"method": "elicitation/create", "params": form}


def _stuck(job: Job) -> str:
    return f'{job.reason} Once that is mended, go on with jobs(action="resume", id="{job.id}").'


def _dumped(result: CallToolResult) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
