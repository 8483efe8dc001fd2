"""A server with the tools the official checks of MCP's tasks ask for: Moot's own factory and jobs, served over HTTP.

The tools are recipes like any other; what the checks want beside them, two tools that
insist on the extension and one that first asks in the old way, stands in an extension of its own.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension
from mcp.server.mcpserver import require_client_extension
from mcp.types import CallToolRequestParams
from pydantic import BaseModel
from scripted_ai import scripted_app

from ai.runs.app import App
from ai.runs.run import Run
from core.errors import MootError
from server.mcp_server.app import create_mcp_server
from server.mcp_server.tasks import TASKS
from server.toolbox import KINDS, Recipe

_LATER_S = 1.0
"""Longer than what the server answers directly."""
_NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
_SURE = {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]}


class Said(BaseModel):
    text: str

    def markdown(self) -> str:
        return self.text


async def greet(run: Run, name: str) -> Said:
    """Greet somebody."""
    return Said(text=f"Hello, {name}!")


async def slow_compute(run: Run, seconds: float = 1, label: str = "") -> Said:
    """Compute for a while."""
    await anyio.sleep(seconds)
    return Said(text=f"{label}: computed for {seconds} s")


async def failing_job(run: Run) -> Said:
    """Fail later."""
    await anyio.sleep(_LATER_S)
    raise MootError("It does not work.")


async def protocol_error_job(run: Run) -> Said:
    """Break later."""
    await anyio.sleep(_LATER_S)
    raise RuntimeError("broken")


async def confirm_delete(run: Run, filename: str) -> Said:
    """Ask before something is deleted."""
    sure = await run.ask_user(f"Delete {filename}?", _SURE)
    return Said(text=f"{filename} deleted" if sure and sure.get("confirm") else f"{filename} kept")


async def multi_input(run: Run) -> Said:
    """Ask for two things at once."""
    answers: dict[str, Any] = {}

    async def ask(what: str) -> None:
        answers[what] = await run.ask_user(f"Which {what}?", _NAME)

    async with anyio.create_task_group() as tasks:
        for what in ("source", "target"):
            tasks.start_soon(ask, what)
    return Said(text=str(answers))


async def test_tool_with_task(run: Run, user_name: str) -> Said:
    """Greet somebody later."""
    await anyio.sleep(_LATER_S)
    return Said(text=f"Done for {user_name}.")


RECIPES = (
    Recipe(greet, "Greet", asks_others=False),
    *(
        Recipe(run, run.__name__, asks_others=False, background=True)
        for run in (slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task)
    ),
)


class Insisting(Extension):
    """Tools that can do nothing without tasks, one of which asks for a name before its task is made (SEP-2322)."""

    identifier = "io.example/insisting"

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        if params.name in ("failing_job", "test_tool_with_task"):
            require_client_extension(ctx, TASKS)
        if params.name == "test_tool_with_task":
            given = params.input_responses or {}
            if "user_name" not in given:
                form = {"mode": "form", "message": "What is your name?", "requestedSchema": _NAME}
                request = {"method": "elicitation/create", "params": form}
                return {"resultType": "input_required", "inputRequests": {"user_name": request}}
            params.arguments = {"user_name": given["user_name"].content["name"]}  # type: ignore[union-attr, index]
        return await call_next(ctx)


@asynccontextmanager
async def _app() -> AsyncIterator[App]:
    async with scripted_app({}) as app:
        yield app


async def serve() -> None:
    """Serve until told to stop; the first line of stdout is the port."""
    KINDS.update({recipe.name: recipe for recipe in RECIPES if recipe.background})
    server = create_mcp_server(_app, recipes=RECIPES, extensions=[Insisting()])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        http = uvicorn.Config(server.streamable_http_app(host="127.0.0.1"), log_level="warning", ws="none")
        await uvicorn.Server(http).serve(sockets=[listening])


if __name__ == "__main__":
    anyio.run(serve)
