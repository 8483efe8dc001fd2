"""The job of a batch: from its sidecar through all rows to a finished output."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ai.batch import Ask, Batch, Result
from ai.batch_answers import Schema, failure_value, record
from ai.layers.cache import request_key
from ai.roster import Roster
from ai.run import Run
from core.batch_files import BadRow
from core.batch_input import Row
from core.batch_output import DiskFullError, Record, Results, Sidecar, Tally, begin_again, retry_path
from core.errors import AIError, ConfigError, ElsewhereError, InvalidInputError, MootError, StoreError
from core.values import Failure, Message, Request
from tools._batch import BatchReport, BatchSpec, report, size_of
from tools._kit import build_request

if TYPE_CHECKING:
    from ai.memo import Memo
    from ai.provider_batch import RemotePass
    from core.jobs.engine import Parts

_CHUNK = 200
_TELL_S = 0.5
_AGAIN_S = 1.0
_SIDECAR_S = 5.0
_ELSEWHERE = "The {what} {name!r} is not on this machine. Put it back, or start a worker where it is."


async def run_batch(run: Run, spec: BatchSpec) -> BatchReport:
    """Ask every row of the input, and write the results."""
    for ai in spec.ais:
        run.roster.seat(ai)
    work = _Work(run, spec)
    try:
        await work.open()
        if spec.provider_batch:
            await work.ask_remotely()
        await work.pass_through()
        tally = await work.finish()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(work.close)
    return await anyio.to_thread.run_sync(report, spec, tally)


class _Work:
    """One run of the job: from the sidecar through all rows to a finished output."""

    def __init__(self, run: Run, spec: BatchSpec) -> None:
        self._run = run
        self._spec = spec
        self._output = Path(spec.output)
        self._schema = Schema(spec.answer_schema) if spec.answer_schema else None
        self._sidecar = Sidecar(spec.run)
        self._results = Results(self._output, spec.ais)
        self._tally = Tally()
        self._asks: Iterator[Ask] = iter(())
        self._told = float("-inf")
        self._remote: RemotePass | None = None
        self._behind = 0
        """Finished calls that are not written yet, where others make them."""

    async def open(self) -> None:
        if not await anyio.Path(self._spec.path).exists():
            raise ElsewhereError(_ELSEWHERE.format(name=Path(self._spec.path).name, what="input"))
        await self._wait_for_sidecar()
        try:
            await anyio.to_thread.run_sync(self._open)
        except StoreError as error:
            raise ConfigError(str(error)) from error  # the job is paused with it
        width = self._width
        for ai in self._spec.ais:
            seat = self._run.roster.seat(ai)
            if seat.row.concurrency is None and not seat.local:
                seat.concurrency.widen(width)

    async def ask_remotely(self) -> None:
        """Have what is not written yet answered by the providers' batch endpoints; the pass then finds it."""
        from ai.provider_batch import RemotePass

        if self._run.memory is None:
            raise InvalidInputError("Provider batches need a job. Start them with moot batch or the tool batch.")
        self._remote = RemotePass(self._run, self._spec.ais, memory=self._run.memory, role=self._role)
        await self._remote.run(self._read, self._tell)
        await anyio.to_thread.run_sync(self._rewind)

    async def pass_through(self) -> None:
        """Ask what is not written yet: with all workers of a fleet, unless it must not leave this machine."""
        jobs, memory = self._run.jobs, self._run.memory
        parts = await jobs.parts() if jobs is not None else None
        if jobs is None or memory is None or parts is None or await anyio.to_thread.run_sync(self._stays_here):
            await self._ask_here()
        else:
            jobs.stepping_aside(self._run.id)
            await self._spread(parts, memory)

    def _stays_here(self) -> bool:
        """Whether this process must ask: some rows are local, or the results are in its own journal. Blocks."""
        return self._remote is not None or self._spec.source(self._run.workspace.local_only).may_stay

    async def _spread(self, parts: Parts, memory: Memo) -> None:
        from tools._batch_slices import Slices

        async def tell(finished: int) -> None:
            self._behind = finished
            if time.monotonic() - self._told >= _TELL_S:
                await self._tell()

        await self._tell()
        width, role = self._width, self._role
        slices = Slices(self._run.id, self._spec, parts, memory, width=width, role=role, tell=tell)
        await slices.run(self._read, self._write)

    async def _ask_here(self) -> None:
        memory = self._run.memory
        passing = Batch(
            self._run.caller,
            width=self._width,
            run=self._run.id,
            role=self._role,
            memory=memory,
            fresh=memory is not None and memory.fresh and self._remote is None,
        )
        await self._tell()
        await passing.run(self._read_known if self._remote else self._read, self._write)

    async def finish(self) -> Tally:
        self._behind = 0
        await anyio.to_thread.run_sync(self._finish)
        await self._tell()
        return self._tally

    def close(self) -> None:
        self._results.close()

    @property
    def _role(self) -> str:
        return f"row{self._sidecar.generation or ''}"

    @property
    def _width(self) -> int:
        seats = [self._run.roster.seat(ai) for ai in self._spec.ais]
        return self._sidecar.width or max(seat.concurrency.ceiling for seat in seats)

    async def _wait_for_sidecar(self) -> None:
        """Whoever started this job names it beside the output, a moment after the job exists."""
        with anyio.move_on_after(_SIDECAR_S):
            while True:
                found = await anyio.to_thread.run_sync(Sidecar.of, self._output)
                if found is not None and (found.job == self._run.id or not self._run.memory):
                    self._sidecar = found
                    return
                await anyio.sleep(0.02)
        if found is None:
            raise ElsewhereError(_ELSEWHERE.format(name=self._output.name, what="output"))
        raise MootError(f"{self._output.name!r} belongs to another job by now. Start the batch with another output.")

    def _open(self) -> None:
        spec, sidecar = self._spec, self._sidecar
        path = Path(spec.path)
        if size_of(path) != spec.size:
            raise ConfigError(f"The input {path.name!r} is not what it was. Put it back, or start with another output.")
        if sidecar.finished:
            sidecar = begin_again(sidecar, self._output) if self._output.exists() else replace(sidecar, finished=False)
        self._sidecar = sidecar
        if sidecar.generation:
            self._results = Results(retry_path(self._output), spec.ais)
        self._tally = self._results.open()
        self._rewind()

    def _rewind(self) -> None:
        """Begin with the first row that is not written yet."""
        before: Iterator[Record] = iter(())
        if self._sidecar.generation:
            before = Results(self._output, self._spec.ais).records()
        self._asks = islice(self._all_asks(before), self._tally.done, None)

    def _all_asks(self, before: Iterator[Record]) -> Iterator[Ask]:
        """Every row for every AI; what was answered *before* is known."""
        source = self._spec.source(self._run.workspace.local_only)
        made = {ai: _requests(self._run.roster, ai, self._spec) for ai in self._spec.ais}
        for row in source.rows():
            if isinstance(row, BadRow):
                continue
            for ai, request in made.items():
                old = next(before, None)
                known = old if old is not None and old["status"] == "ok" else None
                yield Ask(row, row.index, ai, *request(row), known)

    def _finish(self) -> None:
        self._results.close()
        if self._sidecar.generation and self._results.path.exists():
            self._results.path.replace(self._output)
        replace(self._sidecar, finished=True).write(self._output)

    async def _read(self) -> Sequence[Ask]:
        return await anyio.to_thread.run_sync(lambda: list(islice(self._asks, _CHUNK)))

    async def _read_known(self) -> Sequence[Ask]:
        """The same where every row was asked remotely: what has no result there is a failure, and asked nowhere."""
        assert self._remote is not None
        asks = await self._read()
        missing = await self._remote.missing(asks)
        return [
            replace(ask, known=self._failed(ask, missing[name])) if (name := self._remote.name(ask)) in missing else ask
            for ask in asks
        ]

    def _failed(self, ask: Ask, error: AIError) -> Record:
        return record(failure_value(Failure(ask.ai, error), ask.index), index=ask.index, id=ask.row.id, ai=ask.ai)

    async def _write(self, results: Sequence[Result]) -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(self._append, results)
            except DiskFullError as error:
                await self._tell(problem=str(error))
                await anyio.sleep(_AGAIN_S)
            except StoreError as error:
                raise ConfigError(str(error)) from error
            else:
                break
        if time.monotonic() - self._told >= _TELL_S:
            await self._tell()

    def _append(self, results: Sequence[Result]) -> None:
        records = [self._record(result) for result in results]
        self._results.append(records)
        for one in records:
            self._tally.add(one)

    def _record(self, result: Result) -> Record:
        ask = result.ask
        if ask.known is not None:
            return ask.known
        return record(result.value, index=ask.index, id=ask.row.id, ai=ask.ai, schema=self._schema)

    async def _tell(self, problem: str = "") -> None:
        self._told = time.monotonic()
        tally = self._tally
        progress: dict[str, Any] = {
            "done": tally.done + self._behind,
            "failed": tally.failed,
            "cost_usd": tally.cost_usd,
        }
        progress |= {"cost_complete": tally.cost_complete, "problem": problem}
        try:
            await self._run.tell(self._spec.total * len(self._spec.ais), progress)
        except StoreError:  # how far it is can be told later
            return


def _requests(roster: Roster, ai: str, spec: BatchSpec) -> Callable[[Row], tuple[Request, str]]:
    """Makes the request of a row, and the key under which it is known: all but the prompt is the same for all."""
    bare = build_request("", roster, ai, priority="batch", json_schema=spec.answer_schema, **spec.options)
    common = request_key(ai, bare).encode()
    given = {one.name: getattr(bare, one.name) for one in fields(bare) if one.name not in ("messages", "local_only")}

    def make(row: Row) -> tuple[Request, str]:
        request = Request(messages=(Message.user(row.prompt),), local_only=row.local_only, **given)
        digest = hashlib.sha256(common)
        digest.update(b"local" if row.local_only else b"any")
        digest.update(row.prompt.encode())
        return request, digest.hexdigest()[:40]

    return make
