"""What the commands share: options, exit codes, complaints. Imports click alone."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli.complete import complete_ais, complete_prompts, complete_roles

if TYPE_CHECKING:
    from core.errors import MootError

T = TypeVar("T")

OK, NONE, USAGE, SOME, INTERRUPTED, PIPE_CLOSED, TERMINATED = 0, 1, 2, 3, 130, 141, 143
"""Exit codes: everybody answered; nobody did; wrong usage or configuration; some did; Ctrl-C; nobody reads; SIGTERM."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "max")

Decorator = Callable[..., Any]


def together(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which `--help` shows them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def listed(context: click.Context, option: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """What was given several times, or as a list by comma, each once."""
    words = (word.strip() for one in given for word in one.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def in_a_folder(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """Complain of a path that cannot be written now, not when all is paid for; `-` is standard output."""
    if path == "-":
        return None
    if path == "":
        raise click.BadParameter("the name of the file is empty. Name one, or leave the option out.")
    if path is None:
        return None
    path = os.path.expanduser(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise click.BadParameter(f"the folder of {path!r} does not exist. Create it, or correct the path.")
    if os.path.isdir(path):
        raise click.BadParameter(f"{path!r} is a folder. Name a file in it.")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise click.BadParameter(f"{path!r} may not be written. Name another file, or allow it.")
    return path


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
YES = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
PROMPT = click.argument("prompt", nargs=-1)
AIS = click.option(
    "-a",
    "--ai",
    "ais",
    multiple=True,
    metavar="NAME",
    callback=listed,
    shell_complete=complete_ais,
    help="Which AI; repeat, or a,b, for several; @NAME for a group.",
)
MODELS = click.option(
    "-m", "--model", "models", multiple=True, metavar="MODEL", callback=listed, help="Another model of the AI."
)
EVERYBODY = click.option("--all", "everybody", is_flag=True, help="Ask every configured AI.")
WHOM = together(AIS, MODELS, EVERYBODY)
SECRETS = click.option("--send-secrets", is_flag=True, help="Also send what looks like a secret.")
FILES = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="PATH",
    type=click.Path(),
    help="Send a file along; patterns and https:// too.",
)
IMAGES = click.option(
    "-i",
    "--image",
    "images",
    multiple=True,
    metavar="PATH",
    type=click.Path(allow_dash=True),
    help="Send a picture along; - for standard input.",
)
THREAD = click.option("--thread", metavar="NAME", help="Continue, or start, the conversation of that name.")
CONTINUE = click.option("-c", "--continue", "go_on", is_flag=True, help="Go on with what was asked last.")
SAVED = together(
    click.option("-p", "--prompt", "saved", metavar="NAME", shell_complete=complete_prompts, help="A saved prompt."),
    click.option("--var", "variables", multiple=True, metavar="NAME=TEXT", help="A variable of it; repeatable."),
)
ROLE = click.option(
    "-r", "--role", metavar="ROLE", shell_complete=complete_roles, help="How to work, such as reviewer or debugger."
)
TOOLS = click.option(
    "-T",
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    callback=listed,
    help="Let them look things up: workspace, git, threads, clock, arithmetic.",
)
SYSTEM = click.option("-s", "--system", metavar="TEXT", help="System prompt.")
TEMPERATURE = click.option(
    "-t", "--temperature", type=click.FloatRange(0, 2), metavar="0..2", help="0: always alike; 2: wild."
)
MAX_TOKENS = click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Longest answer, in tokens.")
EFFORT = click.option(
    "--effort",
    type=click.Choice(EFFORTS, case_sensitive=False),
    metavar="LEVEL",
    help=f"Reasoning: {', '.join(EFFORTS)}.",
)
TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3600, min_open=True),
    metavar="SECONDS",
    help="Longest wait for each AI.",
)
ON_PARTIAL = click.option(
    "--refuse-partial", "on_partial", flag_value="refuse", help="Fail when an AI gives no answer."
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what it may cost; send nothing.")
BACKGROUND = click.option("--background", is_flag=True, help="Start it as a job and print its id; see moot jobs.")
SHOWN = together(
    click.option(
        "-o",
        "--output",
        "to",
        metavar="FILE",
        type=click.Path(readable=False),
        callback=in_a_folder,
        help="Write the answer to FILE.",
    ),
    click.option("-x", "--extract", is_flag=True, help="Print the last code block alone."),
    click.option("--raw", is_flag=True, help="Print plain text in a terminal too."),
    JSON,
)
_OF_RECIPES = {
    "role": ROLE,
    "system": SYSTEM,
    "tools": TOOLS,
    "files": FILES,
    "images": IMAGES,
    "thread": together(THREAD, CONTINUE),
    "temperature": TEMPERATURE,
    "max_tokens": MAX_TOKENS,
    "effort": EFFORT,
    "timeout_s": TIMEOUT,
    "on_partial": ON_PARTIAL,
    "dry_run": DRY_RUN,
}
"""What recipes take, and the option of every command whose recipe takes it."""


_PANEL = ("files", "thread", "max_tokens", "on_partial", "dry_run")
TAKEN = {
    "ask_many": (*_PANEL, "role", "system", "images", "temperature", "effort", "timeout_s"),
    "debate": (*_PANEL, "tools"),
    "consensus": (*_PANEL, "timeout_s"),
    "judge": ("max_tokens", "timeout_s", "on_partial", "dry_run"),
    "review": ("files", "tools", "max_tokens", "on_partial", "dry_run"),
}
"""Which of the shared arguments each recipe takes; to look would import it, and `--help` imports nothing heavy."""


def asking(*taken: str, saved: bool = True) -> Decorator:
    """The options of a command that asks: of what its recipe has *taken*, of secrets, jobs and what is printed."""
    return together(of_recipes(*taken), *([SAVED] if saved else []), SECRETS, BACKGROUND, SHOWN)


def of_recipes(*taken: str) -> Decorator:
    """The options of the arguments *taken*."""
    return together(*(option for name, option in _OF_RECIPES.items() if name in taken))


def whom(ais: Sequence[str], models: Sequence[str], everybody: bool) -> list[str]:
    """The AIs that `-a`, `-m` and `--all` name; none when nobody is named."""
    if everybody and (ais or models):
        raise click.UsageError("Use either --all or -a and -m, not both.")
    if everybody:
        return ["@all"]
    return [f"{name}/{model}" for name in ais or [""] for model in models] if models else list(ais)


_WORDS = (
    (r"use on_partial='return'", "leave out --refuse-partial"),
    (r"since on_partial is 'refuse'", "as --refuse-partial says"),
    (r"use ask_many with 'samples'", "use: moot ask -a NAME --samples 3"),
    (r"use ask_many for all", "add --all"),
    (r"name them in 'ais'", "name them with -a"),
    (r"of them in 'ais'", "of them with -a"),
    (r"Name AIs on this machine in 'ais'", "Name AIs on this machine with -a"),
    (r"AIs in 'ais', or texts in 'candidates'", "AIs (-a), or files with answers (-c)"),
    (r"'candidates' or 'ais' that answer", "files with answers (-c) or AIs that answer (-a)"),
    (r"judges go into 'judges'", "judges go into --judge"),
    (r"or set skip_bad", "or leave them out with --skip-bad"),
    (r"'(base|staged|diff|focus|judge|judges|referee|threshold|rounds|samples|synthesize)'", r"--\1"),
    (r"'(stances)'", "--stance"),
    (r"(?<!credentials\.json: )'(ais)'", "-a"),
    (r"'(candidates)'", "-c"),
    (r"'(files)'", "-f"),
    (r"'(images)'", "-i"),
    (r"'(paths)'", "--path"),
    (r"'(thread)' is", "--thread is"),
    (r"'(question|prompt)'", "the question"),
    (r"raise max_tokens", "raise --max-tokens"),
    (r"^PARTIAL: (\d+) of \1 AIs", r"PARTIAL RESULT: all \1 AIs"),
    (r"--judges", "--judge"),
    (r"'[^']*standard-input' is no", "What is piped in for -i - is no"),
    (r'jobs\(action="get", id="([^"]*)", wait_s=50\) or `(moot jobs show [^`]*)`', r"`\2`"),
)
"""Arguments of the tools, which hosts know, and what they are called at the command line."""


def in_words(text: str) -> str:
    """*text* of a tool in the words of the command line."""
    for argument, option in _WORDS:
        text = re.sub(argument, option, text)
    return text


def complain(error: MootError, as_json: bool, code: int) -> int:
    """Say what went wrong, as one object in JSON; gives *code*."""
    from core.untrusted import clean

    told = in_words(str(error))
    if as_json:
        import json

        from core.pictures import without_pictures

        message = without_pictures(clean(told))
        click.echo(
            json.dumps({"error": {"kind": error.kind, "code": error.code, "message": message}}, ensure_ascii=False)
        )
    else:
        note(clean(told))
    return code


def code_of(error: MootError) -> int:
    """2 where the user can mend it by another command or configuration, else 1."""
    from core.errors import ConfigError, InvalidInputError

    return USAGE if isinstance(error, ConfigError | InvalidInputError) else NONE


def reporting(work: Callable[[], T], as_json: bool = False) -> T:
    """What *work* gives; a complaint of ours ends the program with one sentence, and the code that belongs to it."""
    from core.errors import MootError

    try:
        return work()
    except MootError as error:
        sys.exit(complain(error, as_json, code_of(error)))


def print_json(value: object) -> None:
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Tell the user something that is no part of the answer."""
    click.echo(f"moot: {text}", err=True)


def confirmed(question: str, flag: str, *, yes: bool) -> bool:
    """Whether the user agrees; where nobody can be asked, *flag* has to say so.

    Raises:
        click.UsageError: There is nobody to ask.
    """
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say yes with {flag}.")
    return click.confirm(question, err=True)
