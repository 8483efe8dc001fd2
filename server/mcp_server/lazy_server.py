"""What the server offers, prepared when it is first asked for: a tool when it is called, all when they are listed.

Of all that a process could do for its host it mostly does one thing, and the host waits for that alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    Resource,
    ResourceTemplate,
)
from mcp.types import Tool as ListedTool
from pydantic import AnyUrl

from ai.runs.app import App
from core.untrusted import one_line
from server.mcp_server.adapter import Link, as_tool
from server.mcp_server.reply import LongResults
from server.toolbox import Recipe
from tools.recipe.result import shown

_LONGEST_NAME = 200


class Tools:
    """The tools of *recipes*, in their order; what is too long for a reply is kept in *results*.

    Args:
        live: Where runs can be watched; None: nowhere.
    """

    def __init__(self, recipes: Sequence[Recipe], results: LongResults, live: Link | None = None) -> None:
        self.live = live
        self._recipes = {recipe.name: recipe for recipe in recipes}
        self._results = results
        self._made: dict[str, Tool] = {}

    async def get(self, name: str) -> Tool | None:
        """The tool called *name*; None when there is none."""
        recipe = self._recipes.get(name)
        if recipe is not None and name not in self._made:
            await recipe.load()
            self._made[name] = as_tool(recipe, self._results, self.live)
        return self._made.get(name)

    async def all(self) -> list[Tool]:
        """Every tool, in the order listed."""
        return [tool for name in self._recipes if (tool := await self.get(name))]


class LateServer(MCPServer[App]):
    """An MCP server with *tools*, whose prompts and resources *furnish* registers when the first is asked for."""

    def __init__(self, name: str, *, tools: Tools, furnish: Callable[[], None], **options: Any) -> None:
        super().__init__(name, **options)
        self._tools = tools
        self._furnish: Callable[[], None] | None = furnish

    async def list_tools(self) -> list[ListedTool]:
        return [_listed(tool) for tool in await self._tools.all()]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[App, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        tool = await self._tools.get(name)
        if tool is None:
            raise ToolError(f"Unknown tool: {shown(one_line(name, _LONGEST_NAME))}")
        called: CallToolResult | InputRequiredResult = await tool.run(
            arguments, context or Context(mcp_server=self), convert_result=True
        )
        return called

    async def list_resources(self) -> list[Resource]:
        self._complete()
        return await super().list_resources()

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        self._complete()
        return await super().list_resource_templates()

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[App, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        self._complete()
        return await super().read_resource(uri, context)

    async def list_prompts(self) -> list[Prompt]:
        self._complete()
        return await super().list_prompts()

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[App, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        self._complete()
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:  # a wrong argument is an answer to the host, and no traceback in its log
            raise MCPError(INVALID_PARAMS, f"The prompt {name!r} cannot be made: {error}.") from error

    def _complete(self) -> None:
        furnish, self._furnish = self._furnish, None
        if furnish is not None:
            furnish()


def _listed(tool: Tool) -> ListedTool:
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.parameters,
        annotations=tool.annotations,
        _meta=tool.meta,
    )
