"""The demo: a real MCP client starts the real server over stdio and has tiny local AIs answer and debate."""

from __future__ import annotations

import os
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel

from ai.local.personas import PERSONAS
from server.entry import own_command

_QUESTION = "Should a small team write its tests before the code or after it? Answer in two sentences."
_MAX_TOKENS = 80
_LONGEST_S = 600.0


def show_demo(question: str | None, svg: str | None) -> int:
    """Run the demo; exit code 1 when the panel could not answer."""
    # Recorded at a fixed width, so that the picture in the README is the same wherever it is made.
    console = Console(record=svg is not None, width=100 if svg else None)
    worked = anyio.run(_demo, console, question or _QUESTION)
    if svg:
        console.save_svg(svg, title="moot demo")
    return 0 if worked else 1


async def _demo(console: Console, question: str) -> bool:
    console.print(Panel(f"[bold]{question}[/]\n[dim]asked of three seats of a tiny demo model on this machine[/]"))
    seats = [seat.name for seat in PERSONAS]
    command, *arguments = own_command("serve")
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ), cwd=os.getcwd())
    async with Client(server, read_timeout_seconds=_LONGEST_S) as client:
        tools = await client.list_tools()
        names = ", ".join(tool.name for tool in tools.tools)
        console.print(f"[dim]MCP server started over stdio; it offers: {names}[/]\n")
        answered = await _call(
            console, client, "ask_many", {"prompt": question, "ais": seats, "max_tokens": _MAX_TOKENS}
        )
        debated = await _call(
            console,
            client,
            "debate",
            {"question": question, "ais": seats[:2], "judge": seats[2], "max_tokens": _MAX_TOKENS},
        )
    if answered and debated:
        console.print("\n[dim]That was a 135M model. For real answers set a key, such as OPENAI_API_KEY, and run:[/]")
        console.print('  moot ask --all "your question"')
    return answered and debated


async def _call(console: Console, client: Client, tool: str, arguments: dict[str, Any]) -> bool:
    """Call one tool, show its progress and its answer."""

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        console.print(f"  [dim]{message}[/]")

    console.rule(f"[bold cyan]{tool}")
    result = await client.call_tool(tool, arguments, progress_callback=progress, read_timeout_seconds=_LONGEST_S)
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        console.print(f"[red]{text}[/]", highlight=False)
    else:
        console.print(Markdown(text))
    return not result.is_error
