"""Fetching an embedded model: `moot local install`, and `moot demo --better` where it is not there yet."""

from __future__ import annotations

import sys

import click

from ai.local.engine import LocalEngine, available_reason
from ai.local.install import install_local_model
from ai.local.weights import BETTER, TINY, Model
from core.errors import MootError
from server.cli.interrupt import keyboard_interrupts
from server.streams import is_terminal

_NEXT = {TINY.name: "moot demo", BETTER.name: 'moot demo --better, or: moot ask -a local-better "your question"'}


def fetch_model(model: Model) -> None:
    """Have *model* in place and see it start.

    Raises:
        click.ClickException: It could not be had; the message says why and what to do.
    """
    engine = LocalEngine(model)
    try:
        with keyboard_interrupts():
            install_local_model(_say, model=model, progress=_progress)
            engine.locate()  # a missing system library shows now, not at the first question
    except MootError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        raise click.ClickException("stopped. Run it again: what was downloaded is not kept half.") from None
    finally:
        engine.close()


def install(model: Model) -> None:
    """`moot local install`: fetch *model*, and say what to do with it."""
    fetch_model(model)
    _say(f"The embedded model starts. Try: {_NEXT[model.name]}")


def fetch_if_missing(model: Model) -> None:
    """Have *model* in place, without a word where it is."""
    if available_reason(model):
        fetch_model(model)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _progress(done: int, total: int) -> None:
    """One line that a terminal writes over; a log gets none, the sentence before it said what comes."""
    if total > 1 and is_terminal(sys.stderr):
        click.echo(f"\r{done} of {total} packages", nl=done == total, err=True)
