"""Resources: what hosts can attach or read without a tool: usage, and the threads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError

from core.errors import MootError
from core.ledger import usage_report
from core.lifecycle import App
from server.reply import Results

T = TypeVar("T")
THREAD = "moot://threads/{name}"


def add_resources(server: MCPServer[App], app: Callable[[], App], results: Results) -> None:
    """Register every resource; *app* gives the one that is open when a resource is read."""

    @server.resource(
        "moot://usage",
        name="usage",
        title="Usage",
        description="Calls, tokens and cost of the last 30 days, by day and by AI. An unknown cost is null.",
        mime_type="application/json",
    )
    def usage() -> dict[str, Any]:
        return _read(lambda: usage_report(app().ledger, datetime.now(UTC)))

    @server.resource(
        "moot://threads",
        name="threads",
        title="Threads",
        description="The conversations that `thread` continues, latest first.",
        mime_type="application/json",
    )
    def threads() -> list[dict[str, Any]]:
        listed = _read(app().desk.threads.all)
        return [
            {"name": one.name, "turns": one.turns, "updated": one.updated, "opening": one.opening} for one in listed
        ]

    @server.resource(
        THREAD, name="thread", title="Thread", description="A conversation as Markdown.", mime_type="text/markdown"
    )
    def thread(name: str) -> str:
        return _read(lambda: app().desk.threads.markdown(name))

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
