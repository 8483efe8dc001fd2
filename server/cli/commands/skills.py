"""`moot skills`: which skills there are, what they say, why others are none. Imports click alone until one is run."""

from __future__ import annotations

import sys

import click

from server.cli import options as opt
from server.cli.complete import complete_servers


@click.group(invoke_without_command=True)
@click.pass_context
@opt.JSON
def skills(context: click.Context, as_json: bool) -> None:
    """List, show and accept skills, which agents may load; those of a workspace only where they are named."""
    if context.invoked_subcommand is None:
        context.invoke(list_skills, servers=(), as_json=as_json)


@skills.command("list")
@click.argument("servers", nargs=-1, metavar="[SERVER]...", shell_complete=complete_servers)
@opt.JSON
def list_skills(servers: tuple[str, ...], as_json: bool) -> None:
    """Show the skills of this machine and what is wrong with others, or those that SERVERs serve."""
    from server.cli.showing.skills import show_skills

    sys.exit(opt.reporting(lambda: show_skills(servers, as_json=as_json), as_json))


@skills.command()
@click.argument("name")
@click.argument("path", required=False)
@opt.JSON
def show(name: str, path: str | None, as_json: bool) -> None:
    """Print the skill NAME, or its file PATH. One of a server is called SERVER.NAME."""
    from server.cli.showing.skills import show_skill

    sys.exit(opt.reporting(lambda: show_skill(name, path, as_json=as_json), as_json))


@skills.command()
@click.argument("name")
@opt.YES
def accept(name: str, yes: bool) -> None:
    """Take the skill NAME of a server as it is now, after it has changed."""
    from server.cli.showing.skills import accept_skill

    def agreed(question: str) -> bool:
        return opt.confirmed(question, "--yes", yes=yes)

    sys.exit(opt.reporting(lambda: accept_skill(name, agreed)))
