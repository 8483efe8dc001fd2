"""The command line. Answers go to stdout, everything else to stderr.

Exit codes: 0 every AI answered, 1 none did, 2 wrong usage or configuration, 3 some did not.
Nothing heavy is imported here: `--help` and `--version` need click alone.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import click

from server.cli import ask as ask_commands
from server.cli import batch as batch_cli
from server.cli import jobs as jobs_cli
from server.cli import setup as setup_commands
from server.cli import threads as thread_commands
from server.cli.added import WithAdded
from server.cli.ask import JSON, finish


@click.group(cls=WithAdded, context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: moot demo")
@click.version_option(package_name="moot-mcp", prog_name="moot")
def cli() -> None:
    """Ask other AIs: one, several at once, or a panel that debates and comes to a verdict."""
    from core.logs import configure_logging

    configure_logging()


def run() -> None:
    """Run the command line; where stdout takes nothing, that is one sentence."""
    if sys.stdout is None:
        sys.exit("moot: standard output is closed. Leave it open, or send it to a file.")
    try:
        try:
            cli(prog_name="moot")
        finally:
            sys.stdout.flush()
    except OSError as error:
        from core.errors import NO_ROOM

        if error.errno not in (*NO_ROOM, errno.EIO, errno.EBADF):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer fails no second time
        sys.exit(f"moot: the output cannot be written ({error.strerror}). Send it to another place.")


for _command in (
    *ask_commands.COMMANDS,
    batch_cli.batch,
    thread_commands.threads,
    jobs_cli.jobs,
    jobs_cli.worker,
    setup_commands.connect,
    setup_commands.keys,
    setup_commands.init,
):
    cli.add_command(_command)


@cli.command()
@JSON
def status(as_json: bool) -> None:
    """Show which AIs can be asked, and what is wrong with the others."""
    finish("status", {}, as_json)


@cli.command()
@click.option("--by", type=click.Choice(("day", "ai", "tool", "model")), default="ai", show_default=True)
@click.option("--since", default="30d", show_default=True, help="A number of days such as 7d, or a date.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values.")
def usage(by: Any, since: str, form: str | None) -> None:
    """Show what was asked and what it cost, from the ledger on this machine."""
    from core.errors import InvalidInputError
    from server.cli.usage import show_usage

    try:
        sys.exit(show_usage(by, since, form or "table"))
    except InvalidInputError as error:
        raise click.UsageError(str(error)) from None


@cli.command()
@click.option("--probe", is_flag=True, help="Also ask each AI one short question, which costs a little.")
@JSON
def doctor(probe: bool, as_json: bool) -> None:
    """Check this installation: keys, models, store, hosts, and the server itself. Exit code 1 if something fails."""
    from server.doctor.checks import show_doctor

    sys.exit(show_doctor(probe=probe, as_json=as_json))


@cli.command()
@click.argument("name", required=False)
@JSON
def models(name: str | None, as_json: bool) -> None:
    """List the models that the endpoint of NAME (default: every AI) offers itself."""
    from server.cli.terminal import show_models

    sys.exit(show_models(name, as_json))


@cli.command()
@click.argument("question", required=False)
@click.option("--svg", type=click.Path(dir_okay=False, writable=True), help="Also save what is shown as a picture.")
def demo(question: str | None, svg: str | None) -> None:
    """See a panel of tiny local AIs answer and debate, through the MCP server. Needs no key."""
    from server.cli.demo import show_demo

    sys.exit(show_demo(question, svg))


@cli.command()
def serve() -> None:
    """Run the MCP server on stdin and stdout; this is what hosts start."""
    from server.stdio.serve import serve as serve_stdio

    serve_stdio()


@cli.group()
def local() -> None:
    """The embedded demo model."""


@local.command("install")
def local_install() -> None:
    """Download the embedded model (130 MB), check it and put it in place."""
    from ai.local.engine import LocalEngine
    from ai.local.install import install_local_model
    from core.errors import MootError

    engine = LocalEngine()
    try:
        install_local_model(lambda line: click.echo(line, err=True))
        engine.locate()  # a missing system library shows now, not at the first question
        click.echo("The embedded model starts. Try: moot demo", err=True)
    except MootError as error:
        raise click.ClickException(str(error)) from None
    finally:
        engine.close()
