"""`moot batch`: the command for many rows. Imports click alone until it is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

_EFFORTS = ("none", "minimal", "low", "medium", "high", "max")


@click.command()
@click.argument("input", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="JSONL, or CSV by its name. Default: beside INPUT.")
@click.option("-a", "--ai", "ais", multiple=True, metavar="NAME", help="Which AI; repeat, or a,b, for several.")
@click.option("--template", help="The prompt, with {field}s of the row; @FILE reads it from a file.")
@click.option("--schema", type=click.Path(), help="A file with a JSON Schema for the answers.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Calls at once for each AI.")
@click.option("-s", "--system", help="System prompt.")
@click.option("-t", "--temperature", type=click.FloatRange(0, 2))
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens.")
@click.option("--effort", type=click.Choice(_EFFORTS), help="Reasoning effort.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0, 3600, min_open=True), help="Seconds for each call.")
@click.option("--provider-batch", is_flag=True, help="By the providers' batch endpoints: half price, up to a day.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that cannot be read.")
@click.option("--retry-failed", is_flag=True, help="Of a batch that is complete, ask the failed rows again.")
@click.option("--send-secrets", is_flag=True, help="Also send rows that hold what looks like an API key.")
@click.option("-y", "--yes", is_flag=True, help="Answer every question with yes.")
@click.option("--dry-run", is_flag=True, help="Only say what it may cost; send nothing.")
@click.option("--background", is_flag=True, help="Start it as a job and print its id; see moot jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def batch(input: str, output: str | None, schema: str | None, ais: tuple[str, ...], **options: Any) -> None:
    """Ask AIs about every row of INPUT: a JSONL or CSV file, or a folder of texts.

    The same command goes on where it stopped. Without a template, rows are strings or have a field "prompt".
    """
    from pathlib import Path

    from server.cli.batch_terminal import run_command

    source = Path(input)
    target = Path(output) if output else _beside(source)
    options["schema"] = Path(schema) if schema else None
    names = [name.strip() for given in ais for name in given.split(",") if name.strip()]
    sys.exit(run_command(source, target, list(dict.fromkeys(names)), **options))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.results.jsonl")
