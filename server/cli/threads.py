"""`moot threads`: list, read, search and forget conversations. Imports click alone until one is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from core.memory.threads import Threads

T = TypeVar("T")

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@click.group(invoke_without_command=True)
@click.pass_context
@_JSON
def threads(context: click.Context, as_json: bool) -> None:
    """List the conversations that --thread continues; see also its subcommands."""
    if context.invoked_subcommand is not None:
        return
    found = _use(lambda kept: kept.all())
    if as_json:
        _print_json("threads", found)
        return
    for one in found:
        click.echo(f"{one.name}  ({one.turns} turns, {one.updated[:16].replace('T', ' ')})  {one.opening[:80]}")
    if not found:
        click.echo("No threads. Start one: moot ask --thread NAME ...", err=True)


@threads.command()
@click.argument("name")
@click.option("-o", "--output", type=click.File("w", encoding="utf-8"), default="-", help="A file for it.")
def show(name: str, output: Any) -> None:
    """Print the thread NAME as Markdown."""
    output.write(_use(lambda kept: kept.markdown(name)))


@threads.command()
@click.argument("words", nargs=-1, required=True)
@_JSON
def search(words: tuple[str, ...], as_json: bool) -> None:
    """Find turns that hold all WORDS."""
    found = _use(lambda kept: kept.search(" ".join(words)))
    if as_json:
        _print_json("matches", found)
        return
    for one in found:
        click.echo(f"{one.thread}, {one.author}, {one.at[:16].replace('T', ' ')}: {one.excerpt}")
    if not found:
        click.echo("Nothing found.", err=True)
        sys.exit(1)


@threads.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Forget the thread NAME for good."""
    if not yes:
        _use(lambda kept: kept.markdown(name))  # one that is not there needs no yes
        if not sys.stdin.isatty():
            raise click.UsageError(f"Say with --yes that {name!r} is to be forgotten for good.")
        click.confirm(f"Forget {name!r} for good?", abort=True, err=True)
    if not _use(lambda kept: kept.delete(name)):
        raise click.ClickException(f"There is no thread {name!r}. Run: moot threads")


def _use(work: Callable[[Threads], T]) -> T:
    from core.errors import MootError
    from core.memory.threads import Threads

    kept = Threads()
    try:
        return work(kept)
    except MootError as error:
        raise click.ClickException(str(error)) from None
    finally:
        kept.close()


def _print_json(name: str, found: Sequence[Any]) -> None:
    import json
    from dataclasses import asdict

    click.echo(json.dumps({name: [asdict(one) for one in found]}, indent=2, ensure_ascii=False))
