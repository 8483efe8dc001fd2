"""A recipe as an MCP tool: its parameters as a lean schema, its calls as runs or jobs, its result as text and data.

No tool declares an output schema: what a result holds is complete as text and as data alike, and schemas of nested
results cost every conversation some thousand tokens.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr, ValidationError

from ai.runs.app import App
from ai.runs.run import new_run_id
from core.errors import MootError, StoreError
from core.events import Subscription
from server.jobs.background import JobHandle, attended, finished, start, submit
from server.mcp_server.approving import ask, can_ask, job_of, take_answers
from server.mcp_server.apps import drawable, panel_meta
from server.mcp_server.arguments import hint, understood
from server.mcp_server.host_limits import patience_s
from server.mcp_server.reply import LongResults, as_reply, noted
from server.progress import Send, report, watched
from server.toolbox import Recipe
from tools.recipe.kit import Background
from tools.recipe.result import Result, shown

if TYPE_CHECKING:
    from core.jobs.values import Job

Link = Callable[[str], Awaitable[str | None]]
"""Gives the address where a run of that id can be watched; None where it cannot."""
_OF_ALL = ("temperature", "max_tokens", "effort", "timeout_s", "dry_run", "background")
LISTED_WITH = dict.fromkeys(_OF_ALL, "ask_one") | {
    "on_partial": "ask_many",
    "tools": "agent",
}
"""Arguments of several tools that are listed with one of them alone: what tunes a call, or is seldom wanted."""
UNLISTED = frozenset({"schema", "history", "agent.images", "agent.thread", "agent.skills"})
"""Taken by ask_one, ask_many or the tool that is named, and hardly ever wanted by a model."""
EXPLAINED = frozenset(
    {
        "prompt",
        "question",
        "ais",
        "images",
        "thread",
        "files",
        "dry_run",
        "background",
        "on_partial",
        "system",
        "role",
        "tools",
    }
)
"""Arguments of several tools, which the server's instructions explain."""


_MOST = 100
"""A bound above it says nothing to a model."""


class RecipeTool(Tool):
    """A tool that understands what models nearly wrote, and complains of the rest in a sentence."""

    _schema: dict[str, Any] = PrivateAttr(default_factory=dict)

    def meant(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """*arguments* as a model meant them."""
        return understood(arguments, self._schema)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        arguments = self.meant(arguments)
        try:
            self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            return failure(_complaint(self.name, error, self._schema.get("properties", ())))
        return await super().run(arguments, context, convert_result)


def as_tool(recipe: Recipe, results: LongResults, live: Link | None = None) -> Tool:
    """The tool for *recipe*; what is too long for a reply is kept in *results*, and *live* says where to watch it."""
    made = RecipeTool.from_function(
        _handler(recipe, results, live),
        title=recipe.title,
        annotations=_annotations(recipe),
        meta=({"anthropic/alwaysLoad": True} if recipe.asks_others else {}) | panel_meta(recipe.name) or None,
        structured_output=False,
    )
    assert isinstance(made, RecipeTool), "from_function makes one of its class"
    tool = made
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"  # a misspelt argument must not be ignored in silence
    arguments.model_rebuild(force=True)
    schema = arguments.model_json_schema()
    tool._schema = schema
    tool.parameters = _listed(recipe, _lean(schema))
    return tool


def _listed(recipe: Recipe, schema: dict[str, Any]) -> dict[str, Any]:
    """*schema* as it is listed: what the instructions explain for several tools is not explained again, and some is
    listed with one tool alone; every tool that has it takes it all the same. Of what a package adds, the arguments of
    those names are its own.
    """
    schema.pop("additionalProperties", None)  # refused with a sentence all the same
    if recipe.added:
        return schema
    listed = {name: value for name, value in schema["properties"].items() if _is_listed(recipe.name, name)}
    for name in EXPLAINED & listed.keys() if recipe.name != "ask_one" else ():
        listed[name].pop("description", None)
    schema = schema | {"properties": listed}
    if "$ref" not in json.dumps(listed):  # what stood there is not listed any more
        schema.pop("$defs", None)
    return schema


def _is_listed(recipe: str, argument: str) -> bool:
    home = LISTED_WITH.get(argument, recipe)
    return home == recipe and not {argument, f"{recipe}.{argument}"} & UNLISTED


def _annotations(recipe: Recipe) -> ToolAnnotations:
    """Hosts take a tool for one that reaches the outside world unless it says otherwise."""
    if recipe.asks_others:
        return ToolAnnotations(read_only_hint=recipe.read_only)
    return ToolAnnotations(read_only_hint=recipe.read_only, open_world_hint=False)


def _handler(recipe: Recipe, results: LongResults, live: Link | None) -> Callable[..., Any]:
    """The recipe as a function the SDK can register: `run` replaced by the request's context."""

    async def handle(ctx: Context[App], **arguments: Any) -> CallToolResult | InputRequiredResult:
        call = _Call(recipe, ctx, live)
        try:
            result = await call.result(arguments)
        except MootError as error:
            return failure(error)
        if isinstance(result, InputRequiredResult):
            return result
        return await drawable(noted(as_reply(result, call.id, results), call.note), ctx)

    signature = inspect.signature(recipe.run, eval_str=True)
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Context[App])
    given = [parameter for name, parameter in signature.parameters.items() if name != "run"]
    if recipe.background:
        given.append(
            inspect.Parameter("background", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Background)
        )
    handle.__name__ = recipe.name
    handle.__doc__ = " ".join((recipe.run.__doc__ or "").split())
    handle.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[context, *given], return_annotation=CallToolResult
    )
    handle.__annotations__ = {p.name: p.annotation for p in [context, *given]} | {"return": CallToolResult}
    return handle


class _Call:
    """One call of a recipe by a host: a run, or a job where the host may not wait long enough."""

    def __init__(self, recipe: Recipe, ctx: Context[App], live: Link | None) -> None:
        self._recipe = recipe
        self._live = live
        self._ctx = ctx
        self._app = ctx.request_context.lifespan_context
        self.id = new_run_id()
        self.note = ""
        """What whoever reads the result has to know beside it."""

    async def result(self, arguments: dict[str, Any]) -> Result | InputRequiredResult:
        background = arguments.pop("background", False)
        if not self._recipe.background or arguments.get("dry_run"):
            return await self._run(arguments)
        if background:
            return await start(self._app, self._recipe, arguments)
        patience = patience_s(self._client(), os.environ, self._app.config.defaults.reply_within)
        if patience is None and not self._may_ask:
            return await self._run(arguments)
        return await self._run_within(math.inf if patience is None else patience, arguments)

    @property
    def _may_ask(self) -> bool:
        """Whether an agent may have to ask a person, for which the call has to be a job."""
        return self._recipe.name == "agent" or bool(self._app.config.agents)

    async def _run(self, arguments: dict[str, Any]) -> Result:
        await tell_where(self._recipe, self._live, self.id, self._send)
        async with watched(self._app.bus, self.id, self._show), self._app.run(self._recipe.name, run_id=self.id) as run:
            return await self._recipe.run(run, **arguments)

    async def _run_within(self, patience: float, arguments: dict[str, Any]) -> Result | InputRequiredResult:
        """The result, or what there is after *patience* seconds, while a job goes on with the rest."""
        try:
            job = await self._job(arguments)
        except StoreError as error:  # an answer without a journal is better than none
            self.note = f"This answer is not kept anywhere: {error}"
            return await self._run(arguments)
        self.id = job.id
        await tell_where(self._recipe, self._live, job.id, self._send)
        until = anyio.current_time() + patience
        while True:
            job = await attended(self._app, job, max(until - anyio.current_time(), 0), self._send)
            if job.state != "paused" or job.waits:
                break
            asked = await self._ask(job)
            if asked is not True:
                return asked
        result = await finished(self._app, self._recipe, job)
        if isinstance(result, JobHandle):
            return result.after(patience)
        await self._app.jobs.forget(job.id)  # nobody will ask for its words again: the host has them
        return result

    async def _job(self, arguments: dict[str, Any]) -> Job:
        """The job of this call: a new one, or the one whose questions the host now answers."""
        if (begun := job_of(self._ctx)) is None:
            return await submit(self._app, self._recipe, arguments)
        await take_answers(self._ctx, self._app, begun)
        return await self._app.jobs.get(begun)

    async def _ask(self, job: Job) -> Result | InputRequiredResult | Literal[True]:
        """Have the user answer what a paused job waits for; True where it goes on."""
        approvals = await self._app.jobs.approvals(job.id)
        if not approvals:
            if (await self._app.jobs.get(job.id)).state != "paused":  # answered at another door in this moment
                return True
            await self._app.jobs.cancel(job.id)
            raise MootError(job.reason)
        asked = await ask(self._ctx, self._app, job.id, approvals) if can_ask(self._ctx) else False
        return asked or (await finished(self._app, self._recipe, job)).but(partial=True)

    async def _show(self, events: Subscription) -> None:
        await report(events, self._send)

    async def _send(self, progress: float, total: float | None, message: str) -> None:
        await self._ctx.report_progress(progress, total, message)

    def _client(self) -> str:
        """The host by the name it gives itself."""
        told = self._ctx.session.client_params
        return told.client_info.name if told and told.client_info else ""


async def tell_where(recipe: Recipe, live: Link | None, run: str, send: Send) -> None:
    """Have the first progress note say where a person can watch the run."""
    if live is not None and recipe.asks_others and (link := await live(run)):
        await send(0.0, None, f"Watch it: {link}")


def failure(error: MootError | str) -> CallToolResult:
    """What a host's model reads when a tool could not do it, and for programs the word that says why."""
    text = shown(str(error))
    if isinstance(error, str):
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
    data = {"error": {"kind": error.kind, "code": error.code, "message": text}}
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=data, is_error=True)


def _complaint(tool: str, error: ValidationError, known: Iterable[str]) -> str:
    """One sentence per bad argument: its name and what is expected, never the value."""
    sentences = []
    for detail in error.errors(include_url=False, include_input=False):
        name = ".".join(map(str, detail["loc"]))
        match detail["type"]:
            case "missing":
                sentences.append(f"{name!r} is missing.")
            case "extra_forbidden":
                sentences.append(f"{name!r} is not an argument of {tool}.{hint(name, known)}")
            case _:
                sentences.append(f"{name!r}: {detail['msg']}.")
    return f"{tool} cannot run: {' '.join(sentences)} Correct the arguments and call it again."


def _lean(schema: Any) -> Any:
    """*schema* without what says nothing to a model: bytes, but no information.

    Gone are the titles pydantic derives from names; null where leaving out means the same; defaults that are no; and
    bounds that a good caller never meets and a bad one is told of.
    """
    if isinstance(schema, list):
        return [_lean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    lean: dict[str, Any] = {}
    if schema.get("default") in schema.get("enum", ()) and schema["default"] == schema["enum"][0]:
        schema = {key: value for key, value in schema.items() if key != "default"}  # the first is the default
    for key, value in schema.items():
        if key == "additionalProperties" and value is True:  # as it is without
            continue
        if key == "properties":
            lean[key] = {name: _lean(inner) for name, inner in value.items()}
        elif key == "anyOf" and len(some := [kind for kind in value if kind != {"type": "null"}]) == 1:
            lean |= _lean(some[0])
        elif not _idle(key, value):
            lean[key] = _lean(value)
    return lean


def _idle(key: str, value: Any) -> bool:
    match key:
        case "title":
            return isinstance(value, str)
        case "default":
            return value in (None, False)
        case "maxItems" | "maxLength" | "exclusiveMinimum":
            return True
        case "minimum":
            return value in (0, 1)
        case "maximum":
            return isinstance(value, int | float) and value > _MOST
        case _:
            return False
