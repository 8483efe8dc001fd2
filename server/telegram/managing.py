"""What the owner does with the bot at the terminal: pairs, invites, lists, removes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from core.errors import InvalidInputError
from server.telegram.members import Members
from server.telegram.store import TelegramStore
from server.telegram.values import Member

_USERNAME = "username"
_BEYOND = 2**63
"""From where on no number is an account's: none that a store takes."""


@contextmanager
def _members() -> Iterator[tuple[TelegramStore, Members]]:
    kept = TelegramStore()
    try:
        yield kept, Members(kept)
    finally:
        kept.close()


def pair() -> int:
    """Print a code by which an account becomes the bot's owner. Exit code 0."""
    with _members() as (kept, members):
        code = members.pairing_code()
        click.echo(code)
        click.echo(f"Send it to the bot within ten minutes{_link(kept, code)}. It works once.", err=True)
    return 0


def invite(label: str, ais: tuple[str, ...], per_day_usd: float | None) -> int:
    """Print a code by which one account may use the bot. Exit code 0.

    Raises:
        InvalidInputError: The amount is none.
    """
    with _members() as (kept, members):
        code = members.invitation(label, ais, per_day_usd)
        click.echo(code)
        click.echo(f"It lets one person in, once, within a week{_link(kept, code)}.", err=True)
    return 0


def people(*, as_json: bool) -> int:
    """Print who may use the bot, and the groups in which it answers. Exit code 0."""
    with _members() as (_, members):
        found, groups = members.all(), members.groups()
    if as_json:
        rows = [{"chat": chat, "title": title} for chat, title in groups]
        click.echo(json.dumps({"people": [asdict(one) for one in found], "groups": rows}, ensure_ascii=False))
        return 0
    if not found:
        click.echo("Nobody may use the bot. Pair with it: moot telegram pair", err=True)
    for one in found:
        click.echo(f"{one.id}  {one.name}  {_may(one)}")
    for chat, title in groups:
        click.echo(f"{chat}  {title}  group")
    return 0


def remove(id: int) -> int:
    """Let a person, or a group, use the bot no more. Exit code 0.

    Raises:
        InvalidInputError: They could not before.
    """
    with _members() as (_, members):
        known = abs(id) < _BEYOND and (members.forget_group(id) if id < 0 else members.remove(id))
        if not known:
            raise InvalidInputError(f"{id} may not use the bot anyway. To list who may: moot telegram people")
    click.echo(f"{id} gets no answers any more.", err=True)
    return 0


def note_name(kept: TelegramStore, username: str) -> None:
    """Remember what the bot is called, for links. Blocks."""
    if kept.fact(_USERNAME) != username:
        kept.note(_USERNAME, username)


def _link(kept: TelegramStore, code: str) -> str:
    username = kept.fact(_USERNAME) if kept.store.exists() else ""
    return f", or open https://t.me/{username}?start={code}" if username else ""


def _may(member: Member) -> str:
    if member.owner:
        return "owner"
    asks = f"asks {', '.join(member.ais)}" if member.ais else "asks all AIs"
    return asks if member.per_day_usd is None else f"{asks}, at most ${member.per_day_usd:.2f} a day"
