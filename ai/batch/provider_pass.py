"""Asks the rows of a batch job through the providers' batch endpoints, all AIs at once.

Afterwards every result is in the job's journal, where the ordinary pass over the rows finds and writes it.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from ai.batch.endpoint import RemoteBatches
from ai.batch.pauses import Pauses
from ai.batch.rows import Ask, Memory
from ai.batch.submissions import Chunk, Errand
from ai.request import result_key
from ai.runs.run import Run
from core.errors import AIError, InvalidInputError, MootError
from core.names.naming import module_name

if TYPE_CHECKING:
    from ai.roster.roster import Roster

_CANCEL_S = 20.0
_LOOK_AGAIN_S = 0.01


def remote_batches(roster: Roster, ai: str) -> RemoteBatches:
    """The batch endpoint of *ai*.

    Raises:
        InvalidInputError: It has none that Moot knows.
    """
    found = roster.seat(ai)
    if found.provider.batches is None or found.row.key_command:
        raise InvalidInputError(f"{ai!r} has no batch endpoint that Moot knows; leave out --provider-batch.")
    module = importlib.import_module(module_name(f"ai.batch.endpoints.{found.provider.batches}"))
    endpoint: RemoteBatches = module.Batches(roster.settings(ai), roster.http)
    return endpoint


def errand_of(run: Run, ai: str, *, memory: Memory, role: str, pauses: Pauses | None = None, job: str = "") -> Errand:
    """The rows of one AI; see `Errand`.

    Raises:
        InvalidInputError: It has no batch endpoint that Moot knows.
    """
    endpoint = remote_batches(run.roster, ai)
    return Errand(run, ai, endpoint, memory=memory, role=role, pauses=pauses or Pauses(), job=job)


class RemotePass:
    """The rows of one job on their way through the providers.

    Args:
        role: As in `ai.batch.rows.Batch`, whose pass then finds every result in *memory*.
    """

    def __init__(
        self, run: Run, ais: Sequence[str], *, memory: Memory, role: str = "row", pauses: Pauses | None = None
    ) -> None:
        self._run = run
        self._role = role
        self._memory = memory
        self._troubles: list[MootError] = []
        self._errands = {ai: errand_of(run, ai, memory=memory, role=role, pauses=pauses) for ai in ais}

    async def run(self, read: Callable[[], Awaitable[Sequence[Ask]]], tell: Callable[[str], Awaitable[None]]) -> None:
        """Hand in everything *read* gives, and return when all has ended. Cancelling the job cancels it remotely.

        Raises:
            BudgetExceededError, ConfigError: Not everything can be handed in; what was is collected first, or kept
                for the next start.
        """
        try:
            failure = await self._run_all(read, tell)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_CANCEL_S, shield=True):
                with suppress(MootError):  # what nobody could be told of now, the job that calls it off tells later
                    await self._cancel()
            raise
        finally:
            for errand in self._errands.values():
                errand.give_back()
        if failure is not None:
            raise failure
        await self._visible()

    async def missing(self, asks: Sequence[Ask]) -> Mapping[str, AIError]:
        """Of *asks*, by `name`, those without a result, and why."""
        names = {self.name(ask): ask for ask in asks if ask.known is None}
        kept = await self._memory.recall(list(names))
        return {name: self._errands[ask.ai].why(ask.index) for name, ask in names.items() if name not in kept}

    def name(self, ask: Ask) -> str:
        return result_key(self._role, ask.ai, ask.key)

    async def _run_all(
        self, read: Callable[[], Awaitable[Sequence[Ask]]], tell: Callable[[str], Awaitable[None]]
    ) -> MootError | None:
        async def follow(errand: Errand, chunk: Chunk) -> None:
            try:
                await errand.follow(chunk, lambda: tell(self._note()))
            except MootError as error:  # the others are collected all the same
                self._troubles.append(error)

        async with anyio.create_task_group() as tasks:
            try:
                for errand in self._errands.values():
                    await errand.open(lambda errand, chunk: tasks.start_soon(follow, errand, chunk))
                while asks := await read():
                    kept = await self._memory.recall([self.name(ask) for ask in asks])
                    for ask in asks:
                        if self.name(ask) not in kept:
                            await self._errands[ask.ai].take(ask)
                for errand in self._errands.values():
                    await errand.hand_in()
            except MootError as error:
                self._troubles.append(error)
            await tell(self._note())
        return self._troubles[0] if self._troubles else None

    def _note(self) -> str:
        chunks = [chunk for errand in self._errands.values() for chunk in errand.chunks if chunk.id]
        if all(chunk.ended for chunk in chunks):
            return ""
        done, count = sum(chunk.done for chunk in chunks), sum(chunk.count for chunk in chunks)
        stuck = f". Then it pauses: {self._troubles[0]}" if self._troubles else ""
        return (
            f"{done:,} of {count:,} answered at the provider, in {len(chunks)} batch{'es' * (len(chunks) > 1)}{stuck}"
        )

    async def _cancel(self) -> None:
        """Cancel remotely if the job was cancelled; a process that merely ends leaves its batches to the next."""
        jobs = self._run.jobs
        job = await jobs.get(self._run.id) if jobs is not None else None
        if job is None or not (job.cancel == "abort" or (job.state == "cancelled" and job.cancel != "drain")):
            return
        async with anyio.create_task_group() as tasks:
            for errand in self._errands.values():
                tasks.start_soon(errand.call_off)

    async def _visible(self) -> None:
        """Return when all that was kept can be recalled: it is written in order, a moment later."""
        last = f"provider:{self._role}:last:{secrets.token_hex(4)}"
        await self._memory.keep(last, {})
        while not await self._memory.recall([last]):  # noqa: ASYNC110 - a store has no event to wait for
            await anyio.sleep(_LOOK_AGAIN_S)
