"""How a batch is cut into slices and put together again; a few lines that follow the protocol play the fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ai.batch.rows import Ask, Result
from core.batch.input import Row
from core.errors import ConfigError, LostJobError
from core.jobs.kinds import SLICE
from core.jobs.values import Job
from core.values import Request
from tools.batching.slices import Slices
from tools.batching.spec import BatchSpec

Work = Callable[[list[dict[str, Any]]], tuple[str, Collection[int]]]
"""What becomes of a slice with such asks: its state, and the indices of those it has finished."""


def all_answered(asks: list[dict[str, Any]]) -> tuple[str, Collection[int]]:
    return "done", {ask["index"] for ask in asks}


class Fleet:
    """The store of a fleet and its workers, who do a slice between two looks of the holder."""

    def __init__(self, work: Work = all_answered) -> None:
        self._work = work
        self.journal: dict[str, Any] = {}
        self.parts: dict[str, Job] = {}
        self.specs: dict[str, Mapping[str, Any]] = {}
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: Counter[int] = Counter()
        self.most = self.most_text = 0
        self.cancelled = False

    async def add(self, job: str, kind: str, arguments: Mapping[str, Any]) -> str | None:
        assert kind == SLICE
        if self.cancelled:
            return None
        part = f"{job}.{len(self.specs):06}"
        self.parts[part] = Job(part, kind, "queued")
        self.specs[part], self.kept[part] = arguments, {}
        self.most = max(self.most, len(self.parts))
        asks = arguments["spec"]["asks"]
        self.most_text = max(self.most_text, sum(len(ask["prompt"]) for ask in asks) if len(asks) > 1 else 0)
        return part

    async def of(self, job: str) -> list[Job]:
        before = list(self.parts.values())
        for part in before:
            if part.state == "queued":
                self._do(part.id)
        return before

    async def arguments(self, part: str) -> Mapping[str, Any]:
        return self.specs[part]

    async def values(self, part: str, keys: Collection[str]) -> dict[str, Any]:
        return {key: self.kept[part][key] for key in keys if key in self.kept[part]}

    async def assured(self, job: str) -> None:
        return

    async def absorb(self, part: str) -> None:
        assert self.parts.pop(part).over
        self.journal = self.kept.pop(part) | self.journal

    def _do(self, part: str) -> None:
        spec = self.specs[part]["spec"]
        state, finished = self._work(spec["asks"])
        for ask in spec["asks"]:
            name = f"{spec['role']}:{ask['ai']}:{ask['key']}"
            if ask["index"] in finished and name not in self.kept[part]:
                self.asked[ask["index"]] += 1
                self.kept[part][name] = {"ai": ask["ai"], "i": ask["index"], "text": ask["prompt"], "latency_s": 0.0}
        reason = "It killed its worker." if state == "failed" else "There is no budget." * (state == "paused")
        calls = len(self.kept[part])
        self.parts[part] = replace(self.parts[part], state=state, calls=calls, reason=reason)  # type: ignore[arg-type]

    def resume(self) -> None:
        self._work = all_answered
        self.parts = {part: replace(job, state="queued", reason="") for part, job in self.parts.items()}

    # What the job remembers beside its slices.

    async def recall(self, keys: Sequence[str]) -> dict[str, Any]:
        return {key: self.journal[key] for key in keys if key in self.journal}

    async def keep(self, key: str, value: Any) -> None:
        self.journal[key] = value

    async def enter(self) -> None:
        return

    def leave(self) -> None:
        return


async def passed(fleet: Fleet, prompts: Sequence[str], *, beginning: int = 0) -> list[Result]:
    """What is written of *prompts*, of which the first are written already."""
    rows = iter(list(enumerate(prompts))[beginning:])
    written: list[Result] = []

    async def read() -> list[Ask]:
        return [
            Ask(Row(n, n, prompt), n, "a", Request.of(prompt), f"{hash(prompt):x}") for n, prompt in islice(rows, 100)
        ]

    async def write(results: Sequence[Result]) -> None:
        written.extend(results)

    async def tell(finished: int) -> None:
        assert 0 <= finished <= len(prompts)

    spec = BatchSpec(path="in", output="out", ais=["a"], run={}, total=len(prompts), size=0)
    with anyio.fail_after(60):
        while not await Slices("job", spec, fleet, fleet, width=4, role="row", tell=tell).run(read, write):  # type: ignore[arg-type]
            rows = iter(list(enumerate(prompts))[beginning + len(written) :])
    return written


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.batching.slices._LOOK_S", 0.0)


async def test_many_rows_are_a_bounded_number_of_slices_at_any_time() -> None:
    fleet = Fleet()
    prompts = [f"row {n % 29_000}" for n in range(30_000)]
    written = await passed(fleet, prompts)
    assert [result.value["text"] for result in written] == prompts
    assert set(fleet.asked.values()) == {1}
    assert len(fleet.asked) == 29_000
    assert fleet.most <= 64
    assert fleet.parts == {}


async def test_a_slice_has_so_much_text_at_most_and_a_few_rows_are_still_several_slices() -> None:
    fleet = Fleet()
    await passed(fleet, [f"{n}" * 200_000 for n in range(1, 9)])
    assert len(fleet.specs) > 1
    assert fleet.most_text <= 1_000_000
    fleet = Fleet()
    await passed(fleet, [f"row {n}" for n in range(40)])
    assert len(fleet.specs) == 4


async def test_a_row_that_kills_every_worker_fails_alone_in_the_end() -> None:
    def poisoned(asks: list[dict[str, Any]]) -> tuple[str, Collection[int]]:
        indices = [ask["index"] for ask in asks]
        return ("failed", indices[: indices.index(617)]) if 617 in indices else all_answered(asks)

    fleet = Fleet(poisoned)
    written = await passed(fleet, [f"row {n}" for n in range(5_000)])
    assert [result.ask.index for result in written if not result.ok] == [617]
    assert written[617].value["error"].endswith("It killed its worker.")
    assert max(fleet.asked.values()) == 1


async def test_what_a_lost_or_cancelled_slice_has_not_finished_is_asked_by_another() -> None:
    cut = iter([True] * 3)

    def cancelled(asks: list[dict[str, Any]]) -> tuple[str, Collection[int]]:
        return ("cancelled", {asks[0]["index"]}) if next(cut, False) else all_answered(asks)

    fleet = Fleet(cancelled)
    written = await passed(fleet, [f"row {n}" for n in range(500)])
    assert all(result.ok for result in written)
    assert set(fleet.asked.values()) == {1}


async def test_a_successor_goes_on_with_the_slices_it_finds_and_asks_nothing_twice() -> None:
    fleet = Fleet(lambda asks: ("paused", [ask["index"] for ask in asks][:3]))
    prompts = [f"row {n}" for n in range(400)]
    with pytest.raises(ConfigError, match="no budget"):
        await passed(fleet, prompts)
    assert fleet.parts
    fleet.resume()
    written = await passed(fleet, prompts)
    assert [result.value["text"] for result in written] == prompts
    assert set(fleet.asked.values()) == {1}


@pytest.mark.parametrize("kept", [True, False])
async def test_a_slice_that_vanished_is_looked_up_in_the_journal_and_asked_again_where_it_is_not(kept: bool) -> None:
    """Somebody else absorbed it, or it went down with a database that lost its last commits."""
    fleet = Fleet()
    taken: list[str] = []

    def first_is_taken(asks: list[dict[str, Any]]) -> tuple[str, Collection[int]]:
        if not taken:
            taken.append(next(part for part, spec in fleet.specs.items() if spec["spec"]["asks"] is asks))
        return all_answered(asks)

    fleet._work = first_is_taken
    seen = fleet.of

    async def of(job: str) -> list[Job]:
        parts = await seen(job)
        if taken and taken[0] in fleet.parts:
            fleet.parts.pop(taken[0])
            there = fleet.kept.pop(taken[0])
            fleet.journal |= there if kept else {}
            return [part for part in parts if part.id != taken[0]]
        return parts

    fleet.of = of  # type: ignore[method-assign]
    prompts = [f"row {n}" for n in range(500)]
    written = await passed(fleet, prompts)
    assert [result.value["text"] for result in written] == prompts
    assert sum(count > 1 for count in fleet.asked.values()) == (0 if kept else 15)


@pytest.mark.parametrize("at", ["of", "add", "absorb", "assured"])
async def test_a_holder_that_has_lost_the_job_stops_before_it_writes_anything_more(at: str) -> None:
    fleet = Fleet()
    lost = False
    original = getattr(fleet, at)

    async def refused(*arguments: Any) -> Any:
        if lost:
            raise LostJobError("Another process has it.")
        return await original(*arguments)

    setattr(fleet, at, refused)
    written: list[Result] = []
    lost = at != "of"
    rows = iter(range(100))

    async def read() -> list[Ask]:
        nonlocal lost
        lost = True
        return [Ask(Row(n, n, "hi"), n, "a", Request.of(f"hi {n}"), f"{n}") for n in islice(rows, 100)]

    async def write(results: Sequence[Result]) -> None:
        written.extend(results)

    async def tell(finished: int) -> None:
        return

    spec = BatchSpec(path="in", output="out", ais=["a"], run={}, total=100, size=0)
    slices = Slices("job", spec, fleet, fleet, width=4, role="row", tell=tell)  # type: ignore[arg-type]
    with anyio.fail_after(20), pytest.raises(LostJobError):
        await slices.run(read, write)
    assert written == []


async def test_a_cancelled_job_queues_nothing_more_and_keeps_what_its_slices_have() -> None:
    fleet = Fleet()

    def then_cancelled(asks: list[dict[str, Any]]) -> tuple[str, Collection[int]]:
        fleet.cancelled = True
        return "cancelled", [ask["index"] for ask in asks][:2]

    fleet._work = then_cancelled
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passed, fleet, [f"row {n}" for n in range(500)])
        while not fleet.cancelled or fleet.parts:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()  # as the worker does once nothing is under way
    assert len(fleet.journal) == 2 * len(fleet.specs)
    assert len(fleet.specs) < 10
