"""The demo: a real MCP client starts the real server over stdio; the seats of a tiny local AI answer, and vote."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from ai.local.personas import BETTER_SEAT, PERSONAS, Persona
from ai.local.weights import BETTER
from server.cli.running.embedded import fetch_if_missing
from server.entry import own_command

_QUESTION = "What is the capital of France?"
_MAX_TOKENS = 60
_LONGEST_S = 600.0


def show_demo(question: str | None, svg: str | None, *, better: bool = False) -> int:
    """Run the demo; exit code 1 when the panel could not answer.

    Raises:
        click.ClickException: The better model is asked for, and cannot be had.
    """
    if better:
        fetch_if_missing(BETTER)
    seats = (PERSONAS[0], BETTER_SEAT, PERSONAS[2]) if better else PERSONAS
    # Recorded at a fixed width, so that the picture in the README is the same wherever it is made.
    console = Console(record=svg is not None, width=100 if svg else None)
    worked = anyio.run(_demo, console, question or _QUESTION, seats)
    if svg:
        console.save_svg(svg, title="moot demo")
    return 0 if worked else 1


async def _demo(console: Console, question: str, seats: tuple[Persona, ...]) -> bool:
    console.print(f"[bold]{escape(question)}[/]")
    models = list(dict.fromkeys(seat.model.name for seat in seats))
    kind = "a tiny demo model" if len(models) == 1 else "two tiny demo models"
    console.print(f"[dim]Asked of three seats of {kind} on this machine, through the MCP server.[/]\n")
    command, *arguments = own_command("serve")
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ), cwd=os.getcwd())
    asked = {"prompt": question, "ais": [seat.name for seat in seats], "max_tokens": _MAX_TOKENS, "synthesize": "vote"}
    async with Client(server, read_timeout_seconds=_LONGEST_S) as client:
        result = await _call(console, client, asked)
    if result.is_error:
        console.print(f"[red]{escape(_text(result))}[/]", highlight=False)
        return False
    _print(console, result.structured_content or {}, {seat.name: seat.model.name for seat in seats})
    size = "was a model of 135 million" if len(models) == 1 else "were models of 135 and 494 million"
    console.print(f"\n[dim]That {size} parameters. For real answers add a key:[/]")
    for next_step in ("keys set openai", "connect", 'ask --all "your question"'):
        console.print(f"  {escape(_how_to_start())} {next_step}", highlight=False)
    return True


def _how_to_start() -> str:
    """The words by which this program was started: uv says where it is, and is on no PATH after the quick start.

    The quick start leaves out what only developers need; so do its next steps, or uv would fetch that now.
    """
    uv = os.environ.get("UV")
    if uv is None:
        return "moot"
    program = "uv" if shutil.which("uv") == uv else os.path.relpath(uv)
    return f"{program} run moot" if find_spec("pytest") else f"{program} run --no-dev moot"


async def _call(console: Console, client: Client, asked: dict[str, Any]) -> CallToolResult:
    """Have everybody answer; one line tells how far they are."""
    with console.status("the model starts", spinner="dots") as line:

        async def show(progress: float, total: float | None, message: str | None) -> None:
            line.update(f"{progress:.0f} of {total or 0:.0f} seats: {escape(message or '')}")

        result = await client.call_tool("ask_many", asked, progress_callback=show, read_timeout_seconds=_LONGEST_S)
    assert isinstance(result, CallToolResult)
    return result


def _print(console: Console, replies: dict[str, Any], models: dict[str, str]) -> None:
    """The answers, then the vote of the same seats."""
    for reply in replies["replies"]:
        console.print(
            f"[bold cyan]{reply['ai']}[/]  [dim]{reply['model'] or models[reply['ai']]}, {reply['latency_s']:.1f} s[/]",
            highlight=False,
        )
        console.print(f"  {escape(reply['text'].strip() or reply['error'] or '')}\n", highlight=False)
    vote = replies.get("synthesis") or {}
    if vote.get("answer") is not None:
        lines = [f"[bold]{escape(vote['answer'])}[/]"]
        lines += [f"{escape(one['answer'])}: {', '.join(one['ais']) or 'nobody'}" for one in vote["votes"]]
        console.print(Panel("\n".join(lines), title="The vote", title_align="left"))
    else:
        console.print("[dim]No vote: open answers cannot be compared. moot consensus has them matched.[/]")


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
