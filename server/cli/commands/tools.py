"""`moot tools`: the tools of other MCP servers. Imports click alone until a command is run."""

from __future__ import annotations

import sys

import click

from server.cli import options as opt
from server.cli.commands.setup import complete_hosts, known_hosts
from server.cli.complete import complete_servers


@click.group(invoke_without_command=True)
@click.pass_context
@opt.JSON
def tools(context: click.Context, as_json: bool) -> None:
    """List, try and accept the tools of other MCP servers, which agents may borrow."""
    if context.invoked_subcommand is None:
        context.invoke(list_tools, servers=(), as_json=as_json)


@tools.command("list")
@click.argument("servers", nargs=-1, metavar="[SERVER]...", shell_complete=complete_servers)
@opt.JSON
def list_tools(servers: tuple[str, ...], as_json: bool) -> None:
    """Start all servers, or those named, and show what they lend and what is held back."""
    from server.cli.showing.tools import show_tools

    sys.exit(opt.reporting(lambda: show_tools(servers, as_json=as_json), as_json))


@tools.command("try")
@click.argument("server", shell_complete=complete_servers)
@click.argument("tool")
@click.argument("arguments", default="{}", metavar="[JSON]")
@opt.JSON
def try_tool(server: str, tool: str, arguments: str, as_json: bool) -> None:
    """Call TOOL of SERVER once, with arguments such as '{"words": "x"}', and show what it gives."""
    from server.cli.showing.tools import try_tool as run

    sys.exit(opt.reporting(lambda: run(server, tool, arguments, as_json=as_json), as_json))


@tools.command()
@click.argument("server", shell_complete=complete_servers)
@click.argument("tool", required=False)
@opt.YES
def accept(server: str, tool: str | None, yes: bool) -> None:
    """Show what the tools of SERVER are now, or TOOL alone, and accept that: only then do they count as reading."""
    from server.cli.showing.tools import accept_tools

    def agreed(question: str) -> bool:
        return opt.confirmed(question, "--yes", yes=yes)

    sys.exit(opt.reporting(lambda: accept_tools(server, tool, agreed)))


@tools.command("import")
@click.argument("host", callback=known_hosts, shell_complete=complete_hosts)
@click.option("--project", is_flag=True, help="From the file of the project you are in.")
@opt.JSON
def import_servers(host: str, project: bool, as_json: bool) -> None:
    """Take the MCP servers of Cursor, Claude, VS Code, Codex, ... over into credentials.json."""
    from server.cli.showing.taken_over import show_taken

    sys.exit(opt.reporting(lambda: show_taken(host, project=project, as_json=as_json), as_json))


@tools.command()
@click.argument("server", shell_complete=complete_servers)
@opt.YES
def remove(server: str, yes: bool) -> None:
    """Take SERVER out of credentials.json, with what was pinned of its tools."""
    from server.mcp_client.pins import forget_pins
    from server.setup.tool_servers import check_server, remove_server

    opt.reporting(lambda: check_server(server))
    if opt.confirmed(f"Remove {server!r} and what was pinned of it?", "--yes", yes=yes):
        click.echo(opt.reporting(lambda: remove_server(server)), err=True)
        opt.reporting(lambda: forget_pins(server))
