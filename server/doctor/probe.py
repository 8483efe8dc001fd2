"""One short question to every AI, for `moot doctor --probe` and `moot keys test`. It costs a little."""

from __future__ import annotations

import anyio
import click

from ai.runs.app import open_app
from core.config import Config, load_config
from core.errors import EmptyAnswerError, MootError
from core.paths import credentials_path
from core.redact import redact
from core.untrusted import clean
from core.values import Failure, Outcome, Request
from server.doctor.diagnosis import Diagnosis

_TOKENS = 200


async def ask_everybody(config: Config, name: str | None = None) -> list[Diagnosis]:
    """What became of one short question to every AI, or to the one called *name*; each of several keys is used."""
    request = Request.of("Reply with OK.", max_tokens=_TOKENS)
    async with open_app(config) as app, app.run("doctor") as run:
        names = [app.roster.resolve(name)] if name else app.roster.names
        pools = {ai: one.pool for ai, one in app.roster.seats.items() if one.pool}
        # At once, so that each of several keys is used.
        asks = [(ai, request) for ai in names for _ in range(len(pools[ai]) if ai in pools else 1)]
        outcomes = await run.ask_many(asks, role="probe")
    told = {outcome.ai: outcome for outcome in sorted(outcomes, key=lambda one: not isinstance(one, Failure))}
    findings = [_probed(told[ai]) for ai in names]
    for ai, pool in pools.items():
        rested = [(alias, why) for alias, why in pool.rests().items() if why and ai in names]
        findings += [Diagnosis(f"probe {ai}", "fail", f"Key {alias!r} is {why}") for alias, why in rested]
    return findings


def test_keys(name: str | None) -> int:
    """Ask *name*, or everybody, one short question. 1: one did not answer, or nobody is there."""
    config = load_config(credentials_path())
    try:
        findings = anyio.run(ask_everybody, config, name)
    except MootError as error:
        click.echo(f"moot: {error}", err=True)
        return 1
    for finding in findings:
        click.echo(clean(redact(f"{finding.name.removeprefix('probe ')}: {finding.sentence}")))
    return 0 if findings and all(finding.state == "ok" for finding in findings) else 1


def _probed(outcome: Outcome) -> Diagnosis:
    probed, took = f"probe {outcome.ai}", outcome.latency_s
    if not isinstance(outcome, Failure):
        return Diagnosis(probed, "ok", f"{outcome.model} answered.", took)
    if isinstance(outcome.error, EmptyAnswerError):
        return Diagnosis(probed, "ok", f"It is reached, but used all {_TOKENS} tokens to think.", took)
    return Diagnosis(probed, "fail", str(outcome.error), took)
