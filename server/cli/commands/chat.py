"""`moot chat`: a conversation in the terminal. Imports click alone until it is run."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt

_ASKED = ("system", "temperature", "max_tokens", "effort", "timeout_s")


@click.command()
@opt.WHOM
@click.option(
    "--panel", type=click.Choice(("consensus", "debate"), case_sensitive=False), help="Answer by a panel instead."
)
@opt.of_recipes(*_ASKED, "role", "files", "thread")
@opt.SECRETS
def chat(**given: Any) -> None:
    """Talk with an AI, with several, or with a panel; /help inside says what else there is."""
    from server.cli.running.talk import Talk, talk

    names = opt.whom(given["ais"], given["models"], given["everybody"])
    thread = given["thread"]
    if given["go_on"]:
        from server.cli.asking.continuing import go_on

        _, found = opt.reporting(lambda: go_on("ask_many", {"ais": names or None, "thread": thread}))
        names, thread = found.get("ais") or names, found["thread"]
    asked = {name: given[name] for name in _ASKED if given[name] is not None}
    state = Talk(names, thread, panel=given["panel"], role=given["role"], files=list(given["files"]), asked=asked)
    if given["panel"] and (left := state.left_out):
        raise click.UsageError(
            f"A {given['panel']} takes no {' and no '.join(left)}. Leave it out, or leave out --panel."
        )
    sys.exit(talk(state, send_secrets=given["send_secrets"]))
