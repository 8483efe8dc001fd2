"""`moot tokens`: who else may use this Moot over HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import anyio
import click

from core.errors import InvalidInputError
from core.jobs.jobs import Jobs
from core.people.apps import Apps, Grant
from core.people.person import Person, acting_as
from core.people.tokens import Tokens
from core.untrusted import one_line


def add_token(name: str, per_day_usd: float | None, ais: str, *, admin: bool, as_json: bool) -> int:
    """Make a token and print it. Exit code 0."""
    listed = listed_ais(ais, "the token holds for it")
    tokens = Tokens()
    try:
        token = tokens.add(Person(name, listed, per_day_usd, admin))
    finally:
        tokens.close()
    if as_json:
        click.echo(json.dumps({"name": name, "token": token}))
        return 0
    click.echo(token)
    click.echo("It is not shown again. Send it as: Authorization: Bearer TOKEN", err=True)
    return 0


def listed_ais(given: str, will: str) -> tuple[str, ...]:
    """The names in *given*, NAME,...; of those that nobody has yet it is told what *will* be once somebody does."""
    listed = tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    for unknown in _unknown(listed):
        click.echo(f"moot: no AI is called {unknown!r} here yet; {will} once there is one.", err=True)
    return listed


def _unknown(names: Sequence[str]) -> list[str]:
    """Those of *names* that no AI and no agent has."""
    if not names:
        return []
    from ai.roster.roster import Roster
    from core.config import load_config
    from core.paths import credentials_path

    config = load_config(credentials_path())
    roster = Roster.open(config)
    try:
        known = {*roster.seats, *roster.problems, *config.agents}
        return [name for name in names if name not in known]
    finally:
        roster.close()


def list_tokens(*, as_json: bool) -> int:
    """Print who has a token, and which apps are connected. Exit code 0."""
    with closing(Tokens()) as tokens, closing(Apps()) as apps:
        found, connected = tokens.all(), apps.all()
    if as_json:
        people = [asdict(one.person) | {"created": one.created} for one in found]
        click.echo(json.dumps(people + [_app_as_json(app) for app in connected]))
        return 0
    if not found and not connected:
        click.echo("Nobody has a token. Make one: moot tokens add NAME", err=True)
    for one in found:
        click.echo(f"{one.person.name}  since {one.created[:10]}  {_may(one.person)}")
    for app in connected:
        click.echo(f"{app.label}  since {_day(app)}  {app.asked.name} ({app.asked.host}), for {app.person or 'you'}")
    return 0


def print_codes() -> int:
    """Print a new code for every app that asks to be connected. Exit code 0."""
    with closing(Apps()) as apps:
        waiting = apps.new_codes()
    if not waiting:
        click.echo("No app asks to be connected. Start there, then run this again.", err=True)
    for asked, code in waiting:
        click.echo(f"{code}  {asked.name} ({asked.host})")
    return 0


def revoke_token(name: str) -> int:
    """Take the token of *name* back, and cancel what is under way for them; or disconnect an app. Exit code 0.

    Raises:
        InvalidInputError: They have none.
    """
    with closing(Tokens()) as tokens, closing(Apps()) as apps:
        if gone := apps.revoke(name):
            click.echo(f"{gone.asked.name} ({gone.asked.host}) is connected no more.", err=True)
            return 0
        person = tokens.named(name)
        if person is None or not tokens.revoke(name):
            raise InvalidInputError(f"{one_line(name, 80)!r} has no token. To list them: moot tokens list")
    cancelled = anyio.run(_cancel_jobs, person)
    click.echo(f"{name} is known no more; {cancelled} jobs were cancelled.", err=True)
    return 0


async def _cancel_jobs(person: Person) -> int:
    jobs = Jobs()
    try:
        with acting_as(person):
            open_ones = await jobs.list_jobs(("queued", "running", "paused"), limit=10_000)
            for job in open_ones:
                await jobs.cancel(job.id)
        return len(open_ones)
    finally:
        await jobs.aclose()


def _day(app: Grant) -> str:
    return datetime.fromtimestamp(app.created, UTC).date().isoformat()


def _app_as_json(app: Grant) -> dict[str, Any]:
    told = {"name": app.label, "app": app.asked.name, "host": app.asked.host, "person": app.person}
    return told | {"created": datetime.fromtimestamp(app.created, UTC).isoformat(timespec="seconds")}


def _may(person: Person) -> str:
    asks = f"asks {', '.join(person.ais)}" if person.ais else "asks all AIs"
    spends = "" if person.per_day_usd is None else f", at most ${person.per_day_usd:.2f} a day"
    return f"{asks}{spends}{', administrator' if person.admin else ''}"
