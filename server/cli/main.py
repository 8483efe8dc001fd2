"""The command line. Answers go to stdout, everything else to stderr.

Exit codes: 0 every AI answered, 1 none did, 2 wrong usage or configuration, 3 some did not, 130 Ctrl-C, 141 nobody
reads.
Nothing heavy is imported here: `--help` and `--version` need click alone.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any

import click
from click.core import ParameterSource

from server.cli.commands import agent as agent_cli
from server.cli.commands import ais as ai_commands
from server.cli.commands import ask as ask_commands
from server.cli.commands import batch as batch_cli
from server.cli.commands import chat as chat_cli
from server.cli.commands import history as history_commands
from server.cli.commands import jobs as jobs_cli
from server.cli.commands import memory as memory_commands
from server.cli.commands import setup as setup_commands
from server.cli.commands import shells
from server.cli.commands import skills as skill_commands
from server.cli.commands import telegram as telegram_commands
from server.cli.commands import threads as thread_commands
from server.cli.commands import tools as tool_commands
from server.cli.commands import web as web_commands
from server.cli.groups import Commands
from server.cli.interrupt import end_on_interrupt
from server.cli.options import JSON, NONE, PIPE_CLOSED, note, reporting

BETTER = click.option(
    "--better",
    is_flag=True,
    help="With Qwen2.5-Coder-0.5B-Instruct, a better model: fetched once, 478 MB, 491 MB on disk.",
)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Start with: moot demo. Asking is the default: moot "What is 2+2?"',
)
@click.version_option(package_name="moot-mcp", prog_name="moot")
def cli() -> None:
    """Ask other AIs: one, several at once, or a panel that debates and comes to a verdict."""
    from core.logs import configure_logging

    configure_logging()


def run() -> None:
    """Run the command line; where stdout takes nothing, that is one sentence."""
    end_on_interrupt()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # none is meant for us, and looking takes 7 ms
    if sys.stdout is None:
        sys.exit("moot: standard output is closed. Leave it open, or send it to a file.")
    open_input()
    take_all_text()
    lose_no_answer_for_a_note()
    try:
        try:
            code = _main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _throw_away()
        sys.exit(PIPE_CLOSED)  # without a word, as programs end that a closed pipe ends
    except OSError as error:
        from core.errors import NO_ROOM

        if error.errno not in (*NO_ROOM, errno.EIO, errno.EBADF):
            raise
        _throw_away()
        if error.errno == errno.EBADF:
            sys.exit("moot: standard input or output is open the wrong way round. Correct the redirection.")
        sys.exit(f"moot: the output cannot be written ({error.strerror}). Send it to another place.")
    sys.exit(code)


def _main() -> int:
    """Click's own main, but for a closed pipe, which it would make an error."""
    try:
        return int(cli.main(prog_name="moot", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        note("nothing was done.")
        return NONE


def open_input() -> None:
    """Have a closed standard input be an empty one: else the next file that is opened would be taken for it."""
    if sys.stdin is None:
        sys.stdin = open(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")  # noqa: SIM115 - for as long as we run


def take_all_text() -> None:
    """Have stdout and stderr take every character: an answer that is paid for is never lost for an encoding."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


class _Notes(io.FileIO):
    """Standard error, which may be full or read by nobody."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data) or 0
        return len(data)


def lose_no_answer_for_a_note() -> None:
    """Have a note that cannot be written be lost alone, not the answer that is paid for."""
    if sys.stderr is not None and not sys.stderr.isatty():
        told = _Notes(2, "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(told), encoding=sys.stderr.encoding, errors="replace", line_buffering=True
        )


def _throw_away() -> None:
    """Have what is left in the buffer fail no second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


for _command in (
    *ask_commands.COMMANDS,
    agent_cli.agent,
    chat_cli.chat,
    batch_cli.batch,
    *history_commands.COMMANDS,
    thread_commands.threads,
    memory_commands.memory,
    jobs_cli.jobs,
    jobs_cli.worker,
    *ai_commands.COMMANDS,
    skill_commands.skills,
    tool_commands.tools,
    setup_commands.connect,
    setup_commands.keys,
    setup_commands.init,
    web_commands.web,
    web_commands.tokens,
    telegram_commands.telegram,
    shells.completion,
):
    cli.add_command(_command)


@cli.command()
@click.option("--system", is_flag=True, help="How the machine, the jobs and the calls of the last hour are.")
@JSON
def status(system: bool, as_json: bool) -> None:
    """Show which AIs can be asked, and what is wrong with the others."""
    if system:
        from server.cli.showing.system import show_system

        sys.exit(reporting(lambda: show_system(as_json=as_json), as_json))
    from server.cli.running.terminal import run_recipe
    from server.cli.showing.printing import Shown

    sys.exit(run_recipe("status", {}, Shown(as_json=as_json)))


@cli.command()
@click.option("--by", type=click.Choice(("day", "ai", "tool", "model", "person")), default="ai", show_default=True)
@click.option("--since", default="30d", show_default=True, help="A number of days such as 7d, or a date.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values.")
def usage(by: Any, since: str, form: str | None) -> None:
    """Show what was asked and what it cost, from the ledger on this machine."""
    from server.cli.showing.usage import show_usage

    sys.exit(reporting(lambda: show_usage(by, since, form or "table"), form == "json"))


@cli.command()
@click.option("--probe", is_flag=True, help="Also ask each AI one short question, which costs a little.")
@JSON
def doctor(probe: bool, as_json: bool) -> None:
    """Check this installation: keys, models, store, hosts, and the server itself. Exit code 1 if something fails."""
    from server.doctor.checks import show_doctor

    sys.exit(show_doctor(probe=probe, as_json=as_json))


@cli.command()
@click.argument("question", required=False)
@BETTER
@click.option("--svg", type=click.Path(dir_okay=False, writable=True), help="Also save what is shown as a picture.")
def demo(question: str | None, better: bool, svg: str | None) -> None:
    """See a panel of tiny local AIs answer and vote, through the MCP server. Needs no key."""
    from server.cli.running.demo import show_demo

    sys.exit(show_demo(question, svg, better=better))


_OPTIONS = {"json": "json-replies", "allowed": "allow-host"}


@cli.command()
@click.option("--live", is_flag=True, help="Let runs be watched on a page; the first progress note has its link.")
@click.option("--http", is_flag=True, help="Serve over HTTP instead: /mcp, /v1, /api and the page of moot web.")
@click.option("--oauth", is_flag=True, help="Let apps such as claude.ai and ChatGPT be connected by OAuth.")
@web_commands.placed
def serve(http: bool, live: bool, **place: Any) -> None:
    """Run the MCP server on stdin and stdout; this is what hosts start. With --http for many at once."""
    if http:
        from server.web.assembly import Place
        from server.web.serve import serve as serve_http

        sys.exit(reporting(lambda: serve_http(Place(**place), browser=False)))
    given = click.get_current_context().get_parameter_source
    if idle := [name for name in place if given(name) is ParameterSource.COMMANDLINE]:
        raise click.UsageError(f"--{_OPTIONS.get(idle[0], idle[0]).replace('_', '-')} is for --http. Add it.")
    from server.stdio.serve import serve as serve_stdio

    if live:
        os.environ["MOOT_LIVE"] = "1"
    serve_stdio()


@cli.group()
def local() -> None:
    """Fetch the embedded demo model, which needs no key."""


@local.command("install")
@BETTER
def local_install(better: bool) -> None:
    """Download the embedded model (130 MB with its engine), check it and put it in place."""
    from ai.local import weights
    from server.cli.running.embedded import install

    install(weights.BETTER if better else weights.TINY)
