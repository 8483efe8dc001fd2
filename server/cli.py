"""The command line. Answers go to stdout, everything else to stderr.

Exit codes: 0 every AI answered, 1 none did, 2 wrong usage or configuration, 3 some did not.
Nothing heavy is imported here: `--help` and `--version` need click alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

from core.logs import configure_logging
from server import batch_cli, jobs_cli

_EFFORTS = ("none", "minimal", "low", "medium", "high", "max")


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: moot demo")
@click.version_option(package_name="moot-mcp", prog_name="moot")
def cli() -> None:
    """Ask other AIs: one, several at once, or a panel that debates and comes to a verdict."""
    configure_logging()


def _options(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


_PROMPT = click.argument("prompt", nargs=-1)
_AIS = click.option("-a", "--ai", "ais", multiple=True, metavar="NAME", help="Which AI; repeat for several.")
_MAX_TOKENS = click.option("--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what it may cost; send nothing.")
_BACKGROUND = click.option("--background", is_flag=True, help="Start it as a job and print its id; see moot jobs.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0, 3600, min_open=True), help="Seconds for each AI."
)
_ON_PARTIAL = click.option(
    "--refuse-partial",
    "on_partial",
    flag_value="refuse",
    help="Fail when an AI gives no answer.",
)
_ANSWERING = _options(
    _MAX_TOKENS,
    click.option("-s", "--system", help="System prompt."),
    click.option("-t", "--temperature", type=click.FloatRange(0, 2)),
    click.option("--effort", type=click.Choice(_EFFORTS), help="Reasoning effort."),
    _TIMEOUT,
)


@cli.command()
@_PROMPT
@_AIS
@click.option("--all", "ask_all", is_flag=True, help="Ask every configured AI.")
@click.option("--synthesize", type=click.Choice(("merge", "vote", "best")), help="Make one answer of all.")
@click.option("--samples", type=click.IntRange(1, 16), help="Ask each AI so often and take its majority.")
@_ANSWERING
@_ON_PARTIAL
@_DRY_RUN
@_BACKGROUND
@_JSON
def ask(
    prompt: tuple[str, ...], ais: tuple[str, ...], ask_all: bool, background: bool, as_json: bool, **options: Any
) -> None:
    """Ask one AI, several (-a x -a y), or all (--all). Piped input is added to PROMPT."""
    if ask_all and ais:
        raise click.UsageError("Use either --all or -a, not both.")
    panel = {name: value for name in ("synthesize", "samples", "on_partial") if (value := options.pop(name))}
    many = ask_all or background or len(ais) > 1 or bool(panel)
    if (panel or background) and not (ask_all or ais):
        raise click.UsageError(
            "--synthesize, --samples, --refuse-partial and --background need to know whom: -a NAME, or --all."
        )
    if many:
        options |= panel
    given = {"ais": list(ais) or None} if many else {"ai": ais[0] if ais else None}
    _finish("ask_many" if many else "ask_one", {"prompt": _whole(prompt)} | given | options, as_json, background)


@cli.command()
@_PROMPT
@_AIS
@click.option("--rounds", type=click.IntRange(0, 4), default=1, show_default=True, help="Rounds after the openings.")
@click.option("--judge", metavar="NAME", help="Who gives the verdict.")
@click.option("--stance", "stances", multiple=True, metavar="NAME=SIDE", help="A side to argue; repeatable.")
@_MAX_TOKENS
@_ON_PARTIAL
@_DRY_RUN
@_BACKGROUND
@_JSON
def debate(
    prompt: tuple[str, ...],
    ais: tuple[str, ...],
    stances: tuple[str, ...],
    background: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Let AIs debate PROMPT and come to a verdict."""
    sides = dict(_stance(text) for text in stances) or None
    given = {"question": _whole(prompt), "ais": list(ais) or None, "stances": sides}
    _finish("debate", given | _given(options), as_json, background)


@cli.command()
@_PROMPT
@_AIS
@click.option("--threshold", type=click.FloatRange(0.5, 1), default=0.8, show_default=True, help="Share that agrees.")
@click.option("--referee", metavar="NAME", help="Who matches open answers.")
@_MAX_TOKENS
@_TIMEOUT
@_ON_PARTIAL
@_BACKGROUND
@_DRY_RUN
@_JSON
def consensus(prompt: tuple[str, ...], ais: tuple[str, ...], background: bool, as_json: bool, **options: Any) -> None:
    """Measure whether AIs agree on PROMPT: independent answers, one critique round if they do not."""
    _finish("consensus", {"question": _whole(prompt), "ais": list(ais) or None} | _given(options), as_json, background)


@cli.command()
@_PROMPT
@_AIS
@click.option("-c", "--candidate", "candidates", multiple=True, type=click.File(), help="A file with an answer.")
@click.option("--judge", "judges", multiple=True, metavar="NAME", help="Who judges; repeat for several.")
@click.option("--method", type=click.Choice(("pairwise", "ranked")), help="Default: pairwise up to three answers.")
@_MAX_TOKENS
@_TIMEOUT
@_ON_PARTIAL
@_BACKGROUND
@_DRY_RUN
@_JSON
def judge(
    prompt: tuple[str, ...],
    ais: tuple[str, ...],
    candidates: tuple[TextIO, ...],
    judges: tuple[str, ...],
    background: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the best answer to PROMPT: of files (-c), or of answers that AIs are asked for first."""
    texts = [file.read() for file in candidates] or None
    chosen = {"candidates": texts, "ais": list(ais) or None, "judges": list(judges) or None}
    _finish("judge", {"question": _whole(prompt)} | chosen | _given(options), as_json, background)


@cli.command()
@_JSON
def status(as_json: bool) -> None:
    """Show which AIs can be asked, and what is wrong with the others."""
    _finish("status", {}, as_json)


@cli.command()
@click.option("--by", type=click.Choice(("day", "ai", "tool", "model")), default="ai", show_default=True)
@click.option("--since", default="30d", show_default=True, help="A number of days such as 7d, or a date.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values.")
def usage(by: Any, since: str, form: str | None) -> None:
    """Show what was asked and what it cost, from the ledger on this machine."""
    from core.errors import InvalidInputError
    from server.usage import show_usage

    try:
        sys.exit(show_usage(by, since, form or "table"))
    except InvalidInputError as error:
        raise click.UsageError(str(error)) from None


@cli.command()
@click.option("--probe", is_flag=True, help="Also ask each AI one short question, which costs a little.")
@_JSON
def doctor(probe: bool, as_json: bool) -> None:
    """Check this installation: keys, models, store, hosts, and the server itself. Exit code 1 if something fails."""
    from server.doctor import show_doctor

    sys.exit(show_doctor(probe=probe, as_json=as_json))


@cli.command()
@click.argument("name", required=False)
@_JSON
def models(name: str | None, as_json: bool) -> None:
    """List the models that the endpoint of NAME (default: every AI) offers itself."""
    from server.terminal import show_models

    sys.exit(show_models(name, as_json))


@cli.command()
@click.argument("question", required=False)
@click.option("--svg", type=click.Path(dir_okay=False, writable=True), help="Also save what is shown as a picture.")
def demo(question: str | None, svg: str | None) -> None:
    """See a panel of tiny local AIs answer and debate, through the MCP server. Needs no key."""
    from server.demo import show_demo

    sys.exit(show_demo(question, svg))


@cli.command()
def serve() -> None:
    """Run the MCP server on stdin and stdout; this is what hosts start."""
    import anyio

    from core.metrics import set_up_exporter
    from server.mcp_app import serve_stdio

    set_up_exporter(os.environ)
    if sys.stdin.isatty():
        click.echo("moot serve speaks MCP on stdin and stdout and is started by a host. Stop it with Ctrl-C.", err=True)
    anyio.run(serve_stdio)


cli.add_command(batch_cli.batch)
cli.add_command(jobs_cli.jobs)
cli.add_command(jobs_cli.worker)


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


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """*options* without those left out, whose default is the recipe's."""
    return {name: value for name, value in options.items() if value is not None}


def _finish(recipe: str, arguments: dict[str, Any], as_json: bool, background: bool = False) -> None:
    if background and not arguments.pop("dry_run", False):
        jobs_cli.submit(recipe, arguments, as_json)
        return
    from server.terminal import run_recipe

    sys.exit(run_recipe(recipe, arguments, as_json))


def _whole(prompt: tuple[str, ...]) -> str:
    """The words of the command line, then whatever is piped in."""
    parts = [" ".join(prompt)]
    if not sys.stdin.isatty():
        parts.append(sys.stdin.read())
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    if not text:
        raise click.UsageError("Nothing to ask: give a prompt, or pipe one in.")
    return text


def _stance(text: str) -> tuple[str, str]:
    name, separator, side = text.partition("=")
    if not separator or not name or not side:
        raise click.UsageError(f"--stance {text!r} is not of the form NAME=SIDE.")
    return name, side
