"""`moot ask` and its siblings for panels on the command line: what they take. What they do is imported late."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import click

from server.cli import options as opt
from server.cli.asking.reading import no_secret, question
from server.cli.commands import jobs as jobs_cli
from server.cli.complete import complete_ais

_STANCES = click.option("--stance", "stances", multiple=True, metavar="NAME=SIDE", help="A side to argue; repeatable.")


@click.command()
@opt.PROMPT
@opt.WHOM
@click.option("--schema", metavar="SCHEMA", help="Answer in JSON: a schema, a file with one, or 'name, age int'.")
@click.option(
    "--synthesize", type=click.Choice(("merge", "vote", "best"), case_sensitive=False), help="Make one answer of all."
)
@click.option("--samples", type=click.IntRange(1, 16), metavar="N", help="Ask each AI so often; take its majority.")
@opt.asking(*opt.TAKEN["ask_many"])
def ask(prompt: tuple[str, ...], schema: str | None, **options: Any) -> None:
    """Ask one AI, several (-a x,y), or all (--all).

    What is piped in is added to PROMPT. Into a pipe goes the text of the answer alone, as it arrives.
    """
    from server.cli.asking.schema import read_schema

    given = _Given(prompt, options)
    panel = {name: value for name in ("synthesize", "samples", "on_partial") if (value := given.options.pop(name))}
    if (panel or given.background) and not given.names:
        raise click.UsageError(
            "--synthesize, --samples, --refuse-partial and --background need to know whom: -a NAME, or --all."
        )
    many = given.several or bool(panel)
    whom = {"ais": given.names or None} if many else {"ai": given.names[0] if given.names else None}
    asked = {"prompt": given.question} | whom | given.options | panel
    if schema is not None:
        asked["schema"] = opt.reporting(lambda: read_schema(schema))
    finish("ask_many" if many else "ask_one", _without_blanks(asked), given)


@click.command()
@opt.PROMPT
@opt.WHOM
@click.option("--rounds", type=click.IntRange(0, 4), default=1, show_default=True, help="Rounds after the openings.")
@click.option("--judge", metavar="NAME", shell_complete=complete_ais, help="Who gives the verdict.")
@_STANCES
@opt.asking(*opt.TAKEN["debate"])
def debate(prompt: tuple[str, ...], stances: tuple[str, ...], **options: Any) -> None:
    """Let AIs debate PROMPT and come to a verdict."""
    sides = dict(_stance(text) for text in stances) or None
    _panel("debate", _Given(prompt, options), {"stances": sides})


@click.command()
@opt.PROMPT
@opt.WHOM
@click.option("--threshold", type=click.FloatRange(0.5, 1), default=0.8, show_default=True, help="Share that agrees.")
@click.option("--referee", metavar="NAME", shell_complete=complete_ais, help="Who matches open answers.")
@opt.asking(*opt.TAKEN["consensus"])
def consensus(prompt: tuple[str, ...], **options: Any) -> None:
    """Measure whether AIs agree on PROMPT: independent answers, one critique round if they do not."""
    _panel("consensus", _Given(prompt, options))


@click.command()
@opt.PROMPT
@opt.WHOM
@click.option(
    "-c", "--candidate", "candidates", multiple=True, type=click.File(), metavar="FILE", help="A file with an answer."
)
@click.option(
    "--judge", "judges", multiple=True, metavar="NAME", callback=opt.listed, help="Who judges; repeat, or a,b."
)
@click.option("--method", type=click.Choice(("pairwise", "ranked")), help="Default: pairwise up to three answers.")
@opt.asking(*opt.TAKEN["judge"])
def judge(prompt: tuple[str, ...], candidates: tuple[TextIO, ...], **options: Any) -> None:
    """Find the best answer to PROMPT: of files (-c), or of answers that AIs are asked for first."""
    meant = bool(options["send_secrets"])
    texts = [no_secret(file, _text(file), meant) for file in candidates] or None
    _panel("judge", _Given(prompt, options), {"candidates": texts})


@click.command()
@opt.WHOM
@click.option("--base", metavar="COMMIT", help="Everything since this branch or commit.")
@click.option("--staged", is_flag=True, help="Only what is staged.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Only this path of the change; repeatable.")
@click.option(
    "--diff",
    type=click.File(errors="replace"),
    metavar="FILE",
    help="A diff instead of what git says; - for standard input.",
)
@click.option("--focus", metavar="TEXT", help="What to look for above all.")
@click.option(
    "--sarif",
    "sarif_to",
    type=click.Path(readable=False),
    metavar="FILE",
    callback=opt.in_a_folder,
    help="Also write SARIF here.",
)
@opt.asking(*opt.TAKEN["review"], saved=False)
def review(diff: TextIO | None, sarif_to: str | None, **options: Any) -> None:
    """Let AIs review what git says has changed, a diff, or files; findings are checked against the code."""
    text = no_secret(diff, diff.read(), bool(options["send_secrets"]), within=False) if diff else None
    if sarif_to and options["background"]:
        raise click.UsageError("Use either --sarif or --background: the file is written when the review is there.")
    given = _Given(None, options)
    asked = {"ais": given.names or None, "diff": text, "sarif": bool(sarif_to)} | given.options
    finish("review", _without_blanks(asked), given, save=("sarif", sarif_to) if sarif_to else None)


COMMANDS = (ask, consensus, debate, judge, review)


class _Given:
    """The options that all commands share, taken out of what a command was given."""

    def __init__(self, prompt: tuple[str, ...] | None, options: dict[str, Any]) -> None:
        take = options.pop
        self.as_json, self.background = bool(options.get("as_json")), bool(take("background"))
        self.shown = {name: take(name) for name in ("as_json", "to", "extract", "raw")}
        self.send_secrets = bool(take("send_secrets", False))
        self.names = opt.whom(take("ais"), take("models"), take("everybody"))
        saved, variables = take("saved", None), take("variables", ())
        images = options.get("images") or ()
        self.picture_in = "-" in images
        self.question = question(prompt, saved, variables, piped=not self.picture_in) if prompt is not None else ""
        self.go_on = bool(take("go_on", False))
        self.options = options

    @property
    def several(self) -> bool:
        """Whether more than one AI may be meant."""
        return len(self.names) > 1 or any(name.startswith("@") or name.casefold() == "all" for name in self.names)


def _panel(recipe: str, given: _Given, more: dict[str, Any] | None = None) -> None:
    asked = {"question": given.question, "ais": given.names or None} | given.options | (more or {})
    finish(recipe, _without_blanks(asked), given)


def _without_blanks(options: dict[str, Any]) -> dict[str, Any]:
    """*options* without those left out, whose default is the recipe's; repeated ones as lists."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    return {name: value for name, value in given.items() if value not in (None, [])}


def finish(recipe: str, arguments: dict[str, Any], given: _Given, *, save: tuple[str, str] | None = None) -> None:
    """Run *recipe* and exit; *save* names a field of its result and the file to write it to as JSON."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        if given.picture_in:
            if given.background and not arguments.get("dry_run"):
                raise click.UsageError("A job reads its pictures later. Save what is piped in, and give it: -i FILE")
            from server.cli.asking.pictures import picture_from_input

            path = stack.enter_context(picture_from_input())
            arguments["images"] = [path if one == "-" else one for one in arguments["images"]]
        if given.go_on:
            from server.cli.asking.continuing import go_on

            recipe, arguments = opt.reporting(lambda: go_on(recipe, arguments), given.as_json)
        if given.background and not arguments.pop("dry_run", False):
            jobs_cli.submit(recipe, arguments, given.as_json, send_secrets=given.send_secrets)
            return
        from server.cli.running.terminal import run_recipe
        from server.cli.showing.printing import Shown

        sys.exit(run_recipe(recipe, arguments, Shown(**given.shown), save=save, send_secrets=given.send_secrets))


def _text(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"-c {file.name!r} is not UTF-8 text. Convert it to UTF-8 first.") from None


def _stance(text: str) -> tuple[str, str]:
    name, separator, side = text.partition("=")
    if not separator or not name or not side:
        raise click.UsageError(f"--stance {text!r} is not of the form NAME=SIDE.")
    return name, side
