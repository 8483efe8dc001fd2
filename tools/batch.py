"""Ask the same of many rows: a job by nature, which survives its window."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from pydantic import Field

from ai.runs.run import Run
from core.batch.input import BatchInput
from core.batch.template import Template
from core.errors import InvalidInputError, MootError
from core.files.atomic import new_private_file, private_folder
from core.jobs.jobs import Jobs
from core.paths import data_dir
from tools.batching.mend import damage
from tools.batching.spec import BatchReport, Prepared, check_endpoints, estimated, prepare
from tools.batching.start import start_batch
from tools.recipe.kit import AINames, Cost, DryRun, MaxTokens, System

Items = Annotated[
    list[str | dict[str, Any]] | None, Field(description="Prompts, or objects for the template.", max_length=200)
]
File = Annotated[str | None, Field(description="Instead: JSONL, CSV, or a folder of texts.")]
TemplateText = Annotated[str | None, Field(description="The prompt, with {field}; a folder has {text}, {name}.")]
AnswerSchema = Annotated[dict[str, Any] | None, Field(description="JSON Schema of the answers.")]
SkipBad = Annotated[bool, Field(description="Leave out rows that cannot be read.")]
ProviderBatch = Annotated[bool, Field(description="Half price, slow.")]

_PATIENCE_S = 3.0
_KEPT_S = 30 * 86_400


async def batch(
    run: Run,
    *,
    items: Items = None,
    file: File = None,
    template: TemplateText = None,
    ais: AINames = None,
    schema: AnswerSchema = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    skip_bad: SkipBad = False,
    provider_batch: ProviderBatch = False,
    dry_run: DryRun = False,
) -> BatchReport:
    """Ask one prompt per row. Runs as a job: read it with jobs; results of a file go to FILE.results.jsonl."""
    assert run.jobs is not None, "every door opens jobs"
    names = run.roster.expand(ais) if ais else [run.roster.default().name]
    for name in names:
        run.roster.model(name)
    if provider_batch:
        check_endpoints(run.roster, names)
    source, output = await anyio.to_thread.run_sync(_places, run, items, file, template)
    options = {"system": system, "max_tokens": max_tokens}
    batch = await anyio.to_thread.run_sync(
        lambda: prepare(
            source,
            output,
            names,
            schema=schema,
            options=options,
            provider_batch=provider_batch,
            shown=items is not None,
        )
    )
    if batch.survey.bad and not skip_bad:
        listed = "; ".join(str(row).removesuffix(".") for row in batch.survey.first_bad)
        raise InvalidInputError(f"{batch.survey.bad:,} rows cannot be asked: {listed}. Mend them, or set skip_bad.")
    if dry_run:
        return _unsent(batch, f"Dry run, nothing was sent: {await estimated(run.roster, batch)}")
    if (hurt := await damage(run.jobs, run.roster, batch)) is not None and hurt.lost:
        price = await estimated(run.roster, batch, calls=hurt.lost)
        raise InvalidInputError(
            f"{hurt} {hurt.lost:,} answers are gone, and would be paid for again: {price} Nothing was sent. "
            "Ask the user, who can start it with `moot batch ... --yes`, or give a copy of the file under another name."
        )
    job = await start_batch(run.jobs, batch)
    return await _answer(run.jobs, batch, job.id)


async def _answer(jobs: Jobs, batch: Prepared, id: str) -> BatchReport:
    """The result if it is there soon, else where to look."""
    job = await jobs.wait(id, _PATIENCE_S)
    if job.state == "failed":
        raise MootError(job.reason)
    if job.state == "done" and (result := await jobs.result(id)):
        return BatchReport.model_validate(result.structured).but(job=id)
    where = "" if batch.spec.shown else f" Results are appended to {Path(batch.spec.output).name} beside the input."
    why = f" {job.reason}" if job.reason else ""
    reading = f'Read it with jobs(action="get", id="{id}", wait_s=50).'
    return _unsent(batch, f"Job {id}: {job.state}, {batch.calls:,} calls.{why} {reading}{where}").but(
        job=id, done=job.progress.get("done", 0), failed=job.progress.get("failed", 0)
    )


def _unsent(batch: Prepared, summary: str) -> BatchReport:
    output = "" if batch.spec.shown else Path(batch.spec.output).name
    return BatchReport(
        summary=summary,
        total=batch.calls,
        done=0,
        failed=0,
        cost=Cost(known_usd=0.0, complete=True),
        output=output,
    )


def _places(
    run: Run, items: list[str | dict[str, Any]] | None, file: str | None, template: str | None
) -> tuple[BatchInput, Path]:
    """Where to read and to write. Blocks."""
    if (items is None) == (file is None):
        raise InvalidInputError("Give either 'items' or 'file'.")
    wanted = Template(template) if template is not None else None
    if items is not None:
        path = _kept(items)
        return BatchInput(path, wanted, send_secrets=True), path.with_suffix(".results.jsonl")
    assert file is not None
    root, path = run.workspace.below(file)
    source = BatchInput(path, wanted, strict=True, name=path.relative_to(root).as_posix())
    return source, path.with_name(f"{path.name}.results.jsonl")


def _kept(items: list[str | dict[str, Any]]) -> Path:
    """A file of Moot's own with *items*, and those of long ago removed."""
    folder = data_dir() / "batches"
    private_folder(folder)
    for old in folder.iterdir():
        with suppress(FileNotFoundError):  # another batch may have taken it away, or have made it for a moment
            if time.time() - old.stat().st_mtime > _KEPT_S:
                old.unlink()
    path = folder / f"{secrets.token_hex(8)}.jsonl"
    new_private_file(path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items))
    return path
