"""`moot threads`: list, read, search and forget conversations. Imports click alone until one is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli import options as opt
from server.cli.complete import complete_threads

if TYPE_CHECKING:
    from core.memory.threads import Threads

T = TypeVar("T")


@click.group(invoke_without_command=True)
@click.pass_context
@opt.JSON
def threads(context: click.Context, as_json: bool) -> None:
    """List the conversations that --thread continues; see also its subcommands."""
    if context.invoked_subcommand is not None:
        return
    found = _use(lambda kept: kept.all())
    if as_json:
        _print_json("threads", found)
        return
    for one in found:
        turns = f"{one.turns} turn{'' if one.turns == 1 else 's'}"
        click.echo(f"{one.name}  ({turns}, {one.updated[:16].replace('T', ' ')})  {one.opening[:80]}")
    if not found:
        click.echo("No threads. Start one: moot ask --thread NAME ...", err=True)


@threads.command()
@click.argument("name", shell_complete=complete_threads)
@click.option("-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="A file for it.")
def show(name: str, output: str) -> None:
    """Print the thread NAME as Markdown. A file of it is for you alone."""
    from server.cli.showing.private_file import private_output

    def write() -> None:
        text = _use(lambda kept: kept.markdown(name))
        with private_output(output) as file:
            file.write(text)

    opt.reporting(write)


@threads.command()
@click.argument("words", nargs=-1, required=True)
@opt.JSON
def search(words: tuple[str, ...], as_json: bool) -> None:
    """Find turns that hold all WORDS, and then those that mean the same."""
    from server.cli.showing.memory import turns_like

    found, notes = opt.reporting(lambda: turns_like(" ".join(words)), as_json)
    if as_json:
        _print_json("matches", found, notes=notes)
        sys.exit(opt.OK if found else opt.NONE)
    for one in found:
        click.echo(f"{one.thread}, {one.author}, {one.at[:16].replace('T', ' ')}: {one.excerpt}")
    for line in notes:
        opt.note(line)
    if not found:
        click.echo("Nothing found.", err=True)
        sys.exit(opt.NONE)


@threads.command()
@click.argument("name", shell_complete=complete_threads)
@opt.YES
def delete(name: str, yes: bool) -> None:
    """Forget the thread NAME for good, with its copies among jobs and past runs."""
    from server.cli.showing.memory import forget_thread

    if not yes:
        _use(lambda kept: kept.markdown(name))  # one that is not there needs no yes
        if not opt.confirmed(f"Forget {name!r} for good?", "--yes", yes=yes):
            return
    if not opt.reporting(lambda: forget_thread(name)):
        opt.note(f"there is no thread {name!r}. Run: moot threads")
        sys.exit(opt.NONE)


def _use(work: Callable[[Threads], T]) -> T:
    from core.memory.threads import Threads

    kept = Threads()
    try:
        return opt.reporting(lambda: work(kept))
    finally:
        kept.close()


def _print_json(name: str, found: Sequence[Any], **more: Any) -> None:
    from dataclasses import asdict

    opt.print_json({name: [asdict(one) for one in found], **more})
