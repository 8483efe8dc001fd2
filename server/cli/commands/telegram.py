"""`moot telegram` and what it takes. What it does is imported late."""

from __future__ import annotations

import sys

import click

from server.cli import options as opt


@click.group(invoke_without_command=True)
@click.option("--webhook", metavar="URL", help="Have Telegram bring updates to this address; serves HTTP as moot web.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --webhook: the address to serve at.")
@click.option("--port", type=click.IntRange(0, 65_535), help="With --webhook: the port; default: from 4747 on.")
@click.pass_context
def telegram(context: click.Context, webhook: str | None, host: str, port: int | None) -> None:
    """Run the Telegram bot: AIs and panels in every chat, for those you let in."""
    if context.invoked_subcommand is not None:
        return
    if webhook is None:
        from server.telegram.running import run_polling

        sys.exit(opt.reporting(run_polling))
    from server.telegram.webhook import run_webhook

    sys.exit(opt.reporting(lambda: run_webhook(webhook, host, port)))


@telegram.command("pair")
def pair() -> None:
    """Print a code; the account that sends it to the bot is its owner."""
    from server.telegram.managing import pair as run

    sys.exit(opt.reporting(run))


@telegram.command("invite")
@click.argument("name", default="")
@click.option("--ais", default="", metavar="NAME,...", help="The AIs they may ask; default: all.")
@click.option("--per-day-usd", type=click.FloatRange(0), metavar="USD", help="What they may spend in a day.")
def invite(name: str, ais: str, per_day_usd: float | None) -> None:
    """Print a code and a link that let one person in, called NAME here."""
    from server.setup.tokens import listed_ais
    from server.telegram.managing import invite as run

    sys.exit(opt.reporting(lambda: run(name, listed_ais(ais, "they may ask it"), per_day_usd)))


@telegram.command("people")
@opt.JSON
def people(as_json: bool) -> None:
    """List who may use the bot, and the groups in which it answers."""
    from server.telegram.managing import people as run

    sys.exit(opt.reporting(lambda: run(as_json=as_json), as_json))


@telegram.command("remove")
@click.argument("id", type=int)
def remove(id: int) -> None:
    """Let the person or group ID, as people lists it, use the bot no more."""
    from server.telegram.managing import remove as run

    sys.exit(opt.reporting(lambda: run(id)))
