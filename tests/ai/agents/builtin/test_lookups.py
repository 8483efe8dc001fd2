"""Those who work together look each thing up once, and cite it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest

from ai.agents.builtin.lookups import Lookups
from ai.agents.offered import ToolExecutionResult
from core.values import ToolSpec


class Slow:
    """Tools that count their calls; each waits until it may answer."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun = anyio.Event()
        self.may_answer = anyio.Event()
        self.fails = False

    def specs(self) -> Sequence[ToolSpec]:
        return [ToolSpec("look", "", {}, read_only=True), ToolSpec("change", "", {})]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        self.calls.append(f"{name} {dict(arguments)}")
        self.begun.set()
        await self.may_answer.wait()
        return ToolExecutionResult.failed("No.") if self.fails else ToolExecutionResult.of(f"seen {len(self.calls)}")


@pytest.fixture
def tools() -> Slow:
    return Slow()


async def test_the_same_call_is_made_once_and_cited_by_one_id(tools: Slow) -> None:
    lookups = Lookups()
    tools.may_answer.set()
    one, other = lookups.around(tools), lookups.around(tools)
    first = await one.call("look", {"a": 1, "b": [2]})
    assert await other.call("look", {"b": [2], "a": 1}) == first and len(tools.calls) == 1
    cited = lookups.cited(first.result.partition(" ")[0])
    assert cited is not None and (cited.name, cited.result) == ("look", "seen 1")
    assert lookups.cited("L00000") is None
    assert (await one.call("look", {"a": 2})).result.startswith("[L") and len(tools.calls) == 2


async def test_calls_at_one_time_are_made_once(tools: Slow) -> None:
    both = Lookups().around(tools)
    said: list[ToolExecutionResult] = []

    async def ask() -> None:
        said.append(await both.call("look", {}))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await tools.begun.wait()
            tools.may_answer.set()
    assert len(tools.calls) == 1 and len(set(map(str, said))) == 1


async def test_whoever_waits_makes_the_call_when_the_first_one_is_cancelled(tools: Slow) -> None:
    both = Lookups().around(tools)
    said: list[str] = []

    async def ask() -> None:
        said.append((await both.call("look", {})).result)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as first:
                async with anyio.create_task_group() as inner:
                    inner.start_soon(ask)
                    await tools.begun.wait()
                    tasks.start_soon(ask)
                    await anyio.lowlevel.checkpoint()
                    tools.begun = anyio.Event()
                    first.cancel()
            await tools.begun.wait()
            tools.may_answer.set()
    assert len(tools.calls) == 2 and said[0].endswith("seen 2")


async def test_what_failed_and_what_changes_things_is_not_remembered(tools: Slow) -> None:
    both = Lookups().around(tools)
    tools.may_answer.set()
    assert (await both.call("change", {})).result == "seen 1"
    assert (await both.call("change", {})).result == "seen 2"
    tools.fails = True
    assert not (await both.call("look", {})).success
    tools.fails = False
    assert (await both.call("look", {})).result.endswith("seen 4")


async def test_an_ai_elsewhere_is_not_given_what_one_on_this_machine_saw(tools: Slow) -> None:
    lookups = Lookups()
    tools.may_answer.set()
    here = await lookups.around(tools, shared_by="here").call("look", {})
    elsewhere = await lookups.around(tools).call("look", {})
    assert len(tools.calls) == 2 and here != elsewhere and len(lookups.all) == 2


async def test_a_resumed_run_has_the_same_ids_and_looks_nothing_up_again(tools: Slow) -> None:
    tools.may_answer.set()
    first = await Lookups().around(tools).call("look", {"a": 1})
    resumed = Lookups()
    resumed.remember("look", {"a": 1}, first.result)
    assert await resumed.around(tools).call("look", {"a": 1}) == first and len(tools.calls) == 1


async def test_after_a_change_everything_is_looked_up_anew_and_what_was_cited_stays(tools: Slow) -> None:
    lookups = Lookups()
    around = lookups.around(tools)
    tools.may_answer.set()
    before = (await around.call("look", {})).result
    lookups.forget()
    after = (await around.call("look", {})).result
    assert before.endswith("] seen 1") and after.endswith("] seen 2")
    ids = [result.partition(" ")[0] for result in (before, after)]
    assert [found.result for one in ids if (found := lookups.cited(one))] == ["seen 1", "seen 2"]


async def test_a_change_in_the_middle_of_a_call_does_not_break_it(tools: Slow) -> None:
    lookups = Lookups()
    around = lookups.around(tools)
    tools.fails = True

    async def ask() -> None:
        assert not (await around.call("look", {})).success

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await tools.begun.wait()
            lookups.forget()
            tools.may_answer.set()
