"""`moot batch`: the command for many rows. Imports click alone until it is run."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli import options as opt

_ASKED = ("system", "temperature", "max_tokens", "effort", "timeout_s")


@click.command()
@click.argument("input", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="JSONL, or CSV by its name. Default: beside INPUT.")
@opt.AIS
@opt.MODELS
@click.option("--template", help="The prompt, with {field}s of the row; @FILE reads it from a file.")
@click.option("--schema", type=click.Path(), help="A file with a JSON Schema for the answers.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Calls at once for each AI.")
@opt.SYSTEM
@opt.TEMPERATURE
@opt.MAX_TOKENS
@opt.EFFORT
@opt.TIMEOUT
@click.option("--provider-batch", is_flag=True, help="By the providers' batch endpoints: half price, up to a day.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that cannot be read.")
@click.option("--retry-failed", is_flag=True, help="Of a batch that is complete, ask the failed rows again.")
@click.option("--send-secrets", is_flag=True, help="Also send rows that hold what looks like an API key.")
@opt.YES
@opt.DRY_RUN
@opt.BACKGROUND
@opt.JSON
def batch(input: str, output: str | None, schema: str | None, **options: Any) -> None:
    """Ask AIs about every row of INPUT: a JSONL or CSV file, or a folder of texts.

    The same command goes on where it stopped. Without a template, rows are strings or have a field "prompt".
    """
    from pathlib import Path

    from server.cli.running.batch_terminal import Wishes, run_command

    source = Path(input).expanduser()
    wishes = Wishes(
        source=source,
        output=Path(output).expanduser() if output else source.with_name(f"{source.name}.results.jsonl"),
        ais=tuple(opt.whom(options.pop("ais"), options.pop("models"), everybody=False)),
        schema=Path(schema).expanduser() if schema else None,
        asked={name: options.pop(name) for name in _ASKED},
        **options,
    )
    sys.exit(run_command(wishes))
