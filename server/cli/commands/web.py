"""`moot web`, `moot tokens` and what they take. What they do is imported late."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from server.cli import options as opt


def placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where the HTTP door stands."""
    for option in reversed(
        (
            click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at."),
            click.option("--port", type=click.IntRange(0, 65_535), help="Port; default: the first free from 4747 on."),
            click.option("--public-url", default="", metavar="URL", help="Where it is reached from outside."),
            click.option("--base-path", default="", metavar="PATH", help="Below which path all of it lies."),
            click.option(
                "--workers",
                type=click.IntRange(1, 64),
                default=1,
                envvar="WORKERS",
                help="How many processes serve.",
            ),
            click.option(
                "--no-detach",
                "detach",
                is_flag=True,
                default=True,
                flag_value=False,
                help="Jobs under way at the end wait for the next start, as in containers and services.",
            ),
            click.option(
                "--access-log",
                type=click.Choice(("off", "text", "json")),
                default="off",
                help="A line on stderr for each request.",
            ),
            click.option("--metrics-open", is_flag=True, help="/metrics without a token, for this machine alone."),
            click.option("--stateless", is_flag=True, help="MCP without sessions, each request by itself."),
            click.option("--json-replies", "json", is_flag=True, help="MCP with JSON instead of streams."),
            click.option("--allow-host", "allowed", multiple=True, metavar="HOST", help="It may also be called so."),
        )
    ):
        command = option(command)
    return command


@click.command()
@placed
@click.option("--no-browser", is_flag=True, help="Print the link, and open no browser.")
@click.option("--link", is_flag=True, help="Only print a new link to a server that runs already.")
def web(no_browser: bool, link: bool, **place: Any) -> None:
    """Open Moot in a browser: chat, panels, jobs, costs, all on this machine."""
    if link:
        _print_link(place)
        return
    from server.web.assembly import Place
    from server.web.serve import serve

    sys.exit(opt.reporting(lambda: serve(Place(**place), browser=not no_browser)))


def _print_link(place: dict[str, Any]) -> None:
    from core.paths import data_dir
    from server.web.access.address import Address, check_base_path
    from server.web.access.doors import Doors
    from server.web.serve import PORT, standing

    def link() -> str:
        if any(place[name] for name in ("port", "public_url", "base_path")):
            base = check_base_path(place["base_path"])
            address = Address(place["host"], place["port"] or PORT, public_url=place["public_url"], base_path=base)
        else:
            address = standing()
        return f"{address.url}/open/{Doors(data_dir()).link()}"

    click.echo(opt.reporting(link))


@click.group()
def tokens() -> None:
    """Let others, and programs, use this Moot over HTTP: one token for each."""


@tokens.command("add")
@click.argument("name")
@click.option("--per-day-usd", type=click.FloatRange(0), metavar="USD", help="What they may spend in a day.")
@click.option("--ais", default="", metavar="NAME,...", help="The AIs they may ask; default: all.")
@click.option("--admin", is_flag=True, help="They also see what everybody spends.")
@opt.JSON
def tokens_add(name: str, per_day_usd: float | None, ais: str, admin: bool, as_json: bool) -> None:
    """Make a token for NAME and print it, this once."""
    from server.setup.tokens import add_token

    sys.exit(opt.reporting(lambda: add_token(name, per_day_usd, ais, admin=admin, as_json=as_json), as_json))


@tokens.command("code")
def tokens_code() -> None:
    """Print a new code for every app that asks to be connected."""
    from server.setup.tokens import print_codes

    sys.exit(opt.reporting(print_codes))


@tokens.command("list")
@opt.JSON
def tokens_list(as_json: bool) -> None:
    """List who has a token, what they may, and which apps are connected."""
    from server.setup.tokens import list_tokens

    sys.exit(opt.reporting(lambda: list_tokens(as_json=as_json), as_json))


@tokens.command("revoke")
@click.argument("name")
@opt.YES
def tokens_revoke(name: str, yes: bool) -> None:
    """Take the token of NAME back and cancel their jobs, or disconnect the app that the list calls NAME."""
    from server.setup.tokens import revoke_token

    if not opt.confirmed(f"Take back what {name} was allowed?", "--yes", yes=yes):
        return
    sys.exit(opt.reporting(lambda: revoke_token(name)))
