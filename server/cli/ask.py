"""`moot ask` and its siblings for panels on the command line: what they take. What they do is imported late."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from server.cli import jobs as jobs_cli

_EFFORTS = ("none", "minimal", "low", "medium", "high", "max")


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
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0, 3600, min_open=True), help="Seconds for each AI."
)
_ON_PARTIAL = click.option(
    "--refuse-partial",
    "on_partial",
    flag_value="refuse",
    help="Fail when an AI gives no answer.",
)
_SECRETS = click.option("--send-secrets", is_flag=True, help="Also send files that look like secrets.")
_ALONG = _options(
    click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="Send a file along; patterns too."),
    click.option("--thread", metavar="NAME", help="Continue, or start, the conversation of that name."),
    _SECRETS,
)
_PICTURES = click.option("-i", "--image", "images", multiple=True, metavar="PATH", help="Send a picture along.")
_ANSWERING = _options(
    click.option("-r", "--role", metavar="ROLE", help="How to work, such as reviewer or debugger."),
    _MAX_TOKENS,
    click.option("-s", "--system", help="System prompt."),
    click.option("-t", "--temperature", type=click.FloatRange(0, 2)),
    click.option("--effort", type=click.Choice(_EFFORTS), help="Reasoning effort."),
    _TIMEOUT,
)


def _in_a_folder(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """Complain of a path whose folder is missing now, not when all is paid for."""
    if path is not None and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise click.BadParameter(f"the folder of {path!r} does not exist. Create it, or correct the path.")
    return path


@click.command()
@_PROMPT
@_AIS
@click.option("--all", "ask_all", is_flag=True, help="Ask every configured AI.")
@click.option("--synthesize", type=click.Choice(("merge", "vote", "best")), help="Make one answer of all.")
@click.option("--samples", type=click.IntRange(1, 16), help="Ask each AI so often and take its majority.")
@_ALONG
@_PICTURES
@_ANSWERING
@_ON_PARTIAL
@_DRY_RUN
@_BACKGROUND
@JSON
def ask(
    prompt: tuple[str, ...], ais: tuple[str, ...], ask_all: bool, background: bool, as_json: bool, **options: Any
) -> None:
    """Ask one AI, several (-a x -a y), or all (--all). Piped input is added to PROMPT."""
    options |= {name: list(options[name]) or None for name in ("files", "images")}
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
    finish("ask_many" if many else "ask_one", {"prompt": _whole(prompt)} | given | options, as_json, background)


@click.command()
@_PROMPT
@_AIS
@click.option("--rounds", type=click.IntRange(0, 4), default=1, show_default=True, help="Rounds after the openings.")
@click.option("--judge", metavar="NAME", help="Who gives the verdict.")
@click.option("--stance", "stances", multiple=True, metavar="NAME=SIDE", help="A side to argue; repeatable.")
@_ALONG
@_MAX_TOKENS
@_ON_PARTIAL
@_DRY_RUN
@_BACKGROUND
@JSON
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
    finish("debate", given | _given(options), as_json, background)


@click.command()
@_PROMPT
@_AIS
@click.option("--threshold", type=click.FloatRange(0.5, 1), default=0.8, show_default=True, help="Share that agrees.")
@click.option("--referee", metavar="NAME", help="Who matches open answers.")
@_ALONG
@_MAX_TOKENS
@_TIMEOUT
@_ON_PARTIAL
@_BACKGROUND
@_DRY_RUN
@JSON
def consensus(prompt: tuple[str, ...], ais: tuple[str, ...], background: bool, as_json: bool, **options: Any) -> None:
    """Measure whether AIs agree on PROMPT: independent answers, one critique round if they do not."""
    finish("consensus", {"question": _whole(prompt), "ais": list(ais) or None} | _given(options), as_json, background)


@click.command()
@_PROMPT
@_AIS
@click.option("-c", "--candidate", "candidates", multiple=True, type=click.File(), help="A file with an answer.")
@click.option("--judge", "judges", multiple=True, metavar="NAME", help="Who judges; repeat for several.")
@click.option("--method", type=click.Choice(("pairwise", "ranked")), help="Default: pairwise up to three answers.")
@_SECRETS
@_MAX_TOKENS
@_TIMEOUT
@_ON_PARTIAL
@_BACKGROUND
@_DRY_RUN
@JSON
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
    meant = bool(options["send_secrets"])
    texts = [_no_secret(file, _text(file, f"-c {file.name!r}"), meant) for file in candidates] or None
    chosen = {"candidates": texts, "ais": list(ais) or None, "judges": list(judges) or None}
    finish("judge", {"question": _whole(prompt)} | chosen | _given(options), as_json, background)


@click.command()
@_AIS
@click.option("--base", metavar="COMMIT", help="Everything since this branch or commit.")
@click.option("--staged", is_flag=True, help="Only what is staged.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Only this path of the change; repeatable.")
@click.option(
    "--diff", type=click.File(errors="replace"), help="A diff instead of what git says; - for standard input."
)
@click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="Files as they stand; patterns too.")
@click.option("--focus", help="What to look for above all.")
@_SECRETS
@click.option(
    "--sarif",
    "sarif_to",
    type=click.Path(dir_okay=False, writable=True),
    callback=_in_a_folder,
    help="Also write SARIF here.",
)
@_MAX_TOKENS
@_ON_PARTIAL
@_BACKGROUND
@_DRY_RUN
@JSON
def review(
    ais: tuple[str, ...], diff: TextIO | None, sarif_to: str | None, background: bool, as_json: bool, **options: Any
) -> None:
    """Let AIs review what git says has changed, a diff, or files; findings are checked against the code."""
    text = _no_secret(diff, diff.read(), bool(options["send_secrets"]), within=False) if diff else None
    given = {"ais": list(ais) or None, "diff": text, "sarif": bool(sarif_to)}
    if sarif_to and background:
        raise click.UsageError("Use either --sarif or --background: the file is written when the review is there.")
    finish("review", given | _given(options), as_json, background, save=("sarif", sarif_to) if sarif_to else None)


COMMANDS = (ask, consensus, debate, judge, review)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """*options* without those left out, whose default is the recipe's; repeated ones as lists."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    return {name: value for name, value in given.items() if value not in (None, [])}


def finish(
    recipe: str,
    arguments: dict[str, Any],
    as_json: bool,
    background: bool = False,
    *,
    save: tuple[str, str] | None = None,
) -> None:
    """Run *recipe* and exit; *save* names a field of its result and the file to write it to as JSON."""
    send_secrets = bool(arguments.pop("send_secrets", False))
    if background and not arguments.pop("dry_run", False):
        jobs_cli.submit(recipe, arguments, as_json, send_secrets=send_secrets)
        return
    from server.cli.terminal import run_recipe

    sys.exit(run_recipe(recipe, arguments, as_json, save=save, send_secrets=send_secrets))


def _whole(prompt: tuple[str, ...]) -> str:
    """The words of the command line, then whatever is piped in."""
    parts = [" ".join(prompt)]
    if not sys.stdin.isatty():
        parts.append(_text(sys.stdin, "What is piped in"))
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    if not text:
        raise click.UsageError("Nothing to ask: give a prompt, or pipe one in.")
    return text


def _text(file: TextIO, name: str) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{name} is not UTF-8 text. Convert it to UTF-8 first.") from None


def _no_secret(file: TextIO, text: str, meant: bool, *, within: bool = True) -> str:
    """*text*, which stands in *file*, unless that is, or with *within* holds, a secret that nobody said is *meant*."""
    from core.secrecy.check import secret_in, secret_name  # not for the many calls that send no file

    called = str(getattr(file, "name", "<stdin>"))
    path = None if called == "<stdin>" else Path(called).resolve()
    reason = secret_name(path, path.parent) if path else None
    reason = reason or (secret_in(text, path.name if path else "") if within else None)
    if reason and not meant:
        raise click.UsageError(f"{called!r} is not sent: {reason}. Use --send-secrets if it is meant.")
    return text


def _stance(text: str) -> tuple[str, str]:
    name, separator, side = text.partition("=")
    if not separator or not name or not side:
        raise click.UsageError(f"--stance {text!r} is not of the form NAME=SIDE.")
    return name, side
