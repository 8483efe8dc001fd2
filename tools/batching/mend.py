"""An output that somebody else has changed: what is still in it, what the job's journal has, and what is gone.

Answers that are gone are asked for again only after a yes that knows the price, since they were paid for once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import anyio.to_thread

from ai.roster.roster import Roster
from core.batch.kept import Kept
from core.batch.lines import BadRow
from core.batch.output import Results, Sidecar
from core.errors import StoreError, UnknownJobError
from core.jobs.jobs import Jobs
from tools.batching.requests import requests
from tools.batching.spec import BatchSpec, Prepared

_CHUNK = 500


@dataclass(frozen=True)
class Damage:
    """What became of the records of an output."""

    name: str
    total: int
    placed: int
    """Records that are still in it, or in what was set aside."""
    journal: int
    """Answers that the job has kept."""

    @property
    def lost(self) -> int:
        return self.total - self.placed - self.journal

    def __str__(self) -> str:
        where = f" {self.journal:,} more are in the job's journal." if self.journal else ""
        return (
            f"{self.name!r} was changed since it was written: {self.placed:,} of its {self.total:,} records can be "
            f"placed.{where} It is kept as it is beside the new one."
        )


def journal_keys(key: str, ai: str, generation: int) -> list[str]:
    """Under what a row's result may be kept: newest first, of each time that it was asked."""
    return [f"row{number or ''}:{ai}:{key}" for number in range(generation, -1, -1)]


async def damage(jobs: Jobs, roster: Roster, batch: Prepared) -> Damage | None:
    """What is wrong with the output of a batch that was finished once; None where nothing is. Reads all of it.

    Raises:
        InvalidInputError: The sidecar cannot be read.
    """
    spec = batch.spec
    found = await anyio.to_thread.run_sync(Sidecar.of, Path(spec.output))
    if found is None or not (found.finished or found.mending):
        return None
    if await anyio.to_thread.run_sync(is_whole, spec, found):
        return None
    kept = await anyio.to_thread.run_sync(_kept, spec, found)
    try:
        missing = _missing(roster, spec, kept)
        journal = 0
        while chunk := await anyio.to_thread.run_sync(lambda: list(islice(missing, _CHUNK))):
            journal += await _in_journal(jobs, found, chunk)
        return Damage(Path(spec.output).name, batch.calls, kept.found, journal)
    finally:
        await anyio.to_thread.run_sync(kept.close)


def is_whole(spec: BatchSpec, sidecar: Sidecar) -> bool:
    """Whether the output is as it was finished, or has at least every record in its place. Blocks."""
    results = Results(Path(spec.output), spec.ais)
    if sidecar.digest and results.digest() == sidecar.digest:
        return True
    look = results.look()
    return look.in_order and look.tally.done == spec.total * len(spec.ais)


def _kept(spec: BatchSpec, sidecar: Sidecar) -> Kept:
    output = Path(spec.output)
    return Kept([output, *(output.with_name(name) for name in sidecar.kept)], spec.ais, spec.total)


def _missing(roster: Roster, spec: BatchSpec, kept: Kept) -> Iterator[tuple[str, str]]:
    """The AI and key of every ask that has no record."""
    made = {ai: requests(roster, ai, spec) for ai in spec.ais}
    for row in spec.source(roster.config.files.local_only).rows():
        if isinstance(row, BadRow):
            continue
        for ai, request in made.items():
            if kept.get(row.index, ai) is None:
                yield ai, request(row)[1]


async def _in_journal(jobs: Jobs, sidecar: Sidecar, asks: Sequence[tuple[str, str]]) -> int:
    """How many of *asks* have a result in the job's journal."""
    keys = {name: ask for ask in asks for name in journal_keys(ask[1], ask[0], sidecar.generation)}
    try:
        await jobs.get(sidecar.job)
        there = await (await jobs.engine()).memo(sidecar.job, list(keys))
    except (UnknownJobError, StoreError):
        return 0
    known = {keys[name] for name in there}
    return sum(ask in known for ask in asks)


def begin_mending(sidecar: Sidecar, output: Path, *, kept: str | None) -> Sidecar:
    """Note that *output*, which is set aside as *kept*, is written anew. Blocks.

    Raises:
        StoreError: That cannot be noted.
    """
    names = (*sidecar.kept, kept) if kept else sidecar.kept
    begun = replace(sidecar, finished=False, mending=sidecar.finished or sidecar.mending, kept=names)
    begun.write(output)
    return begun
