"""`moot connect`, `moot keys` and `moot init` on the command line: what they take. What they do is imported late."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt


def known_hosts(ctx: click.Context, param: click.Parameter, given: Any) -> Any:
    """*given*, one name or several, if they are hosts that Moot knows."""
    from server.setup.hosts import HOSTS

    if unknown := [name for name in ((given,) if isinstance(given, str) else given) if name not in HOSTS]:
        from difflib import get_close_matches

        near = get_close_matches(unknown[0].casefold(), HOSTS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise click.BadParameter(f"{unknown[0]!r} is not known.{hint} Known are: {', '.join(HOSTS)}.")
    return given


def complete_hosts(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    from server.setup.hosts import HOSTS

    return [name for name in HOSTS if name.startswith(begun)]


@click.command()
@click.argument("hosts", nargs=-1, metavar="[HOST]...", callback=known_hosts, shell_complete=complete_hosts)
@click.option("--remove", is_flag=True, help="Take Moot out again.")
@click.option("--print", "only_print", is_flag=True, help="Only print what to add; write nothing.")
@click.option("--project", is_flag=True, help="Write the file of the project you are in.")
@click.option("--http", metavar="URL", help="Reach a Moot that serves there (moot serve --http).")
@click.option("--token-from-env", metavar="NAME", help="With --http: send the token in this variable.")
@click.option("--env", multiple=True, metavar="NAME", help="Also write this variable and its value; repeatable.")
@opt.YES
@opt.JSON
def connect(hosts: tuple[str, ...], **wish: Any) -> None:
    """Add Moot to Claude, Cursor, VS Code, Codex, ...: those named, or all that are found."""
    from server.setup.connect import Wish
    from server.setup.connect import connect as run

    sys.exit(run(hosts, Wish(**wish)))


@click.group()
def keys() -> None:
    """Keep the keys of AIs where Moot finds them."""


@keys.command("set")
@click.argument("name")
@click.option("--keyring", is_flag=True, help="Into the system's keyring instead of credentials.json.")
def keys_set(name: str, keyring: bool) -> None:
    """Store the key of the AI or provider NAME, typed without echo or piped in."""
    from server.setup.keys import check_name, read_key, set_key
    from server.streams import is_terminal

    opt.reporting(lambda: check_name(name))
    typed = is_terminal(sys.stdin)
    key = click.prompt(f"Key of {name}", hide_input=True, err=True) if typed else opt.reporting(read_key)
    click.echo(opt.reporting(lambda: set_key(name, key, keyring=keyring)), err=True)


@keys.command("list")
@opt.JSON
def keys_list(as_json: bool) -> None:
    """Show which AI has a key and where it comes from, never the key."""
    from server.setup.keys import list_keys

    sys.exit(list_keys(as_json=as_json))


@keys.command("remove")
@click.argument("name")
def keys_remove(name: str) -> None:
    """Forget the stored key of NAME."""
    from server.setup.keys import remove_key

    click.echo(opt.reporting(lambda: remove_key(name)), err=True)


@keys.command("test")
@click.argument("name", required=False)
def keys_test(name: str | None) -> None:
    """Ask NAME, or every AI, one short question, which costs a little."""
    from server.doctor.probe import test_keys

    sys.exit(test_keys(name))


@click.command()
@opt.YES
def init(yes: bool) -> None:
    """Find keys and local models, write credentials.json, and connect the programs you work in."""
    from server.setup.init import init as run

    sys.exit(run(yes=yes))
