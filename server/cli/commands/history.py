"""`moot history`, `show`, `again` and `prompt`: what was asked is found, read and asked again. Imports click alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli import options as opt
from server.cli.complete import complete_prompts, complete_runs

if TYPE_CHECKING:
    from core.memory.history import Found, History, PastRun

T = TypeVar("T")

_RUN = click.argument("run", default="last", shell_complete=complete_runs)


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@opt.JSON
def history(context: click.Context, limit: int, as_json: bool) -> None:
    """List what was asked, newest first; see also moot history search, clean."""
    if context.invoked_subcommand is None:
        _list(_use(lambda kept: kept.latest(limit=limit), as_json), as_json, "Nothing yet. Ask something: moot ask ...")


@history.command()
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@opt.JSON
def search(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find runs whose question or answers hold all WORDS."""
    found = _use(lambda kept: kept.search(" ".join(words), limit=limit), as_json)
    _list(found, as_json, "Nothing found.")
    if not found:
        sys.exit(opt.NONE)


@history.command()
@click.argument("run", required=False, shell_complete=complete_runs)
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Only those that are so old.")
@opt.YES
def clean(run: str | None, older_than: float | None, yes: bool) -> None:
    """Forget RUN, those --older-than so many days, or all, for good."""
    if run is not None and older_than is not None:
        raise click.UsageError("Use either RUN or --older-than, not both.")
    what = run or (f"what is older than {older_than:g} days" if older_than is not None else "everything that was asked")
    if not opt.confirmed(f"Forget {what} for good?", "--yes", yes=yes):
        return
    if run is None and older_than is None:
        from core.memory.history import chat_lines

        chat_lines().unlink(missing_ok=True)
    gone = _use(lambda kept: kept.forget(name=run, older_than_days=older_than))
    click.echo(f"{gone} {'run' if gone == 1 else 'runs'} forgotten.", err=True)


@click.command()
@_RUN
@opt.SHOWN
def show(run: str, **shown: Any) -> None:
    """Print what RUN answered: an id of moot history or of a job, or the beginning of one; default: the last."""
    if not run.strip():
        raise click.UsageError("RUN is empty: give an id, or leave it out for the last run. To list them: moot history")
    past = _use(lambda kept: _past_or_none(kept, run), shown["as_json"])
    if past is None:
        jobs_show(run, shown)
        return
    from server.cli.showing.past import print_past

    sys.exit(print_past(past, shown))


@click.command()
@_RUN
@opt.WHOM
@click.option("--dry-run", is_flag=True, help="Only say what it may cost; send nothing.")
@opt.SHOWN
def again(run: str, dry_run: bool, **given: Any) -> None:
    """Ask RUN again, of the same AIs or of others (-a)."""
    from server.cli.running.terminal import run_recipe
    from server.cli.showing.past import asked_again
    from server.cli.showing.printing import Shown

    names = opt.whom(given.pop("ais"), given.pop("models"), given.pop("everybody"))
    shown = Shown(**given)
    past = _use(lambda kept: kept.get(run), shown.as_json)
    recipe, arguments = opt.reporting(lambda: asked_again(past, names), shown.as_json)
    if dry_run:
        arguments["dry_run"] = True
    sys.exit(run_recipe(recipe, arguments, shown))


@click.group()
def prompt() -> None:
    """Keep prompts under a name, for moot ask -p NAME."""


@prompt.command()
@click.argument("name")
@click.argument("text", nargs=-1)
def save(name: str, text: tuple[str, ...]) -> None:
    """Keep TEXT, or what is piped in, as NAME; {table} in it is a variable, for --var table=users."""
    from core.memory.prompts import save_prompt, variables
    from server.cli.asking.reading import standard_input

    said = " ".join(text) or standard_input()
    opt.reporting(lambda: save_prompt(name, said))
    given = "".join(f" --var {one}=..." for one in variables(said))
    click.echo(f"Saved. Use it: moot ask -p {name}{given}", err=True)


@prompt.command("list")
@opt.JSON
def list_prompts(as_json: bool) -> None:
    """Show the saved prompts."""
    from core.memory.prompts import load_prompt, prompt_names

    found = {name: opt.reporting(lambda one=name: load_prompt(one)) for name in prompt_names()}  # type: ignore[misc]
    if as_json:
        opt.print_json({"prompts": found})
        return
    for name, text in found.items():
        click.echo(f"{name}: {' '.join(text.split())[:100]}")
    if not found:
        click.echo("None yet. To save one: moot prompt save NAME TEXT", err=True)


@prompt.command("show")
@click.argument("name", shell_complete=complete_prompts)
def show_prompt(name: str) -> None:
    """Print the prompt NAME."""
    from core.memory.prompts import load_prompt

    click.echo(opt.reporting(lambda: load_prompt(name)))


@prompt.command()
@click.argument("name", shell_complete=complete_prompts)
def remove(name: str) -> None:
    """Forget the prompt NAME."""
    from core.memory.prompts import remove_prompt

    if not opt.reporting(lambda: remove_prompt(name)):
        raise click.UsageError(f"There is no prompt {name!r}. To list them: moot prompt list")
    click.echo(f"{name} is forgotten.", err=True)


COMMANDS = (history, show, again, prompt)


def jobs_show(id: str, shown: dict[str, Any]) -> None:
    from server.cli.running.terminal import run_recipe
    from server.cli.showing.printing import Shown

    code = run_recipe("jobs", {"action": "get", "id": id}, Shown(**shown))
    if code in (opt.NONE, opt.USAGE) and not shown["as_json"]:
        opt.note(f"there is no run {id!r} either. To list them: moot history")
    sys.exit(code)


def _past_or_none(kept: History, run: str) -> PastRun | None:
    """The run; None where it may be a job, which is looked for next."""
    return kept.get(run) if run == "last" or kept.knows(run) else None


def _list(found: list[Found], as_json: bool, nothing: str) -> None:
    from dataclasses import asdict

    if as_json:
        opt.print_json({"runs": [asdict(one) for one in found]})
        return
    from server.cli.showing.past import lines

    for line in lines(found):
        click.echo(line)
    if not found:
        click.echo(nothing, err=True)


def _use(work: Callable[[History], T], as_json: bool = False) -> T:
    from core.memory.history import History

    kept = History()
    try:
        return opt.reporting(lambda: work(kept), as_json)
    finally:
        kept.close()
