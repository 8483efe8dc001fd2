"""`moot ai` and `moot models`: which AIs there are, and which models they have. Imports click alone."""

from __future__ import annotations

import sys

import click

from server.cli import options as opt
from server.cli.complete import complete_ais


@click.group()
def ai() -> None:
    """Add, list, test and remove AIs."""


@ai.command()
@click.argument("name")
@click.option("--provider", metavar="NAME", help="Such as openai, anthropic, gemini, mistral, ollama.")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint, such as http://localhost:8000/v1.")
@click.option("-m", "--model", metavar="MODEL", help="Which model; see moot models.")
@click.option("--key-from-env", metavar="VARIABLE", help="Take the key out of this variable, and store it.")
@click.option("--local", is_flag=True, help="It runs on this machine: it may get files that must stay here.")
@click.option("--replace", is_flag=True, help="Instead of the AI of that name.")
def add(name: str, **row: str | bool | None) -> None:
    """Add the AI NAME to credentials.json; its key is typed without echo, piped in, or in a variable."""
    from server.setup.ais import add_ai

    click.echo(opt.reporting(lambda: add_ai(name, **row)), err=True)  # type: ignore[arg-type]


@ai.command("list")
@opt.JSON
def list_ais(as_json: bool) -> None:
    """Show which AIs can be asked; the same as moot status."""
    from server.cli.running.terminal import run_recipe
    from server.cli.showing.printing import Shown

    sys.exit(run_recipe("status", {}, Shown(as_json=as_json)))


@ai.command()
@click.argument("name", required=False, shell_complete=complete_ais)
def test(name: str | None) -> None:
    """Ask NAME, or every AI, one short question, which costs a little."""
    from server.doctor.probe import test_keys

    sys.exit(test_keys(name))


@ai.command()
@click.argument("name", shell_complete=complete_ais)
@opt.YES
def remove(name: str, yes: bool) -> None:
    """Take the AI NAME, and its key, out of credentials.json."""
    from server.setup.ais import check_there, remove_ai

    opt.reporting(lambda: check_there(name))
    if opt.confirmed(f"Remove {name!r} and its key?", "--yes", yes=yes):
        click.echo(opt.reporting(lambda: remove_ai(name)), err=True)


@click.command()
@click.argument("name", required=False, shell_complete=complete_ais)
@click.option("-q", "--search", "words", metavar="WORDS", help="Only models whose name holds all WORDS.")
@opt.JSON
def models(name: str | None, words: str | None, as_json: bool) -> None:
    """List the models that can be asked with -m: of the AI NAME, or of every endpoint."""
    from server.cli.showing.models import show_models

    sys.exit(show_models(name, words, as_json))


COMMANDS = (ai, models)
