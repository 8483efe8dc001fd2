"""What the endpoints themselves offer: one list for each endpoint, whichever AIs are configured there."""

from __future__ import annotations

import anyio

from ai.roster.names import without_model
from ai.runs.app import App, open_app
from core.errors import MootError
from core.redact import redact
from core.untrusted import one_line
from server.cli.options import NONE, OK, SOME, USAGE, complain, note, print_json


def show_models(name: str | None, words: str | None, as_json: bool) -> int:
    """Print the models of the AI called *name*, or of all; only those whose names hold all *words*."""
    try:
        offers, failures = anyio.run(_list_models, name)
    except MootError as error:
        return complain(error, as_json, USAGE)
    wanted = (words or "").casefold().split()
    found = {ais: [one for one in ids if all(word in one.casefold() for word in wanted)] for ais, ids in offers.items()}
    if as_json:
        print_json({"models": {ai: ids for ais, ids in found.items() for ai in ais}, "failed": failures})
    else:
        _print(found, searched=bool(wanted))
    if not as_json:
        for reason in failures.values():
            note(reason)
    if wanted and not any(found.values()):
        return NONE
    return OK if not failures else SOME if offers else NONE


def _print(found: dict[tuple[str, ...], list[str]], *, searched: bool) -> None:
    for ais, ids in found.items():
        if ids or not searched:
            print(f"{', '.join(ais)}:", *(f"  {one_line(model)}" for model in ids), sep="\n")
    if searched and not any(found.values()):
        note("no model has such a name. All of them: moot models")
    elif found:
        ais, ids = next((item for item in found.items() if item[1]), ((), []))
        if ids:
            note(f"to ask one: moot ask -a {ais[0]} -m {one_line(ids[0])} ...")


async def _list_models(name: str | None) -> tuple[dict[tuple[str, ...], list[str]], dict[str, str]]:
    """The models by the AIs that share an endpoint and a key, and why others could not be listed."""
    async with open_app() as app:
        names = [app.roster.seat(without_model(name)).name] if name else app.roster.names
        groups: dict[tuple[str, ...], list[str]] = {}
        for ai in names:
            groups.setdefault(_endpoint(app, ai), []).append(ai)
        offers: dict[tuple[str, ...], list[str]] = {}
        failures: dict[str, str] = {}

        async def ask(ais: list[str]) -> None:
            try:
                offers[tuple(ais)] = sorted(redact(model) for model in await app.roster.seat(ais[0]).list_models())
            except MootError as error:
                failures[ais[0]] = str(error)

        async with anyio.create_task_group() as tasks:
            for ais in groups.values():
                tasks.start_soon(ask, ais)
    return dict(sorted(offers.items())), failures


def _endpoint(app: App, ai: str) -> tuple[str, ...]:
    """What AIs have in common that offer the same models."""
    seat = app.roster.seat(ai)
    key = seat.row.api_key.get_secret_value() if seat.row.api_key else ""
    return (seat.provider.name, seat.row.base_url or "", key)
