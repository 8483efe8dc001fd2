"""What is offered is prepared when it is asked for, and only that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
from mcp import Client
from mcp.types import CallToolResult, TextContent

from server.mcp_server.app import create_mcp_server
from server.mcp_server.lazy_server import Tools
from server.mcp_server.reply import LongResults
from server.toolbox import KINDS, RECIPES

ROOT = Path(__file__).parents[3]

ONE_CALL = """
import sys
import anyio
from server.mcp_server.app import create_mcp_server
from server.mcp_server.lazy_server import Tools
from server.mcp_server.reply import LongResults
from server.toolbox import RECIPES
create_mcp_server()
anyio.run(Tools(RECIPES, LongResults()).get, "status")
rooms = [name for name, module in sys.modules.items() if hasattr(module, "__path__")]
print(*sorted(name for name in sys.modules if name.rpartition(".")[0] == "tools" and name not in rooms))
"""


def test_of_all_recipes_only_the_one_that_is_called_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ONE_CALL], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tools.jobs", "tools.status"]  # resources show jobs, too


async def test_a_tool_is_made_once_and_all_come_in_the_order_of_their_recipes() -> None:
    tools = Tools(RECIPES, LongResults())
    assert await tools.get("nope") is None
    judge = await tools.get("judge")
    listed = await tools.all()
    assert [tool.name for tool in listed] == [recipe.name for recipe in RECIPES]
    assert listed[4] is judge


async def test_every_recipe_has_the_name_of_its_function() -> None:
    for recipe in RECIPES:
        await recipe.load()
        assert recipe.run.__name__ == recipe.name
    assert KINDS["batch"].run.__name__ == "run_batch"


async def test_a_tool_that_is_not_there_is_told_in_the_result(isolated: Path) -> None:
    with anyio.fail_after(10):
        async with Client(create_mcp_server()) as client:
            refused = await client.call_tool("nope", {})
    assert isinstance(refused, CallToolResult) and refused.is_error
    assert refused.content == [TextContent(type="text", text="Unknown tool: nope")]
