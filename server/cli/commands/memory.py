"""`moot memory`: find what was said by meaning, forget it, take it elsewhere. Imports click alone until one is run."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt
from server.cli.complete import complete_threads

WHERE = opt.together(
    click.option("--thread", metavar="NAME", shell_complete=complete_threads, help="Only in this thread."),
    click.option("--chat", metavar="NAME", help="Only in this chat, such as 'telegram 4711'."),
    click.option("--topic", default="", metavar="NAME", help="The topic of the chat; '*' for all of them."),
)


@click.group(invoke_without_command=True)
@click.pass_context
@opt.JSON
def memory(context: click.Context, as_json: bool) -> None:
    """Show what is kept of what was said, and how it is searched; see also its subcommands."""
    if context.invoked_subcommand is None:
        from server.cli.showing.memory import show_status

        sys.exit(opt.reporting(lambda: show_status(as_json=as_json), as_json))


@memory.command()
@click.argument("question", nargs=-1, required=True)
@WHERE
@click.option("-n", "--most", type=click.IntRange(1, 100), default=5, show_default=True, help="How many passages.")
@opt.JSON
def search(question: tuple[str, ...], most: int, as_json: bool, **where: Any) -> None:
    """Show what would be recalled for QUESTION: by words, by meaning, and by the time that it names."""
    from server.cli.showing.memory import show_search

    sys.exit(opt.reporting(lambda: show_search(" ".join(question), most, where, as_json=as_json), as_json))


@memory.command()
@WHERE
@click.option("--all", "everything", is_flag=True, help="Everything that is kept of you.")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="One turn, by the number that search shows.")
@click.option("--message", metavar="ID", help="What was said in this message of a chat.")
@click.option("--since", metavar="WHEN", help="From this day on: 2026-03-01, or 7d.")
@click.option("--until", metavar="WHEN", help="Before this day.")
@opt.YES
@opt.JSON
def forget(everything: bool, yes: bool, as_json: bool, **what: Any) -> None:
    """Delete what was said, its index, and its copies among jobs, past runs and files, for good."""
    from server.cli.showing.memory import forget_said

    where = {name: what.pop(name) for name in ("thread", "chat", "topic")}
    if not everything and not where["thread"] and not where["chat"]:
        raise click.UsageError("Say where: --thread NAME, --chat NAME, or --all.")
    if everything and (where["thread"] or where["chat"]):
        raise click.UsageError("Give either --all, or --thread NAME or --chat NAME.")

    def agreed(question: str) -> bool:
        return opt.confirmed(question, "--yes", yes=yes)

    sys.exit(opt.reporting(lambda: forget_said(where, what, agreed, as_json=as_json), as_json))


@memory.command("export")
@WHERE
@click.option("-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="A file for it.")
def export_said(output: str, **where: Any) -> None:
    """Write what was said as JSON lines, word for word. The file is for you alone."""
    from server.cli.showing.memory import export

    sys.exit(opt.reporting(lambda: export(where, output)))


@memory.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
def import_said(file: Any) -> None:
    """Keep what stands in FILE, as export writes it; - for standard input."""
    from server.cli.showing.memory import take_in_file

    sys.exit(opt.reporting(lambda: take_in_file(file)))


@memory.command()
def reindex() -> None:
    """Index by meaning what is not indexed yet. It goes on where it was stopped."""
    from server.cli.showing.memory import index_now

    sys.exit(opt.reporting(index_now))


@memory.command()
@click.option("--minilm", is_flag=True, help="Fetch MiniLM (84 MB) instead, which understands more and takes longer.")
def install(minilm: bool) -> None:
    """Fetch what searching by meaning needs (19 MB, and numpy), check it and put it in place."""
    from server.cli.showing.memory import install_vectors_now

    sys.exit(opt.reporting(lambda: install_vectors_now(minilm=minilm)))
