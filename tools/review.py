"""Several AIs review a change or files; what they find is checked against the real lines and merged.

Reviewers work independently. A finding counts only when the line it quotes exists; the same defect seen by several is
one finding that names them all, which says more than any of their severities. The receipt says who read what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio.to_thread
from pydantic import Field

from ai.runs.run import Run
from core.changes.source import Source
from core.errors import InvalidInputError
from core.untrusted import one_line, quoted
from core.values import Failure, Outcome, Request
from tools.recipe.kit import (
    AINames,
    Cost,
    DryRun,
    Files,
    MaxTokens,
    SeatTools,
    all_failed,
    choose,
    counted,
    looked_up,
    plan,
    price_range,
    refusal,
    seat_tools,
)
from tools.recipe.panel import OnPartial, Turnout, heading, refuse_partial
from tools.recipe.result import Part, Prose, Result
from tools.recipe.structured import structured_request
from tools.reviewing.fields import Severity
from tools.reviewing.findings import NO_LINE, Merged, anchored, merged, searched
from tools.reviewing.listed import read_findings
from tools.reviewing.material import Material, read_material
from tools.reviewing.prompts import LINES, SCHEMA, review_prompt
from tools.reviewing.sarif import sarif as as_sarif

Diff = Annotated[str | None, Field(description="Default without files: what git says has changed.")]
Base = Annotated[str | None, Field(description="Since this branch or commit.")]
Staged = Annotated[bool, Field(description="What is staged only.")]
Paths = Annotated[list[str] | None, Field(max_length=100)]
Repo = Annotated[str | None, Field(description="Folder of the repository.")]
Focus = Annotated[str | None, Field(description="What to look for.", max_length=4_000)]
Sarif = bool


class Claim(Part):
    """A finding in the words of one AI."""

    ai: str
    severity: Severity
    claim: Prose
    evidence: Prose
    fix: Prose


class Finding(Part):
    """One defect, with everybody who reported it. `read_by`: how many AIs read that file."""

    file: str
    line: int
    severity: Severity
    severities: dict[Severity, int] = {}
    """How many give it each severity; `severity` is the middle of these votes."""
    category: str
    ais: list[str]
    read_by: int
    claims: list[Claim]

    @property
    def claim(self) -> str:
        return self.claims[0].claim


class Dropped(Part):
    """A finding that is not among those that were checked, and why."""

    ai: str
    file: str
    line: int
    claim: str
    reason: str
    unplaced: bool = False
    """It names no file that was shown, or quotes no line, so nobody could tell where to look."""


class Read(Part):
    """Who read a file to its end."""

    file: str
    lines: int
    ais: list[str]


class Review(Result):
    """The findings, worst and most agreed first. `summary` says first whether anything is missing."""

    summary: str
    findings: list[Finding]
    dropped: list[Dropped] = []
    read: list[Read] = []
    left_out: list[str] = []
    failed: list[str] = []
    cost: Cost
    sarif: dict[str, Any] | None = None

    def markdown(self) -> str:
        parts = [self.summary, *(_finding_markdown(finding) for finding in self.findings)]
        for unplaced, title in _ASIDE.items():
            lines = [_dropped_markdown(one) for one in self.dropped if one.unplaced == unplaced]
            parts += [f"## {title}\n" + "\n".join(lines)] if lines else []
        if self.read:
            lines = [
                f"- `{one.file}` ({counted(one.lines, 'line')}): {', '.join(one.ais) or 'nobody'}" for one in self.read
            ]
            parts.append("## Read\n" + "\n".join(lines))
        if self.left_out:
            parts.append("## Not read\n" + "\n".join(f"- {line}" for line in self.left_out))
        if self.failed:
            parts.append("## Not heard\n" + "\n".join(f"- {line}" for line in self.failed))
        if self.sent_along:
            parts.append("## Looked up\n" + "\n".join(f"- {line}" for line in self.sent_along))
        return "\n\n".join(parts)


_ASIDE = {
    True: "Unplaced: nobody could tell which line is meant",
    False: "Thrown away, since the code does not say so",
}


def _dropped_markdown(one: Dropped) -> str:
    return f"- {one.ai}, `{one.file}:{one.line}`: {one.claim} ({one.reason})"


def _finding_markdown(finding: Finding) -> str:
    who = f"{len(finding.ais)} of {finding.read_by} AIs: {', '.join(finding.ais)}"
    spread = ""
    if len(finding.severities) > 1:
        spread = f"; voted {', '.join(f'{severity} {count}' for severity, count in finding.severities.items())}"
    parts = [f"## {finding.severity}: `{finding.file}:{finding.line}` ({finding.category}; {who}{spread})"]
    for claim in finding.claims:
        fix = f"\n\nFix: {claim.fix}" if claim.fix else ""
        parts.append(
            f"**{claim.ai}** ({claim.severity}), on `{one_line(claim.evidence)}`:\n{quoted(claim.claim + fix)}"
        )
    return "\n\n".join(parts)


@dataclass
class _Reading:
    """Who reads what, and what came back."""

    names: list[str]
    material: Material
    asks: list[tuple[str, Request]] = field(default_factory=list)
    parts: list[list[Source]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    read: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many lines of each file each AI read."""
    dropped: list[Dropped] = field(default_factory=list)


async def review(
    run: Run,
    *,
    diff: Diff = None,
    files: Files = None,
    base: Base = None,
    staged: Staged = False,
    paths: Paths = None,
    repo: Repo = None,
    ais: AINames = None,
    focus: Focus = None,
    tools: SeatTools = None,
    max_tokens: MaxTokens = None,
    sarif: Sarif = False,
    on_partial: OnPartial = "return",
    dry_run: DryRun = False,
) -> Review:
    """Let several AIs review a change (git diff by default) or files; findings are checked against the code and
    merged. n AIs x parts of 100 KB calls."""
    if files and (diff or base or staged or paths):
        raise InvalidInputError("Give either 'files' to review as they stand, or a change ('diff', 'base', 'staged').")
    names = choose(run.roster, ais)
    material = await read_material(run, diff=diff, files=files, base=base, staged=staged, paths=paths, repo=repo)
    _check_private(run, names, material)
    run.local_only = run.local_only or material.local_only is not None
    reading = _assign(run, names, material, focus, max_tokens)
    if dry_run:
        estimates = await plan(run, reading.asks)
        summary = f"DRY RUN: nothing was sent. {counted(len(estimates), 'call')}, {price_range(estimates)}."
        summary += await refusal(run, estimates)
        nothing = Cost(known_usd=0, complete=True)
        return Review(summary=summary, findings=[], left_out=material.left_out, cost=nothing)
    reading.outcomes = await run.ask_many(reading.asks, role="review", tools=seat_tools(tools))
    result = await anyio.to_thread.run_sync(lambda: _result(reading, _collect(reading), sarif, on_partial))
    return result.but(sent_along=looked_up(run))


def _check_private(run: Run, names: Sequence[str], material: Material) -> None:
    if material.local_only and (
        away := [name for name in names if name in run.roster.seats and not run.roster.seats[name].stays_here]
    ):
        raise InvalidInputError(
            f"{material.local_only!r} may not leave this machine (files.local_only), and {away[0]!r} is not on it. "
            "Name AIs on this machine in 'ais', or leave the file out with 'paths'."
        )


def _assign(run: Run, names: list[str], material: Material, focus: str | None, max_tokens: int | None) -> _Reading:
    """Every AI reads every part."""
    reading = _Reading(names, material)
    for number, part in enumerate(material.parts):
        prompt = review_prompt(part, focus, run.rng("review", number))
        for name in names:
            request = structured_request(run, name, prompt, schema=SCHEMA, lines=LINES, max_tokens=max_tokens)
            reading.asks.append((name, request))
            reading.parts.append(part)
    return reading


def _collect(reading: _Reading) -> list[Merged]:
    """Read every answer, check every finding, merge."""
    shown: dict[str, list[Source]] = {}
    for part in reading.material.parts:
        for source in part:
            shown.setdefault(source.name, []).append(source)
    kept = []
    places = searched(shown)
    for (name, _), part, outcome in zip(reading.asks, reading.parts, reading.outcomes, strict=True):
        if isinstance(outcome, Failure):
            reading.failed.append(f"{name}: {outcome.error.kind}: {outcome.error}")
            continue
        found = read_findings(name, outcome.text)
        if found is None:
            said = " ".join(outcome.text.split())[:300]
            reading.failed.append(f"{name}: answered in a form that holds no findings: “{said}”")
            continue
        for source in part:
            lines = reading.read.setdefault(source.name, {})
            lines[name] = lines.get(name, 0) + len(source.lines)
        for raw in found:
            place = anchored(raw, places)
            if isinstance(place, str):
                aside = place != NO_LINE
                told = Dropped(ai=name, file=raw.file, line=raw.line, claim=raw.claim, reason=place, unplaced=aside)
                reading.dropped.append(told)
            else:
                kept.append((raw, *place))
    return merged(kept)


def _result(reading: _Reading, found: Sequence[Merged], sarif: bool, on_partial: str) -> Review:
    failures = [outcome for outcome in reading.outcomes if isinstance(outcome, Failure)]
    if len(failures) == len(reading.outcomes):
        raise all_failed(failures)
    read = [_read(reading, name) for name in reading.material.names]
    heard = [name for name in reading.names if all(name in one.ais for one in read)]
    turnout = Turnout(reading.names, heard)
    cost = Cost.of(reading.outcomes)
    findings = [_finding(group, reading) for group in found]
    refuse_partial(on_partial, turnout, cost, [_finding_markdown(finding) for finding in findings], reading.failed)
    review = Review(
        **heading(turnout, f"read all of {counted(len(read), 'file')}", cost, then=_then(findings, reading)),
        findings=findings,
        dropped=reading.dropped,
        read=read,
        left_out=reading.material.left_out,
        failed=reading.failed,
        cost=cost,
    )
    return review.but(sarif=as_sarif(findings)) if sarif else review


def _then(findings: Sequence[Finding], reading: _Reading) -> str:
    grave = sum(finding.severity in ("critical", "high") for finding in findings)
    shared = sum(len(finding.ais) > 1 for finding in findings)
    said = f"; {counted(len(findings), 'finding')}, {grave} grave, {shared} seen by more than one"
    unplaced = sum(one.unplaced for one in reading.dropped)
    said += f"; {unplaced} unplaced" if unplaced else ""
    away = len(reading.dropped) - unplaced
    return f"{said}; {away} thrown away, since the code does not say so" if away else said


def _read(reading: _Reading, name: str) -> Read:
    lines = sum(len(source.lines) for part in reading.material.parts for source in part if source.name == name)
    by = reading.read.get(name, {})
    return Read(file=name, lines=lines, ais=[ai for ai in reading.names if by.get(ai, -1) >= lines])


def _finding(group: Merged, reading: _Reading) -> Finding:
    return Finding(
        file=group.file,
        line=group.line,
        severity=group.severity,
        severities=group.votes,
        category=group.category,
        ais=group.ais,
        read_by=len(reading.read.get(group.file, {})),
        claims=[
            Claim(ai=raw.ai, severity=raw.severity, claim=raw.claim, evidence=raw.evidence, fix=raw.fix)
            for raw in group.raw
        ],
    )
