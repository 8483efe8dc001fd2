"""What the tool `batch`, `moot batch` and the job itself share: a prepared batch, starting it, and its report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from pydantic import BaseModel, ConfigDict

from ai.batch.records import Schema
from ai.lazy import load
from ai.roster.roster import Roster
from core.batch.input import BatchInput, Survey, survey
from core.batch.output import Results, Sidecar, Tally, find_run
from core.batch.records import Record
from core.batch.template import Template
from core.limits.budget_rows import Estimate
from core.untrusted import one_line, quoted
from tools.recipe.kit import Cost, build_request, counted, price_range
from tools.recipe.result import Result

_SHOWN_ROWS = 200
_SHOWN_TEXT = 4_000


class BatchSpec(BaseModel):
    """All that a job has to know of a batch. Paths are absolute; they never reach a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    output: str
    ais: list[str]
    run: dict[str, str]
    total: int
    size: int
    name: str = ""
    template: str | None = None
    answer_schema: dict[str, Any] | None = None
    options: dict[str, Any] = {}
    strict: bool = False
    send_secrets: bool = False
    provider_batch: bool = False
    """Whether the rows go through the providers' batch endpoints."""
    shown: bool = False
    """Whether the rows belong into the result, because nobody is told of a file."""

    def source(self, local_only: Sequence[str]) -> BatchInput:
        template = Template(self.template) if self.template is not None else None
        return BatchInput(
            Path(self.path),
            template,
            strict=self.strict,
            send_secrets=self.send_secrets,
            name=self.name,
            local_only=tuple(local_only),
        )


class BatchReport(Result):
    """How a batch went. `cost` is of what was asked for it; `rows` are only there for prompts given inline."""

    model_config = ConfigDict(defer_build=True)

    summary: str
    total: int
    done: int
    failed: int
    cost: Cost
    output: str = ""
    errors: list[str] = []
    rows: list[dict[str, Any]] = []
    job: str | None = None

    def markdown(self) -> str:
        errors = [f"- {error}" for error in self.errors]
        rows = [_row_text(row) for row in self.rows]
        return "\n\n".join(part for part in (self.summary, "\n".join(errors), *rows) if part)


def _digests(asked: str, ais: Sequence[str], schema: object, options: Mapping[str, Any]) -> dict[str, str]:
    """What makes a run this run and no other, by the names that are told when it is another."""
    given = {"input or template": asked, "AIs": list(ais), "options or schema": [schema, dict(options)]}
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
        for name, value in given.items()
    }


@dataclass(frozen=True)
class Prepared:
    """A batch that can be started, and what looking at its input brought to light."""

    spec: BatchSpec
    survey: Survey
    fresh: bool
    """Whether nothing of it was ever started."""
    width: int | None = None

    @property
    def calls(self) -> int:
        return self.spec.total * len(self.spec.ais)


def prepare(
    source: BatchInput,
    output: Path,
    ais: Sequence[str],
    *,
    schema: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    width: int | None = None,
    provider_batch: bool = False,
    shown: bool = False,
) -> Prepared:
    """Look at everything before anything is sent. Blocks: the input is read once.

    Raises:
        InvalidInputError: Input, schema or output cannot be used; the message says why.
    """
    if schema is not None:
        Schema(schema)
    looked = survey(source)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    way = {"provider_batch": True} if provider_batch else {}
    run = _digests(looked.digest, ais, schema, given | way)
    spec = BatchSpec(
        path=str(source.path.absolute()),
        output=str(output.absolute()),
        ais=list(ais),
        run=run,
        total=looked.total,
        size=size_of(source.path),
        name=source.name,
        template=source.template.text if source.template else None,
        answer_schema=dict(schema) if schema is not None else None,
        options=given,
        strict=source.strict,
        send_secrets=source.send_secrets,
        provider_batch=provider_batch,
        shown=shown,
    )
    return Prepared(spec, looked, fresh=not find_run(output, run).job, width=width)


async def estimated(roster: Roster, batch: Prepared, *, calls: int | None = None) -> str:
    """What the whole may take, or *calls* of it, from a sample of its prompts. Nothing is sent.

    Raises:
        ConfigError: One of the AIs cannot be asked.
    """
    estimate = (await load("ai.roster.estimate")).estimate
    spec, sample = batch.spec, batch.survey.sample
    found: list[Estimate] = []
    for ai in spec.ais:
        seat = roster.seat(ai)
        found += [estimate(seat, build_request(prompt, roster, ai, **spec.options)) for prompt in sample]
        await anyio.lowlevel.checkpoint()
    part = 1.0 if calls is None else calls / batch.calls
    scale = part * spec.total / len(sample)
    price = {ai: _price(roster, ai) if spec.provider_batch else 1.0 for ai in spec.ais}
    scaled = [
        replace(
            one,
            low_usd=None if one.low_usd is None else one.low_usd * scale * price[one.ai],
            high_usd=None if one.high_usd is None else one.high_usd * scale * price[one.ai],
        )
        for one in found
    ]
    inputs = round(sum(one.input_tokens for one in found) * scale)
    outputs = round(sum(one.output_tokens for one in found) * scale)
    rows = f"{counted(spec.total, 'row')} for {', '.join(spec.ais)}: " if calls is None else ""
    return (
        f"{rows}{counted(batch.calls if calls is None else calls, 'call')}, about {inputs:,} tokens in, "
        f"up to {outputs:,} out, {price_range(scaled)}.{await _refusal(roster, scaled)}"
    )


async def _refusal(roster: Roster, scaled: Sequence[Estimate]) -> str:
    reason = await roster.budget.refusal("", scaled, each=False) if roster.budget else None
    return f" A budget would stop it before its end: {reason}" if reason else ""


def check_endpoints(roster: Roster, ais: Sequence[str]) -> None:
    """Raise InvalidInputError unless each of *ais* has a batch endpoint."""
    for ai in ais:
        _price(roster, ai)


def _price(roster: Roster, ai: str) -> float:
    from ai.batch.provider_pass import remote_batches

    return remote_batches(roster, ai).terms.price


def size_of(path: Path) -> int:
    """What shows cheaply that a file is not the one that was looked at; 0 for folders. Blocks."""
    return 0 if path.is_dir() else path.stat().st_size


def report(spec: BatchSpec, tally: Tally) -> BatchReport:
    """What there is to say of the output of *spec*, and of what was set aside of it. Blocks."""
    total, name = spec.total * len(spec.ais), Path(spec.output).name
    cost = Cost(known_usd=tally.cost_usd, complete=tally.cost_complete)
    words = f"{tally.ok:,} of {total:,} answered ({cost})"
    words += f", {tally.failed:,} failed" if tally.ok < total else ""
    words += f", {tally.cut:,} cut off at the length limit: raise max_tokens for the rest" if tally.cut else ""
    partial = tally.ok < total or bool(tally.cut)
    words = f"PARTIAL: {words}." if partial else f"{words}."
    sidecar = Sidecar.of(Path(spec.output))
    if sidecar is not None and sidecar.kept:
        words = f"{words} What could not be placed of an earlier state is in {', '.join(sidecar.kept)}."
    rows = list(islice(Results(Path(spec.output), spec.ais).records(), _SHOWN_ROWS)) if spec.shown else []
    return BatchReport(
        summary=words if spec.shown else f"{words} The results are in {name}.",
        partial=partial,
        total=total,
        done=tally.done,
        failed=tally.failed,
        cost=cost,
        output="" if spec.shown else name,
        errors=tally.first_errors,
        rows=[_shown(row) for row in rows],
    )


def _shown(row: Record) -> dict[str, Any]:
    text = row["text"]
    cut = f"{text[:_SHOWN_TEXT]} ... ({len(text):,} characters)" if len(text) > _SHOWN_TEXT else text
    return {name: value for name, value in {**row, "text": cut}.items() if value is not None}


def _row_text(row: Mapping[str, Any]) -> str:
    heading = f"## {one_line(str(row['id']))} · {row['ai']}"
    if row["status"] != "ok":
        return f"{heading} failed\n{one_line(row['error'])}"
    return f"{heading}\n{quoted(row['text'])}"
