"""The job of a batch: from its sidecar through all rows to a finished output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ai.batch.records import Schema, failure_value, record
from ai.batch.rows import Ask, Batch, Result
from ai.runs.run import Run
from core.batch.input import Row
from core.batch.kept import Kept, set_aside
from core.batch.lines import BadRow
from core.batch.output import DiskFullError, OutOfOrderError, Results, Sidecar, Tally, begin_again, retry_path
from core.batch.records import Record
from core.errors import AIError, ConfigError, ElsewhereError, InvalidInputError, MootError, StoreError
from core.values import Failure
from tools.batching.mend import begin_mending, is_whole, journal_keys
from tools.batching.requests import requests
from tools.batching.spec import BatchReport, BatchSpec, report, size_of

if TYPE_CHECKING:
    from ai.batch.provider_pass import RemotePass
    from ai.runs.memo import Memo
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
        self._kept: Kept | None = None
        """Earlier records that are taken over, if there are any."""
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
        from ai.batch.provider_pass import RemotePass

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
            jobs.step_aside(self._run.id)
            await self._spread(parts, memory)

    def _stays_here(self) -> bool:
        """Whether this process must ask: some rows are local, or the results are in its own journal. Blocks."""
        return self._remote is not None or self._spec.source(self._run.workspace.local_only).may_stay

    async def _spread(self, parts: Parts, memory: Memo) -> None:
        from tools.batching.slices import Slices

        async def tell(finished: int) -> None:
            self._behind = finished
            if time.monotonic() - self._told >= _TELL_S:
                await self._tell()

        await self._tell()
        width, role = self._width, self._role

        def slices() -> Slices:
            return Slices(self._run.id, self._spec, parts, memory, width=width, role=role, tell=tell)

        while not await slices().run(self._read, self._write):
            await anyio.to_thread.run_sync(self._rewind)

    async def _ask_here(self) -> None:
        memory = self._run.memory
        passing = Batch(
            self._run.caller,
            width=self._width,
            run=self._run.id,
            role=self._role,
            memory=memory,
            fresh=memory is not None and memory.fresh and self._remote is None,
            drain_s=self._run.roster.config.defaults.drain_s,
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
        if self._kept is not None:
            self._kept.close()

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
            whole = is_whole(spec, sidecar)
            sidecar = begin_again(sidecar, self._output) if whole else begin_mending(sidecar, self._output, kept=None)
        self._sidecar = sidecar
        self._results = Results(retry_path(self._output) if self._retries else self._output, spec.ais)
        self._tally = self._open_output()
        if earlier := self._earlier():
            self._kept = Kept(earlier, spec.ais, spec.total)
        self._rewind()

    @property
    def _retries(self) -> bool:
        """Whether the failed records of a whole output are asked again, into a file of their own."""
        return self._sidecar.generation > 0 and not self._sidecar.mending

    def _open_output(self) -> Tally:
        """The output, ready to be continued. What is not in order in it is set aside first, as it is."""
        try:
            return self._results.open()
        except OutOfOrderError:
            path = self._results.path
            self._sidecar = begin_mending(self._sidecar, self._output, kept=set_aside(path).name)
            path.unlink()
            return self._results.open()

    def _earlier(self) -> list[Path]:
        """The files in which earlier records may stand."""
        kept = [self._output.with_name(name) for name in self._sidecar.kept]
        return [*kept, self._output] if self._retries else kept

    def _rewind(self) -> None:
        """Begin with the first row that is not written yet."""
        self._asks = islice(self._all_asks(), self._tally.done, None)

    def _all_asks(self) -> Iterator[Ask]:
        """Every row for every AI; what was answered before is known."""
        source = self._spec.source(self._run.workspace.local_only)
        made = {ai: requests(self._run.roster, ai, self._spec) for ai in self._spec.ais}
        for row in source.rows():
            if isinstance(row, BadRow):
                continue
            for ai, request in made.items():
                yield Ask(row, row.index, ai, *request(row), self._known(row, ai))

    def _known(self, row: Row, ai: str) -> Record | None:
        """The earlier record of a row, unless it is a failure that is to be asked again."""
        old = self._kept.get(row.index, ai) if self._kept else None
        if old is None or str(old["id"]) != str(row.id) or (self._retries and old["status"] != "ok"):
            return None
        return old

    def _finish(self) -> None:
        self._results.close()
        if self._retries and self._results.path.exists():
            self._results.path.replace(self._output)
        # Read once more before anything else counts on it: the journal is not needed from here on.
        written = Results(self._output, self._spec.ais)
        if not is_whole(self._spec, replace(self._sidecar, digest="")):
            raise ConfigError(
                f"{self._output.name!r} was changed by somebody else while it was written. What is finished is kept: "
                "start the same command again, and leave the file alone meanwhile."
            )
        replace(self._sidecar, finished=True, mending=False, digest=written.digest()).write(self._output)

    async def _read(self) -> Sequence[Ask]:
        asks = await anyio.to_thread.run_sync(lambda: list(islice(self._asks, _CHUNK)))
        return await self._from_journal(asks) if self._sidecar.mending and self._run.memory else asks

    async def _from_journal(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """*asks* with what the journal has of them, from whichever time they were asked."""
        memory = self._run.memory
        assert memory is not None
        names = [[] if ask.known else journal_keys(ask.key, ask.ai, self._sidecar.generation) for ask in asks]
        there = await memory.recall([name for several in names for name in several])
        values = [_best(several, there) for several in names]
        return [
            ask if value is None else replace(ask, known=self._as_record(ask, value))
            for ask, value in zip(asks, values, strict=True)
        ]

    def _as_record(self, ask: Ask, value: Mapping[str, Any]) -> Record:
        return record(value, index=ask.index, id=ask.row.id, ai=ask.ai, schema=self._schema)

    async def _read_known(self) -> Sequence[Ask]:
        """Read rows that were all asked remotely: what has no result there is a failure, and asked nowhere."""
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
        return ask.known if ask.known is not None else self._as_record(ask, result.value)

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


def _best(names: Sequence[str], there: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newest answer under *names*, else the newest failure."""
    found = [there[name] for name in names if name in there]
    return next((value for value in found if "error" not in value), found[0] if found else None)
