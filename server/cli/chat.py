"""`moot chat`: a conversation in the terminal. Imports click alone until it is run."""

from __future__ import annotations

import sys

import click

from server.cli import options as opt


@click.command()
@opt.WHOM
@click.option(
    "--panel", type=click.Choice(("consensus", "debate"), case_sensitive=False), help="Answer by a panel instead."
)
@opt.ROLE
@opt.FILES
@click.option("--thread", metavar="NAME", help="Continue, or start, the conversation of that name.")
@opt.CONTINUE
@opt.SECRETS
def chat(
    ais: tuple[str, ...],
    models: tuple[str, ...],
    everybody: bool,
    panel: str | None,
    role: str | None,
    files: tuple[str, ...],
    thread: str | None,
    go_on: bool,
    send_secrets: bool,
) -> None:
    """Talk with an AI, with several, or with a panel; /help inside says what else there is."""
    from server.cli.talk import Talk, talk

    names = opt.whom(ais, models, everybody)
    if go_on:
        from server.cli.continuing import go_on as resumed

        recipe, found = opt.reporting(lambda: resumed("ask_many", {"ais": names or None, "thread": thread}))
        names, thread = found.get("ais") or names, found["thread"]
    sys.exit(talk(Talk(names, thread, panel=panel, role=role, files=list(files)), send_secrets=send_secrets))
