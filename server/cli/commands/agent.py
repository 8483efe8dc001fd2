"""`moot agent`: what it takes. What it does is imported late."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt
from server.cli.asking.reading import question
from server.cli.commands import jobs as jobs_cli
from server.cli.complete import complete_ais


@click.command()
@opt.PROMPT
@click.option("-a", "--ai", metavar="NAME", shell_complete=complete_ais, help="An AI, or an agent of credentials.json.")
@click.option(
    "-T",
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    callback=opt.listed,
    help="workspace, git, threads, clock, arithmetic, ask, or a server of mcp_servers; repeat, or a,b.",
)
@click.option("--skill", "skills", multiple=True, metavar="NAME", callback=opt.listed, help="A skill; see moot skills.")
@click.option("--max-turns", type=click.IntRange(1, 1_000), metavar="N", help="Longest conversation with its model.")
@click.option("--budget", "budget_usd", type=click.FloatRange(0, min_open=True), metavar="USD", help="For all of it.")
@opt.of_recipes("files", "images", "thread", "system", "effort", "timeout_s", "dry_run")
@opt.SECRETS
@opt.BACKGROUND
@opt.SHOWN
def agent(prompt: tuple[str, ...], **options: Any) -> None:
    """Have an AI do PROMPT with tools: it looks things up, acts, and answers. It asks before it changes anything.

    It is a job: killed, it goes on where it was. Tools that only read run by themselves.
    """
    take = options.pop
    as_json, background, secrets = bool(options.get("as_json")), bool(take("background")), bool(take("send_secrets"))
    shown = {name: take(name) for name in ("as_json", "to", "extract", "raw")}
    take("go_on", None)
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    arguments: dict[str, Any] = {"task": question(prompt, None, (), piped=True)}
    arguments |= {name: value for name, value in given.items() if value not in (None, [], False)}
    if background and not arguments.get("dry_run"):
        jobs_cli.submit("agent", arguments, as_json, send_secrets=secrets)
        return
    from server.cli.running.agent_terminal import run_agent
    from server.cli.showing.printing import Shown

    sys.exit(opt.reporting(lambda: run_agent(arguments, Shown(**shown), send_secrets=secrets), as_json))
